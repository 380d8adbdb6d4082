"""Is the process alive, is it of use, and what has it done: for the machine itself, and for who has a key."""

import ipaddress
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from assets.stores.transactions import probe
from controls.gateways.access.loopback_port import Metrics
from data_quality.contracts.errors import WorldFault
from orchestration.web.api.project_metrics import tell_project
from orchestration.web.request_context import NotSignedIn


def _near(request: Request) -> None:
    """Raises NotSignedIn for who is neither this machine nor has a key."""
    address = request.client.host if request.client else ""
    try:
        # Of the network's own address too: what comes from the address that it was sent to never left this machine.
        is_near = ipaddress.ip_address(address).is_loopback or address == (request.scope.get("server") or ("",))[0]
    except ValueError:
        is_near = False
    # Somebody further away may stand behind a proxy on this machine.
    if is_near and not any(name in request.headers for name in ("x-forwarded-for", "forwarded")):
        return
    if request.app.state.signed_in(request) is None or not hasattr(request.state, "key_id"):
        raise NotSignedIn


router = APIRouter(dependencies=[Depends(_near)], include_in_schema=False)


@router.get("/healthz")
def healthz() -> Response:
    """Alive."""
    return JSONResponse({"status": "alive"})


@router.get("/ready")
@router.get("/readyz")
def readyz(request: Request) -> Response:
    """Of use: the store answers, and people and sites can be read."""
    state = request.app.state
    found: dict[str, Any] = {"people": state.people_fault() or "in order"}
    asks: dict[str, Callable[[], Any]] = {
        "store": lambda: state.project.store.rows(probe()),
        "sites": lambda: state.project.sites,
    }
    for name, ask in asks.items():
        try:
            ask()
            found[name] = "in order"
        except WorldFault:
            found[name] = "does not answer"
    is_ready = all(each == "in order" for each in found.values())
    return JSONResponse({"status": "ready" if is_ready else "not ready", **found}, 200 if is_ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Counts of this process and numbers of the project, in the text format of Prometheus."""
    state = request.app.state
    page = Metrics("meterloom_")
    answers = [(f'{{status="{name}"}}', count) for name, count in sorted(state.counts.items())]
    page.tell("web_answers_total", "counter", answers, "Answers by status")
    for kind in ("streams", "exports"):
        page.tell(f"web_{kind}", "gauge", [("", state.allowances.taken(kind))], f"Open {kind}")
    tell_project(page, state.project, state.clock.now_utc())
    return PlainTextResponse(page.text(), media_type="text/plain; version=0.0.4")
