"""/why: where a number comes from, recomputed, or of a live one who told it; and keeping it as a figure to be cited."""

from collections.abc import Iterator
from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.live.live_store import LiveReader
from controls.templates.load_templates import load_template
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.live_source import DeviceSource, poll_intervals_s
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of
from orchestration.web.draw import draw
from orchestration.web.request_context import Context, NotAllowed, requires
from orchestration.web.requested_number import WHY_TAKES, explained, kept_number, readings_csv
from reports.pages.address import TAKES, WHY, read_address
from reports.pages.live_points import point_page
from reports.pages.page import Page
from reports.pages.why import CSV, address_of, why_page

router = APIRouter()


@router.get("/why", response_class=HTMLResponse)
def why(ctx: Context = requires(Permission.READ, takes=WHY_TAKES)) -> Response:
    """The reason of one number."""
    if ctx.address.part("point"):
        return draw(ctx, _live_point_page(ctx))
    may_keep = may(ctx.person, Permission.REPORT_RUN)
    return draw(ctx, why_page(explained(ctx), ctx.address, may_keep=may_keep))


@router.get(CSV)
def readings(ctx: Context = requires(Permission.READ, takes=TAKES)) -> Response:
    """All readings behind it."""
    headers = {"Content-Disposition": 'attachment; filename="readings.csv"'}
    return Response(readings_csv(ctx), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/why/keep")
def keep(ctx: Context = requires(Permission.REPORT_RUN)) -> Response:
    """Store the number with its trace, and show it under its id; the same number again keeps its id."""
    question = replace(ctx, address=read_address(WHY, list(ctx.form.items()), takes=TAKES))
    return RedirectResponse(address_of(kept_number(question), ctx.address), 303)


def _live_point_page(ctx: Context) -> Page:
    """Explanation of a live number. Raises NotAllowed, and BadInput (unknown_item) for a point without a value."""
    if not may(ctx.person, Permission.LIVE_READ):
        raise NotAllowed(Permission.LIVE_READ)
    site, name = ctx.site(), ctx.address.part("point")
    held = LiveReader(ctx.project.project.live_dir).values(site.site_id)
    value = next((each for each in held if f"{each.source_id}/{each.point}" == name), None)
    if value is None:
        raise BadInput(f"site {site.site_id!r} has no point {name!r} now", reason="unknown_item")
    address = ctx.address.model_copy(update={"site": site.site_id})
    return point_page(
        address, value, site=site, origin_rows=tuple(_origin_rows(site, value.source_id, value.point)),
        now_utc=ctx.now_utc, every_s=poll_intervals_s(site),
    )  # fmt: skip


def _origin_rows(site: Site, source_id: str, name: str) -> Iterator[tuple[str, str]]:
    """Place of the value at its source, and the register and scale that make it the number, by the site file."""
    for source, point in [(one, each) for one in site.sources for each in one.points]:
        if (source.source_id, point.point) != (source_id, name):
            continue
        known = (getattr(point, each, "") for each in ("topic", "value_name", "object", "obis"))
        path = getattr(point, "path", "")
        place = " ".join(filter(None, (source.kind, next(filter(None, known), ""), path and f"field {path}")))
        yield "Told by", f"{source_id}: {place}"
        asset = next((each for each in site.assets if each.asset_id == getattr(source, "asset", None)), None)
        template = getattr(source, "template", "") or (asset.template if asset is not None else "")
        scale = "as reported"
        if isinstance(source, DeviceSource) and template:
            found = load_template(template).capability(getattr(point, "value_name", ""))
            place = found.field_name or f"{found.table} register {found.register_address}, {found.type}"
            scale = f"{template}: {place}, times {found.scale:g}"
        unit = unit_of(point.received_unit)
        is_other = unit.code != unit.canonical and not unit.is_power
        factor = f", of which 1 is {unit.factor:g} {unit.canonical}" if is_other else ""
        yield "Register and scale", f"{scale}; reported in {unit.code}{factor}"
