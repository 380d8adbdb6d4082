"""Adjusted expected energy: the model's day, plus every approved adjustment that holds on it (formulas 5.2)."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl

from data_quality.contracts.baselines.adjustment import Adjustment
from data_quality.contracts.units import QUANTUM_DECIMALS

_QUANTUM = Decimal(1).scaleb(-QUANTUM_DECIMALS)
_HUNDRED = Decimal(100)


def adjustment_of_day_kwh(given: Sequence[Adjustment], day: date, expected_kwh: Decimal) -> Decimal:
    """What the adjustments of one local day add to what the model expects of it, kWh, a multiple of 1e-9.

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
