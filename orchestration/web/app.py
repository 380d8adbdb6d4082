"""The application: its routes, its middle layers, and how a refusal looks."""

from fastapi import APIRouter, FastAPI

from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.web import static_files
from orchestration.web.gate import SignedIn


def make_app(project: OpenProject, *, clock: Clock, signed_in: SignedIn) -> FastAPI:
    """The application over one project. signed_in: who stands behind a request."""
    app = FastAPI(title="Meterloom", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.project, app.state.clock, app.state.signed_in = project, clock, signed_in
    for router in routers():
        app.include_router(router)
    return app


def routers() -> list[APIRouter]:
    """Pages and groups of endpoints; one line each."""
    return [static_files.router]
