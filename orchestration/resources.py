"""What the shells are given: the project with its stores, a clock, the dbt runner. Tests swap them in build_defs."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from assets.stores.transactions import Store
from data_quality.contracts.settings import Project
from orchestration.open_project import OpenProject


class ProjectResource(dg.ConfigurableResource, OpenProject):
    """One project folder and everything in it, opened when first asked for and closed after the run."""

    root: str = ""
    _store: Store | None = PrivateAttr(default=None)
    _project: Project | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ProjectResource"]:
        """Dagster's hook: close the store when the run ends."""
        try:
            yield self
        finally:
            self.close()
