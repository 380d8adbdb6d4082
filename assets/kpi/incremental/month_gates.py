"""Gates that a site's months must pass before their marts are computed and published, as verdicts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from assets.sites.calendar import day_types
from assets.stores.lake.lake import Lake
from assets.stores.lake.meter_blocks import meter_blocks
from assets.stores.ledgers.flags import MonthValidation, latest_validations
from assets.stores.warehouse.warehouse import WarehouseTarget, read_sites, read_warehouse
from data_quality.completeness import coverage_by_day, evaluate_completeness, evaluate_freshness, last_seen
from data_quality.contracts.finding import Verdict
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period, months_of
from data_quality.score import evaluate_months
from data_quality.suites.run_suite import check_day_mart, check_streams, stream_faults

LEAST_COVERAGE = 0.9
SILENT_FOR = timedelta(hours=24)
WORST = 20


class Judged(Model):
    """A verdict as its asset check takes it. is_warning: a red one stops nothing."""

    verdict: Verdict
    is_warning: bool = False


class _Read(NamedTuple):
    """Of each stream: when it was last seen, how many of its rows have which fault, how much of each day is there."""

    seen: pl.DataFrame
    faults: pl.DataFrame
    coverage: pl.DataFrame


@dataclass(frozen=True)
class MonthGates:
    """The checks over the local months of a period. is_quick: Great Expectations runs only where a table breaks
    what it expects, and then reports what; else always.
    """

    site: Site
    period: Period
    lake: Lake
    clock: Clock
    is_quick: bool = False

    def before(self) -> Mapping[str, Judged]:
        """Results of the lake's checks, by the name of the asset check."""
        return {
            "readings_may_be_believed": self.may_be_believed(),
            "sums_add_up": self.sums_add_up(),
            "meters_report": self.meters_report(),
            "readings_keep_their_contract": self.keep_their_contract(),
            "readings_are_complete": self.are_complete(),
        }

    def may_be_believed(self) -> Judged:
        """Every stream scores enough in each month."""
        # What follows a check is stopped only where it fails as an error: gate `warn` lets the marts through.
        verdict = evaluate_months(self._validations, least=self.site.validation.least_score)
        return Judged(verdict=verdict, is_warning=self.site.validation.gate == "warn")

    def sums_add_up(self) -> Judged:
        """No submeters show more than their parent."""
        found = [
            f"{one.meter} {one.start_utc:%Y-%m-%d}: {one.message}"
            for each in self._validations
            for one in each.findings
            if one.rule in {"sum_check", "plant_balance"}
        ]
        facts: dict[str, str | float | int | bool | list[str] | None] = {
            "days_or_spans": len(found),
            "worst": found[:WORST],
        }
        return Judged(verdict=Verdict(passed=not found, facts=facts), is_warning=True)

    def meters_report(self) -> Judged:
        """Every meter reported lately."""
        # Months long past are judged by their own end, or all their meters would be silent by now.
        until = min(self.clock.now_utc(), self.period.end_utc)
        return Judged(verdict=evaluate_freshness(self._read.seen, now_utc=until, limit=SILENT_FOR), is_warning=True)

    def keep_their_contract(self) -> Judged:
        """Keys, units, grid and values."""
        return Judged(verdict=check_streams(self._read.faults, is_quick=self.is_quick))

    def are_complete(self) -> Judged:
        """Enough quarter hours of every meter."""
        return Judged(verdict=evaluate_completeness(self._read.coverage, least=LEAST_COVERAGE), is_warning=True)

    @cached_property
    def _read(self) -> "_Read":
        """Readings of each stream for the checks, read once, by blocks of meters."""
        span: dict[str, Any] = {"start_utc": self.period.start_utc, "end_utc": self.period.end_utc}
        days = day_types(self.site, self.period.start, self.period.end)
        parts, left = [], [meter.meter_id for meter in self.site.meters if not meter.is_virtual]
        blocks = meter_blocks(self.lake, self.site.site_id, **span)
        for place, block in enumerate(blocks, start=1):
            rows = self.lake.current(self.site.site_id, **span, meters=block)
            # Meters without a reading are in no block: they belong to the last.
            own = left if place == len(blocks) else [name for name in left if name in set(block or ())]
            left = [name for name in left if name not in set(own)]
            coverage = coverage_by_day(
                rows,
                days=days,
                streams=own,
                time_zone=self.site.time_zone,
                # A meter that sends once a day is not late before the day is over.
                due_until_utc=self.clock.now_utc() - SILENT_FOR,
            )
            parts.append(_Read(last_seen(rows, own), stream_faults(rows), coverage))
        seen, faults, coverages = zip(*parts, strict=True)
        return _Read(pl.concat(seen), pl.concat(faults), pl.concat(coverages))

    @cached_property
    def _validations(self) -> list[MonthValidation]:
        months = [month.start for month in months_of(self.period)]
        return latest_validations(self.lake.store, self.site.site_id, months=months)


def day_mart_gate(
    target: WarehouseTarget, years: Mapping[str, Collection[int]] | None, *, is_quick: bool = False
) -> Judged:
    """The day mart as it stands in the warehouse, before anything is published: the years of sites that a build made,
    or all of it.
    """
    name = "mart_scope__day_kpi"
    rows = read_warehouse(target, name) if years is None else read_sites(target, name, years)
    return Judged(verdict=check_day_mart(rows, is_quick=is_quick))
