"""Marts made by a command, in its own process: what the jobs kpi and enpi do, without the seconds that Dagster, dbt and
Great Expectations need to start. Functions, gates and SQL are the graph's; what it would have recorded is kept for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, ValidationError

from assets.kpi.incremental.month_gates import Judged, MonthGates, day_mart_gate
from assets.kpi.incremental.stage import Prepared, Stage
from assets.kpi.mart_windows import Window
from assets.stores.lake.lake_block import write_atomic
from assets.stores.warehouse.warehouse import WarehouseTarget, held_open, target_of
from data_quality.contracts.baselines.baseline import ExpectedDay
from data_quality.contracts.errors import RunFailed
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome, NodeOutcome
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period
from orchestration.month_keys import month_span, months_of_range, split_key
from orchestration.open_project import OpenProject
from orchestration.warehouse.dbt import build_stage
from orchestration.workers.fan_out import port

# Red ones stop what follows, as in the graph.
BLOCKING = ("readings_may_be_believed", "readings_keep_their_contract", "day_mart_keeps_its_contract")
PARTS = 3


def build_site_marts(
    project: OpenProject, stage: str, ranges: Sequence[tuple[str, str]], *, clock: Clock
) -> Iterator[str]:
    """Check, compute and publish months of sites in one build; of each part of the work it says what, before it is
    done.

    stage: kpi or enpi. ranges: the first and the last partition key of a site's months, one range a site. A site whose
    readings a blocking check refuses is left as it was, and the others are built. Raises RunFailed where a check that
    blocks is red or SQL fails, BadInput, Unreachable.
    """
    now_utc = clock.now_utc()
    making = _Making(project, stage, ranges, f"command-{now_utc:%Y%m%dT%H%M%S%f}", clock)
    try:
        yield from making.all()
    finally:
        # Of one that broke off, too: a red check that nobody recorded would be green in every list.
        for place, (site_id, each) in enumerate(making.sites.items()):
            # What a test says, it says of the whole build: told once.
            nodes = (node for node in making.outcome.nodes if not place or node.resource_type != "test")
            # Leave word of a build; it appears whole.
            made = MartBuild(
                run_id=making.run_id,
                at_utc=now_utc,
                stage=stage,
                site_id=site_id,
                months=tuple(months_of_range(*each.keys)),
                assets=each.assets,
                checks=each.checks,
                nodes=() if each.red else tuple(nodes),
            )
            # A build of many sites is told of site by site.
            path = project.project.data_dir / FOLDER / f"{made.run_id}-{made.site_id}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part")
            unfinished.write_text(made.model_dump_json(), encoding="utf-8")
            unfinished.replace(path)


@dataclass
class _Site:
    """A site of a build, with what is known of its part so far. red: blocking checks that its readings failed."""

    site: Site
    period: Period
    keys: tuple[str, str]
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: dict[str, Judged] = field(default_factory=dict)
    red: list[str] = field(default_factory=list)

    def hold(self, found: Mapping[str, Judged]) -> None:
        """Take verdicts in."""
        self.checks |= found
        self.red += [
            name for name, each in found.items() if name in BLOCKING and not (each.is_warning or each.verdict.passed)
        ]


class _Making:
    """One build while it goes on."""

    def __init__(
        self, project: OpenProject, stage: str, ranges: Sequence[tuple[str, str]], run_id: str, clock: Clock
    ) -> None:
        self.project, self.name, self.run_id, self.clock = project, stage, run_id, clock
        self.sites: dict[str, _Site] = {}
        for keys in ranges:
            site = project.site(split_key(keys[0])[1])
            self.sites[site.site_id] = _Site(site, month_span(keys, site.time_zone), keys)
        self.outcome = DbtOutcome(is_success=True, nodes=())

    def all(self) -> Iterator[str]:
        """In the order of the graph, PARTS parts."""
        stage, target = self.project.stage(self.name), target_of(self.project.project)
        yield "checking readings" if self.name == "kpi" else "expected days"
        if self.name == "kpi":
            from assets.readings.ingest.correct_site import validate_months

            for each in self.sites.values():
                lake, site, period = self.project.lake, each.site, each.period
                results = validate_months(lake, site, period, clock=self.clock, run_id=self.run_id)
                each.assets[QUALITY] = {
                    "findings": sum(len(result.validation.findings) for result in results),
                    "estimated_quarter_hours": sum(sum(result.estimated.values()) for result in results),
                    "reinstated_quarter_hours": sum(result.reinstated for result in results),
                }
                digest = lake.digest(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
                each.assets[READINGS] = {"digest": digest}
                each.hold(MonthGates(site, period, lake, self.clock, is_quick=True).before())
        expected = pl.concat([self._expected(each) for each in self.sites.values()]) if self.name == "enpi" else None
        yield "loading"
        windows = [
            Window(site_id=site_id, first=each.period.start, after=each.period.end)
            for site_id, each in self.sites.items()
            if not each.red
        ]
        if windows:
            with held_open(target):
                prepared = stage.prepare(windows, target=target, expected=expected)
                yield "computing"
                self.outcome = build_stage(self.name, target=target, is_full=prepared.is_full)
                self._publish(stage, prepared, target)
        red = {name: each.red for name, each in self.sites.items() if each.red}
        if red:
            failures = [
                ", ".join(names) if len(self.sites) == 1 else f"{site}: {', '.join(names)}"
                for site, names in red.items()
            ]
            raise RunFailed(f"job {self.name} failed; red checks: {'; '.join(failures)}")

    def _publish(self, stage: Stage, prepared: Prepared, target: WarehouseTarget) -> None:
        if not self.outcome.is_success:
            raise RunFailed(f"job {self.name}: {self.outcome.why}")
        note = stage.finish(prepared, target=target)
        if self.name == "kpi":
            gate = {"day_mart_keeps_its_contract": day_mart_gate(target, note.years, is_quick=True)}
            for site_id in note.sites:
                self.sites[site_id].hold(gate)
            if any(self.sites[site_id].red for site_id in note.sites):
                # Of one site or of many: none of them is published, and `all` says so.
                return
        counts = stage.publish(note, target=target, clock=self.clock)
        for site_id in note.sites:
            self.sites[site_id].assets[PUBLISHED[self.name]] = {"dagster/row_count": sum(counts.values()), **counts}

    def _expected(self, each: _Site) -> pl.DataFrame:
        from data_quality.contracts.frames import enforce
        from ml.baselines.lifecycle.fit_site import expected_of_site

        found = expected_of_site(
            each.site,
            lake=self.project.lake,
            store=self.project.baselines,
            fan_out=port(self.project.project.settings.work),
        )
        days = enforce(found, ExpectedDay)
        # Where the graph's own run over one of the assets behind it looks for them.
        folder = self.project.project.data_dir / "frames" / EXPECTED
        write_atomic(days, folder / f"{each.site.site_id}.parquet")
        each.assets[EXPECTED] = {"dagster/row_count": days.height}
        # Extrapolation is asked of the baseline itself; the warehouse has no column for it.
        return days.drop("is_extrapolated")


FOLDER = "builds/untold"
# Assets of the graph that a build makes outside of dbt; by stage, the one that publishes.
QUALITY, READINGS, EXPECTED = "core_lake__month_quality", "core_lake__15min_readings", "core_seu__expected_days"
PUBLISHED = {"kpi": "core_marts__published", "enpi": "core_enpi__published"}


class MartBuild(Model):
    """One build of a stage over months of a site. assets: those of the graph outside of dbt that were made, with the
    facts that the graph shows of them; checks: verdicts by the name of the asset check; nodes: what became of dbt's.
    """

    run_id: str = Field(description="Names the build wherever the graph would write the id of a run")
    at_utc: datetime
    stage: str
    site_id: str
    months: tuple[str, ...] = Field(description="SITE|YYYY-MM")
    assets: Mapping[str, Mapping[str, str | int]]
    checks: Mapping[str, Judged]
    nodes: tuple[NodeOutcome, ...]


def unreported_builds(data_dir: Path) -> Iterator[tuple[Path, MartBuild]]:
    """The builds that Dagster does not know of yet, the oldest first; one in the form of another version is dropped."""
    for path in sorted((data_dir / FOLDER).glob("*.json")):
        try:
            yield path, MartBuild.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            # Another process reported it meanwhile.
            continue
        except ValidationError:
            path.unlink(missing_ok=True)
