"""A project folder and everything in it, opened for a command or as the graph's resource (resources.py)."""

import os
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.sites.load_sites import load_people, load_sites, site_sha256, unknown_site
from assets.stores.anchors import Anchors
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.published.report_ledger import ReportStore, keep_site_version
from assets.stores.published.requested_figures import Figures, Ids, RequestedFigures, renamed
from assets.stores.transactions import Store, open_store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from data_quality.contracts.work.project_cache import ProjectCache

if TYPE_CHECKING:
    from assets.kpi.incremental.stage import Stage
    from controls.planning.context import PlanningContext
    from ml.tracking import MlflowTracker
    from reports.make_report import ReportRequest
    from reports.recompute.figure_sources import Sources

PROJECT_VARIABLE = "METERLOOM_PROJECT"


def project_here(root: str = "") -> Project:
    """The project folder that this process works in: named, or from the environment, or the current folder."""
    return load_project(Path(root or os.environ.get(PROJECT_VARIABLE) or "."), os.environ)


@lru_cache(maxsize=8)
def cache_of(_root: Path) -> ProjectCache:
    """The cache of a project folder in this process."""
    return ProjectCache()


class OpenProject:
    """One project folder and everything in it, opened when first asked for."""

    def __init__(self, root: str = "") -> None:
        self.root = root
        self._store: Store | None = None
        self._lake: Lake | None = None
        self._project: Project | None = None
        self._offload: Callable[[str, dict[str, Any]], Any] | None = None

    @classmethod
    def of(cls, project: Project) -> "OpenProject":
        """The folder of a project whose settings are at hand, and may be others than those of its file."""
        opened = cls(str(project.root))
        opened._project = project
        return opened

    def offload_to(self, offload: Callable[[str, dict[str, Any]], Any]) -> None:
        """Have KPI SQL and dbt run by `offload` (contracts/work/offload.py): of a process that has to stay small."""
        self._offload = offload

    def close(self) -> None:
        """Give back the store's connections."""
        if self._store is not None:
            self._store.close()
            self._store = self._lake = None

    @property
    def project(self) -> Project:
        """Paths and settings."""
        if self._project is None:
            self._project = project_here(self.root)
            # Readings, bills and keys of a project are nobody else's: what is made below is behind this door.
            self._project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._project

    @property
    def cache(self) -> ProjectCache:
        """Cache of the project folder in this process, however often it is opened."""
        return cache_of(self.project.root)

    @property
    def store(self) -> Store:
        """The transactional store."""
        if self._store is None:
            # Without a people file there is no key that a signature could be held against.
            return self.believing(self.people.public_keys if self.project.people_file.is_file() else None)
        return self._store

    def believing(self, public_keys: Mapping[str, str] | None) -> Store:
        """The store, which from now on judges acts by these keys, by person_id; None: nobody said who may act."""
        if self._store is None:
            self._store = open_store(self.project.store_url, public_keys)
            self._store.anchors = Anchors(self._store, self.project.anchors_dirs)
            self._store.cache = self.cache
        self._store.public_keys, self._store.trust = public_keys, None
        return self._store

    def sources(self, *, keeps: bool = True, as_of_utc: datetime | None = None) -> "Sources":
        """Sources of figures: readings, site files, baselines, and the definitions of the KPIs.

        keeps: the figures may be stored; of a question that nobody stores nothing is written. as_of_utc: whose
        organisation is told; None: that of now.
        """
        from assets.kpi.from_readings import Definitions
        from orchestration.warehouse.dbt import kpi_definition
        from reports.recompute.figure_sources import Sources

        folder = self.project.data_dir / "definitions"
        keeps = keeps and self.store.read_only is None
        definitions = Definitions(partial(kpi_definition, offload=self._offload), folder, keeps=keeps)
        if self._offload is not None:
            from orchestration.warehouse.subprocess_sql import rows_in_subprocess

            kept = self.cache.place("kpi_rows")
            definitions.run = partial(rows_in_subprocess, offload=self._offload, kept=kept)
        file = self.project.organisation_file
        return Sources(
            lake=self.lake, sites=self.sites, definitions=definitions, organisation_file=file,
            organisation_as_of_utc=as_of_utc,
        )  # fmt: skip

    def report_request(self, clock: Clock, sources: "Sources | None" = None) -> "ReportRequest":
        """Request for reports of the project, with its people and templates, into its folder."""
        from reports.make_report import ReportRequest

        folder = self.project.reports_dir
        return ReportRequest(
            sources or self.sources(), self.reports, clock, folder, templates_dir=folder, names=self.names,
            run_versions=self.project.settings.server.check_at,
        )  # fmt: skip

    @property
    def builds_dir(self) -> Path:
        """Folder of the notes that a build of marts leaves for the step that publishes it."""
        return self.project.data_dir / "builds"

    @property
    def lake(self) -> Lake:
        """The readings lake."""
        if self._lake is None:
            self._lake = Lake(self.project.lake_dir, self.store, address=self.project.settings.paths.lake)
        return self._lake

    @property
    def quarantine(self) -> QuarantineStore:
        """Refused files and rows."""
        return QuarantineStore(self.project.quarantine_dir, self.store)

    @property
    def baselines(self) -> BaselineStore:
        """Baseline versions and approvals."""
        return BaselineStore(self.store)

    @property
    def forecasts(self) -> ForecastStore:
        """Forecasts as issued."""
        return ForecastStore(self.store)

    @property
    def weather(self) -> WeatherStore:
        """Weather forecasts as issued."""
        return WeatherStore(self.store)

    @property
    def plans(self) -> PlanStore:
        """Plans with their commands."""
        return PlanStore(self.store)

    @property
    def reports(self) -> ReportStore:
        """Report revisions, figures and traces."""
        return ReportStore(self.store, self.project.reports_dir)

    @property
    def sites(self) -> dict[str, Site]:
        """All sites of the project by id."""
        return load_sites(self.project.sites_dir, self.cache)

    @property
    def people(self) -> People:
        """People of the project and their roles."""
        return load_people(self.project.people_file, self.cache)

    @property
    def names(self) -> dict[str, str]:
        """Names of people by person_id; none where the people file is missing or broken: ids are shown then."""
        try:
            return self.people.names
        except BadInput:
            return {}

    def site(self, site_id: str) -> Site:
        """One site. Raises BadInput naming those there are."""
        sites = self.sites
        if site_id not in sites:
            raise unknown_site(site_id, sites, self.project.sites_dir)
        return sites[site_id]

    def keep_site(self, site: Site, clock: Clock) -> None:
        """Keep a site file under its hash: figures that are made of it are recomputed with it, whatever it says."""
        keep_site_version(self.store, site, site_sha256(site), clock)

    def store_figures(self, figures: Figures, clock: Clock) -> Ids:
        """Keep the figures of an answer for a while, inputs before what is made of them, so that each can be traced."""
        if self.store.read_only is not None or not figures:
            return Ids({}, None)
        sources = self.sources()
        found = renamed(sources.with_digests(figures))
        until_utc = RequestedFigures(self.project.data_dir).keep(found, now_utc=clock.now_utc())
        if until_utc is not None:
            inputs = {
                (each.id, each.sha256) for one in found.values() for each in one.trace.inputs if each.role == "site"
            }
            for site_id, sha256 in sorted(inputs):
                keep = partial(keep_site_version, self.store, sources.site(site_id), sha256, clock)
                # What is kept once stays.
                self.cache.once("site_versions", sha256, keep)
        return Ids(found, until_utc)

    def stage(self, name: str, *, site_id: str | None = None) -> "Stage":
        """The stage kpi or enpi of the marts over the project as it is now, or over one of its sites."""
        # It pulls in polars, which a sensor of devices can do without.
        from assets.kpi.incremental.stage import Stage
        from orchestration.warehouse.dbt import fingerprint

        return Stage(
            name,
            sites=self.sites if site_id is None else {site_id: self.site(site_id)},
            lake=self.lake,
            baselines=self.baselines,
            marts_dir=self.project.marts_dir,
            fingerprint=fingerprint(),
        )

    @property
    def tracker(self) -> "MlflowTracker":
        """The registry of models."""
        # MLflow takes seconds to import, which only a command that needs it shall pay.
        from ml.tracking import MlflowTracker

        return MlflowTracker(self.project.mlflow_uri, self.project.mlflow_artifacts_dir)

    def fresh_marts(self, site_id: str, *, until: date) -> Path:
        """Folder of the published marts, where none of the site's months before `until` is older than what it rests on.

        Raises BadInput naming the months: a report prints what stands in the marts, and looks no second time.
        """
        months = {name for part in ("kpi", "enpi") for name in self.stage(part, site_id=site_id).stale()}
        waiting = sorted(name for name in months if date.fromisoformat(f"{name.partition('|')[2]}-01") < until)
        if waiting:
            more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
            raise BadInput(
                f"the marts of {', '.join(waiting[:3])}{more} are older than readings, site file, factors or baselines",
                reason="stale_marts",
                mend="run the jobs kpi and enpi over these months first; 'meterloom report' does so by itself",
            )
        return self.project.marts_dir

    def planning_context(self, site: Site, clock: Clock) -> "PlanningContext":
        """All inputs of planning the site, its devices included. Raises BadInput where none of them can be asked."""
        from orchestration.views.planning_context import planning_context

        return planning_context(self.project, self.store, self.lake, site, clock)
