"""Resources of the shells: the project with its stores, a clock, the dbt runner. Tests swap them in build_defs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from assets.stores.lake.lake import Lake
from assets.stores.transactions import Store
from data_quality.contracts.settings import Project
from data_quality.contracts.time import SystemClock
from data_quality.contracts.work.offload import Offload
from data_quality.contracts.work.work_port import FanOut
from orchestration.open_project import OpenProject
from orchestration.workers.fan_out import port

CLOCK = dg.ResourceDefinition.hardcoded_resource(
    SystemClock(), description="The machine's clock, in UTC: what is due, late or over is judged by it."
)


class ProjectResource(dg.ConfigurableResource, OpenProject):
    """One project folder and everything in it, opened when first asked for and closed after the run."""

    root: str = ""
    _store: Store | None = PrivateAttr(default=None)
    _lake: Lake | None = PrivateAttr(default=None)
    _project: Project | None = PrivateAttr(default=None)
    _offload: Offload | None = PrivateAttr(default=None)

    def work(self, progress: Callable[[str], None] = lambda _: None) -> FanOut:
        """The `FanOut` for many like tasks, by the settings. progress: called after each task."""
        return port(self.project.settings.work, progress)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ProjectResource"]:
        """Dagster's hook: close the store when the run ends."""
        try:
            yield self
        finally:
            self.close()
