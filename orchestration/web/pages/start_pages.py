"""/start: an empty project becomes a site with its first figures, from files that somebody drops."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.readings.drafts.map_draft import PROPOSED_FOR, glob_of
from assets.readings.drafts.places import country_of, currency_of
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from orchestration.operations.options import column_map
from orchestration.web.column_maps import mappable_table, store_column_map
from orchestration.web.draw import draw
from orchestration.web.request_context import Context, requires
from orchestration.web.starting import draft_of, found_in, make_site, parted
from orchestration.web.upload_store import UploadStore
from orchestration.web.work import calculation
from reports.pages.page import Page
from reports.pages.reading_upload import MappableTable
from reports.pages.start import CONFIRM, FILES, MAP, PATH, Open, start_page, waiting_page

router = APIRouter()
_MEND = "choose meter files as CSV, XLSX, Parquet or EDI, and bills as PDF"


@router.get(PATH, response_class=HTMLResponse)
def start(ctx: Context = requires(Permission.METER_COMMISSION, takes=("kept", "tz", "made", "map"))) -> Response:
    """Upload of first files, the draft of a site from them, and the wait for its first figures."""
    if made := ctx.address.part("made"):
        # The first figures, or the page that waits for them.
        job = calculation(ctx, made)
        if job is None or job.state == "done":
            return RedirectResponse(ctx.address.href("/energy", site=made), 303)
        fault = job.future.result().message if job.state == "failed" else ""
        drawn = draw(ctx, waiting_page(ctx.address, fault=fault))
        if not fault:
            drawn.headers["Refresh"] = "2"
        return drawn
    kept, zone = ctx.address.part("kept"), ctx.address.part("tz")
    return draw(ctx, _draft(ctx, kept, zone) if kept else start_page(ctx.address, time_zone=zone))


@router.post(FILES)
def files(ctx: Context = requires(Permission.METER_COMMISSION)) -> Response:
    """Keep files for a day, and show the meters that they seem to hold. Raises BadInput."""
    kept = UploadStore(ctx, "start").keep(ctx.files, mend=_MEND)
    return RedirectResponse(ctx.address.href(PATH, kept=kept, tz=ctx.form.get("time_zone", "")[:60]), 303)


@router.post(MAP)
def map_columns(ctx: Context = requires(Permission.METER_COMMISSION)) -> Response:
    """Read one file by the columns that the person names; nothing is stored. Raises BadInput."""
    kept = store_column_map(ctx, UploadStore(ctx, "start"), None)
    return RedirectResponse(ctx.address.href(PATH, kept=kept, tz=ctx.form.get("zone", "")[:60]), 303)


@router.post(CONFIRM)
def confirm(ctx: Context = requires(Permission.METER_COMMISSION)) -> Response:
    """Make the site, store its readings, and have its figures calculated; a second time changes nothing. Raises
    BadInput.
    """
    fields = {name: value.strip() for name, value in ctx.form.items() if name != "kept" and value.strip()}
    if "name" not in fields or "time_zone" not in fields:
        raise BadInput("a site needs a name and a time zone", reason="bad_answer", mend="go back and give both")
    files, maps = _files(ctx, ctx.form.get("kept", ""))
    made = make_site(ctx, files, fields, maps)
    return RedirectResponse(ctx.address.href(PATH, made=made), 303)


def _files(ctx: Context, kept: str) -> tuple[list[Path], dict[Path, ColumnMap]]:
    """Files of an upload, and the maps that the person made of them."""
    uploads = UploadStore(ctx, "start")
    files = uploads.files(kept)
    return files, {each: made for each in files if (made := column_map(uploads.map_of(kept, each))) is not None}


def _draft(ctx: Context, kept: str, zone: str) -> Page:
    paths, maps = _files(ctx, kept)
    of_meters, bills, wrong = parted(ctx, paths)
    faults = {path.name: _message(fault, paths) for path, fault in wrong.items()}
    shown = partial(
        start_page, ctx.address, files=[each.name for each in paths], kept=kept, time_zone=zone,
        bills={path.name: bill for path, bill in bills.items()},
    )  # fmt: skip
    if not of_meters:
        return shown(refused=faults)

    def mappable(refused: Mapping[Path, BadInput]) -> list[MappableTable]:
        """Tables that are not read, and the one that the person wants to map otherwise."""
        wanted = [each for each, fault in refused.items() if each in maps or fault.reason in PROPOSED_FOR]
        wanted += [each for each in of_meters if each.name == ctx.address.part("map") and each not in wanted]
        return [mappable_table(each, None, maps.get(each)) for each in wanted]

    try:
        draft = draft_of(of_meters, {"time_zone": zone} if zone else {}, maps)
    except BadInput as fault:
        wrong = dict.fromkeys(of_meters, fault)
        return shown(refused=faults | {each.name: _message(fault, paths) for each in wrong}, mappable=mappable(wrong))
    read = {each.keys["match"] for each in draft.draft.maps if "timestamp" in each.keys}
    found, hours = found_in(ctx, of_meters, draft)
    money = currency_of(country_of(zone)) if zone else ""
    return shown(
        currency=money or draft.site.currency, found=found, hours=hours,
        refused=faults | {path.name: _message(fault, paths) for path, fault in draft.refused.items()},
        questions=[Open(each.id, each.text, each.answers) for each in draft.draft.open_questions.values()],
        mappable=mappable(draft.refused), tables=[each.name for each in of_meters if glob_of(each.name) in read],
    )  # fmt: skip


def _message(fault: BadInput, paths: Sequence[Path]) -> str:
    """The sentence, with files called as their sender calls them."""
    text = fault.message
    for each in paths:
        text = text.replace(str(each), each.name)
    return text
