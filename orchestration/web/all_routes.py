"""All pages and endpoints of the application."""

from fastapi import APIRouter

from orchestration.web import static_files
from orchestration.web.api import (
    analytics,
    figures_api,
    health,
    jobs_api,
    kpis,
    live_api,
    openapi,
    seed0_performance,
    seed0_uses,
    series_api,
    sites,
)  # fmt: skip
from orchestration.web.pages import (
    board_pages,
    energy_pages,
    enpi_pages,
    live_pages,
    profile_pages,
    report_pages,
    sign_in_pages,
    why_pages,
)  # fmt: skip

ROUTERS: tuple[APIRouter, ...] = tuple(
    each.router
    for each in (
        sign_in_pages, profile_pages, board_pages, live_pages, energy_pages, why_pages, enpi_pages, report_pages,
        health, openapi, live_api, sites, kpis, series_api, analytics, jobs_api, seed0_uses, seed0_performance,
        figures_api, static_files,
    )
)  # fmt: skip
