"""Holds: rows of a plausible file kept back where they meet contradicting rows of the lake.

Synthetic rows never replace real ones (F24). A stream whose size jumps by a unit's factor against its own last 30 days
is held until a person says so (F03): a column map that names the unit vouches for it. A file that corrects readings by
a power of ten stops as a whole (rescaled.py). `--accept-scale` takes both, and the batch says who said so.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import polars as pl

from assets.readings.changes.rescaled import REASON as SLIP
from assets.readings.changes.rescaled import refuse, rescaled
from assets.readings.parsed import REJECT_SCHEMA, bad_rows, reason_counts
from assets.readings.sniff_files import FileRead
from assets.readings.tables.normalise import normalise, with_gas_energy
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import UNITS, Behaviour

HISTORY = timedelta(days=30)
# Three days of quarter hours before, or a weekend alone would stand for a working week; six hours of the file.
MIN_HISTORY_ROWS, MIN_ROWS = 3 * 96, 24
# The high level of a meter (90th percentile) grows tenfold by no honest load, and falls to a hundredth by none that
# still counts; quieter than that is a holiday.
MAX_GROWTH, MAX_FALL = 8.0, 100.0
_STREAM = ["meter_id", "register"]
# What a person's word on the scale takes.
SUSPECTED = "unit_suspected"
# Four quarter hours of power add up to four times the energy; an honest load hits that by chance.
POWER_SUSPECTED = "four_times_as_before_is_it_kw"
_QUARTERS_OF_HOUR, _POWER_WITHIN = 4.0, 0.15
OF_SCALE = frozenset({SLIP, SUSPECTED})


def canonical_rows(read: FileRead, site: Site) -> pl.DataFrame:
    """The file's rows as quarter hours of the site, and the energy of its gas where factors are stated."""
    rows = with_gas_energy(normalise(read.rows), site)
    return rows.with_columns(site_id=pl.lit(site.site_id), is_synthetic=pl.lit(read.is_synthetic))


def current_rows(lake: Lake, site: Site, canonical: pl.DataFrame, *, before: timedelta = timedelta()) -> pl.DataFrame:
    """Rows of the lake of these streams in the span of the incoming rows, and `before` it."""
    if canonical.is_empty():
        return pl.DataFrame(schema=LAKE_SCHEMA)
    times = canonical["interval_start_utc"]
    start, end = cast("datetime", times.min()), cast("datetime", times.max())
    meters = canonical["meter_id"].unique().to_list()
    # The lake's spans are half-open: the last quarter hour must lie within.
    after = end + timedelta(minutes=CANONICAL_MINUTES)
    return lake.current(site.site_id, start_utc=start - before, end_utc=after, meters=meters)


def hold_back(read: FileRead, *, site: Site, lake: Lake, accept_scale: bool = False) -> FileRead:
    """The file without the rows that may not meet the lake; these become rejects.

    Raises BadInput where no row is left, and where the file corrects a stream by a power of ten. accept_scale: a
    person vouches for the size of all that it holds.
    """
    if read.rows.is_empty():
        return read
    canonical = canonical_rows(read, site)
    # History is for real readings: a synthetic stream may have any size.
    known = current_rows(lake, site, canonical, before=timedelta() if read.is_synthetic else HISTORY)
    if not accept_scale:
        refuse(rescaled(canonical, known), read.report.path)
    if read.is_synthetic:
        lines = _over_real(read, known, canonical)
    else:
        lines = _suspected(read, known, canonical, vouched=accept_scale)
    if lines.is_empty():
        return _with_power_noted(read, known, canonical)
    # A source row goes as a whole: its quarter hours are shares of one reading.
    key = [*_STREAM, "source_line"]
    rows = read.rows.join(lines, on=key, how="anti", maintain_order="left")
    rejects = pl.concat([read.rejects, lines.select(list(REJECT_SCHEMA))])
    if rows.is_empty():
        first = bad_rows(lines, read.report.path, limit=1)[0]
        raise BadInput(
            f"no row can be used; the first: expected {first.expected}, got {first.got!r}",
            file=read.report.path,
            line=first.line,
            reason=first.reason,
        )
    report = read.report.model_copy(
        update={
            "verdict": "quarantine",
            "accepted_rows": rows.height,
            "rejected_rows": rejects.height,
            "reasons": reason_counts(rejects),
        }
    )
    return replace(read, rows=rows, rejects=rejects, report=report)


