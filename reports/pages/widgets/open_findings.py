"""Widget 8: open findings, the most severe first, each with its acts; a source that could not be asked is named.

What several have in common stands once, and opens to all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, OpenFinding
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.page import Item, Number, Widget
from reports.pages.widgets.tile import Given, Shown, number
from reports.report_content import Tone
from reports.texts.locales import long_date, named

TONES: dict[int, Tone] = {1: "bad", 2: "bad", 3: "caution", 4: "muted"}
# What people call a source, where it has another name.
SOURCES = {
    "EnPI alerts": "EnPI", "quarantine": "data quality", "validation": "data quality", "bill audits": "bills",
    "anomalies": "unusual use",
}  # fmt: skip
_ICONS = {
    "devices": "plug", "jobs and sources": "activity", "EnPI": "trending-down", "data quality": "database",
    "bills": "receipt", "unusual use": "activity",
    "alert rules": "gauge",
}  # fmt: skip
# What a finding is of, where its page is another than the finding's own.
_ABOUT: Mapping[str, tuple[tuple[str, str], ...]] = {
    "bills": (("Dispute", "#form-dispute"), ("Show lines", "")), "EnPI": (("Show use", ""),),
    "data quality": (("Review data", ""),), "unusual use": (("Show use", ""),),
}  # fmt: skip
MOST_ROWS, MOST_ACTS = 5, 2


class OpenFindings(Given):
    """asked: sources that were looked at; silent: those that could not be, with why. links: the page of each finding by
    its id, subjects: that of what it is about; worths: what it is worth by its id; may_act: whether the person may
    acknowledge and mute.
    """

    open: tuple[OpenFinding, ...] = ()
    asked: tuple[str, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    links: Mapping[str, str] = {}
    subjects: Mapping[str, str] = {}
    worths: Mapping[str, Shown] = {}
    may_act: bool = False


def view(given: OpenFindings) -> Widget:
    """The gravest, newest first. None open is said as that, with who was asked."""
    first = sorted(given.open, key=lambda each: (each.severity, -(each.at_utc.timestamp() if each.at_utc else 0.0)))
    sources = dict.fromkeys(SOURCES.get(each, each) for each in given.asked)
    asked = Sentence("sources: {0}", sentences([Sentence(each) for each in sources], ", "))
    numbers = [
        Number(label=SOURCES.get(source, source), text="not known", note=why, tone="caution")
        for source, why in given.silent
    ]
    lines = list(_lines(first, given))
    rest = len(lines) - MOST_ROWS
    note = Sentence("{0} more", rest) if rest > 0 else asked
    return Widget(
        key="open_findings", title="Needs attention", age=given.age, link=given.link, is_synthetic=given.is_synthetic,
        state="finding" if given.open or given.silent or given.findings else "value",
        value=Number(label="Open", text=Sentence("{0} open", len(given.open)), note=note),
        items=tuple(lines[:MOST_ROWS]), numbers=tuple(numbers), findings=given.findings,
    )  # fmt: skip


def _lines(found: Sequence[OpenFinding], given: OpenFindings) -> Iterable[Item]:
    """A line a finding, or one for those of a severity and source that are alike."""

    def alike(each: OpenFinding) -> tuple[object, ...]:
        return (each.severity, each.source, each.kind or each.finding_id)

    order = {key: at for at, key in enumerate(dict.fromkeys(map(alike, found)))}
    for _, run in groupby(sorted(found, key=lambda each: order[alike(each)]), key=alike):
        same = list(run)
        yield _item(same[0], given) if len(same) == 1 else _together(same, given)


def _together(same: Sequence[OpenFinding], given: OpenFindings) -> Item:
    """One line for all, which opens to each by the name of what it is of."""
    first = _item(same[0], given)
    names = sentences([named(each.of) for each in same], ", ")
    parts = tuple(_item(each, given).model_copy(update={"text": named(each.of), "worth": None}) for each in same)
    text = Sentence("{0}: {1}", same[0].kind, Sentence("{0} findings", len(same)))
    return first.model_copy(
        update={"text": text, "detail": sentences((names, first.detail), " · "), "href": "", "acts": (), "parts": parts}
    )


def _item(found: OpenFinding, given: OpenFindings) -> Item:
    source = SOURCES.get(found.source, found.source)
    said: list[Text] = [Sentence(SEVERITY_WORDS[found.severity]), Sentence(source)]
    if found.at_utc is not None:
        said.append(Sentence("since {0}", long_date(found.at_utc.date(), given.locale)))
    href, subject = given.links.get(found.finding_id, ""), given.subjects.get(found.finding_id, "")
    acts = [(verb, f"{subject}{form}") for verb, form in _ABOUT.get(source, ()) if subject]
    acts += [(verb, f"{href}#form-{verb.lower()}") for verb in ("Acknowledge", "Mute") if href]
    return Item(
        text=found.what, detail=sentences(said, " · "), tone=TONES[found.severity], href=href,
        worth=_worth(found, subject, given), icon=_ICONS.get(source, "triangle-alert"),
        acts=tuple(acts[:MOST_ACTS]) if given.may_act else (),
    )  # fmt: skip


def _worth(found: OpenFinding, subject: str, given: OpenFindings) -> Number | None:
    """In money: of a figure of the page, or as the source has it."""
    if shown := given.worths.get(found.finding_id):
        return number("Excess cost", shown, given.locale)
    label = "Excess cost" if found.source == "anomalies" else "Difference"
    return Number(label=label, text=found.worth, why=subject) if found.worth else None
