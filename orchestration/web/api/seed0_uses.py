"""The EnPI guide's register, field for field: energy uses, one use more, energy sources."""

import re
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from assets.kpi.enpi.use_register import SeuLine, seu_lines, sources_of
from assets.sites.edit_site import rewritten, text_tag
from assets.sites.load_sites import load_site, site_file
from assets.sites.patch import with_seu
from assets.tariffs.periods import price_stream_of, tariffs_of
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, plain
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import local_day
from orchestration.operations.signing import edit_record
from orchestration.web.idempotency import idempotent_acts
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall
from reports.recompute.figure_sources import Sources

router = APIRouter(prefix="/api/v1")
SHARED, TAKES = ("site", "as_of"), ("energy_source", "is_active")


class NewUse(Model):
    """A use as the guide asks for it. machine_ids: the meters that measure it."""

    name: str = Field(min_length=1, max_length=100)
    energy_source: Carrier
    machine_ids: tuple[str, ...] = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=500)
    site: str = Field(min_length=1, max_length=64)


@router.get("/seus")
def list_uses(ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES, shared=SHARED)) -> Response:
    """The uses of the sites that the person sees; of one site with the tag that a change of its file needs."""
    project, sites = ctx.project, {each.site_id: each for each in ctx.selected_sites()}
    text = ctx.address.part("energy_source")
    if text and text not in list(Carrier):
        raise BadInput(f"energy_source is one of {', '.join(Carrier)}, got {text[:40]!r}", reason="bad_address")
    lines = seu_lines(
        sites,
        baselines=project.baselines,
        reports=project.reports,
        source=Carrier(text) if text else None,
        is_active=_is_true(ctx.address.part("is_active")),
        as_of_utc=ctx.address.as_of_utc,
    )
    headers = {"ETag": _tag(_file(ctx, ctx.address.site))} if ctx.address.site else None
    return JSONResponse({"success": True, "data": [_line(each) for each in lines]}, headers=headers)


def _line(line: SeuLine) -> dict[str, Any]:
    return {
        "id": f"{line.site}/{line.id}",
        "name": line.name,
        "energy_source": line.source,
        "machine_count": len(line.meters),
        "baseline_year": None if line.baseline_period is None else int(line.baseline_period[0][:4]),
        "has_baseline": line.baseline is not None,
        "is_approved": line.has_approved_baseline,
        "last_report": line.last_report,
    }


def _is_true(text: str) -> bool | None:
    if text not in ("", "true", "false"):
        raise BadInput(f"is_active is true or false, got {text[:20]!r}", reason="bad_address")
    return text == "true" if text else None


@router.post("/seus", status_code=201)
def add_use(
    request: Request,
    new: NewUse,
    if_match: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str, Header(max_length=128)] = "",
    ctx: Context = requires(Permission.WRITE, shared=()),
) -> Response:
    """Write one use more into the site's file, every comment kept; the file must be as it was when it was read."""
    return idempotent_acts(ctx.project).answer(request, ctx, idempotency_key, lambda: _added(new, if_match, ctx))


def _added(new: NewUse, if_match: str, ctx: Context) -> Response:
    site = ctx.of(site=new.site).site()
    path = _file(ctx, site.site_id)
    seu_id = re.sub(r"[^a-z0-9]+", "_", new.name.lower()).strip("_")[:64]
    if not seu_id or not new.name.isprintable():
        raise BadInput(f"no id can be made of the name {new.name[:40]!r}: use letters or digits", reason="bad_name")
    carriers = {meter.meter_id: meter.carrier for meter in site.meters}
    for name in new.machine_ids:
        if name not in carriers:
            raise BadInput(f"site {site.site_id!r} has no meter {name[:64]!r}", reason="unknown_meter")
        if carriers[name] is not new.energy_source:
            raise BadInput(f"meter {name!r} measures {carriers[name]}, not {new.energy_source}", reason="wrong_carrier")
    seu = Seu(seu_id=seu_id, name=new.name, carrier=new.energy_source, meters=new.machine_ids)
    if not if_match:
        raise BadInput("send If-Match: the ETag of the list of this site's uses", reason="no_if_match")
    change = partial(with_seu, seu=seu, note=new.description, file=path.name)
    with rewritten(path, load_site, change, edit_record(WebCall(ctx), site.site_id), seen=if_match.strip('"')):
        pass
    [line] = [
        each
        for each in seu_lines(
            {site.site_id: ctx.project.site(site.site_id)}, baselines=ctx.project.baselines, reports=ctx.project.reports
        )
        if each.id == seu.seu_id
    ]
    return JSONResponse({"success": True, "data": _line(line)}, 201, headers={"ETag": _tag(path)})


