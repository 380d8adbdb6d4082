"""Endpoints of operations: each answers the JSON of its command, for who may see all of the site."""

import re
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.meter_proposals import ProposalStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import value_in_words
from orchestration.operations.answer_figures import reader, store_answer_figures
from orchestration.operations.commands import command
from orchestration.operations.operation import Operation, Parameter
from orchestration.web.cache import BASE, JSON
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall
from reports.lifecycle.changes import parse_revision
from reports.pages.address import KNOWN

# Path below /api/v1/ems, name of the command, and who may ask.
ENDPOINTS = (
    ("/anomalies", "findings list", Permission.ANOMALY_READ),
    ("/anomalies/events", "anomalies list", Permission.ANOMALY_READ),
    ("/alerts", "alerts list", Permission.ANOMALY_READ),
    ("/alerts/{rule}/preview", "alerts test", Permission.ANOMALY_READ),
    ("/orders", "orders list", Permission.ANOMALY_READ),
    ("/orders/{order}", "orders show", Permission.ANOMALY_READ),
    ("/workflows/{name}", "workflows show", Permission.ANOMALY_READ),
    ("/dr/events", "dr event list", Permission.DR_READ),
    ("/dr/events/{event}", "dr event show", Permission.DR_READ),
    ("/dr/loads", "dr loads list", Permission.DR_READ),
    ("/meters", "meters list", Permission.METER_READ),
    ("/meters/proposals", "meters proposals", Permission.METER_READ),
    ("/accounts", "bill accounts", Permission.BILL_READ),
    ("/tariffs", "tariff held", Permission.TARIFF_READ),
    ("/tariffs/carriers", "tariff carriers", Permission.TARIFF_READ),
    ("/tariffs/shipped", "tariff list", Permission.TARIFF_READ),
    ("/meters/balance", "meters balance", Permission.METER_READ),
    ("/nilm", "nilm list", Permission.NILM_READ),
    ("/nilm/{disaggregation}", "nilm show", Permission.NILM_READ),
    ("/readings/edits", "readings edits", Permission.METER_READ),
    ("/readings/events", "readings events", Permission.METER_READ),
    ("/quarantine", "quarantine list", Permission.METER_READ),
    ("/bills", "bill list", Permission.BILL_READ),
    ("/bills/{bill}", "bill show", Permission.BILL_READ),
    ("/baselines", "baseline list", Permission.BASELINE_READ),
    ("/baselines/adjustments", "baseline adjustments", Permission.BASELINE_READ),
    ("/baselines/{baseline_id:path}", "baseline show", Permission.BASELINE_READ),
    ("/enpi", "enpi", Permission.BASELINE_READ),
    ("/carbon/factors", "factors list", Permission.CARBON_READ),
    ("/carbon/report", "carbon footprint", Permission.CARBON_READ),
    ("/carbon/restatement", "carbon restate", Permission.CARBON_READ),
    ("/reports/runs/{revision:path}", "reports show", Permission.REPORT_READ),
    ("/reports", "reports list", Permission.REPORT_READ),
    ("/dispatch", "dispatch status", Permission.DISPATCH_READ),
    ("/dispatch/ledger", "dispatch ledger", Permission.DISPATCH_READ),
    ("/forecasts", "forecast list", Permission.FORECAST_READ),
    ("/forecasts/scores", "forecast scores", Permission.FORECAST_READ),
    ("/forecasts/{forecast}", "forecast show", Permission.FORECAST_READ),
    ("/plans", "plans list", Permission.DISPATCH_READ),
    ("/plans/{plan}", "plans show", Permission.DISPATCH_READ),
    ("/sources", "sources list", Permission.LIVE_READ),
    ("/what-ifs", "what-ifs list", Permission.FORECAST_READ),
    ("/recommendations", "advise list", Permission.ANOMALY_READ),
    ("/recommendations/{recommendation}", "advise show", Permission.ANOMALY_READ),
    ("/weather", "weather list", Permission.FORECAST_READ),
    ("/devices/catalogue", "devices catalogue", Permission.DISPATCH_READ),
)
# What an address never names: sites that the asker may not see, and how a table in a shell looks.
_NOT_OFFERED = ("portfolio", "files", "computed")
router = APIRouter()


def offered(operation: Operation) -> list[Parameter]:
    """The parameters that an address may name."""
    is_file = {each.name: Path in _inner(each.kind) for each in operation.parameters}
    return [each for each in operation.parameters if not is_file[each.name] and each.word not in _NOT_OFFERED]


