"""Imports and caches that pages need and the start of the server leaves out, made while nobody waits for them."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime
from importlib import import_module
from itertools import islice

from assets.kpi.claims.mv_savings import project_of
from assets.kpi.enpi.savings_band import two_sided_t
from assets.sites.calendar import day_types
from assets.stores.ledgers.baselines import BaselineStore
from controls.templates.load_templates import load_template
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.web.draw import html_of, read_templates
from reports.assess import project_baselines
from reports.content.templates import read_template, template_files
from reports.pages.address import Address
from reports.pages.page import Page
from reports.recompute.figure_sources import Sources
from reports.recompute.project import boundary_pairs

# Pulled in by the first board of a home or a site, which would wait for them: plans, signatures and prices in polars.
_LATE = (
    *(f"controls.planning.{each}" for each in ("execution", "plan_picture", "summary", "closed_loop.promise")),
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "numpy.ma",
)  # fmt: skip
# Half of what the cache keeps of them (project_cache.py: use_days).
_PROJECTS = 8


def warm(project: OpenProject, clock: Clock) -> None:
    """Read and load what pages need, here and in the process beside this one."""
    read_templates()
    html_of(None, Page(title="", address=Address(path="/"), parts=()))
    for name in _LATE:
        import_module(name)
    # What cannot be read the first page says, with its reason.
    with suppress(Exception):
        now_utc, sites = clock.now_utc(), project.sites.values()
        # First what a home's day waits for: boards show the days around today beside those of the year before.
        for site in sites:
            day_types(site, date(now_utc.year - 1, 1, 1), date(now_utc.year + 1, 1, 2))
        sources = project.sources(keeps=False)
        for path in template_files(project.project.reports_dir).values():
            read_template(path)
        for name in {asset.template for site in sites for asset in site.assets if asset.template}:
            load_template(name)
        two_sided_t(0.9, 100.0)
        sources.definitions.run(sources.definitions.current(), {}, ())
        read_project_days(sources, sites, project.baselines, now_utc)


def read_project_days(sources: Sources, sites: Iterable[Site], baselines: BaselineStore, now_utc: datetime) -> None:
    """Read the days of the first M&V projects with a baseline, which the results of a year show."""
    measured = ((site, each) for site in sites for each in project_baselines(site, baselines).items())
    for site, (project_id, version) in islice(measured, _PROJECTS):
        boundary_pairs(sources, site, project_of(site, project_id), version, now_utc)
