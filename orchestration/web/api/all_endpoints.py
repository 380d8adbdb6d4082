"""All endpoints by group."""

from fastapi import APIRouter

from orchestration.web.api import (
    analytics,
    described,
    figures_api,
    health,
    jobs_api,
    kpis,
    live_api,
    seed0_performance,
    seed0_uses,
    series_api,
    sites,
)  # fmt: skip

ENDPOINTS: tuple[APIRouter, ...] = tuple(
    each.router
    for each in (
        health, described, live_api, sites, kpis, series_api, analytics, jobs_api, seed0_uses, seed0_performance,
        figures_api,
    )
)  # fmt: skip
