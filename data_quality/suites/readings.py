"""The gate of the lake: what must hold for readings before KPIs are built from them.

Polars condenses the readings to one row per stream, without sampling; the expectations then judge every stream.
"""

import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import CANONICAL_UNITS
from data_quality.suites.run_suite import MOST_NAMED, expect, validate

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
