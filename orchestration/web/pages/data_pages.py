"""/data: the quality of a site's readings by meter and day, new files for it, and its quarantine."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.readings.changes.holds import OF_SCALE
from assets.readings.drafts.map_draft import PROPOSED_FOR
from assets.readings.ingest.preview import preview_file
from assets.sites.meter_tree import has_import
from assets.stores.warehouse.marts import if_published
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, zone
from orchestration.operations.options import column_map
from orchestration.operations.readings.ingest import ingest
from orchestration.operations.readings.quarantine import quarantine_retry
from orchestration.web.column_maps import for_later, keep_for_later, mappable_table, store_column_map
from orchestration.web.draw import draw
from orchestration.web.queries import age_of, marts_of, whole_site
from orchestration.web.request_context import Context, Nav, requires
from orchestration.web.upload_store import SentFile, UploadStore
from orchestration.web.web_call import WebCall
from orchestration.web.work import calculate, calculation
from reports.pages.address import span
from reports.pages.data_days import MAPPED, PATH, RETRY, TAKE, DayRead, Refused, data_page, refusal_blocks
from reports.pages.page import PageBlock
from reports.pages.reading_upload import ACCEPT, LATER, MAP, PREVIEW, upload_blocks
from reports.texts.locales import long_date

router = APIRouter()
NAV = Nav(44, PATH, "Data", Permission.ANOMALY_READ, "database", "Assure", ("ops", "audit", "home"))
MOST_MONTHS = 24
_MEND = "choose meter files as CSV, XLSX, Parquet or EDI"


@router.get(PATH, response_class=HTMLResponse)
def data(ctx: Context = requires(Permission.ANOMALY_READ, takes=("kept", "retried"))) -> Response:
    """Is anything missing?"""
    site = whole_site(ctx)
    rows = if_published(lambda: marts_of(ctx, site)("mart_scope__day_kpi", site_id=site.site_id), lambda _: _NONE)
    rows = rows.filter(pl.col("scope").str.starts_with("meter:"))
    starts = rows["period_start"].dt.month_start().unique().sort(descending=True)
    months: list[date] = starts.to_list()[:MOST_MONTHS]
    today = local_day(ctx.as_of_or_now, site.time_zone)
    # Of a month that began today no day is over.
    newest = next((each for each in months if each < today), months[0] if months else today)
    requested = span(ctx.address, time_zone=site.time_zone, now_utc=ctx.now_utc, usual=f"{newest:%Y-%m}")
    last: Any = rows["period_start"].max()
    shown = rows.filter(pl.col("period_start").is_between(requested.start, requested.end, closed="left"))
    days = {
        (scope.removeprefix("meter:"), day): DayRead(coverage or 0.0, estimated or 0.0)
        for scope, day, coverage, estimated in shown.select(_COLUMNS).iter_rows()
    }
    known = {scope.removeprefix("meter:") for scope in rows["scope"].unique()}
    # What only generates or stores has no days in this mart; a meter of use without any is what people look for.
    shown_meters = [each for each in site.meters if has_import(each) or each.meter_id in known]
    job = calculation(ctx, site.site_id)
    state = job.state if job is not None else ""
    drawn = draw(
        ctx,
        data_page(
            ctx.address, site_name=site.name, month=requested, months=months,
            meters={each.meter_id: each.name or each.meter_id for each in shown_meters},
            days=days, last_day=last, today=today, refused=_refused(ctx, site), is_synthetic=site.is_simulated,
            is_partial=len(shown_meters) < len(site.meters), upload=_upload(ctx, site, state),
            age=age_of(ctx, site).words(site.time_zone, ctx.address.locale),
        ),
    )  # fmt: skip
    if state in ("queued", "running"):
        drawn.headers["Refresh"] = "3"
    return drawn


@router.post(PREVIEW)
def preview(ctx: Context = requires(Permission.READINGS_PUSH)) -> Response:
    """Keep files for a day, and show what they would change; nothing of them is stored. Raises BadInput."""
    site = whole_site(ctx)
    kept = UploadStore(ctx, site.site_id).keep(ctx.files, mend=_MEND)
    return RedirectResponse(ctx.address.href(PATH, site=site.site_id, kept=kept) + "#upload", 303)


@router.post(MAP)
def map_columns(ctx: Context = requires(Permission.READINGS_PUSH)) -> Response:
    """Read one file of a preview by the columns that the person names; nothing is stored. Raises BadInput."""
    site = whole_site(ctx)
    kept = store_column_map(ctx, UploadStore(ctx, site.site_id), site)
    return RedirectResponse(ctx.address.href(PATH, site=site.site_id, kept=kept) + "#upload", 303)


@router.post(ACCEPT)
def accept(ctx: Context = requires(Permission.READINGS_PUSH)) -> Response:
    """Bring the files of a preview in, as the command does; a second time changes nothing. Raises BadInput."""
    site, kept = whole_site(ctx), ctx.form.get("kept", "")
    uploads, files = UploadStore(ctx, site.site_id), dict[Path | None, list[Path]]()
    for each in uploads.files(kept):
        files.setdefault(uploads.map_of(kept, each), []).append(each)
    for mapping, paths in files.items():
        if LATER in ctx.form and (known := column_map(mapping)) is not None:
            keep_for_later(ctx, site, paths, known)
        calculate(ctx, site.site_id, ingest(WebCall(ctx), paths, site.site_id, mapping=mapping))
    return RedirectResponse(ctx.address.href(PATH, site=site.site_id, kept=kept) + "#upload", 303)


def _upload(ctx: Context, site: Site, state: str) -> tuple[PageBlock, ...]:
    """The place for files, for who may send some, and what those of the address would change."""
    kept, project = ctx.address.part("kept"), ctx.project
    if not may(ctx.person, Permission.READINGS_PUSH) or ctx.address.as_of_utc is not None:
        return ()
    uploads, previews, mappable, patterns = UploadStore(ctx, site.site_id), [], [], []
    for path in uploads.files(kept) if kept else ():
        mapping = column_map(uploads.map_of(kept, path))
        found = preview_file(
            path, site=site, lake=project.lake, quarantine=project.quarantine, clock=ctx.clock, mapping=mapping
        )
        previews.append(found)
        if mapping is not None and (later := for_later(mapping, path)) not in site.column_maps:
            patterns.append(later.match)
        if found.report.verdict == "reject" and (mapping is not None or PROPOSED_FOR & {*found.report.reasons}):
            mappable.append(mappable_table(path, site, mapping))
    meters = {each: site.stream_name(each) for each in site.stream_ids()}
    return upload_blocks(
        ctx.address, site.site_id, previews, kept=kept, meters=meters, time_zone=site.time_zone, calculation=state,
        mappable=mappable, patterns=patterns,
    )  # fmt: skip


_COLUMNS = ("scope", "period_start", "coverage", "estimated_share")
_NONE = pl.DataFrame(
    schema={"scope": pl.String, "period_start": pl.Date, "coverage": pl.Float64, "estimated_share": pl.Float64}
)


@router.post("/data/quarantine/{item_id}/{act}")
def retry(item_id: str, act: str, ctx: Context = requires(Permission.READINGS_PUSH)) -> Response:
    """Read a refused file again, as the command does, take what is held for its size alone, or open a preview of the
    file, whose columns are mapped there. Raises BadInput.
    """
    site, call = whole_site(ctx), WebCall(ctx)
    item = ctx.project.quarantine.show(item_id)
    if item["site_id"] != site.site_id or act not in (RETRY, TAKE, MAPPED):
        raise BadInput(f"no quarantine item {item_id!r}", reason="unknown_item")
    if act == MAPPED and item["kept_path"]:
        file = SentFile(item["source_name"], (ctx.project.quarantine.root / item["kept_path"]).read_bytes())
        kept = UploadStore(ctx, site.site_id).keep([file], mend=_MEND)
        return RedirectResponse(ctx.address.href(PATH, site=site.site_id, kept=kept) + "#upload", 303)
    # The batch keeps who vouched for the size.
    call.person = ctx.person.person_id
    answer = quarantine_retry(call, item["item_id"], accept_scale=act == TAKE)
    calculate(ctx, site.site_id, answer)
    return RedirectResponse(ctx.address.href(PATH, site=site.site_id, retried=item["item_id"]) + "#quarantine", 303)


def _refused(ctx: Context, site: Site) -> tuple[PageBlock, ...]:
    """Open items of the quarantine by file and reason, the newest first."""
    items = ctx.project.quarantine.items(site.site_id, is_open=True, as_of_utc=ctx.address.as_of_utc)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in reversed(items):
        groups.setdefault((each["source_sha256"], each["reason"]), []).append(each)
    local, retried = zone(site.time_zone), ctx.address.part("retried")
    refused = [
        Refused(
            item_id=of[0]["item_id"], file=of[0]["source_name"], reason=reason,
            rows=sum(each["row_count"] for each in of),
            lines=(min(each["line"] for each in of), max(each["line"] for each in of)),
            since=long_date(of[0]["recorded_at_utc"].astimezone(local), ctx.address.locale),
            needs_map=of[0]["kind"] == "file" and reason in PROPOSED_FOR, may_take=reason in OF_SCALE,
        )
        for (_, reason), of in groups.items()
    ]  # fmt: skip
    may_act = may(ctx.person, Permission.READINGS_PUSH) and ctx.address.as_of_utc is None
    resolved = ctx.project.quarantine.show(retried)["resolved_at_utc"] is not None if retried else None
    address = ctx.address.model_copy(update={"site": site.site_id, "more": ()})
    return refusal_blocks(refused, address, may_act=may_act, retried=resolved)