def _file(ctx: Context, site_id: str) -> Path:
    return site_file(ctx.project.project.sites_dir, ctx.of(site=site_id).site().site_id, ctx.project.cache)


def _tag(path: Path) -> str:
    return f'"{text_tag(path)}"'


@router.get("/energy-sources")
def energy_sources(ctx: Context = requires(Permission.BASELINE_READ, shared=("site",))) -> Response:
    """Carriers of all meters, or of one site; price and factor only where one dated value holds today for all."""
    sites, sources = ctx.selected_sites(), ctx.project.sources(keeps=False)
    data = [_source(Carrier(name), sites, sources, ctx) for name in sources_of(sites)]
    return JSONResponse(plain({"success": True, "data": data}))


def _source(carrier: Carrier, sites: list[Site], sources: Sources, ctx: Context) -> dict[str, Any]:
    used = [each for each in sites if any(meter.carrier is carrier for meter in each.meters)]
    factors = {each: None for site in used for each in _factors(carrier, site, sources, ctx)}
    values = {each.kgco2e_per_kwh for each in factors}
    prices = {_flat_price(carrier, site, ctx) for site in used}
    price, currency = prices.pop() if len(prices) == 1 else (None, None)
    factor = next(iter(factors)) if len(values) == 1 else None
    return {
        "id": carrier.value,
        "name": carrier.value.replace("_", " "),
        "unit": "m3" if carrier is Carrier.WATER else "kWh",
        "cost_per_unit": price,
        "carbon_factor": None if factor is None else factor.kgco2e_per_kwh,
        "valid_from": None if factor is None else factor.valid_from,
        "valid_to": None if factor is None else factor.valid_to,
        "currency": currency,
        "is_secondary": all(
            meter.is_made_on_site for site in used for meter in site.meters if meter.carrier is carrier
        ),
    }


def _factors(carrier: Carrier, site: Site, sources: Sources, ctx: Context) -> list[DayFactor]:
    scope = f"site:{site.site_id}" + ("" if carrier is Carrier.ELECTRICITY else f"/{carrier.value}")
    known_at = ctx.project.store.known_at(ctx.clock)
    try:
        # Asked of all time: of a shorter span the dates would be cut to it.
        found = sources.factor_versions(site, scope, date(1990, 1, 1), date(2100, 1, 1), known_at)
    except BadInput:
        # A carrier that has no total of its own, or two factors of one day: then none holds.
        return []
    today = _today(site, ctx)
    return [each for each in found if each.valid_from <= today < each.valid_to]


def _flat_price(carrier: Carrier, site: Site, ctx: Context) -> tuple[Decimal | None, str | None]:
    """The tariff's one price of all hours and amounts, with its currency; nothing where it has several."""
    if price_stream_of(site, carrier):
        return None, None
    today = _today(site, ctx)
    tariff = next((each for each in tariffs_of(site, carrier) if each.valid_from <= today < each.valid_to), None)
    if tariff is None or tariff.energy or {each.price for each in tariff.periods} & {None}:
        return None, None
    prices = {each.price for each in tariff.periods}
    return (prices.pop(), tariff.currency or site.currency) if len(prices) == 1 else (None, None)


def _today(site: Site, ctx: Context) -> date:
    return local_day(ctx.now_utc, site.time_zone)
