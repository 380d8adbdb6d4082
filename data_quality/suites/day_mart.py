"""The gate of the day mart: what must hold for mart_scope__day_kpi before it is published."""

import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.suites.run_suite import expect, validate

KEY = ["site_id", "scope", "period_start"]


def check_day_mart(frame: pl.DataFrame, *, is_quick: bool = False) -> Verdict:
    """Judge mart_scope__day_kpi: keys, one row per scope and day, shares between 0 and 1, missing never zero.

    Facts also hold rows, scopes and days without any reading.
    """
    judged = frame.select(
        *KEY,
        "hours",
        "coverage",
        "estimated_share",
        "load_factor",
        # Engines sum integers to HUGEINT or NUMERIC: the gate compares numbers, also where a model casts nothing.
        covered_minutes=pl.col("covered_minutes").cast(pl.Int64),
        expected_minutes=pl.col("expected_minutes").cast(pl.Int64),
        # Without any reading the energy is null, never zero, and with one it is never null.
        is_missing_shown=pl.col("energy_kwh").is_null() == (pl.col("covered_minutes") == 0),
        # Mean by peak: a flat load may miss 1 by the last digits of a float.
        is_peak_above_mean=pl.col("load_factor").fill_null(0.0) <= 1 + 1e-12,
    )
    suite = [expect("ColumnValuesToNotBeNull", column=column) for column in (*KEY, "coverage", "hours")]
    suite += [
        expect("CompoundColumnsToBeUnique", column_list=KEY),
        expect("ColumnValuesToBeBetween", column="coverage", min_value=0, max_value=1),
        expect("ColumnValuesToBeBetween", column="estimated_share", min_value=0, max_value=1),
        # Lord Howe Island changes by half an hour, everybody else by one.
        expect("ColumnValuesToBeBetween", column="hours", min_value=22, max_value=26),
        expect(
            "ColumnPairValuesAToBeGreaterThanB",
            column_A="expected_minutes",
            column_B="covered_minutes",
            or_equal=True,
        ),
        expect("ColumnValuesToBeInSet", column="is_missing_shown", value_set=[True]),
        expect("ColumnValuesToBeInSet", column="is_peak_above_mean", value_set=[True]),
    ]
    verdict = validate("day_mart", judged, suite, is_quick=is_quick)
    empty = frame.filter(pl.col("covered_minutes") == 0).height
    facts = {"rows": frame.height, "scopes": frame["scope"].n_unique(), "empty_days": empty}
    return verdict.model_copy(update={"facts": {**verdict.facts, **facts}})
