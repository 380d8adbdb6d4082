"""EnPI against an energy baseline: ratio, deviation, signed status, performance, flags (formulas 5.7, 5.8)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from typing import Annotated, Literal

import polars as pl
from pydantic import Field, PlainSerializer

from assets.kpi.enpi.daily import require_type
from assets.kpi.enpi.savings_band import (
    DAYS_A_MONTH,
    MAX_RHO,
    agreeing_within,
    savings_uncertainty_kwh,
    stated_half_width,
    sum_standard_error,
    two_sided_t,
)
from data_quality.contracts.baselines.baseline import BaselineVersion, StatusRule
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period, months_of
from data_quality.contracts.units import ARITHMETIC, QUANTUM_DECIMALS

Status = Literal["compliant", "warning", "critical", "not_assessable"]
Performance = Literal["improved", "on_target", "degraded", "not_assessable"]
# A number that JSON shows as an unrounded float (cli.md) and that stays exact in Python.
Exact = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


# The levels of a use that has none of its own.
USUAL = StatusRule()


class EnpiRule(StatusRule):
    """The levels of a use, and which days are compared at all: whole ones, as the marts have it."""

    min_day_coverage: float = Field(default=1.0, gt=0, le=1, description="A day below this is not compared")


def rule_of(seu: Seu) -> EnpiRule:
    """By which levels the site file judges the use."""
    return EnpiRule(**seu.status_rule.model_dump())


class EnpiMonth(Model):
    """One calendar month of an assessment, clipped to its period; end exclusive."""

    start: date
    end: date
    actual_kwh: Exact
    expected_kwh: Exact
    enpi: Exact | None
    deviation_percent: Exact | None
    status: Status
    days: int
    compared_days: int


class EnpiResult(Model):
    """One SEU over one period. Energies are sums over the compared days, so they may be subtracted."""

    seu_id: str
    start: date
    end: date
    actual_kwh: Exact
    expected_kwh: Exact
    delta_kwh: Exact
    savings_kwh: Exact
    uncertainty_kwh: float | None
    confidence: float
    enpi: Exact | None
    deviation_percent: Exact | None
    status: Status
    reason: str = Field(description="Why not_assessable: no_baseline, provisional, coverage, expected; else empty")
    performance: Performance
    significant: bool | None
    review_flags: tuple[str, ...]
    days: int
    compared_days: int
    extrapolated_days: int = Field(default=0, description="Of the compared ones: a driver outside the baseline's range")
    coverage: float
    estimated_share: float
    is_synthetic: bool
    baseline_id: str
    baseline_version: int
    metered_kwh: Exact = Field(description="Everything that was read, days that are not compared included")
    adjustment_kwh: Exact = Field(default=Decimal(0), description="Of expected_kwh: what approved adjustments added")
    months: tuple[EnpiMonth, ...]

    @property
    def claimed_kwh(self) -> Decimal | None:
        """The saving where it exceeds its uncertainty; claims/gate.py decides whether it may be claimed at all."""
        return self.savings_kwh if self.significant is True and self.savings_kwh > 0 else None


@dataclass(frozen=True, slots=True)
class DayPair:
    """One local day of one SEU: metered and expected energy, exact; None where nothing was metered or expected.

    features: of the baseline that expects, in its order, without the intercept; empty where nobody asks how sure it is.
    """

    local_date: date
    actual_kwh: Decimal | None
    expected_kwh: Decimal | None
    coverage: float
    estimated_share: float = 0.0
    is_extrapolated: bool = False
    is_synthetic: bool = False
    adjustment_kwh: Decimal = Decimal(0)
    features: tuple[float, ...] = ()

    def is_compared(self, rule: EnpiRule) -> bool:
        """True where both energies stand for the whole day. A part of a day would look like a saving."""
        has_both = self.actual_kwh is not None and self.expected_kwh is not None
        return has_both and self.coverage >= rule.min_day_coverage


def exact_kwh(value: float | Decimal | None) -> Decimal | None:
    """A stored energy as an exact multiple of the quantum."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-QUANTUM_DECIMALS), context=ARITHMETIC)
    return Decimal(round(value * 10**QUANTUM_DECIMALS)).scaleb(-QUANTUM_DECIMALS, context=ARITHMETIC)


