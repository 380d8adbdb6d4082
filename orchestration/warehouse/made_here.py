"""Marts made by a command, in its own process: what the jobs kpi and enpi do, without the seconds that Dagster, dbt and
Great Expectations need to start. Functions, gates and SQL are the graph's; what it would have recorded is kept for it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from assets.kpi.windows_of_marts.month_gates import Judged, MonthGates, day_mart_gate
from assets.kpi.windows_of_marts.stage import Prepared, Stage
from assets.stores.lake.lake_block import write_atomic
from assets.stores.warehouse.full_build import build_anew
from assets.stores.warehouse.warehouse import WarehouseTarget, held_open, target_of
from data_quality.contracts.baselines.expected import ExpectedDay
from data_quality.contracts.errors import RunFailed
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from data_quality.contracts.time import Clock
from orchestration.month_keys import months_of_range
from orchestration.open_project import OpenProject
from orchestration.warehouse.dbt import build_stage, full_build
from orchestration.warehouse.made_marts import EXPECTED, PUBLISHED, QUALITY, READINGS, MadeMarts, keep

# Red ones stop what follows, as in the graph.
BLOCKING = ("readings_may_be_believed", "readings_keep_their_contract", "day_mart_keeps_its_contract")
PARTS = 3


def make_marts(project: OpenProject, stage: str, first: str, last: str, *, clock: Clock) -> Iterator[str]:
    """Check, compute and publish the months of one site, from the first to the last partition key; of each part of the
    work it says what, before it is done.

    stage: kpi or enpi. Raises RunFailed where a check that blocks is red or SQL fails, BadInput, Unreachable.
    """
    site, _ = project.site_and_months([first, last])
    now_utc = clock.now_utc()
    making = _Making(project, stage, first, last, f"command-{now_utc:%Y%m%dT%H%M%S%f}", clock)
    try:
        yield from making.all()
    finally:
        # Of one that broke off, too: a red check that nobody recorded would be green in every list.
        keep(
            project.project.data_dir,
            MadeMarts(
                run_id=making.run_id,
                at_utc=now_utc,
                stage=stage,
                site_id=site.site_id,
                months=tuple(months_of_range(first, last)),
                assets=making.assets,
                checks=making.checks,
                nodes=making.outcome.nodes,
            ),
        )


class _Making:
    """One build while it goes on, with what is known of it so far."""

    def __init__(self, project: OpenProject, stage: str, first: str, last: str, run_id: str, clock: Clock) -> None:
        self.project, self.name, self.run_id, self.clock = project, stage, run_id, clock
        self.site, self.period = project.site_and_months([first, last])
        self.assets: dict[str, dict[str, Any]] = {}
        self.checks: dict[str, Judged] = {}
        self.outcome = DbtOutcome(is_success=True, nodes=())

    def all(self) -> Iterator[str]:
        """In the order of the graph, PARTS parts."""
        stage, target = self.project.stage(self.name), target_of(self.project.project)
        yield "checking readings" if self.name == "kpi" else "expected days"
        if self.name == "kpi":
            self._judge_readings()
        expected = self._expected() if self.name == "enpi" else None
        yield "loading"
        first, after = self.period.start, self.period.end
        with held_open(target):
            prepared = stage.prepare(self.site.site_id, first, after, target=target, expected=expected)
            # Rows of former builds are kept by dbt itself, which opens the file for itself; so does any other engine.
            is_anew = prepared.is_full and not target.postgres_url
            yield "computing"
            if is_anew:
                self.outcome = build_anew(target, full_build().of(self.name))
                self._publish(stage, prepared, target)
        if not is_anew:
            self.outcome = build_stage(self.name, target=target, is_full=prepared.is_full)
            with held_open(target):
                self._publish(stage, prepared, target)

    def _publish(self, stage: Stage, prepared: Prepared, target: WarehouseTarget) -> None:
        if not self.outcome.is_success:
            raise RunFailed(f"job {self.name}: {self.outcome.why}")
        note = stage.finish(prepared, target=target)
        if self.name == "kpi":
            self._hold({"day_mart_keeps_its_contract": day_mart_gate(target, is_quick=True)})
        counts = stage.publish(note, target=target)
        self.assets[PUBLISHED[self.name]] = {"dagster/row_count": sum(counts.values()), **counts}

    def _judge_readings(self) -> None:
        from assets.readings.ingest.correct_site import validate_months

        lake, site, period = self.project.lake, self.site, self.period
        results = validate_months(lake, site, period, clock=self.clock, run_id=self.run_id)
        self.assets[QUALITY] = {
            "findings": sum(len(each.validation.findings) for each in results),
            "estimated_quarter_hours": sum(sum(each.estimated.values()) for each in results),
            "reinstated_quarter_hours": sum(each.reinstated for each in results),
        }
        digest = lake.digest(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
        self.assets[READINGS] = {"digest": digest}
        self._hold(MonthGates(site, period, lake, self.clock, is_quick=True).before())

    def _hold(self, found: Mapping[str, Judged]) -> None:
        self.checks |= found
        stopping = {name: each for name, each in found.items() if name in BLOCKING and not each.is_warning}
        red = [name for name, each in stopping.items() if not each.verdict.passed]
        if red:
            raise RunFailed(f"job {self.name} failed; red checks: {', '.join(red)}")

    def _expected(self) -> pl.DataFrame:
        from data_quality.contracts.frames import enforce
        from ml.baselines.life.fit_site import expected_of_site

        days = enforce(expected_of_site(self.site, lake=self.project.lake, store=self.project.baselines), ExpectedDay)
        # Where the graph's own run over one of the assets behind it looks for them.
        folder = self.project.project.data_dir / "frames" / EXPECTED
        write_atomic(days, folder / f"{self.site.site_id}.parquet")
        self.assets[EXPECTED] = {"dagster/row_count": days.height}
        # Extrapolation is asked of the baseline itself; the warehouse has no column for it.
        return days.drop("is_extrapolated")
