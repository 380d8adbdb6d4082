"""Great Expectations on one frame, and the gate of the day mart. The only place that imports the library."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import CANONICAL_UNITS

MOST_NAMED = 20
STREAM = ["site_id", "meter_id", "register", "unit"]
# Beyond these a double no longer holds nine decimals, or a decimal(18, 9) no longer holds the value.
MOST_KWH, MOST_OTHER = 2e6, 1e9
_NANO, _DOUBLE_STEP = 1e9, 2.0**-51
FAULTS = (
    "missing_times",
    "missing_values",
    "missing_origins",
    "not_finite",
    "too_large",
    "finer_than_quantum",
    "off_grid",
    "not_a_quarter_hour",
    "unknown_quality",
    "duplicate_keys",
)


class Expected(NamedTuple):
    """One expectation of the library: the name of its class without `Expect`, and its settings."""

    name: str
    settings: dict[str, Any]


def expect(name: str, **settings: Any) -> Expected:
    """An expectation of the library, say ColumnValuesToNotBeNull of a column."""
    return Expected(name, settings)


def plainly_holds(frame: pl.DataFrame, one: Expected) -> bool:
    """True where a frame surely meets an expectation. Nulls are not sure: the library judges them in several ways."""
    given = one.settings
    if one.name == "CompoundColumnsToBeUnique":
        return not frame.select(given["column_list"]).is_duplicated().any()
    if one.name == "ColumnPairValuesAToBeGreaterThanB":
        return _all(frame, pl.col(given["column_A"]) >= pl.col(given["column_B"]))
    column = pl.col(given["column"])
    if one.name == "ColumnValuesToNotBeNull":
        return _all(frame, column.is_not_null())
    # Here a missing value is none that could break anything.
    if one.name == "ColumnValuesToBeBetween":
        return _all(frame, column.is_between(given["min_value"], given["max_value"]) | column.is_null())
    return _all(frame, column.is_in(given["value_set"]) | column.is_null())


def _all(frame: pl.DataFrame, rule: pl.Expr) -> bool:
    return bool(frame.select(rule.fill_null(value=False).all()).item())


def validate(name: str, frame: pl.DataFrame, suite: Sequence[Expected], *, is_quick: bool = False) -> Verdict:
    """Let the library judge the frame by the suite. is_quick: only where it does not plainly hold, as the library takes
    seconds to start.

    Facts: the number of expectations, and of each broken one a sentence with the count of unexpected values.
    """
    if is_quick and all(plainly_holds(frame, one) for one in suite):
        return Verdict(passed=True, facts={"suite": name, "expectations": len(suite), "broken": []})
    # Before the first import, when the library reads it: a check must call nobody.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    # A bar for each expectation would fill the logs of every run.
    context.variables.progress_bars = {"globally": False}
    definition = (
        context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    )
    known = [getattr(gx.expectations, f"Expect{one.name}")(**one.settings) for one in suite]
    # The library knows no polars frames; they come condensed to a row per stream or day, so the copy is small.
    batch = definition.get_batch({"dataframe": frame.to_pandas()})
    result = batch.validate(gx.ExpectationSuite(name=name, expectations=known))
    broken = [_sentence(one) for one in result.results if not one.success]
    return Verdict(
        passed=bool(result.success),
        facts={"suite": name, "expectations": len(result.results), "broken": broken[:MOST_NAMED]},
    )


def _sentence(one: Any) -> str:
    settings = one.expectation_config.kwargs
    what = settings.get("column") or settings.get("column_list") or settings.get("column_A") or "table"
    count = one.result.get("unexpected_count")
    if one.exception_info and one.exception_info.get("raised_exception"):
        detail = str(one.exception_info.get("exception_message"))
    else:
        detail = f"{count} unexpected, first {one.result.get('partial_unexpected_list', [])[:1]}"
    return f"{one.expectation_config.type} on {what}: {detail}"


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


def check_streams(streams: pl.DataFrame, *, is_quick: bool = False) -> Verdict:
    """Judge readings (history may be included): keys, units, grid, finite exact values, uniqueness.

    streams: of them, as stream_faults condenses them, whole or in parts. Facts also hold rows, streams, faults per
    kind, and the worst streams. No rows pass: completeness is another check.
    """
    suite = [expect("ColumnValuesToNotBeNull", column=column) for column in STREAM]
    suite.append(expect("ColumnValuesToBeInSet", column="unit", value_set=list(CANONICAL_UNITS)))
    suite += [expect("ColumnValuesToBeBetween", column=fault, min_value=0, max_value=0) for fault in FAULTS]
    verdict = validate("readings", streams, suite, is_quick=is_quick)
    worst = streams.filter(pl.sum_horizontal(FAULTS) > 0).sort(pl.sum_horizontal(FAULTS), descending=True)
    counts = {fault: int(streams[fault].sum()) for fault in FAULTS if streams[fault].sum()}
    named = [f"{row['site_id']}/{row['meter_id']}/{row['register']}" for row in worst.head(MOST_NAMED).to_dicts()]
    return verdict.model_copy(
        update={
            "facts": {
                **verdict.facts,
                **counts,
                "rows": int(streams["rows"].sum()),
                "streams": streams.height,
                "worst": named,
            }
        }
    )


def stream_faults(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per stream: site_id, meter_id, register, unit, rows, and how many rows have each of FAULTS."""
    value, start = pl.col("value"), pl.col("interval_start_utc")
    limit = pl.when(pl.col("unit") == "kwh").then(MOST_KWH).otherwise(MOST_OTHER)
    # A null is counted as missing_values, and must not be a fault of two kinds.
    is_finite = value.is_finite().fill_null(value=True)
    quanta = value * _NANO
    # A double is off its decimal by half a step of its own: that much is no finer value.
    is_exact = (quanta - quanta.round()).abs() <= 0.01 + quanta.abs() * _DOUBLE_STEP
    faults = {
        "missing_times": start.is_null() | pl.col("recorded_at_utc").is_null(),
        "missing_values": value.is_null(),
        "missing_origins": pl.col("batch_id").is_null() | pl.col("source_line").is_null(),
        "not_finite": ~is_finite,
        "too_large": is_finite & (value.abs() >= limit),
        "finer_than_quantum": is_finite & ~is_exact,
        "off_grid": start.dt.epoch("us") % (CANONICAL_MINUTES * 60_000_000) != 0,
        "not_a_quarter_hour": pl.col("interval_minutes") != CANONICAL_MINUTES,
        "unknown_quality": ~pl.col("quality_code").is_in([int(code) for code in QualityCode]),
    }
    # The history holds an interval once for each time that it was recorded: only the same moment twice is a double.
    moments = pl.struct("interval_start_utc", "recorded_at_utc")
    return (
        frame.group_by(STREAM)
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            *(rule.fill_null(value=False).sum().cast(pl.Int64).alias(name) for name, rule in faults.items()),
            (pl.len().cast(pl.Int64) - moments.n_unique().cast(pl.Int64)).alias("duplicate_keys"),
        )
        .sort(STREAM)
    )
