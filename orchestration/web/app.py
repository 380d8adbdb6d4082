"""The application: its routes, its middle layers, and how a refusal looks."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.web import static_files
from orchestration.web.allowances import Allowances
from orchestration.web.api import (
    analytics,
    described,
    figures,
    health,
    jobs,
    kpis,
    live_api,
    seed0_performance,
    seed0_uses,
    series,
    sites,
)  # fmt: skip
from orchestration.web.gate import SignedIn
from orchestration.web.pages import (
    board_pages,
    energy,
    enpi,
    live_pages,
    report_twins,
    reports,
    sign_in_pages,
    why,
)  # fmt: skip
from orchestration.web.porch import Porch
from orchestration.web.problems import answer, problem_of
from orchestration.web.sign_in import SignIn

# Reads run in so many threads: with two of polars each, more would only wait for the same two cores.
THREADS = 4


def make_app(
    project: OpenProject,
    *,
    clock: Clock,
    signed_in: SignedIn | None = None,
    sign_in: SignIn | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
) -> FastAPI:
    """The application over one project. signed_in: who stands behind a request; without it sign_in says so, and
    without that a sign-in over the project's own people. hosts, origins: see Porch.
    """
    app = FastAPI(
        title="Meterloom", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_life, redirect_slashes=False
    )
    # Only where nobody stands in for it: an application that is told who asks needs no people file.
    own = sign_in or (SignIn(project, clock) if signed_in is None else None)
    state = app.state
    state.project, state.clock, state.sign_in, state.counts = project, clock, own, Counter()
    state.signed_in = signed_in or (own.signed_in if own else None)
    state.allowances = own.allowances if own else Allowances(time.monotonic)
    state.people_fault = (lambda: own.people.fault) if own else str
    for router in routers():
        app.include_router(router)
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refusal)
    app.add_middleware(Porch, state=state, hosts=hosts, origins=origins)
    return app


def routers() -> list[APIRouter]:
    """Pages and groups of endpoints; one line each."""
    return [
        sign_in_pages.router,
        health.router,
        described.router,
        report_twins.router,
        board_pages.router,
        live_pages.router,
        live_api.router,
        static_files.router,
        energy.router,
        sites.router,
        kpis.router,
        series.router,
        analytics.router,
        why.router,
        enpi.router,
        reports.router,
        jobs.router,
        seed0_uses.router,
        seed0_performance.router,
        figures.router,
    ]


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
    live_api.feed_of(app).close()
    if app.state.sign_in is not None:
        await to_thread.run_sync(app.state.sign_in.rest)


async def _refusal(request: Request, fault: Any) -> Response:
    problem = problem_of(fault)
    request.state.code = problem.code
    return answer(request, problem)
