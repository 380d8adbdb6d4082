"""Acts of programs: each is the operation of a command, asked with its options as JSON, for who has the permission.

What takes longer than an answer may is that command in a process of its own, and answers as a job does. What takes a
file is sent the file, its other options in the address.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Header, Request
from pydantic import Field, create_model
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, plain
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.operations.answer import BAD_INPUT, Answer
from orchestration.operations.commands import command
from orchestration.operations.operation import Argument, Operation, Parameter
from orchestration.operations.reports.report import LIST, report
from orchestration.web.api.jobs_api import answer_of
from orchestration.web.api.operations_api import given, guard, offered
from orchestration.web.cache import BASE, JSON
from orchestration.web.idempotency import idempotent_acts
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.signing import SentSignature
from orchestration.web.upload_store import SentFile, named_files, sent_file
from orchestration.web.web_call import WebCall
from orchestration.web.work import Job, work_of

P = Permission
_FIELD = "of_"
# Of one option of a command; the system refuses a hundred times as much.
LONGEST_WORD = 1000
Key = Annotated[str, Header(max_length=128)]


class Act(NamedTuple):
    """An act: path below /api/v1/ems, name of the command, who may.

    is_job: in a process of its own. file: the parameter that a sent file is for. only: parameters that may be said, all
    where none are named. of_people: those of them that take somebody at their word, which a key cannot give. fixed:
    what the address says by itself. of: what a parameter is called in the path.
    """

    path: str
    name: str
    needs: Permission
    method: str = "POST"
    is_job: bool = False
    file: str = ""
    only: str = ""
    of_people: str = ""
    fixed: Mapping[str, Any] = {}
    of: Mapping[str, str] = {}


ACTS = (
    Act("/accounts/{account}/tariffs", "bill override", P.BILL_RECONCILE),
    Act("/meters/{meter}", "meters add", P.METER_UPDATE),
    Act("/meters/{meter}", "meters change", P.METER_UPDATE, "PATCH"),
    Act("/meters/proposals/{proposal_id}/accept", "meters accept", P.METER_COMMISSION),
    Act("/meters/proposals/{proposal_id}/reject", "meters reject", P.METER_COMMISSION),
    Act(
        "/readings", "ingest", P.READINGS_PUSH, file="paths", only="dry_run tz accept_scale",
        of_people="accept_scale",
    ),
    Act("/readings/edits", "readings edit", P.METER_UPDATE),
    Act("/readings/events", "readings event", P.METER_UPDATE),
    Act("/readings/events/{event_id}/withdraw", "readings withdraw", P.METER_UPDATE),
    Act("/tariffs", "tariff import", P.TARIFF_UPDATE, file="file"),
    Act("/tariffs", "tariff change", P.TARIFF_UPDATE, "PATCH", file="file"),
    Act("/bills", "bill add", P.BILL_UPLOAD, file="files"),
    Act(
        "/bills/{bill}/reconcile", "bill reconcile", P.BILL_RECONCILE,
        only="none", fixed={"is_stored": True}, of={"bill": "file"},
    ),
    Act("/bills/{bill}/confirm", "bill confirm", P.BILL_RECONCILE),
    Act("/bills/{bill}/dispute", "bill dispute", P.BILL_RECONCILE),
    Act("/bills/{bill}/accept", "bill accept", P.BILL_RECONCILE),
    Act("/bills/{bill}/withdraw", "bill withdraw", P.BILL_RECONCILE),
    Act(
        "/baselines", "baseline fit", P.BASELINE_CREATE, is_job=True,
        only="seu train",
    ),
    # Before those of a baseline, whose id may hold strokes.
    Act(
        "/baselines/adjustments/{adjustment}/approve", "baseline adjust", P.BASELINE_APPROVE,
        only="reason", of={"adjustment": "approve"},
    ),
    Act(
        "/baselines/adjustments/{adjustment}/withdraw", "baseline adjust", P.BASELINE_APPROVE,
        only="reason", of={"adjustment": "withdraw"},
    ),
    Act("/baselines/{baseline_id:path}/approve", "baseline approve", P.BASELINE_APPROVE),
    Act("/baselines/{baseline_id:path}/reject", "baseline reject", P.BASELINE_APPROVE),
    Act(
        "/baselines/{baseline_id:path}/adjustments", "baseline adjust", P.BASELINE_CREATE,
        only="start end kwh_per_day percent reason method evidence routine",
    ),
    Act("/mv/runs/{name:path}", "baseline project", P.MV_RUN, is_job=True),
    Act("/carbon/factors", "factors add", P.CARBON_FACTOR_UPDATE, file="file"),
    Act("/carbon/factors/{factor_id}/withdraw", "factors withdraw", P.CARBON_FACTOR_UPDATE),
    Act("/forecast", "forecast issue", P.FORECAST_RUN, is_job=True),
    Act(
        "/plans", "plan", P.DISPATCH_OVERRIDE, is_job=True,
        only="day",
    ),
    Act("/ai/recommend", "advise run", P.AI_RUN, is_job=True),
    Act(
        "/nilm/run", "nilm run", P.NILM_RUN, is_job=True,
        only="circuit train report group on_above",
    ),
    Act("/dr/profiles/{load}", "dr loads accept", P.DR_PROFILE_UPDATE),
    Act(
        "/reports/{name}/run", "report", P.REPORT_RUN, is_job=True,
        only="period seu mv_project event formats language edition",
    ),
    Act("/reports/{revision:path}/review", "reports review", P.REPORT_REVIEW),
    Act("/reports/{revision:path}/return", "reports return", P.REPORT_REVIEW),
    Act("/reports/{revision:path}/publish", "reports publish", P.REPORT_PUBLISH),
    Act("/reports/{revision:path}/withdraw", "reports withdraw", P.REPORT_PUBLISH),
)  # fmt: skip
_IN_PATH = re.compile(r"\{(\w+)(?::\w+)?\}")
_FILE = {"type": "string", "format": "binary"}
router = APIRouter()


def sent_parameters(act: Act, operation: Operation) -> list[Parameter]:
    """The parameters that the body or the address says: not those of the path, and the site is in the address."""
    barred, only = {act.of.get(each, each) for each in _IN_PATH.findall(act.path)}, act.only.split()
    return [
        each
        for each in offered(operation)
        if each.name not in barred and each.word != "site" and (not only or each.name in only)
    ]


def is_signed(act: Act, operation: Operation) -> bool:
    """True where people who have keys sign it; what a process of its own does is nobody's signature."""
    return "person_" in operation.takes and not act.is_job


