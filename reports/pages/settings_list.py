"""Settings of a project as they hold now; a site file as text: its faults by line, and the texts before."""

import difflib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.effective_settings import EffectiveSetting
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, Severity
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.yaml_file import Problem
from reports.pages.address import Address
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.report_content import Cell, Paragraph, table
from reports.texts.locales import moment, named
from reports.writer import words

PATH = "/settings"
_FROM = {"default": "Default", "file": "meterloom.yaml", "environment": "Environment"}
NOT_ALL = "Settings are shown to administrators of all sites."


def settings_page(
    settings: Sequence[EffectiveSetting] | None, address: Address, *, is_changed: bool, sites: Sequence[tuple[str, str]]
) -> Page:
    """Settings as set, and defaults. settings: None for who is not shown them; sites: id and name of those whose file
    the person may edit. is_changed: the file says something else than what this process works with.
    """
    parts = []
    if sites:
        rows = [(Cell(text=named(name), href=f"{PATH}/sites/{each}"), named(each)) for each, name in sites]
        parts.append(Part(key="sites", blocks=(table("sites", "Site files", ("Site", "Id"), rows),)))
    if settings is None:
        parts.append(Part(key="none", blocks=(Paragraph(text=NOT_ALL, tone="muted"),)))
        return _page(parts, address)
    if is_changed:
        notice = "The settings were changed since this process started. A restart applies them."
        parts.append(Part(key="changed", blocks=(Paragraph(text=notice, tone="caution"),)))
    note = "Read only: settings are in meterloom.yaml, and in the environment as METERLOOM_SECTION__KEY."
    given = [each for each in settings if each.origin != "default"]
    shown: list[PageBlock] = [_table("set", "Set in this project", given), Paragraph(text=note, tone="muted")]
    parts.append(Part(key="set", blocks=tuple(shown)))
    rest = [each for each in settings if each.origin == "default"]
    parts.append(Part(key="defaults", blocks=(_table("defaults", "Defaults", rest),)))
    hints = {each.name: each.about for each in settings if each.about}
    return _page(parts, address).model_copy(update={"hints": hints})


def _page(parts: Sequence[Part], address: Address) -> Page:
    return Page(title="Settings", address=address, parts=tuple(parts))


def _table(key: str, title: str, settings: Sequence[EffectiveSetting]) -> PageBlock:
    unset = Cell(text=Sentence("not set"), tone="muted")
    rows = [(named(each.name), named(each.value) if each.value else unset, _FROM[each.origin]) for each in settings]
    return table(key, title, ("Setting", "Value", "From"), rows)


# A longer list of differences is read in an editor.
MOST_LINES = 60
PREVIEW_MONTHS = 12
LABEL = "Site file (YAML): meters, tariffs, energy uses, devices"


class OlderText(NamedTuple):
    """A text that was replaced. name: by which it is opened; by: who replaced it."""

    name: str
    at_utc: datetime
    by: str


class ListedRule(NamedTuple):
    """An alert rule. fired: how often it would have in PREVIEW_MONTHS; None: nothing is kept that could say it."""

    name: str
    kind: str
    version: int
    is_enabled: bool
    limit: str
    severity: Severity | None
    fired: int | None


def site_text_page(
    address: Address,
    *,
    site_id: str,
    name: str,
    text: str,
    seen: str,
    older: Sequence[OlderText],
    note: str = "",
    problems: Sequence[Problem] = (),
    now: str | None = None,
    rules: Sequence[ListedRule] = (),
) -> Page:
    """The text in a form. seen: the tag of the file as it is. note: why nothing was saved, or what is shown.

    problems: what is wrong with the text. now: the file's text, where somebody else changed it meanwhile. rules: the
    alert rules of the file as it is.
    """
    blocks: list[PageBlock] = (
        [Paragraph(text=note, tone="bad" if problems or now is not None else "good")] if note else []
    )
    if problems:
        blocks.append(_problems(problems))
        if address.locale != "en" and not all(isinstance(each.message, Sentence) for each in problems):
            blocks.append(
                Paragraph(text="Faults of our own checks are shown in English, as in the shell.", tone="muted")
            )
    if now is not None:
        blocks.append(_differences(now, text))
    at = address.model_copy(update={"path": f"{PATH}/sites/{site_id}"})
    form = Form(
        key="text", title=Sentence("Site file of {0}", named(name)), action=at.href(),
        fields=(
            Input(name="seen", kind="hidden", value=seen),
            Input(name="text", label=LABEL, kind="textarea", value=text),
        ),
        submit="Save site file",
        note="Checked before it is saved: nothing is saved with a fault. The earlier version is kept below.",
    )  # fmt: skip
    parts = [Part(key="text", blocks=(*blocks, form))]
    if rules:
        parts.append(Part(key="rules", blocks=(_rules(rules),)))
    if older:
        kept = [
            (Cell(text=moment(each.at_utc, at.locale), href=at.href(version=each.name)), named(each.by))
            for each in older
        ]
        parts.append(Part(key="older", blocks=(table("older", "Earlier versions", ("Replaced, UTC", "By"), kept),)))
    return Page(title=Sentence("Site file of {0}", named(name)), address=address, parts=tuple(parts),
                links=(("Settings", PATH),))  # fmt: skip


def _rules(rules: Sequence[ListedRule]) -> PageBlock:
    columns = ("Alert rule", "Kind", "Version", "Limit", "Severity", "Enabled", "Would have fired in 12 months")
    rows = [
        (
            named(each.name), Sentence(words(each.kind)), str(each.version), each.limit or "-",
            "-" if each.severity is None else SEVERITY_WORDS[each.severity], "yes" if each.is_enabled else "no",
            "not known" if each.fired is None else str(each.fired),
        )
        for each in rules
    ]  # fmt: skip
    return table("rules", "Alert rules", columns, rows)


def _problems(problems: Sequence[Problem]) -> PageBlock:
    rows = [(str(each.line), str(each.column), _in_words(each.message), _in_words(each.mend)) for each in problems]
    return table("faults", "Faults", ("Line", "Column", "Fault", "Fix"), rows)


def _in_words(text: Text) -> Text:
    """A sentence in the reader's language; what a check of ours says is English, as it stands."""
    return text if isinstance(text, Sentence) or not text else named(text)


def _differences(now: str, mine: str) -> PageBlock:
    """Lines that differ between the file as it is and the text that was to be saved."""
    theirs, ours = now.splitlines(), mine.splitlines()
    changes = difflib.SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes()
    rows = [
        (str(start + 1), named("\n".join(theirs[start:end])), named("\n".join(ours[a:b])))
        for kind, start, end, a, b in changes
        if kind != "equal"
    ]
    return table("differences", "Differences", ("Line", "Current file", "Your text"), rows[:MOST_LINES])