def refuse_slip(read: FileRead, *, site: Site, lake: Lake) -> None:
    """Nothing where the file corrects no stream by a power of ten. Raises BadInput."""
    canonical = canonical_rows(read, site)
    refuse(rescaled(canonical, current_rows(lake, site, canonical)), read.report.path)


def _over_real(read: FileRead, current: pl.DataFrame, canonical: pl.DataFrame) -> pl.DataFrame:
    """Source rows of a synthetic file of which a quarter hour is known from a real one."""
    key = [*_STREAM, "interval_start_utc"]
    real = current.filter(~pl.col("is_synthetic")).select(key)
    lines = canonical.join(real, on=key, how="semi").select(*_STREAM, "source_line").unique()
    return _rejected(read, lines, "synthetic_over_real", "no synthetic reading where a real one is known")


def _suspected(read: FileRead, known: pl.DataFrame, canonical: pl.DataFrame, *, vouched: bool) -> pl.DataFrame:
    """Rows of streams whose size does not go with their own history."""
    vouched = vouched or any(each.unit is not None or each.units for each in read.maps)
    history = _before(known, canonical)
    if vouched or history.is_empty():
        return _rejected(read, canonical.select(*_STREAM, "source_line").clear(), SUSPECTED, "")
    both = _levels(history, canonical)
    odd = both.filter((pl.col("is") > MAX_GROWTH * pl.col("was")) | (pl.col("is") * MAX_FALL < pl.col("was")))
    lines = canonical.join(odd, on=_STREAM, how="semi").select(*_STREAM, "source_line").unique()
    expected = "about the size of the meter's last 30 days: is the unit right? Else --accept-scale, or a map's unit"
    return _rejected(read, lines, SUSPECTED, expected)


def _before(known: pl.DataFrame, canonical: pl.DataFrame) -> pl.DataFrame:
    """Real readings up to where the file begins: an earlier delivery of the same days must not vouch for this one."""
    start = canonical["interval_start_utc"].min()
    return known.filter(~pl.col("is_synthetic") & (pl.col("interval_start_utc") < start))


def _levels(history: pl.DataFrame, canonical: pl.DataFrame) -> pl.DataFrame:
    """High levels `was` and `is` of the streams that have enough rows in both."""
    amounts = [code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT]
    levels = [
        frame.filter(pl.col("unit").is_in(amounts) & (pl.col("value") != 0))
        .group_by(_STREAM)
        .agg(pl.col("value").abs().quantile(0.9).alias(name), pl.len().alias(f"{name}_rows"))
        for frame, name in ((history, "was"), (canonical, "is"))
    ]
    return (
        levels[0]
        .join(levels[1], on=_STREAM)
        .filter((pl.col("was_rows") >= MIN_HISTORY_ROWS) & (pl.col("is_rows") >= MIN_ROWS))
    )


def looks_like_power(now: float, before: float) -> bool:
    """A stream of quarter hours at four times its own size: kW under the name of kWh, unless the load grew so."""
    return abs(now / before / _QUARTERS_OF_HOUR - 1) < _POWER_WITHIN


def _with_power_noted(read: FileRead, known: pl.DataFrame, canonical: pl.DataFrame) -> FileRead:
    """The file as it is; rows whose size says kW where they are read as kWh are counted in a warning."""
    history = _before(known, canonical)
    is_vouched = any(each.unit is not None or each.units for each in read.maps)
    if read.is_synthetic or is_vouched or history.is_empty():
        return read
    four = [name for name, *_, was, _, now, _ in _levels(history, canonical).iter_rows() if looks_like_power(now, was)]
    quarters = canonical.filter(pl.col("meter_id").is_in(four) & (pl.col("source_minutes") == CANONICAL_MINUTES))
    if quarters.is_empty():
        return read
    verdict = "accept_with_warning" if read.report.verdict == "accept" else read.report.verdict
    warnings = read.report.warnings | {POWER_SUSPECTED: quarters.height}
    return replace(read, report=read.report.model_copy(update={"warnings": warnings, "verdict": verdict}))


def _rejected(read: FileRead, lines: pl.DataFrame, reason: str, expected: str) -> pl.DataFrame:
    """REJECT_SCHEMA of the source rows at these places, and their stream."""
    rows = read.rows.join(lines, on=[*_STREAM, "source_line"], how="semi", maintain_order="left")
    return rows.select(
        *_STREAM,
        pl.col("source_line").cast(pl.Int64),
        reason=pl.lit(reason),
        expected=pl.lit(expected),
        got=pl.concat_str("value", "unit", separator=" "),
    )