def _file_body(act: Act, operation: Operation) -> dict[str, Any]:
    """OpenAPI entry of a body that is a file: the file itself, or a form with it, which can be signed."""
    signature = SentSignature.model_json_schema()["properties"] if is_signed(act, operation) else {}
    form = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **signature}}
    content = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": _FILE}}
    return {"requestBody": {"required": True, "content": content}}


def body_of(act: Act, operation: Operation) -> type[Model]:
    """The body of an act, made of the parameters of its command and called as its options are."""
    fields: dict[str, Any] = {}
    for each in sent_parameters(act, operation):
        kept = each.option.kept
        limits = {of: kept[name] for name, of in (("min", "ge"), ("max", "le")) if name in kept}
        start = ... if each.is_required else each.default
        # Not by its bare name, which may be one that every model has.
        fields[_FIELD + each.name] = (each.kind, Field(start, alias=each.word, description=each.option.help, **limits))
    base = SentSignature if is_signed(act, operation) else Model
    # Of two acts of one command each has a name of its own: what the path says by an option.
    words = [*re.split(r"\W", act.name), *(each for each in act.of.values() if each != "file")]
    title = "".join(word.capitalize() for word in words)
    return create_model(f"Sent{title}", __base__=base, __doc__=f"Options of `meterloom {act.name}`.", **fields)


def _endpoint(act: Act, operation: Operation) -> Callable[..., Response]:
    """The function behind the route of one act."""
    if act.file:
        return _with_file(act, operation)
    gate = requires(act.needs, shared=("site",))

    def answer(request: Request, sent: Any, idempotency_key: Key = "", ctx: Context = gate) -> Response:
        # Of what was not said the command has its own.
        named = sent.model_fields_set - set(SentSignature.model_fields)
        values = {name.removeprefix(_FIELD): getattr(sent, name) for name in named}
        signed = sent.model_dump(include=set(SentSignature.model_fields), exclude_defaults=True)
        return _done(request, replace(ctx, form=signed), act, operation, values, idempotency_key)

    answer.__annotations__["sent"] = body_of(act, operation)
    return answer


def _with_file(act: Act, operation: Operation) -> Callable[..., Response]:
    takes = (*(each.word for each in sent_parameters(act, operation)), "name")
    gate = requires(act.needs, takes=takes, shared=("site",))

    def answer(request: Request, idempotency_key: Key = "", ctx: Context = gate) -> Response:
        values = {each.name: given(each, ctx) for each in sent_parameters(act, operation)}
        known = {name: value for name, value in values.items() if value is not None}
        is_key = getattr(request.state, "scopes", None) is not None
        if is_key and (personal := [each for each in act.of_people.split() if known.get(each)]):
            raise BadInput(f"{personal[0]} is for a person who is signed in, and not for a key", reason="missing_role")

        def done() -> Response:
            content = sent_file(request)
            files = [*ctx.files[:1]] or ([SentFile(ctx.address.part("name") or "body", content)] if content else [])
            [(name, content)] = named_files(files, "send it as the body, or as a form with one file").items()
            # For the act alone: what comes of it is in the store, and a machine would fill the room of what waits.
            with TemporaryDirectory() as folder:
                path = Path(folder, name)
                path.write_bytes(content)
                kind = next(each.kind for each in operation.parameters if each.name == act.file)
                value = [path] if getattr(kind, "__origin__", None) is list else path
                return _answered(ctx, act, operation, known | {act.file: value}, hidden=path.parent)

        return idempotent_acts(ctx.project).answer(request, ctx, idempotency_key, done)

    return answer


