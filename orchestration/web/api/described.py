"""The API as it describes itself: OpenAPI for programs, and the same as a page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from orchestration.web.api.openapi import described, docs_page
from orchestration.web.ask import Ask
from orchestration.web.route_rights import asked

router = APIRouter()


@router.get("/api/openapi.json", dependencies=[asked(None)])
def openapi_json(request: Request) -> Response:
    """The whole API, OpenAPI 3.1."""
    return JSONResponse(described(request.app))


@router.get("/api/docs", response_class=HTMLResponse)
def docs(request: Request, ask: Ask = asked(None)) -> Response:
    """The API as a page: what there is, what it asks and who may."""
    from orchestration.web.draw import draw

    return draw(ask, docs_page(described(request.app), ask.address))
