"""Alerts on EnPIs, of assessments or of published marts: at once on a critical quarter, escalated on two in a row.

When an energy baseline is to be reviewed or fitted anew: typed findings, never an act (formulas 5.7, clause 6.5).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from assets.kpi.enpi.enpi_result import DayPair, EnpiResult, EnpiRule, Exact, Status, exact_kwh, judged_span, rule_of
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.baselines.baseline import Adjustment, Baseline, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import months_after, period_key

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
        return cls(label=period_key(result.start, result.end), **result.model_dump(include=fields))


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


def first_of_quarter(day: date) -> date:
    """The day on which the calendar quarter of a date begins."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


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
                message = Sentence("{0}, the {1}. quarter in a row", first.message, place)
                changes = {"kind": "escalation", "quarters": place, "message": message}
                found.append(first.model_copy(update=changes))
    return tuple(found)


MART = "mart_seu__month_enpi"
_MONTHS = 3
_SUMMED = ("actual_kwh", "expected_kwh", "compared_days", "period_days")


def mart_alerts(
    site: Site, *, marts_dir: Path, baselines: BaselineStore, with_earlier: bool = False
) -> dict[str, tuple[EnpiAlert, ...]]:
    """SEU -> alerts of its newest complete quarter, or of every one; empty where there is none. Raises BadInput
    without marts.

    A quarter counts where its three months are there, are of one approved version, and where enough of its days are
    compared; a quarter by a provisional baseline alarms nobody.
    """
    rows = read_mart(marts_dir, MART, site_id=site.site_id).sort("month_start")
    versions = {(each.baseline_id, each.version): each for each in baselines.versions(site.site_id)}
    found = {}
    for seu in (each for each in site.seus if each.is_active):
        used, by_quarter = rule_of(seu), dict[date, list[dict[str, Any]]]()
        for row in rows.filter(pl.col("seu_id") == seu.seu_id).iter_rows(named=True):
            by_quarter.setdefault(first_of_quarter(row["month_start"]), []).append(row)
        quarters = [_quarter(months, versions, used) for months in by_quarter.values() if len(months) == _MONTHS]
        newest = quarters[-1].label if quarters else ""
        every = alerts_of(seu.seu_id, quarters, limit_percent=used.crit_percent)
        found[seu.seu_id] = tuple(each for each in every if with_earlier or each.quarter == newest)
    return found


def _quarter(
    months: list[dict[str, Any]], versions: Mapping[tuple[str, int], BaselineVersion], rule: EnpiRule
) -> QuarterStatus:
    named = {(row["baseline_id"], row["baseline_version"]) for row in months}
    # Months by two versions are no quarter of either: their expectations are not one scale.
    version = versions.get(named.pop()) if len(named) == 1 else None
    actual, expected, compared, days = (_sum(months, name) for name in _SUMMED)
    start: date = months[0]["month_start"]
    span = (start, months_after(start, _MONTHS))
    judged, reason = judged_span(span, actual, expected, (int(compared), int(days)), version, rule)
    return QuarterStatus(
        **judged.model_dump(exclude={"days", "compared_days"}),
        label=period_key(*span),
        baseline_id="" if version is None else version.baseline_id,
        baseline_version=0 if version is None else version.version,
        reason=reason,
    )


def _sum(months: list[dict[str, Any]], name: str) -> Decimal:
    values = [Decimal(str(row[name])) for row in months if row[name] is not None]
    return exact_kwh(sum(values, start=Decimal(0))) or Decimal(0)


class StaticChange(Model):
    """One change of a static factor: from its day on the use is not the one that the baseline was fitted on."""

    name: str
    before: str
    after: str
    changed_on: date


def static_changes(seu: Seu, *, since: date, until: date) -> list[StaticChange]:
    """Changes of value of the SEU's static factors on local dates [since, until), oldest first."""
    found = []
    for name in dict.fromkeys(each.name for each in seu.static_factors):
        dated = sorted((each for each in seu.static_factors if each.name == name), key=lambda each: each.valid_from)
        found += [
            StaticChange(name=name, before=old.value, after=new.value, changed_on=new.valid_from)
            for old, new in pairwise(dated)
            if new.value != old.value and since <= new.valid_from < until
        ]
    return sorted(found, key=lambda each: (each.changed_on, each.name))


def unanswered_changes(
    seu: Seu, baseline: Baseline, adjustments: Sequence[Adjustment], *, start: date, end: date
) -> list[StaticChange]:
    """Changes since the training began that hold in the period [start, end) and that no adjustment answers.

    An adjustment answers a change where it holds on the first day of the period on which the change does. A change
    inside of the training period can be answered by no adjustment: the model was fitted on two different uses.
    """
    found = []
    for change in static_changes(seu, since=baseline.train_start, until=end):
        first = max(change.changed_on, start)
        is_answered = change.changed_on >= baseline.train_end and any(
            each.start <= first < each.end for each in adjustments
        )
        if not is_answered:
            found.append(change)
    return found


class ReviewRule(Model):
    """The organisation's own limits; ISO 50001 asks for a predetermined method and names none."""

    max_days_outside: int = Field(default=30, ge=0, description="Days with a driver outside of the trained range")
    max_age_years: int = Field(default=3, ge=1, description="Since the end of the training period")
    quarters_over_limit: int = Field(default=2, ge=1, description="In a row")


def review_findings(
    version: BaselineVersion,
    *,
    today: date,
    changes: Sequence[StaticChange],
    pairs: Sequence[DayPair],
    quarters: Sequence[QuarterStatus],
    rule: ReviewRule | None = None,
) -> tuple[Finding, ...]:
    """Reasons to review the version, as known today (a local date).

    changes: static factors that changed since the training and that no adjustment answers; pairs: the last year's days
    with their `is_extrapolated`; quarters: complete quarters assessed against this version, oldest first.
    """
    used, found = rule or ReviewRule(), list[Finding]()

    def speak(code: str, message: str, **facts: str | float | bool | None) -> None:
        scope = f"baseline:{version.baseline_id}@{version.version}"
        found.append(Finding(code=code, message=message, scope=scope, facts=dict(facts)))

    for each in changes:
        sentence = Sentence(
            "{0} is {1} since {2}, it was {3}; no adjustment says what that means for the energy.",
            each.name,
            each.after,
            each.changed_on,
            each.before,
        )
        on = each.changed_on.isoformat()
        speak(
            "static_factor_changed",
            sentence,
            name=each.name,
            changed_on=on,
        )
    outside, most = sum(pair.is_extrapolated for pair in pairs), used.max_days_outside
    if outside > most:
        message = Sentence(
            "Drivers left the range of the training on {0} of {1} days; at most {2} may.", outside, len(pairs), most
        )
        speak("drivers_outside_range", message, days_outside=outside, days=len(pairs), days_allowed=most)
    runs = [run for run in runs_over_limit(quarters) if len(run) >= used.quarters_over_limit]
    if runs:
        count, first, last = len(runs[-1]), runs[-1][0].label, runs[-1][-1].label
        message = Sentence("{0} quarters in a row are critical, {1} to {2}.", count, first, last)
        speak("quarters_beyond_limit", message, quarters=count, first=first, last=last)
    end, years = version.baseline.train_end, used.max_age_years
    if today >= years_after(end, years):
        message = Sentence("The training period ended on {0}, {1} years ago or more.", end, years)
        speak("baseline_too_old", message, train_end=end.isoformat(), max_age_years=years)
    return tuple(found)


def years_after(day: date, years: int) -> date:
    """The same date some years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