def _done(
    request: Request, ctx: Context, act: Act, operation: Operation, values: dict[str, Any], key: str
) -> Response:  # fmt: skip
    for name in _IN_PATH.findall(act.path):
        # Of what is called `name` the M&V projects alone are of a site.
        guard(ctx, "project" if act.needs is P.MV_RUN else name, request.path_params[name])
        values[act.of.get(name, name)] = request.path_params[name]
    if "file" in act.of.values():
        values["file"] = Path(values["file"])
    if not act.is_job:
        return idempotent_acts(ctx.project).answer(request, ctx, key, partial(_answered, ctx, act, operation, values))
    return answer_of(job_of(ctx, act, values, key), lambda outcome: outcome.result)


def job_of(ctx: Context, act: Act, values: Mapping[str, Any], key: str = "") -> Job:
    """The act's command for the site of the address, begun as the person. values, key: see words_of, Work.ask."""
    operation = command(act.name)
    words = words_of(operation, {**values, **_site(ctx, operation)})
    words += ("--as", ctx.person.person_id) if "person_" in operation.takes else ()
    return work_of(ctx.project).ask(words, person_id=ctx.person.person_id, now_utc=ctx.now_utc, key=key)


def _answered(
    ctx: Context, act: Act, operation: Operation, values: dict[str, Any], hidden: Path | None = None
) -> Response:
    """The JSON of the operation, without folders of the server, which nobody need know; hidden: one of them, with what
    was sent. Raises BadInput.
    """
    known = values | dict(act.fixed) | _site(ctx, operation)
    if "tenant" in values or any(each.name == "tenant" for each in operation.parameters):
        guard(ctx, "tenant", known.get("tenant", ""))
    try:
        found = operation.function(WebCall(ctx), **operation.filled(known))
    except BadConfiguration as fault:
        # Of what was sent, and not of a file of the project.
        if hidden is None:
            raise
        faults = "; ".join(f"line {each.line}: {each.message}" for each in fault.problems)
        raise BadInput(faults, reason="faulty_text", mend=fault.mend) from fault
    if found.exit_code == BAD_INPUT:
        raise BadInput(_refused(found).replace(f"{hidden}/", ""), reason="refused")
    text = orjson.dumps(plain(found.result))
    for folder in (hidden, ctx.project.project.root):
        text = text.replace(f"{folder}/".encode(), b"") if folder is not None and folder.is_absolute() else text
    return Response(text, media_type=JSON)


def _refused(found: Answer) -> str:
    """The first sentence on why a file was refused."""
    result = dict(found.result)
    messages = [each.get("message", "") for name in ("refused", "files") for each in result.get(name) or ()]
    return next((each for each in messages if each), "") or "what was sent was refused whole"


def _site(ctx: Context, operation: Operation) -> dict[str, Any]:
    """The site of the address, by the name of the parameter for it; one that the person does not see is refused."""
    return {each.name: whole_site(ctx).site_id for each in operation.parameters if each.word == "site"}


def words_of(operation: Operation, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The command that asks the same. Raises BadInput for an argument that would be read as an option, and for a text
    that no command line takes.
    """
    words = [*operation.name.split()]
    for each in operation.parameters:
        value = values.get(each.name)
        if value is None or value is False:
            continue
        several = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
        if not all(one.isprintable() and len(one) <= LONGEST_WORD for one in several):
            raise BadInput(f"{each.word}: expected at most {LONGEST_WORD} printable characters", reason="bad_request")
        if isinstance(each.option, Argument):
            if any(one.startswith("-") for one in several):
                raise BadInput(
                    f"{each.word} does not begin with a hyphen, got {several[0][:40]!r}", reason="bad_request"
                )
            words += several
        else:
            option = each.names[0]
            words += [option] if value is True else [f"{option}={one}" for one in several]
    return tuple(words)


@router.get(f"{BASE}/reports/templates", name="report templates")
def templates(ctx: Context = requires(P.REPORT_READ, shared=("locale",))) -> Response:
    """The reports that can be made, as `meterloom report templates` lists them: name, periods, what each says."""
    rows = dict(report(WebCall(ctx), LIST, language=ctx.address.locale).result)["templates"]
    return Response(
        orjson.dumps({"templates": [each | {"file": Path(each["file"]).name} for each in rows]}), media_type=JSON
    )


for _act in ACTS:
    _operation = command(_act.name)
    _function = _endpoint(_act, _operation)
    _function.__doc__ = _operation.function.__doc__
    router.add_api_route(
        f"{BASE}{_act.path}", _function, methods=[_act.method], name=f"{_act.name} ({_act.method})",
        openapi_extra=_file_body(_act, _operation) if _act.file else None,
    )  # fmt: skip