def day_pairs(
    days: pl.DataFrame, expected: pl.DataFrame, features: Mapping[date, tuple[float, ...]] | None = None
) -> list[DayPair]:
    """Join metered and expected days, one pair per row of `days`, in date order.

    days: local_date, energy_kwh|actual_kwh, coverage, estimated_share, is_synthetic. expected: local_date,
    expected_kwh, is_extrapolated and, where adjusted, adjustment_kwh. Each unique by local_date. Missing expectation
    stays None. features: of `features_by_day`.
    """
    known = features or {}
    energy = "energy_kwh" if "energy_kwh" in days.columns else "actual_kwh"
    if "adjustment_kwh" not in expected.columns:
        expected = expected.with_columns(adjustment_kwh=pl.lit(0.0))
    # Left: a day without expectation stays in the table, as a day that is not compared.
    joined = days.join(
        expected.select("local_date", "expected_kwh", "is_extrapolated", "adjustment_kwh"),
        on="local_date",
        how="left",
        validate="1:1",
    ).sort("local_date")
    columns = ["local_date", energy, "expected_kwh", "coverage", "estimated_share"]
    columns += ["is_extrapolated", "is_synthetic", "adjustment_kwh"]
    return [
        DayPair(
            local_date=day,
            actual_kwh=exact_kwh(actual),
            expected_kwh=exact_kwh(wanted),
            coverage=coverage or 0.0,
            estimated_share=estimated or 0.0,
            is_extrapolated=bool(extrapolated),
            is_synthetic=bool(synthetic),
            adjustment_kwh=exact_kwh(added) or Decimal(0),
            features=known.get(day, ()),
        )
        for day, actual, wanted, coverage, estimated, extrapolated, synthetic, added in joined.select(
            columns
        ).iter_rows()
    ]


def compared(pairs: Iterable[DayPair], *, rule: EnpiRule, start: date, end: date) -> list[DayPair]:
    """The pairs of local days [start, end) that may be compared."""
    return [pair for pair in pairs if start <= pair.local_date < end and pair.is_compared(rule)]


def sum_kwh(values: Iterable[Decimal | None]) -> Decimal:
    """Exact sum; None counts as nothing."""
    # A year of days is summed for every month of every use: in the context itself, not by a call a day.
    with localcontext(ARITHMETIC):
        return sum((value for value in values if value is not None), Decimal(0))


def enpi_ratio(actual_kwh: Decimal, expected_kwh: Decimal) -> Decimal | None:
    """Metered over expected energy: 1 at the baseline, lower is better; None where nothing is expected."""
    return ARITHMETIC.divide(actual_kwh, expected_kwh) if expected_kwh > 0 else None


def deviation_percent(actual_kwh: Decimal, expected_kwh: Decimal) -> Decimal | None:
    """100 · (metered - expected) / expected, unrounded; None where nothing is expected."""
    if expected_kwh <= 0:
        return None
    delta = ARITHMETIC.subtract(actual_kwh, expected_kwh)
    return ARITHMETIC.divide(ARITHMETIC.multiply(Decimal(100), delta), expected_kwh)


def status(dev_percent: Decimal | float | None, rule: StatusRule = USUAL) -> Status:
    """Alert level of an unrounded deviation, bounds inclusive (formulas 5.8).

    signed: every saving is compliant. symmetric: a drop alarms like a rise. target: compliant only from
    -target on, critical above `crit`, warning between.
    """
    if dev_percent is None:
        return "not_assessable"
    # Decimal(float) is exact, so a bound that is written as a float means what it says.
    exact = Decimal(dev_percent)
    judged = abs(exact) if rule.policy == "symmetric" else exact
    limit = -rule.target_percent if rule.policy == "target" else rule.warn_percent
    if judged <= limit:
        return "compliant"
    return "critical" if judged > rule.crit_percent else "warning"


def performance(dev_percent: Decimal | float | None, *, warn: float = 3.0) -> Performance:
    """Improved below -warn, degraded above +warn, on target between; bounds inclusive."""
    if dev_percent is None:
        return "not_assessable"
    if dev_percent < -warn:
        return "improved"
    return "degraded" if dev_percent > warn else "on_target"


def review_flags(
    dev_percent: Decimal | float | None,
    *,
    is_extrapolated: bool,
    coverage: float,
    is_static_factor_changed: bool = False,
    rule: StatusRule = USUAL,
) -> tuple[str, ...]:
    """Reasons to look again; they never change the status (formulas 5.8)."""
    flags = []
    if dev_percent is not None and dev_percent < rule.implausible_saving_percent:
        flags.append("implausible_saving")
    if is_extrapolated:
        flags.append("extrapolation")
    if coverage < rule.min_days_share:
        flags.append("coverage")
    if is_static_factor_changed:
        flags.append("baseline_review_due")
    return tuple(flags)


