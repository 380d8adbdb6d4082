"""The description of the API made of the routes and what their gates know: OpenAPI for programs, a page for people."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, JSONResponse, Response

from data_quality.contracts.access.permissions import Permission
from orchestration.web.draw import draw
from orchestration.web.problems import REASONS
from orchestration.web.request_context import Context, requires
from reports.pages.address import Address
from reports.pages.page import Page, Part
from reports.report_content import Paragraph, table

router = APIRouter()
VERSION = "1"


def routes_of(app: FastAPI) -> list[APIRoute]:
    """All routes of ours."""
    return [each for each in app.routes if isinstance(each, APIRoute)]


def gate_of(route: APIRoute) -> tuple[Permission | None, tuple[str, ...]] | None:
    """Permission and parameters of a route's gate; None for a route without one."""
    for each in route.dependant.dependencies:
        call: Any = each.call
        if hasattr(call, "permission"):
            return call.permission, call.takes
    return None


def described(app: FastAPI) -> dict[str, Any]:
    """The document. Paths outside /api are pages, which people read."""
    routes = [each for each in routes_of(app) if each.path.startswith("/api/") and each.include_in_schema]
    found = get_openapi(title="Meterloom", version=VERSION, openapi_version="3.1.0", routes=routes)
    for route in routes:
        gate = gate_of(route)
        for method in route.methods or ():
            entry = found["paths"][route.path_format][method.lower()]
            entry["responses"]["4XX"] = {"description": "A problem document (RFC 9457), application/problem+json"}
            if gate is None:
                continue
            permission, takes = gate
            entry["x-permission"] = permission.value if permission else "signed in"
            known = {each["name"] for each in entry.setdefault("parameters", [])}
            entry["parameters"] += [
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
                for name in takes
                if name not in known
            ]
    found["components"] = found.get("components", {}) | {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}, "cookie": _COOKIE}
    }
    found["security"] = [{"key": []}, {"cookie": []}]
    return found


_COOKIE = {"type": "apiKey", "in": "cookie", "name": "meterloom"}


def docs_page(document: dict[str, Any], address: Address) -> Page:
    """The document as a page of ours."""
    rows = [
        (
            method.upper(),
            path,
            (entry.get("description") or entry.get("summary", "")).partition("\n")[0],
            ", ".join(each["name"] for each in entry.get("parameters", [])),
            entry.get("x-permission", ""),
        )
        for path, methods in sorted(document["paths"].items())
        for method, entry in methods.items()
    ]
    faults = [(str(status), ", ".join(sorted(reasons))) for status, reasons in sorted(REASONS.items())]
    paths = table("addresses", "Addresses", ("Method", "Path", "What it answers", "Parameters", "Permission"), rows)
    parts = (
        Part(key="how", blocks=(Paragraph(text=_HOW),)),
        Part(key="paths", title="Addresses", blocks=(paths,)),
        Part(key="faults", title="Refusals", blocks=(table("refusals", "Refusals", ("Status", "Codes"), faults),)),
    )
    return Page(title="API", address=address, parts=parts, links=(("OpenAPI 3.1", "/api/openapi.json"),))


_HOW = (
    "Send a key of 'meterloom keys issue' as 'Authorization: Bearer KEY', never in an address. Refusals are problem "
    "documents (RFC 9457) whose code says why; every code that is not below comes with 422."
)


@router.get("/api/openapi.json", dependencies=[requires(None, shared=())])
def openapi_json(request: Request) -> Response:
    """The whole API, OpenAPI 3.1."""
    return JSONResponse(described(request.app))


@router.get("/api/docs", response_class=HTMLResponse)
def docs(request: Request, ctx: Context = requires(None, shared=("locale",))) -> Response:
    """The API as a page: what there is, what it asks and who may."""
    return draw(ctx, docs_page(described(request.app), ctx.address))
