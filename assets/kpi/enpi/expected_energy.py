"""Expected energy per day: a baseline's coefficients applied by name to the daily table, and approved adjustments.

A feature is a column of the daily table, or a degree-day term written `<driver>.hdd_<base>` or
`<driver>.cdd_<base>` (mean-temperature method, formulas 5.9), so a stored baseline needs nothing but its names. Of the
five types of baseline each use reads its own: they never mix (resolutions X14, X17).
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

import polars as pl

from data_quality.contracts.baselines.baseline import Adjustment, Baseline, BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.units import QUANTUM_DECIMALS

INTERCEPT = "intercept"
_DEGREE_DAYS = re.compile(r"^(?P<driver>[^.]+)\.(?P<kind>hdd|cdd)_(?P<base>-?\d+(?:\.\d+)?)$")


def degree_day_feature(driver_id: str, kind: str, base_degc: float) -> str:
    """The name of a degree-day term, e.g. outdoor_degc.hdd_15.5."""
    return f"{driver_id}.{kind}_{base_degc:g}"


def driver_of(feature: str) -> str:
    """The column of the daily table that a feature is made of."""
    found = _DEGREE_DAYS.match(feature)
    return found["driver"] if found else feature


def feature_expression(feature: str) -> pl.Expr:
    """A feature as Float64 of the daily table's columns: null where its driver is null.

    HDD = max(base − T̄, 0), CDD = max(T̄ − base, 0), both in degC·day of one local day.
    """
    found = _DEGREE_DAYS.match(feature)
    if found is None:
        return pl.col(feature).cast(pl.Float64)
    mean, base = pl.col(found["driver"]).cast(pl.Float64), float(found["base"])
    difference = base - mean if found["kind"] == "hdd" else mean - base
    return difference.clip(lower_bound=0.0)


def feature_table(days: pl.DataFrame, features: tuple[str, ...]) -> pl.DataFrame:
    """local_date and one Float64 column per feature, in the order given.

    Raises OurFault where the daily table has not the column that a feature needs.
    """
    missing = sorted({driver_of(name) for name in features} - set(days.columns))
    if missing:
        raise OurFault(f"the daily table has no column {', '.join(missing)}")
    return days.select("local_date", *(feature_expression(name).alias(name) for name in features))


def features_by_day(baseline: Baseline, days: pl.DataFrame) -> dict[date, tuple[float, ...]]:
    """Local date -> the baseline's features of that day, in its order; days with an unknown driver are left out."""
    # A day without one of its drivers has no expectation, so nobody asks how sure it is.
    table = feature_table(days, baseline.feature_order).drop_nulls()
    return {day: tuple(values) for day, *values in table.iter_rows()}


def expected_days(baseline: Baseline, days: pl.DataFrame) -> pl.DataFrame:
    """Expected energy of each day; a period's is the sum of its days, so the intercept counts once a day.

    days: seu_days(...) of the same SEU. Returns local_date, expected_kwh (quantised; null when a driver is
    missing) and is_extrapolated (a driver lies outside the range it was trained on); same rows, same order.
    Raises OurFault where the coefficients are not intercept + feature_order. Source: formulas 5.3.
    """
    values = {coefficient.name: coefficient.value for coefficient in baseline.coefficients}
    # By name, and the order checked (resolution C0.13): by position a reordered list would pass unseen.
    if list(values) != [INTERCEPT, *baseline.feature_order]:
        raise OurFault(f"coefficients {list(values)} are not the intercept and {list(baseline.feature_order)}")
    features = feature_table(days, baseline.feature_order)
    total = pl.lit(values[INTERCEPT])
    for name in baseline.feature_order:
        total = total + pl.lit(values[name]) * pl.col(name)
    expected = features.select("local_date", expected_kwh=total.round(QUANTUM_DECIMALS))
    # Starts from a column, not from a literal: a baseline without drivers still answers once a day.
    outside = pl.col("local_date").is_null()
    for name, (low, high) in baseline.driver_ranges.items():
        # A driver that is not known is not outside: its day has no expectation anyway.
        outside = outside | ~pl.col(name).is_between(low, high).fill_null(True)
    return expected.with_columns(is_extrapolated=days.select(is_extrapolated=outside).to_series())


Use = Literal["enpi", "savings", "monitoring", "report"]
ALLOWED: dict[Use, tuple[BaselineType, ...]] = {
    "enpi": (BaselineType.ENB,),
    "savings": (BaselineType.MV_PROJECT,),
    "monitoring": (BaselineType.MONITORING,),
    "report": (BaselineType.ENB, BaselineType.MV_PROJECT),
}


def require_type(version: BaselineVersion, use: Use) -> BaselineVersion:
    """The version, where its type is one that this use may read. Raises BadInput (baseline_type) otherwise."""
    found, allowed = version.baseline.baseline_type, ALLOWED[use]
    if found not in allowed:
        raise BadInput(
            f"baseline {version.baseline_id!r} is of type {found.value}; {use} reads only "
            f"{' and '.join(each.value for each in allowed)}",
            reason="baseline_type",
        )
    return version


_QUANTUM = Decimal(1).scaleb(-QUANTUM_DECIMALS)
_HUNDRED = Decimal(100)


def adjustment_of_day_kwh(given: Sequence[Adjustment], day: date, expected_kwh: Decimal) -> Decimal:
    """Sum of the adjustments of one local day to the model's expectation, kWh, a multiple of 1e-9.

    Percents are of `expected_kwh`, each rounded half to even at 1e-9: the order of adjustments does not matter.
    """
    total = Decimal(0)
    for each in given:
        if each.start <= day < each.end:
            if each.kwh_per_day is not None:
                total += each.kwh_per_day
            elif each.percent is not None:
                total += (expected_kwh * each.percent / _HUNDRED).quantize(_QUANTUM, ROUND_HALF_EVEN)
    return total


def adjusted_days(expected: pl.DataFrame, given: Sequence[Adjustment]) -> pl.DataFrame:
    """`expected_days(...)` with the adjustments in expected_kwh, and what they added as adjustment_kwh (0 for none).

    expected: local_date, expected_kwh (quantised; null stays null: nothing is adjusted where nothing is expected),
    is_extrapolated. Same rows, same order.
    """
    if not given:
        return expected.with_columns(adjustment_kwh=pl.lit(0.0))
    added: list[float] = []
    total: list[float | None] = []
    for day, model_kwh in expected.select("local_date", "expected_kwh").iter_rows():
        if model_kwh is None:
            added.append(0.0)
            total.append(None)
            continue
        # The model's float means a whole number of quanta: percents are taken of that, exactly.
        exact = Decimal(round(model_kwh * 10**QUANTUM_DECIMALS)).scaleb(-QUANTUM_DECIMALS)
        more = adjustment_of_day_kwh(given, day, exact)
        added.append(float(more))
        total.append(float(exact + more))
    return expected.with_columns(
        expected_kwh=pl.Series(total, dtype=pl.Float64), adjustment_kwh=pl.Series(added, dtype=pl.Float64)
    )
