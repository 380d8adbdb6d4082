"""What-if of a driver: the expected change of energy with its interval, by an approved baseline."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from assets.kpi.enpi.daily import driver_of, expected_days, feature_table
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

_CHANGE = re.compile(r"^(?P<driver>[a-z0-9][a-z0-9_-]*)=(?P<sign>[+-])?(?P<size>\d+(?:\.\d+)?)(?P<percent>%)?$")


class DriverChange(Model):
    """Change of one driver: by a share of itself, by an amount a day, or set to a value."""

    driver_id: str
    kind: Literal["percent", "amount", "value"]
    size: float


class WhatIf(Model):
    """Expected energy under changed drivers over the days where all drivers are known, kWh.

    change_kwh: with less actual - its interval covers the coefficients of the changed drivers only. Where several
    terms change, their half-widths are added, which holds for every correlation between them.
    """

    days: int
    expected_kwh: float
    what_if_kwh: float
    change_kwh: float
    interval_kwh: tuple[float, float]
    confidence: float
    change_percent: float | None
    is_extrapolated: bool
    extrapolated_days: int
    changes: tuple[DriverChange, ...]
    method: str = "coefficients times changed features, day by day; half-widths of the terms' intervals added"


def parse_change(text: str) -> DriverChange:
    """`production=+10%` (a share), `outdoor_degc=+2` (an amount a day), `shifts=3` (a value). Raises BadInput."""
    found = _CHANGE.match(text.strip())
    # `=10%` may mean ten per cent more or a tenth: a share needs its sign.
    if found is None or (found["percent"] and not found["sign"]):
        raise BadInput(
            f"cannot read {text!r}; expected DRIVER=+10%, DRIVER=-2.5 or DRIVER=12 (a value)", reason="bad_change"
        )
    size = float(found["size"]) * (-1.0 if found["sign"] == "-" else 1.0)
    kind: Literal["percent", "amount", "value"] = "value"
    if found["sign"]:
        kind = "percent" if found["percent"] else "amount"
    return DriverChange(driver_id=found["driver"], kind=kind, size=size)


def what_if(baseline: Baseline, days: pl.DataFrame, changes: Sequence[DriverChange]) -> WhatIf:
    """The baseline's answer to changed drivers over these days.

    days: seu_days(...) of the SEU; days with an unknown driver are in neither sum. Extrapolated is a day on which a
    changed driver leaves the range of the training. Raises BadInput for a driver that the baseline has not, one that
    is named twice, and where no day has all drivers.
    """
    names = list(dict.fromkeys(driver_of(name) for name in baseline.feature_order))
    drivers = [each.driver_id for each in changes]
    unknown = [name for name in drivers if name not in names]
    if unknown:
        raise BadInput(
            f"the baseline has no driver {unknown[0]!r}; it has {', '.join(names) or 'none'}", reason="unknown_driver"
        )
    if len(set(drivers)) != len(drivers):
        raise BadInput("one driver is changed twice", reason="bad_change")
    known = days.drop_nulls(names)
    if known.is_empty():
        raise BadInput("no day of the period has all drivers of the baseline", reason="no_days")
    changed = known.with_columns(_changed(each) for each in changes)
    before, after = (expected_days(baseline, each) for each in (known, changed))
    total, other = (float(each["expected_kwh"].sum()) for each in (before, after))
    low, high = _interval(baseline, known, changed)
    outside = int(_outside(baseline, changed, drivers).sum())
    return WhatIf(
        days=known.height,
        expected_kwh=total,
        what_if_kwh=other,
        change_kwh=other - total,
        interval_kwh=(other - total - low, other - total + high),
        confidence=baseline.confidence,
        change_percent=100.0 * (other - total) / total if total > 0 else None,
        is_extrapolated=outside > 0,
        extrapolated_days=outside,
        changes=tuple(changes),
    )


def _changed(change: DriverChange) -> pl.Expr:
    column = pl.col(change.driver_id).cast(pl.Float64)
    if change.kind == "percent":
        made = column * (1.0 + change.size / 100.0)
    elif change.kind == "amount":
        made = column + change.size
    else:
        made = pl.lit(change.size)
    return made.alias(change.driver_id)


def _interval(baseline: Baseline, known: pl.DataFrame, changed: pl.DataFrame) -> tuple[float, float]:
    """Interval of the change below and above, kWh: per term, its interval times the change of its feature."""
    features = baseline.feature_order
    moved: Mapping[str, float] = {
        name: float((after[name] - before[name]).sum())
        for before, after in [(feature_table(known, features), feature_table(changed, features))]
        for name in features
    }
    low = high = 0.0
    for term in baseline.coefficients:
        moves = moved.get(term.name, 0.0)
        # A term that falls turns its interval around.
        down, up = term.value - term.ci_low, term.ci_high - term.value
        low += moves * down if moves >= 0 else -moves * up
        high += moves * up if moves >= 0 else -moves * down
    return low, high


def _outside(baseline: Baseline, changed: pl.DataFrame, drivers: Sequence[str]) -> pl.Series:
    # From a column, not a literal: without drivers there is still an answer for each day.
    outside = pl.col("local_date").is_null()
    for name in drivers:
        if name in baseline.driver_ranges:
            least, most = baseline.driver_ranges[name]
            outside = outside | ~pl.col(name).is_between(least, most)
    return changed.select(outside=outside).to_series()
