"""Widget 8: what is open, by how soon somebody must act; every source is named, also one that could not be asked."""

from collections import Counter
from collections.abc import Sequence

from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, OpenFinding, Severity
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, table
from reports.report_content import Cell, Table, Tone
from reports.texts.locales import long_date

SEVERITIES: tuple[Severity, ...] = (1, 2, 3, 4)
TONES: dict[int, Tone] = {1: "bad", 2: "bad", 3: "caution", 4: "muted"}
# What people call a source, where it has another name.
SOURCES = {
    "EnPI alerts": "EnPI", "quarantine": "data quality", "validation": "data quality", "bill audits": "bills",
}  # fmt: skip
MOST_ROWS = 12


class OpenFindings(Given):
    """asked: sources that were looked at; silent: those that could not be, with why."""

    open: tuple[OpenFinding, ...] = ()
    asked: tuple[str, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()


def view(given: OpenFindings) -> Widget:
    """Counts by severity and the gravest, newest first. None open is said as that, with who was asked."""
    counts = Counter(dict.fromkeys(SEVERITIES, 0))
    for each in given.open:
        counts[each.severity] += 1
    numbers = [Number(label=SEVERITY_WORDS[each], text=str(counts[each]), tone=TONES[each] if counts[each] else "plain")
               for each in SEVERITIES]  # fmt: skip
    dated = sorted(each.at_utc for each in given.open if each.at_utc is not None)
    sources = dict.fromkeys(SOURCES.get(each, each) for each in given.asked)
    asked = Sentence("sources: {0}", sentences([Sentence(each) for each in sources], ", "))
    note: str = "" if given.open else asked
    if dated:
        note = Sentence(
            "oldest {0}, newest {1}", *(long_date(each.date(), given.locale) for each in (dated[0], dated[-1]))
        )
    numbers += [
        Number(label=SOURCES.get(source, source), text="not known", note=why, tone="caution")
        for source, why in given.silent
    ]
    return Widget(
        key="open_findings", title="Needs attention", age=given.age, link=given.link, is_synthetic=given.is_synthetic,
        state="finding" if given.open or given.silent or given.findings else "value",
        value=Number(label="Open", text=str(len(given.open)), note=note),
        numbers=tuple(numbers), findings=given.findings, table=_table(given.open, asked),
    )  # fmt: skip


def _table(found: Sequence[OpenFinding], asked: str) -> Table | None:
    if not found:
        return None
    first = sorted(found, key=lambda each: (each.severity, -(each.at_utc.timestamp() if each.at_utc else 0.0)))
    rows = [
        [Cell(text=SEVERITY_WORDS[each.severity], tone=TONES[each.severity]),
         Cell(text=SOURCES.get(each.source, each.source)), Cell(text=each.what, figure_id=each.finding_id),
         Cell(text=f"{each.at_utc:%Y-%m-%d}" if each.at_utc else "–")]
        for each in first[:MOST_ROWS]
    ]  # fmt: skip
    rest = len(found) - MOST_ROWS
    more = sentences((Sentence("and {0} more", rest) if rest > 0 else "", asked))
    made = table("findings", "Most severe first", [("Severity", ""), ("Source", ""), ("What", ""), ("Since", "")], rows)
    # A finding leads somewhere, and is no number for that.
    columns = tuple(each.model_copy(update={"is_number": False}) for each in made.columns)
    return made.model_copy(update={"note": more, "columns": columns})
