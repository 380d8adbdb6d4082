"""The plant's report, made once: rendering and reading it back is what the tests differ in."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import open_store
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from reports.datasets.base import ReportInput
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import plant
from tests.reports.quarter import enpi_quarter


@dataclass
class World:
    """A project's stores with the plant in them."""

    site: Site
    lake: Lake
    baselines: BaselineStore
    reports: ReportStore
    clock: FixedClock
    versions: Mapping[str, BaselineVersion]
    as_of_utc: datetime

    @cached_property
    def given(self) -> ReportInput:
        """The inputs as they were known when the world was made: what was written since is not in them.

        What is read for one report is kept for the next: it is a second of work.
        """
        return self.inputs_with()

    def inputs_with(self, site: Site | None = None, **changes: Any) -> ReportInput:
        """Those inputs with changes, and nothing kept from before."""
        used = site or self.site
        fields = {"period": plant.quarter(), "as_of_utc": self.as_of_utc, "versions": self.versions}
        return ReportInput(**{"site": used, "sources": self.sources(used), **fields, **changes})

    def _repr_pretty_(self, printer: Any, _is_cycle: bool) -> None:
        """Short: hypothesis prints what a test is given, and warns of what is long."""
        printer.text(f"World({self.site.site_id})")

    def sources(self, site: Site | None = None) -> Sources:
        """Fresh sources: nothing kept from before."""
        used = site or self.site
        return Sources(lake=self.lake, sites={used.site_id: used}, definitions=DEFINITIONS)

    def inputs_now(self) -> ReportInput:
        """The inputs as they are known now."""
        versions = {
            seu_id: self.baselines.get(version.baseline_id, version.version)
            for seu_id, version in self.versions.items()
        }
        return self.inputs_with(versions=versions, as_of_utc=self.reports.store.known_at(self.clock))

    def build(self, revision: int = 0) -> ReportContent:
        """The content of the first inputs."""
        return enpi_quarter(self.given, revision=revision)


MakeWorld = Callable[..., World]


TEMPLATES: dict[tuple[object, ...], Path] = {}


def make_world(
    folder: Path,
    *,
    site: Site | None = None,
    rows: pl.DataFrame | None = None,
    approved: tuple[str, ...] = tuple(plant.USES),
    without_baseline: tuple[str, ...] = (),
    rejected: int = 0,
) -> World:
    """A world in a folder; the caller closes world.lake.store. Equal data are written once and copied."""
    used = site or plant.plant_site()
    data = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1)) if rows is None else rows
    clock = FixedClock(plant.NOON)
    key = (id(data), approved, rejected)
    if key not in TEMPLATES:
        TEMPLATES[key] = Path(tempfile.mkdtemp(prefix="plant"))
        _fill(TEMPLATES[key], data, approved, rejected)
    shutil.copytree(TEMPLATES[key], folder, dirs_exist_ok=True)
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    lake, baselines, reports = Lake(folder / "lake", store), BaselineStore(store), ReportStore(store)
    versions = {each.baseline.seu_id: each for each in baselines.versions("plant")}
    for seu_id in without_baseline:
        del versions[seu_id]
    return World(
        site=used, lake=lake, baselines=baselines, reports=reports, clock=clock, versions=versions,
        as_of_utc=reports.store.known_at(clock),
    )  # fmt: skip


def _fill(folder: Path, rows: pl.DataFrame, approved: tuple[str, ...], rejected: int) -> None:
    clock = FixedClock(plant.NOON)
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    plant.write(Lake(folder / "lake", store), rows, clock, rejected=rejected)
    plant.register_baselines(BaselineStore(store), clock, approved=approved)
    store.close()


@pytest.fixture(scope="session", autouse=True)
def _no_template_stays() -> Iterator[None]:
    yield
    for folder in TEMPLATES.values():
        shutil.rmtree(folder)
    TEMPLATES.clear()


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Complete readings, approved baselines. Shared: tests must not write to it."""
    world = make_world(tmp_path_factory.mktemp("good"))
    yield world
    world.lake.store.close()


@pytest.fixture(scope="session")
def content(good: World) -> ReportContent:
    """The good world's report."""
    return good.build(revision=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds of one's own to write to."""
    made: list[World] = []

    def make(**options: object) -> World:
        made.append(make_world(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.lake.store.close()
