"""Bitemporal changes of a batch: new readings, corrections, repeats of known values, and the months they fall into."""

import polars as pl

from data_quality.contracts.site_file.site import Site

_KEY = ["site_id", "meter_id", "register", "interval_start_utc"]
# What makes a reading another reading; where it came from does not.
_MEANING = ("value", "unit", "quality_code", "source_minutes", "is_synthetic")


def classify(incoming: pl.DataFrame, current: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """incoming: canonical rows with site_id and is_synthetic, unique per key; current: the lake's view at now.

    Returns (incoming rows that change something, + is_correction; number of rows that change nothing). A synthetic
    row changes nothing where a real one is known.
    """
    if current.is_empty():
        return incoming.with_columns(is_correction=pl.lit(value=False)), 0
    known = current.select(*_KEY, *(pl.col(name).alias(f"_{name}") for name in _MEANING), _known=pl.lit(value=True))
    joined = incoming.join(known, on=_KEY, how="left", maintain_order="left", validate="1:1")
    is_known = pl.col("_known").is_not_null()
    # To the bit: both sides were made from whole quanta by the same division, so that equal readings are equal floats.
    is_same = is_known & pl.all_horizontal(pl.col(name) == pl.col(f"_{name}") for name in _MEANING)
    is_over_real = pl.col("is_synthetic") & pl.col("_is_synthetic").not_().fill_null(value=False)
    changes = joined.filter(~is_same & ~is_over_real).with_columns(is_correction=is_known)
    return changes.select(*incoming.columns, "is_correction"), incoming.height - changes.height


def affected_months(site: Site, changes: pl.DataFrame) -> list[str]:
    """Site-local months of the changed rows (interval_start_utc) as "SITE|YYYY-MM", in order."""
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    months = changes.select(local.dt.strftime("%Y-%m")).to_series().unique().sort()
    return [f"{site.site_id}|{month}" for month in months]
