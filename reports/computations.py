"""The computations that a trace may name: combinations of other figures, and leaves that start from the lake.

A new kind of figure is one function here. Nothing else decides what a traced number means.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from types import ModuleType

import polars as pl

from assets.carbon import factors
from assets.kpi import daily, enpi, expected, facts, recompute, recompute_weather, scope_amounts, uncertainty
from assets.kpi.enpi import ARITHMETIC, EnpiResult, EnpiRule, enpi_for
from assets.kpi.recompute import kpi_value
from assets.sites import scopes
from assets.tariffs import periods
from data_quality.contracts.baseline import Baseline
from data_quality.contracts.errors import OurFault
from data_quality.contracts.figure import Trace, TraceInput
from data_quality.contracts.time import Period, parse_instant
from reports.sources import Sources, parse_dates

Operand = tuple[str, Decimal | None]


def sum_of(operands: Sequence[Operand]) -> Decimal | None:
    """Exact sum; unknown as soon as one part is."""
    total = Decimal(0)
    for _, value in operands:
        if value is None:
            return None
        total = ARITHMETIC.add(total, value)
    return total


def max_of(operands: Sequence[Operand]) -> Decimal | None:
    """The largest; unknown as soon as one part is."""
    values = [value for _, value in operands]
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def difference_of(operands: Sequence[Operand]) -> Decimal | None:
    """First minus second."""
    first, second = _two(operands)
    return None if first is None or second is None else ARITHMETIC.subtract(first, second)


def ratio_of(operands: Sequence[Operand]) -> Decimal | None:
    """First over second; unknown where the second is not above zero."""
    first, second = _two(operands)
    return None if first is None or second is None or second <= 0 else ARITHMETIC.divide(first, second)


def deviation_of(operands: Sequence[Operand]) -> Decimal | None:
    """100 · (actual - expected) / expected, percent (formulas 5.8)."""
    actual, wanted = _two(operands)
    return None if actual is None or wanted is None else enpi.deviation_percent(actual, wanted)


def _two(operands: Sequence[Operand]) -> tuple[Decimal | None, Decimal | None]:
    (_, first), (_, second) = operands
    return first, second


COMBINATIONS: dict[str, Callable[[Sequence[Operand]], Decimal | None]] = {
    "sum": sum_of,
    "max": max_of,
    "difference": difference_of,
    "ratio": ratio_of,
    "deviation_percent": deviation_of,
}


def combine(computation: str, operands: Sequence[Operand]) -> Decimal | None:
    """Apply a named combination. Raises OurFault for an unknown name."""
    if computation not in COMBINATIONS:
        raise OurFault(f"no combination is called {computation!r}; there are {', '.join(COMBINATIONS)}")
    return COMBINATIONS[computation](operands)


def scope_kpi(trace: Trace, sources: Sources) -> Decimal | None:
    """A KPI of a scope and span, from the readings themselves. parameters: site, scope, kpi, start, end; hour_start_utc
    where it is that of one hour.
    """
    named = trace.parameters
    site = sources.site(named["site"])
    period = _period(trace, site.time_zone)
    readings = sources.readings(site, period.start, period.end, trace.as_of_utc)
    if "hour_start_utc" in named:
        start_utc = parse_instant(named["hour_start_utc"])
        instant = pl.col("interval_start_utc")
        readings = readings.filter((instant >= start_utc) & (instant < start_utc + timedelta(hours=1)))
    return kpi_value(named["kpi"], site=site, scope=named["scope"], period=period, readings=readings)


def scope_coverage(trace: Trace, sources: Sources) -> Decimal | None:
    """Share of a site's electricity quarter hours that were read, 0–1. parameters: site, start, end."""
    site = sources.site(trace.parameters["site"])
    period = _period(trace, site.time_zone)
    readings = sources.readings(site, period.start, period.end, trace.as_of_utc)
    return sources.coverage(site, period, readings)


