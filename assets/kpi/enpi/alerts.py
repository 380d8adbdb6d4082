"""Alerts on EnPIs as typed events: at once on a critical quarter, escalated on two in a row (resolution C0.39)."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

from assets.kpi.enpi.enpi_result import EnpiResult, Exact, Status
from data_quality.contracts.model import Model
from data_quality.contracts.time import Period, months_after

ESCALATE_AFTER = 2


class QuarterStatus(Model):
    """One calendar quarter of one SEU by one baseline version; start inclusive, end exclusive, local dates."""

    label: str
    start: date
    end: date
    baseline_id: str
    baseline_version: int
    actual_kwh: Exact
    expected_kwh: Exact
    enpi: Exact | None
    deviation_percent: Exact | None
    status: Status
    reason: str = ""
    review_flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: EnpiResult) -> "QuarterStatus":
        """A quarter that was assessed."""
        fields = set(cls.model_fields) - {"label"}
        return cls(label=quarter_label(result.start), **result.model_dump(include=fields))


class EnpiAlert(Model):
    """One event. `critical`: a quarter is over the limit, act now; `escalation`: so was the one before it."""

    kind: Literal["critical", "escalation"]
    seu_id: str
    quarter: str
    since: str
    quarters: int
    deviation_percent: Exact
    limit_percent: float
    baseline_id: str
    baseline_version: int
    message: str


def quarter_label(day: date) -> str:
    """The calendar quarter of a date: 2025-Q1."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def first_of_quarter(day: date) -> date:
    """The day on which the calendar quarter of a date begins."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def quarters_of(period: Period) -> list[Period]:
    """Whole calendar quarters inside of the period, in order."""
    first = first_of_quarter(period.start)
    found = []
    while first < period.end:
        after = months_after(first, 3)
        if first >= period.start and after <= period.end:
            found.append(Period(label=quarter_label(first), start=first, end=after, time_zone=period.time_zone))
        first = after
    return found


def runs_over_limit(quarters: Iterable[QuarterStatus]) -> list[list[QuarterStatus]]:
    """Critical quarters that follow each other by one version, each run oldest first; a gap ends a run."""
    runs: list[list[QuarterStatus]] = []
    for each in quarters:
        if each.status != "critical":
            continue
        last = runs[-1][-1] if runs else each
        same = (last.baseline_id, last.baseline_version) == (each.baseline_id, each.baseline_version)
        if same and last.end == each.start:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def alerts_of(seu_id: str, quarters: Sequence[QuarterStatus], *, limit_percent: float = 5.0) -> tuple[EnpiAlert, ...]:
    """Every alert of these quarters of one SEU, in time order; a quarter that is not assessable raises none.

    limit_percent: the critical level that the statuses were judged by.
    """
    found = []
    for run in runs_over_limit(quarters):
        for place, each in enumerate(run, start=1):
            first = EnpiAlert(
                kind="critical",
                seu_id=seu_id,
                quarter=each.label,
                since=run[0].label,
                quarters=1,
                deviation_percent=each.deviation_percent or Decimal(0),
                limit_percent=limit_percent,
                baseline_id=each.baseline_id,
                baseline_version=each.baseline_version,
                message=f"{seu_id} used {each.deviation_percent or 0:+.1f} % against its baseline in {each.label} "
                f"(limit {limit_percent:g} %)",
            )
            found.append(first)
            if place >= ESCALATE_AFTER:
                message = f"{first.message}, the {place}. quarter in a row"
                changes = {"kind": "escalation", "quarters": place, "message": message}
                found.append(first.model_copy(update=changes))
    return tuple(found)
