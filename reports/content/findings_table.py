"""Findings as a table: the gravest first, each in a sentence with its facts."""

from collections.abc import Iterable, Mapping

from data_quality.contracts.finding import Finding
from reports.report_content import Column, Row, Table, Tone
from reports.texts.locales import word
from reports.texts.numbers import format_number
from reports.writer import plain

NOT_SHOWN = frozenset({"batches"})


def findings_table(
    findings: Iterable[Finding], locale: str, *, sheet: str, key: str = "findings", title: str = ""
) -> Table:
    """Findings, the gravest first, each in a sentence with its facts."""
    rows = [
        Row(cells=(plain(word(each.severity, locale), tone_of(each.severity)), plain(finding_sentence(each))))
        for each in findings
    ]
    nothing = Row(cells=(plain(word("none", locale)), plain(word("Nothing stands against these figures.", locale))))
    return Table(
        key=key,
        title=title or word("Findings", locale),
        sheet=sheet,
        columns=(
            Column(title=word("Weight", locale), weight=0.8),
            Column(title=word("Finding", locale), weight=8),
        ),
        rows=tuple(rows) or (nothing,),
    )


def finding_sentence(finding: Finding) -> str:
    """A finding's message with its facts behind it; names of batches are for those who ask by command."""
    told = {name: value for name, value in finding.facts.items() if value is not None and name not in NOT_SHOWN}
    facts = ", ".join(f"{name.replace('_', ' ')} {_fact(value)}" for name, value in told.items())
    return f"{finding.message} ({facts})" if facts else finding.message


def _fact(value: str | float | int | bool) -> str:
    # A finding is an English sentence, and so is the number in it.
    return format_number(value, decimals=3, locale="en") if isinstance(value, float) else str(value)


def tone_of(severity: str) -> Tone:
    """How grave a finding looks."""
    tones: Mapping[str, Tone] = {"blocking": "bad", "warning": "caution"}
    return tones.get(severity, "muted")
