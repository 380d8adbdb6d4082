"""Widget 8: open findings, the most severe first, each with its acts; a source that could not be asked is named."""

from collections.abc import Mapping

from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, OpenFinding
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.page import Item, Number, Widget
from reports.pages.widgets.tile import Given
from reports.report_content import Tone
from reports.texts.locales import long_date

TONES: dict[int, Tone] = {1: "bad", 2: "bad", 3: "caution", 4: "muted"}
# What people call a source, where it has another name.
SOURCES = {
    "EnPI alerts": "EnPI", "quarantine": "data quality", "validation": "data quality", "bill audits": "bills",
}  # fmt: skip
_ICONS = {
    "devices": "plug", "jobs and sources": "activity", "EnPI": "trending-down", "data quality": "database",
    "bills": "receipt",
}  # fmt: skip
MOST_ROWS = 5


class OpenFindings(Given):
    """asked: sources that were looked at; silent: those that could not be, with why. links: the page of each finding by
    its id; may_act: whether the person may acknowledge and mute.
    """

    open: tuple[OpenFinding, ...] = ()
    asked: tuple[str, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    links: Mapping[str, str] = {}
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
    rest = len(first) - MOST_ROWS
    note = Sentence("{0} more", rest) if rest > 0 else asked
    return Widget(
        key="open_findings", title="Needs attention", age=given.age, link=given.link, is_synthetic=given.is_synthetic,
        state="finding" if given.open or given.silent or given.findings else "value",
        value=Number(label="Open", text=Sentence("{0} open", len(given.open)), note=note),
        items=tuple(_item(each, given) for each in first[:MOST_ROWS]), numbers=tuple(numbers), findings=given.findings,
    )  # fmt: skip


def _item(found: OpenFinding, given: OpenFindings) -> Item:
    source = SOURCES.get(found.source, found.source)
    said: list[Text] = [Sentence(SEVERITY_WORDS[found.severity]), Sentence(source)]
    if found.at_utc is not None:
        said.append(Sentence("since {0}", long_date(found.at_utc.date(), given.locale)))
    href = given.links.get(found.finding_id, "")
    acts = (("Acknowledge", f"{href}#form-acknowledge"), ("Mute", f"{href}#form-mute"))
    return Item(
        text=found.what, detail=sentences(said, " · "), tone=TONES[found.severity], href=href, worth=found.worth,
        icon=_ICONS.get(source, "triangle-alert"), acts=acts if href and given.may_act else (),
    )  # fmt: skip
