"""Instant values of a quarter hour become its mean, with how much of it they cover.

A value holds until the next one, but no longer than its source may be silent; so a sensor that tells changes only, one
that tells every second and one that was away for five minutes are weighed by the same rule.
"""

from datetime import datetime, timedelta

import polars as pl

from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES

# Below the first share the quarter hour has no value, below the second it is partly interpolated.
LEAST_COVERAGE, WHOLE_COVERAGE = 0.5, 0.9


def quarter_means(samples: pl.DataFrame, *, start_utc: datetime, holds_s: float) -> pl.DataFrame:
    """The mean of each point over the quarter hour that begins at start_utc.

    samples: point, at, value, unit, line, sorted by point and time, of any times; holds_s: how long a value holds.
    Returns point, value, unit, line (of the first sample), coverage (0-1), quality (code); one row per point and unit
    that has samples in the quarter hour.
    """
    end_utc = start_utc + timedelta(minutes=CANONICAL_MINUTES)
    key = ["point", "unit"]
    inside = samples.filter((pl.col("at") >= start_utc) & (pl.col("at") < end_utc))
    following = pl.col("at").shift(-1).over(key).fill_null(end_utc)
    lasts = (following - pl.col("at")).dt.total_microseconds() / 1e6
    # What the first sample of the quarter hour says held a while before it, too.
    first = pl.col("at").shift(1).over(key).is_null()
    before = pl.when(first).then((pl.col("at") - start_utc).dt.total_microseconds() / 1e6).otherwise(0.0)
    held = inside.with_columns(_s=pl.min_horizontal(lasts, holds_s) + pl.min_horizontal(before, holds_s))
    return weighted_means(held, key)


def weighted_means(held: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """held: the key's columns, value, line, and in `_s` the seconds of its quarter hour for which the value holds.

    Returns the key, value, line (the first), coverage (0-1) and quality (code).
    """
    weight = pl.col("_s").sum()
    return (
        held.group_by(key, maintain_order=True)
        .agg(
            # Equal instants, or one at the very end, weigh nothing.
            value=pl.when(weight > 0)
            .then((pl.col("value") * pl.col("_s")).sum() / weight)
            .otherwise(pl.col("value").mean()),
            line=pl.col("line").min(),
            coverage=(weight / (60 * CANONICAL_MINUTES)).clip(upper_bound=1),
        )
        .with_columns(
            quality=pl.when(pl.col("coverage") >= WHOLE_COVERAGE)
            .then(int(QualityCode.RAW))
            .otherwise(int(QualityCode.ESTIMATED_INTERPOLATED))
        )
    )