def _inner(kind: Any) -> set[Any]:
    return {kind, *(deep for each in getattr(kind, "__args__", ()) for deep in _inner(each))}


def endpoint(operation: Operation, needs: Permission, path: str = "") -> Callable[..., Response]:
    """The function behind its route, for who has the permission. A parameter in braces stands in the path."""
    in_path = {each.name for each in offered(operation) if re.search(rf"\{{{each.name}[:}}]", path)}
    known = [each for each in offered(operation) if each.name not in in_path]
    words = [each.word for each in known] + (["as_of"] if "as_of_" in operation.takes else [])
    shared, takes = (tuple(each for each in words if (each in KNOWN) == is_known) for is_known in (True, False))

    def answer(request: Request, ctx: Context = requires(needs, takes=takes, shared=shared)) -> Response:
        for name in in_path:
            guard(ctx, name, request.path_params[name])
        sent = {each.name: given(each, ctx) for each in known} | {name: request.path_params[name] for name in in_path}
        values = {name: value for name, value in sent.items() if value is not None}
        call, arguments = WebCall(ctx), operation.filled(values)
        document = operation.function(call, **arguments).document
        kept = store_answer_figures(operation, call, arguments, document)
        return Response(orjson.dumps(document if kept is None else kept.with_ids(document)), media_type=JSON)

    answer.__doc__ = operation.function.__doc__
    return answer


def guard(ctx: Context, name: str, value: str) -> None:
    """Raises BadInput in the words of a site that is not there, where what a parameter names is of a site or of an
    organisation that the person does not see.
    """
    if name == "tenant" and not value and ctx.person.sites:
        raise BadInput("name the site that it is for: you do not see all of them", reason="bad_request")
    site_id = _SITE_OF[name](ctx, value) if name in _SITE_OF and value else ""
    if site_id:
        theirs = ctx.of(site=site_id)
        theirs.selected_subjects() if name == "revision" else whole_site(theirs)
    if name == "revision" and ctx.person.sites:
        try:
            parse_revision(value, ctx.project.reports)
        except BadInput as fault:
            # Its sentence names the revisions that there are, of every site.
            raise BadInput(f"no revision {value[:80]!r} of a site that you see", reason=fault.reason) from fault


def _of_proposal(ctx: Context, value: str) -> str:
    known = ProposalStore(ctx.project.store).proposals()
    return next((each.site_id for each in known if each.proposal_id.startswith(value)), "")


def _of_adjustment(ctx: Context, value: str) -> str:
    known = AdjustmentStore(ctx.project.store).records()
    found = (each.adjustment.baseline_id for each in known if each.adjustment_id == value)
    return next(found, "").partition("/")[0]


_SITE_OF: dict[str, Callable[[Context, str], str]] = {
    "tenant": lambda _, value: value,
    "baseline_id": lambda _, value: value.partition("/")[0],
    # An M&V project, site/project.
    "project": lambda _, value: value.partition("/")[0],
    "revision": lambda _, value: [*value.split("/"), ""][1],
    "proposal_id": _of_proposal,
    "adjustment": _of_adjustment,
}


def given(parameter: Parameter, ctx: Context) -> Any:
    """Value of a parameter in the address, None where it has none. Raises BadInput (bad_address)."""
    word = parameter.word
    if word == "site":
        return whole_site(ctx).site_id
    text = getattr(ctx.address, word) if word in KNOWN else ctx.address.part(word)
    if not text:
        if parameter.is_required:
            raise BadInput(f"{word} is missing ({parameter.option.help.rstrip('.')})", reason="bad_address")
        return None
    try:
        value = reader(parameter.kind).validate_strings(text.split(",") if list in _origins(parameter.kind) else text)
    except ValidationError as error:
        expected, _ = value_in_words(error.errors()[0])
        raise BadInput(f"{word}: {expected}, got {text[:40]!r}", reason="bad_address") from error
    limits = parameter.option.kept
    if "min" in limits and not limits["min"] <= value <= limits.get("max", inf):
        upto = f" to {limits['max']}" if "max" in limits else ""
        raise BadInput(f"{word}: expected a number from {limits['min']}{upto}, got {text[:40]!r}", reason="bad_address")
    return value


def _origins(kind: Any) -> set[Any]:
    return {getattr(each, "__origin__", None) for each in _inner(kind)}


for _path, _name, _needs in ENDPOINTS:
    _endpoint = endpoint(command(_name), _needs, _path)
    router.add_api_route(f"{BASE}{_path}", _endpoint, methods=["GET"], name=_name)
