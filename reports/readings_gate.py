"""Was anything read in the period? Otherwise an error names the periods that have readings."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_ledger import refusal
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, zone

# No interval that a meter file brings is longer: two months of a bill.
LONGEST = timedelta(days=62)


def refuse_without_readings(
    lake: Lake, site: Site, period: Period, *, name: str, as_of_utc: datetime | None = None, may_be_gap: bool = False
) -> None:
    """Raises BadInput where no meter of the site was read in the period: site, period, and from when to when some were.

    name: of what was asked for. as_of_utc: as known then. may_be_gap: a gap between readings is no refusal.
    """
    meters = [meter.meter_id for meter in site.meters if not meter.is_virtual]
    if _has_reading(lake, site.site_id, meters, period, as_of_utc):
        return
    known = lake if as_of_utc is None else Lake(lake.root, lake.store, known_at_utc=as_of_utc, kept=lake.kept)
    spans = [each for meter_id, each in known.stream_spans(site.site_id).items() if meter_id in meters]
    what = f"{name} of {period.label or f'{period.start} to {period.end}'}: site {site.site_id!r} has no readings"
    if not spans and as_of_utc is not None:
        raise BadInput(
            f"no reading of site {site.site_id!r} was known at {as_of_utc:%Y-%m-%d %H:%M:%S}Z", reason="nothing_known"
        )
    if not spans:
        # A lake of another store has readings, and would take none of this one.
        mend = refusal(lake.store, lake.kept) or f"'meterloom ingest FILE --site {site.site_id}' takes them in"
        raise BadInput(f"{what} at all", reason="no_readings", mend=mend)
    local = zone(site.time_zone)
    first = min(start for start, _ in spans).astimezone(local).date()
    last = (max(end for _, end in spans) - timedelta(microseconds=1)).astimezone(local).date()
    is_gap = first < period.end and period.start <= last
    if is_gap and may_be_gap:
        return
    gap = ", with a gap in this period" if is_gap else ""
    raise BadInput(
        f"{what} of that period; they run from {first} to {last} ({site.time_zone}){gap}",
        reason="no_readings",
        mend="ask for a period within, or ingest files of this one",
    )


def _has_reading(lake: Lake, site_id: str, meters: Sequence[str], period: Period, as_of_utc: datetime | None) -> bool:
    """Whether any of these meters was read within the period, by an interval that may begin before it."""
    first_utc, after_utc = period.start_utc, period.end_utc
    entries = lake.manifest(site_id, start_utc=first_utc - LONGEST, end_utc=after_utc, as_of_utc=as_of_utc)
    if not entries:
        return False
    start = pl.col("interval_start_utc")
    touches = (start < after_utc) & (start + pl.duration(minutes=pl.col("interval_minutes")) > first_utc)
    rows = pl.scan_parquet(lake.files(entries), hive_partitioning=False)
    return not rows.filter(touches & pl.col("meter_id").is_in(meters)).select("meter_id").head(1).collect().is_empty()
