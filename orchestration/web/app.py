"""The application: its routes, its middle layers, and how a refusal looks."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.web import api, draw, pages
from orchestration.web.api import live_api
from orchestration.web.cache import PACKING
from orchestration.web.middleware import AccessMiddleware
from orchestration.web.people.sign_in import SignIn
from orchestration.web.problems import answer, problem_of
from orchestration.web.request_context import Allowances, Nav, SignedIn
from orchestration.web.signing import ToBeSigned, hand_out
from orchestration.web.warm import warm

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
    without that a sign-in over the project's own people. hosts, origins: see AccessMiddleware.
    """
    # FastAPI would work out every route anew for each application that includes its router, at the first request.
    app = FastAPI(
        title="Meterloom",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_life,
        redirect_slashes=False,
        routes=[route for router in ROUTERS for route in router.routes],
    )
    # Only where nobody stands in for it: an application that is told who asks needs no people file.
    own = sign_in or (SignIn(project, clock) if signed_in is None else None)
    state = app.state
    state.project, state.clock, state.sign_in, state.counts, state.nav = project, clock, own, Counter(), NAV
    state.signed_in = signed_in or (own.signed_in if own else None)
    state.allowances = own.allowances if own else Allowances(time.monotonic)
    state.people_fault = own.people.current_fault if own else str
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refusal)
    app.add_exception_handler(ToBeSigned, hand_out)
    # Streams are left as they are. Inside of the porch, whose headers every answer has.
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=PACKING)
    app.add_middleware(AccessMiddleware, state=state, hosts=hosts, origins=origins)
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    warming = asyncio.ensure_future(to_thread.run_sync(warm, app.state.project, app.state.clock))
    yield
    await warming
    live_api.feed_of(app).close()
    if app.state.sign_in is not None:
        await to_thread.run_sync(app.state.sign_in.rest)


async def _refusal(request: Request, fault: Any) -> Response:
    problem = problem_of(fault)
    request.state.code = problem.code
    return answer(request, problem)


_MODULES = [
    import_module(f"{folder.__name__}.{each.name}") for folder in (pages, api) for each in iter_modules(folder.__path__)
]
ROUTERS: tuple[APIRouter, ...] = (
    *(each.router for each in _MODULES if hasattr(each, "router")), draw.router,
)  # fmt: skip
# Of a module with one place NAV, with several NAVS.
NAV: tuple[Nav, ...] = tuple(sorted(
    (place for each in _MODULES for place in getattr(each, "NAVS", (getattr(each, "NAV", None),)) if place),
    key=lambda each: each.place,
))  # fmt: skip
