"""Corrections that multiply a meter by a power of ten: a unit or a digit slipped, before or now, and a person decides.

A slip keeps the shape: the total of what is corrected moves by the factor, and nearly every row of it. Honest
corrections, estimates replaced by readings among them, differ row by row. What brings readings back to the level of
those around them mends a slip, and asks nobody.
"""

import math

import polars as pl

from data_quality.contracts.errors import BadInput

REASON = "scale_slip"
# One to three digits, kilo and mega, either way.
_TENS = (1.0, 2.0, 3.0, 6.0)
# Corrections besides the slip (a gap filled, a meter's error) move a total by less; rounding moves a row by more.
TOTAL_WITHIN, ROW_WITHIN = 1.05, 1.3
_LEAST_SHARE = 0.75
# A slip of three hours is seen among honest corrections of other days; less of it only where it is most of the file.
LEAST_ROWS_OF_A_DAY = 12
# Three days of quarter hours tell a level. A closed day is a tenth of it by itself: one digit always asks.
_LEAST_AROUND = 3 * 96
_LEAST_MENDED = 2
_STREAM = ["meter_id", "register"]


def rescaled(incoming: pl.DataFrame, known: pl.DataFrame, *, total_within: float = TOTAL_WITHIN) -> pl.DataFrame:
    """The slips of each stream: what a file corrects of it taken together, and each UTC day of that by itself.

    incoming, known: meter_id, register, interval_start_utc, value, is_synthetic; unique per stream and start. incoming
    has source_line too. A real reading may be of any size beside a synthetic one. Returns meter_id, register, tens (the
    factor is 10 to this power), rows, first_utc, line (of the first of them); one row per stream, the whole before its
    worst day; empty where nothing slips. What known holds beside the corrected rows tells the meter's own level.
    """
    key = [*_STREAM, "interval_start_utc", "is_synthetic"]
    pairs = (
        incoming.select(*key, "value", "source_line")
        .join(known.select(*key, was="value"), on=key)
        # A zero has no factor.
        .filter((pl.col("value") != pl.col("was")) & (pl.col("value") != 0) & (pl.col("was") != 0))
        .with_columns(pl.col("value", "was").abs(), day=pl.col("interval_start_utc").dt.date())
    )
    whole = _slips(pairs, _STREAM, total_within)
    days = _slips(pairs, [*_STREAM, "day"], total_within).filter(pl.col("rows") >= LEAST_ROWS_OF_A_DAY).drop("day")
    both = pl.concat([whole.with_columns(order=0), days.with_columns(order=1)])
    around = (
        known.filter(pl.col("value") != 0)
        .join(pairs, on=key, how="anti")
        .group_by(_STREAM)
        .agg(pl.col("value").abs().quantile(0.9).alias("around"), pl.len().alias("count"))
        .filter(pl.col("count") >= _LEAST_AROUND)
    )
    now = (pl.col("level") / pl.col("around")).log10()
    is_mended = (pl.col("tens").abs() >= _LEAST_MENDED) & (now.abs() < 1) & (now.abs() < (now - pl.col("tens")).abs())
    both = both.join(around, on=_STREAM, how="left").filter(~is_mended.fill_null(value=False))
    ranked = both.sort("order", "rows", "first_utc", descending=[False, True, False])
    found = ranked.unique(_STREAM, keep="first", maintain_order=True).sort("line", *_STREAM)
    return found.select(*_STREAM, "tens", "rows", "first_utc", "line")


def _slips(pairs: pl.DataFrame, key: list[str], total_within: float) -> pl.DataFrame:
    tens = (pl.col("value").sum() / pl.col("was").sum()).log10().over(key)
    nearest = tens.round()
    is_near = (pl.col("value") / pl.col("was")).log10() - pl.col("tens")
    return (
        pairs.with_columns(tens=nearest, off=(tens - nearest).abs())
        .with_columns(is_near=is_near.abs() <= math.log10(ROW_WITHIN))
        .filter(pl.col("tens").abs().is_in(_TENS) & (pl.col("off") <= math.log10(total_within)))
        .group_by(key)
        .agg(
            pl.col("tens").first().cast(pl.Int32),
            pl.col("is_near").mean().alias("share"),
            pl.col("value").quantile(0.9).alias("level"),
            rows=pl.len(),
            first_utc=pl.col("interval_start_utc").min(),
            line=pl.col("source_line").min(),
        )
        .filter(pl.col("share") >= _LEAST_SHARE)
        .drop("share")
    )


def refuse(slips: pl.DataFrame, file: str) -> None:
    """Nothing where nothing slips. Raises BadInput: the first meter by line, and how many more there are."""
    if slips.is_empty():
        return
    first = slips.row(0, named=True)
    more = slips["meter_id"].n_unique() - 1
    others = f" (and {more} more)" if more else ""
    how = f"a factor of {factor(first['tens'])} in {first['rows']} quarter hours"
    raise BadInput(
        f"corrects meter {first['meter_id']!r}{others} by {how} from {first['first_utc']:%Y-%m-%d %H:%M}Z on: a wrong "
        "unit? Nothing of the file was taken; where the new values are right, --accept-scale takes it",
        file=file,
        line=first["line"],
        reason=REASON,
    )


def factor(tens: int) -> str:
    """The factor as people write it, `1000` or `0.001`."""
    return f"{10.0**tens:.{max(0, -tens)}f}"
