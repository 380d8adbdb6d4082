"""A file's register states meet what is known: earlier and later reads, and the meter's events.

Raw reads are kept as they were told, so that consecutive files join without losing the amount between them, and an
event that is recorded later can be applied to all of them (amounts_again.py).
"""

from collections import Counter
from dataclasses import replace

import polars as pl

from assets.readings.cumulative.register_index import DatedEvent
from assets.readings.cumulative.register_intervals import (
    Intervals,
    Stream,
    declared,
    in_own_unit,
    site_events,
    to_intervals,
    without_reported,
)
from assets.readings.parsed import STATE_SCHEMA, reason_counts
from assets.readings.sniff_files import FileRead
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.meter_events import MeterEventStore
from assets.stores.ledgers.register_reads import Origin, RegisterReadStore
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

_STREAM = ["meter_id", "register"]
_SERIES = [*_STREAM, "series"]


def join_registers(read: FileRead, *, site: Site, lake: Lake, clock: Clock, dry_run: bool) -> FileRead:
    """The file with its registers' amounts as they follow from all that is known. Keeps its reads, unless dry_run.

    A file without states comes back as it is.
    """
    if read.states.is_empty():
        return read
    events = applying_events(site, lake, clock=None if dry_run else clock)
    own = in_own_units(read.states, site)
    ends = own.group_by(_SERIES, maintain_order=True).agg(_first=pl.col("at_utc").min(), _last=pl.col("at_utc").max())
    spans = {(str(m), str(r), str(s)): (first, last) for m, r, s, first, last in ends.iter_rows()}
    store = RegisterReadStore(lake.store)
    known = store.around(site.site_id, spans, is_synthetic=read.is_synthetic)
    if not dry_run:
        origin = Origin(site.site_id, read.report.sha256, is_synthetic=read.is_synthetic)
        if store.add(_one_per_instant(own), known, origin, clock):
            # Two writers with consecutive files: whoever comes second finds the other's reads here.
            known = store.around(site.site_id, spans, is_synthetic=read.is_synthetic)
    return _with(read, to_intervals(own, site, known=known, events=events))


def applying_events(site: Site, lake: Lake, *, clock: Clock | None) -> dict[Stream, list[DatedEvent]]:
    """Events per meter and register: the site file's and the recorded ones. With a clock the former are recorded."""
    store = MeterEventStore(lake.store)
    if clock is not None:
        store.know_site_file(site, clock)
    found = site_events(site)
    for each in store.current(site.site_id):
        if each.origin == "person":
            dated = DatedEvent(int(each.at_utc.timestamp()), each.event)
            found.setdefault((each.meter_id, each.event.register_id), []).append(dated)
    return {stream: sorted(events, key=lambda each: each.epoch_s) for stream, events in found.items()}


def in_own_units(states: pl.DataFrame, site: Site) -> pl.DataFrame:
    """States (STATE_SCHEMA) in the units of their registers."""
    parts = [states.clear()]
    for (meter, register, unit), part in states.partition_by(*_STREAM, "unit", as_dict=True).items():
        own = declared(site, (str(meter), str(register)), str(unit))[0].unit
        values = [in_own_unit(value, str(unit), own) for value in part["value"]]
        parts.append(part.with_columns(pl.Series("value", values, dtype=STATE_SCHEMA["value"]), unit=pl.lit(own)))
    return pl.concat(parts)


def _one_per_instant(states: pl.DataFrame) -> pl.DataFrame:
    """Without the instants for which the source tells two different states: these are rejects."""
    is_clear = pl.col("value").n_unique().over([*_SERIES, "at_utc"]) == 1
    return states.filter(is_clear).unique([*_SERIES, "at_utc"], keep="first", maintain_order=True)


def _with(read: FileRead, counted: Intervals) -> FileRead:
    """The file with these amounts instead of those that it gave by itself."""
    others = read.rows.join(read.counted.rows, on=read.rows.columns, how="anti", maintain_order="left")
    counted = without_reported(others, counted)
    rows = pl.concat([others, counted.rows])
    old = read.rejects.join(read.counted.rejects, on=read.rejects.columns, how="anti", nulls_equal=True)
    rejects = pl.concat([old, counted.rejects])
    warnings = Counter(read.report.warnings)
    # What the file gave by itself is part of what follows from all reads: it must not be counted twice.
    warnings.subtract(read.counted.warnings)
    warnings.update(counted.warnings)
    counts = reason_counts(rejects)
    kept = {code: count for code, count in warnings.items() if count > 0}
    report = read.report.model_copy(
        update={
            "verdict": "quarantine" if counts else "accept_with_warning" if kept else "accept",
            "accepted_rows": rows.height,
            "rejected_rows": rejects.height,
            "reasons": counts,
            "warnings": kept,
            "findings": (*(one for one in read.report.findings if one not in read.counted.findings), *counted.findings),
        }
    )
    return replace(read, report=report, rows=rows, rejects=rejects, counted=counted)
