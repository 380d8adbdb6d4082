"""Length of a reading: declared, the length of its local day, or the commonest step of its stream."""

import polars as pl


def minutes_to_next(frame: pl.DataFrame) -> pl.DataFrame:
    """As add_minutes, for streams whose readings last until the next row: the last row of a stream has null."""
    step = pl.col("_start").diff().shift(-1).over("_meter", "_register").dt.total_microseconds()
    minute = 60_000_000
    minutes = pl.when(step % minute == 0).then(step // minute).cast(pl.Int32)
    return frame.with_columns(_minutes=minutes).drop("_days_minutes")


def add_minutes(frame: pl.DataFrame, declared: int | None) -> pl.DataFrame:
    """The frame with `_minutes`, without `_days_minutes`. Null where no length can be known.

    frame: `_meter`, `_register`, `_start` ascending per stream, `_days_minutes` (null for instants).
    A stream of one row borrows the commonest step of the file.
    """
    if declared is not None:
        return frame.with_columns(_minutes=pl.lit(declared, pl.Int32)).drop("_days_minutes")
    if frame["_days_minutes"].null_count() == 0:
        return frame.rename({"_days_minutes": "_minutes"})
    key = ["_meter", "_register"]
    steps = (
        frame.select(*key, _step=pl.col("_start").diff().dt.total_microseconds().over(key))
        .filter(pl.col("_step") > 0)
        .group_by(*key, "_step")
        .len()
    )
    # Ties go to the shorter step: a doubled one is a gap, a halved one is not possible.
    ranked = steps.sort("len", "_step", descending=[True, False])
    per_stream = ranked.unique(subset=key, keep="first", maintain_order=True).select(*key, "_step")
    of_file = ranked.group_by("_step").agg(pl.col("len").sum()).sort("len", "_step", descending=[True, False])
    fallback = of_file["_step"][0] if of_file.height else None
    step = pl.coalesce("_step", pl.lit(fallback, pl.Int64))
    # In microseconds: a step of seconds is no minute, and must not be rounded to one.
    minute = 60_000_000
    return (
        frame.join(per_stream, on=key, how="left", maintain_order="left", validate="m:1")
        .with_columns(_minutes=pl.when(step % minute == 0).then(step // minute).cast(pl.Int32))
        .drop("_step", "_days_minutes")
    )