def seu_assessment(trace: Trace, sources: Sources) -> Decimal | None:
    """One number of an SEU's assessment. parameters: site, seu, start, end, field, confidence, min_day_coverage."""
    named = trace.parameters
    site = sources.site(named["site"])
    period = _period(trace, site.time_zone)
    pinned = _version_named(trace)
    result = enpi_for(
        sources.pairs(site, named["seu"], pinned, period, trace.as_of_utc),
        seu_id=named["seu"],
        version=None if pinned is None else sources.baseline(*pinned),
        period=period,
        rule=EnpiRule(min_day_coverage=float(named["min_day_coverage"])),
        confidence=float(named["confidence"]),
    )
    return assessment_field(result, named["field"])


COMPARED_FIELDS = ("actual_kwh", "expected_kwh", "uncertainty_kwh")
ASSESSMENT_FIELDS = (*COMPARED_FIELDS, "metered_kwh", "compared_days", "coverage", "estimated_share")


def assessment_field(result: EnpiResult, field: str) -> Decimal | None:
    """A field of an assessment as an exact number; an energy over no day at all is unknown, not zero.

    Raises OurFault for a field that is not a figure.
    """
    if field not in ASSESSMENT_FIELDS:
        raise OurFault(f"{field!r} of an assessment is not a figure")
    if field in COMPARED_FIELDS and result.compared_days == 0:
        return None
    return to_decimal(getattr(result, field))


def baseline_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A statistic or coefficient of a stored baseline version. parameters: name, e.g. r2 or production.ci_low."""
    pinned = _version_named(trace)
    if pinned is None:
        raise OurFault("a baseline's number without the baseline among its inputs")
    return number_of(sources.baseline(*pinned).baseline, trace.parameters["name"])


def number_of(baseline: Baseline, name: str) -> Decimal | None:
    """A statistic by field name, or `<coefficient>:<field>`. Raises OurFault for an unknown one."""
    term, separator, field = name.rpartition(":")
    if not separator:
        return to_decimal(getattr(baseline.statistics, name))
    found = next((each for each in baseline.coefficients if each.name == term), None)
    if found is None:
        raise OurFault(f"baseline of {baseline.seu_id} has no coefficient {term!r}")
    return to_decimal(getattr(found, field))


def batch_count(trace: Trace, sources: Sources) -> Decimal | None:
    """A count over the batches that brought the span's readings. parameters: site, start, end, field."""
    site = sources.site(trace.parameters["site"])
    period = _period(trace, site.time_zone)
    return sources.batch_count(site, period, trace.as_of_utc, trace.parameters["field"])


LEAVES: dict[str, Callable[[Trace, Sources], Decimal | None]] = {
    "scope_kpi": scope_kpi,
    "scope_coverage": scope_coverage,
    "seu_assessment": seu_assessment,
    "baseline_number": baseline_number,
    "batch_count": batch_count,
}
# Modules whose code a leaf's number depends on beside its own function.
_BEHIND: dict[str, tuple[ModuleType, ...]] = {
    "scope_kpi": (recompute, scope_amounts, recompute_weather, facts, scopes, periods, factors),
    "seu_assessment": (daily, expected, enpi, uncertainty),
}


@lru_cache
def code_sha256(computation: str) -> str:
    """Hash of the source that computes it. Raises OurFault for an unknown name."""
    function = COMBINATIONS.get(computation) or LEAVES.get(computation)
    if function is None:
        raise OurFault(f"no computation is called {computation!r}")
    parts = [inspect.getsource(function), *(inspect.getsource(module) for module in _BEHIND.get(computation, ()))]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def to_decimal(value: float | int | Decimal | None) -> Decimal | None:
    """The shortest decimal that reads back as the same float: exact text of a measured or fitted number."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(value))


def baseline_input(baseline_id: str, version: int, *, checksum: str, mlflow_run_id: str) -> TraceInput:
    """A baseline version as an input: id `baseline_id@version`, the model's checksum, its MLflow run."""
    return TraceInput(
        kind="version", id=f"{baseline_id}@{version}", role="baseline", sha256=checksum, value=mlflow_run_id
    )


def _version_named(trace: Trace) -> tuple[str, int] | None:
    for each in trace.inputs:
        if each.kind == "version" and each.role == "baseline":
            baseline_id, _, version = each.id.rpartition("@")
            return baseline_id, int(version)
    return None


def _period(trace: Trace, time_zone: str) -> Period:
    start, end = parse_dates(trace.parameters)
    return Period(label="", start=start, end=end, time_zone=time_zone)
