"""Amounts of registers made anew from all reads that were kept: after an event was recorded, withdrawn or moved.

What changes is a correction like any other. An amount that can no longer be known keeps its value and becomes
questionable: it is not taken away in silence, and never becomes zero. Edits of a person stand.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import polars as pl

from assets.readings.changes.bitemporal import affected_months, classify
from assets.readings.cumulative.register_index import DatedEvent
from assets.readings.cumulative.register_intervals import Intervals, Stream, to_intervals
from assets.readings.cumulative.register_join import applying_events
from assets.readings.parsed import one_line
from assets.readings.tables.normalise import CANONICAL_SCHEMA, normalise
from assets.stores.column_types import canonical_json
from assets.stores.lake.lake import BatchInfo, Decided, Lake
from assets.stores.ledgers.register_reads import RegisterReadStore, Series
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

READER, VERSION = "registers", "1"
_KEY = ["site_id", "meter_id", "register", "interval_start_utc"]


class Recomputed(Model):
    """Changes by one register's recomputation. questionable_rows are among the corrected ones."""

    meter_id: str
    register_id: str
    batch_id: str | None = None
    new_rows: int = 0
    corrected_rows: int = 0
    questionable_rows: int = 0
    kept_edits: int = 0
    partitions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def recompute_registers(
    site: Site, *, lake: Lake, clock: Clock, meters: Sequence[str] | None = None, why: str = "", dry_run: bool = False
) -> list[Recomputed]:
    """Every register with kept reads (of these meters), one result each, in order. With dry_run nothing is written."""
    events = applying_events(site, lake, clock=None if dry_run else clock)
    store, found = RegisterReadStore(lake.store), []
    for series, is_synthetic in store.known_series(site.site_id):
        if meters is None or series[0] in meters:
            one = _Register(site, lake, series, events, is_synthetic=is_synthetic)
            found.append(one.recompute(clock, why, dry_run=dry_run))
    return found


class _Register:
    """One series of reads, and what the lake holds in its span."""

    def __init__(
        self, site: Site, lake: Lake, series: Series, events: dict[Stream, list[DatedEvent]], *, is_synthetic: bool
    ) -> None:
        self.site, self.lake, self.series, self.is_synthetic = site, lake, series, is_synthetic
        self.reads = RegisterReadStore(lake.store).every(site.site_id, series, is_synthetic=is_synthetic)
        self.counted: Intervals = to_intervals(self.reads, site, events=events)
        self.events = events.get((series[0], series[1]), [])
        self.kept_edits = self.questionable = 0

    def recompute(self, clock: Clock, why: str, *, dry_run: bool) -> Recomputed:
        decided = self._decide()
        result = Recomputed(
            meter_id=self.series[0],
            register_id=self.series[1],
            new_rows=int((~decided.changes["is_correction"]).sum()),
            corrected_rows=int(decided.changes["is_correction"].sum()),
            questionable_rows=self.questionable,
            kept_edits=self.kept_edits,
            partitions=tuple(affected_months(self.site, decided.changes)),
            findings=self.counted.findings,
        )
        if dry_run or decided.changes.is_empty():
            return result
        # There is no file: reads and events are the source, by whose digest the batch is known.
        reads = [self.reads.select("at_utc", pl.col("value").cast(pl.String)).write_csv(), self.is_synthetic]
        body = [self.site.site_id, self.series, reads, [each.event.model_dump(mode="json") for each in self.events]]
        info = BatchInfo(
            site_id=self.site.site_id,
            source_name=one_line(
                f"reads of {self.series[0]}.{self.series[1]} with their events: {why}".rstrip(": "), 200
            ),
            source_sha256=hashlib.sha256(canonical_json(body).encode()).hexdigest(),
            reader=READER,
            reader_version=VERSION,
            accepted_rows=self.reads.height,
            rejected_rows=self.counted.rejects.height,
            is_synthetic=self.is_synthetic,
        )
        # Decided again by the lake: another batch may have been recorded since the look above.
        written = self.lake.write_decided(info, self._decide, clock=clock)
        return result.model_copy(update={"batch_id": written.batch_id})

    def _decide(self) -> Decided:
        rows = normalise(self.counted.rows)
        rows = rows.with_columns(site_id=pl.lit(self.site.site_id), is_synthetic=pl.lit(self.is_synthetic))
        known = self._known()
        edited = known.filter(pl.col("quality_code") == int(QualityCode.MANUALLY_EDITED))
        kept = rows.join(edited, on=_KEY, how="anti", maintain_order="left")
        self.kept_edits = rows.height - kept.height
        doubtful = self._doubtful(known, rows, edited).select(kept.columns)
        self.questionable = doubtful.height
        changes, unchanged = classify(pl.concat([kept, doubtful]).sort(_KEY), known)
        return Decided(changes=changes, unchanged_rows=unchanged)

    def _known(self) -> pl.DataFrame:
        """Rows of the lake of this register between its first and last read."""
        first, last = (cast("datetime", each) for each in (self.reads["at_utc"].min(), self.reads["at_utc"].max()))
        rows = self.lake.current(self.site.site_id, start_utc=first, end_utc=last, meters=[self.series[0]])
        return rows.filter(pl.col("register") == self.series[1])

    def _doubtful(self, known: pl.DataFrame, rows: pl.DataFrame, edited: pl.DataFrame) -> pl.DataFrame:
        """Rows that the reads once gave and give no longer."""
        # What is questionable already needs no second doubt; readings of the other kind never came from these reads.
        is_own = (pl.col("is_synthetic") == self.is_synthetic) & (
            pl.col("quality_code") != int(QualityCode.QUESTIONABLE)
        )
        left = known.filter(is_own).join(rows, on=_KEY, how="anti").join(edited, on=_KEY, how="anti")
        questionable = pl.lit(int(QualityCode.QUESTIONABLE), CANONICAL_SCHEMA["quality_code"])
        return left.with_columns(quality_code=questionable, source_line=pl.lit(0, pl.Int64))