def enpi_for(
    pairs: Sequence[DayPair],
    *,
    seu_id: str,
    version: BaselineVersion | None,
    period: Period,
    rule: EnpiRule | None = None,
    confidence: float = 0.9,
    is_static_factor_changed: bool = False,
) -> EnpiResult:
    """Assess one SEU over a period: sums over compared days, status only where an approved baseline stands behind.

    pairs: at most one per local day; days that are absent count as not covered. version: the baseline that
    `expected_kwh` comes from, None where there is none. is_static_factor_changed: a static factor changed since the
    baseline and no adjustment answers it. Raises BadInput for a baseline of another type than enb.
    """
    used = rule or EnpiRule()
    if version is not None:
        require_type(version, "enpi")
    inside = [pair for pair in pairs if period.start <= pair.local_date < period.end]
    both = compared(inside, rule=used, start=period.start, end=period.end)
    whole, reason = _judged_days(both, period, version, used)
    # Over all days of the period: a day that is absent was not covered.
    coverage = sum(pair.coverage for pair in inside) / period.days
    uncertainty = period_uncertainty_kwh(version, whole.expected_kwh, both, confidence=confidence)
    delta = ARITHMETIC.subtract(whole.actual_kwh, whole.expected_kwh)
    is_extrapolated = [pair.is_extrapolated for pair in both]
    return EnpiResult(
        **dict(whole),
        seu_id=seu_id,
        delta_kwh=delta,
        savings_kwh=ARITHMETIC.subtract(whole.expected_kwh, whole.actual_kwh),
        uncertainty_kwh=uncertainty,
        confidence=confidence,
        reason=reason,
        performance=performance(None if reason else whole.deviation_percent, warn=used.warn_percent),
        # Strictly above: a saving as large as its own uncertainty is not significant.
        significant=None if reason or uncertainty is None else float(abs(delta)) > uncertainty,
        review_flags=review_flags(
            whole.deviation_percent,
            is_extrapolated=any(is_extrapolated),
            coverage=coverage,
            is_static_factor_changed=is_static_factor_changed,
            rule=used,
        ),
        extrapolated_days=sum(is_extrapolated),
        coverage=coverage,
        estimated_share=sum(p.estimated_share for p in inside) / len(inside) if inside else 0.0,
        is_synthetic=any(pair.is_synthetic for pair in inside),
        baseline_id="" if version is None else version.baseline_id,
        baseline_version=0 if version is None else version.version,
        metered_kwh=sum_kwh(pair.actual_kwh for pair in inside),
        adjustment_kwh=sum_kwh(pair.adjustment_kwh for pair in both),
        months=tuple(
            _judged_days(compared(inside, rule=used, start=month.start, end=month.end), month, version, used)[0]
            for month in months_of(period)
        ),
    )


def period_uncertainty_kwh(
    version: BaselineVersion | None, expected_kwh: Decimal, both: Sequence[DayPair], *, confidence: float
) -> float | None:
    """Half-width of the savings interval over the compared days, kWh: the stated band (formulas 5.5), model error only.

    Exact algebra where the version keeps its terms and the days their features, the G14 form with n′ at most n where
    not (a version fitted before terms were kept). None where nothing can be said.
    """
    if version is None or not both or expected_kwh <= 0:
        return None
    fit = version.baseline.statistics
    m = len(both)
    delta_e = savings_uncertainty_kwh(
        expected_kwh=float(expected_kwh),
        cvrmse=fit.cvrmse_g14,
        rho1=min(max(fit.rho1, 0.0), MAX_RHO),
        n=fit.n,
        m=m,
        # By the days that are compared, not by the calendar: the saving is of these days alone.
        months=m / DAYS_A_MONTH,
        confidence=confidence,
        n_params=fit.p,
    )
    terms, width = version.baseline.band, len(version.baseline.feature_order)
    if terms is None or any(len(pair.features) != width for pair in both):
        return delta_e
    # The intercept counts once a day.
    total = [float(m), *(math.fsum(pair.features[index] for pair in both) for index in range(width))]
    exact = two_sided_t(confidence, terms.dof) * sum_standard_error(terms, total, m)
    return stated_half_width(exact, delta_e, agreeing_within(fit.n, fit.p))


def _judged_days(
    both: Sequence[DayPair], span: Period, version: BaselineVersion | None, rule: EnpiRule
) -> tuple[EnpiMonth, str]:
    actual, expected = sum_kwh(p.actual_kwh for p in both), sum_kwh(p.expected_kwh for p in both)
    return judged_span((span.start, span.end), actual, expected, (len(both), span.days), version, rule)


def judged_span(
    span: tuple[date, date],
    actual_kwh: Decimal,
    expected_kwh: Decimal,
    days: tuple[int, int],
    version: BaselineVersion | None,
    rule: EnpiRule,
) -> tuple[EnpiMonth, str]:
    """Sums over the compared days of a span [start, end) with their alert level, and the reason where there is none.

    days: those that are compared, and those that the span has.
    """
    reason = _why_not(version, expected_kwh, days[0] / days[1], rule)
    deviation = deviation_percent(actual_kwh, expected_kwh)
    month = EnpiMonth(
        start=span[0],
        end=span[1],
        actual_kwh=actual_kwh,
        expected_kwh=expected_kwh,
        enpi=enpi_ratio(actual_kwh, expected_kwh),
        deviation_percent=deviation,
        status=status(None if reason else deviation, rule),
        days=days[1],
        compared_days=days[0],
    )
    return month, reason


def _why_not(version: BaselineVersion | None, expected: Decimal, share: float, rule: EnpiRule) -> str:
    # The first that holds is reported: without a baseline nothing behind it has a meaning.
    if version is None:
        return "no_baseline"
    if not version.status.has_approval:
        return "provisional"
    if share < rule.min_days_share:
        return "coverage"
    return "expected" if expected <= 0 else ""
