"""Widget 13: which reports are due, drafted, reviewed, published, and which of them no longer hold."""

from collections import Counter
from collections.abc import Mapping

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.numbers import Number
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileInput
from reports.report_content import Cell, Table, Tone, table
from reports.texts.locales import named, span_text
from reports.writer import words

STATES = ("due", "draft", "reviewed", "published", "stale")
_TONES: Mapping[str, Tone] = {"due": "caution", "published": "good"}


class ReportLine(Model):
    """A report of a period at its newest revision, or one that is due. stale: what changed since, in words."""

    name: str
    site: str
    period: str
    revision: int = 0
    status: str
    stale: tuple[str, ...] = ()
    href: str = ""


class ReportStatus(TileInput):
    """lines: newest revisions, and what is due and not made. names: of the sites; titles: of the reports."""

    names: Mapping[str, str] = {}
    titles: Mapping[str, str] = {}
    lines: tuple[ReportLine, ...] = ()


def view(given: ReportStatus) -> Widget:
    """Counts by state, and every line by name: a stale one says what changed."""
    counts: Counter[str] = Counter()
    for line in given.lines:
        counts[line.status.partition(" ")[0]] += 1
        counts["stale"] += bool(line.stale)
    numbers = [
        Number(label=state.capitalize(), text=str(counts[state]),
               tone="caution" if state in ("due", "stale") and counts[state] else "plain")
        for state in STATES
    ]  # fmt: skip
    stale = [
        sentences(
            (
                given.titles.get(each.name) or words(each.name),
                named(given.names.get(each.site, each.site)),
                span_text(each.period, "UTC", given.locale),
            ),
            " ",
        )
        for each in given.lines
        if each.stale
    ]
    fresh = "" if counts["due"] else "all up to date"
    made = sum(1 for each in given.lines if each.revision)
    note = Sentence("outdated: {0}", sentences(stale, ", ")) if stale else fresh
    return Widget(
        key="report_status", title="Reports", state="finding" if stale or counts["due"] else "value",
        value=Number(label="Made", text=Sentence("{0} made", made), note=note),
        age=given.age, numbers=tuple(numbers), link=given.link, is_synthetic=given.is_synthetic,
        reason="" if given.lines else "no report is made or due", table=_table(given) if given.lines else None,
        findings=given.findings, chips=4,
    )  # fmt: skip


def _table(given: ReportStatus) -> Table:
    columns = ("Report", "Site", "Period", "Revision", "Status")
    # Where nothing changed, no column says so line by line.
    changes = any(each.stale for each in given.lines)
    # What asks for somebody stands first.
    lines = sorted(given.lines, key=lambda each: (not each.stale, each.status != "due", each.period), reverse=False)
    rows = [
        [Cell(text=given.titles.get(each.name) or words(each.name), href=each.href),
         named(given.names.get(each.site, each.site)),
         span_text(each.period, "UTC", given.locale), str(each.revision or "–"),
         Cell(text=each.status.capitalize() if each.status in STATES else each.status,
              tone=_TONES.get(each.status, "plain")),
         *([Cell(text=", ".join(each.stale), tone="caution" if each.stale else "plain")] if changes else ())]
        for each in lines
    ]  # fmt: skip
    return table("reports", "Newest revisions", (*columns, "Changed since") if changes else columns, rows)
