"""/bills: the bills of a site as they stand, one of them line by line, acts on it, and the upload of a new one."""

from pathlib import Path
from typing import get_args

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.alert_events import stamp
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from orchestration.operations.bills.bill_acts import Acting, BillAct, act_on_bill, bill_confirm
from orchestration.views.site_bills import site_bills, the_bill
from orchestration.web.bill_files import MEND, bill_in, bill_store, keep_bill, picture_of
from orchestration.web.draw import draw
from orchestration.web.queries import instant_of, whole_site
from orchestration.web.request_context import Context, Nav, requires
from orchestration.web.upload_store import UploadStore
from orchestration.web.web_call import WebCall, signer_of
from reports.figures.bill_figures import AuditedBill, BillFigures
from reports.pages.address import Address
from reports.pages.bill_lines import bill_page
from reports.pages.bill_upload import HEADS, PREVIEW, UPLOAD, confirm_part, picture_page, preview_page, upload_page
from reports.pages.bills import PATH, acts_parts, bill_address, bills_page
from reports.pages.page import Part
from reports.pages.signers import command_of
from reports.texts.locales import moment

router = APIRouter()
NAVS = (
    Nav(41, PATH, "Cost and bills", Permission.BILL_READ, "receipt", "Analyse"),
    Nav(41, PATH, "Cost", Permission.BILL_READ, "receipt", "", ("home",)),
)


@router.get(PATH, response_class=HTMLResponse)
def bills(ctx: Context = requires(Permission.BILL_READ)) -> Response:
    """The inbox of a site."""
    at = _at(ctx)
    upload = at.href(UPLOAD, as_of=None) if may(ctx.person, Permission.BILL_UPLOAD) else ""
    return draw(ctx, bills_page(_figures(ctx, whole_site(ctx)), at, upload=upload))


@router.get(PATH + "/{bill_id}", response_class=HTMLResponse)
def bill(bill_id: str, ctx: Context = requires(Permission.BILL_READ)) -> Response:
    """One of them."""
    site = whole_site(ctx)
    figures = _figures(ctx, site)
    found = the_bill(figures.bills, bill_id)
    named = ctx.project.names
    history = [
        (moment(each.recorded_at_utc.astimezone(zone(site.time_zone)), ctx.address.locale), each,
         named.get(each.person_id, each.person_id))
        for each in found.events
    ]  # fmt: skip
    may_act = may(ctx.person, Permission.BILL_RECONCILE) and ctx.address.as_of_utc is None
    below = acts_parts(
        found, history, seen=stamp(found.events[-1] if found.events else None), site_id=site.site_id,
        locale=ctx.address.locale, may_act=may_act,
    )  # fmt: skip
    if found.state == "draft" and may_act:
        below = (_to_confirm(ctx, found, site.site_id),)
    return draw(ctx, bill_page(figures, found, _at(ctx), below=below))


def _to_confirm(ctx: Context, found: AuditedBill, site_id: str) -> Part:
    signer = signer_of(ctx)
    command = command_of(f"bill confirm {found.bill_id[:12]} --site {site_id}", signer, ending="")
    return confirm_part(found, _at(ctx), public_key=signer.public_key, command=command)


@router.get(PATH + "/{bill_id}/pages/{number}.png")
def picture_of_bill(bill_id: str, number: int, ctx: Context = requires(Permission.BILL_READ)) -> Response:
    """One page of a bill that was sent as a picture, upright."""
    found, turned = _pictured(ctx, bill_id, number)
    return Response(
        picture_of(bill_store(ctx).kept_file(found.bill_id), number, turned[number - 1]), 200, None, "image/png"
    )


@router.get(PATH + "/{bill_id}/pages/{number}", response_class=HTMLResponse)
def page_of_bill(bill_id: str, number: int, ctx: Context = requires(Permission.BILL_READ)) -> Response:
    """The same in the frame of a page, with the pages before and after it."""
    found, turned = _pictured(ctx, bill_id, number)
    return draw(ctx, picture_page(found, number, len(turned), _at(ctx)))


def _pictured(ctx: Context, bill_id: str, number: int) -> tuple[AuditedBill, tuple[int, ...]]:
    """A bill and how its pages are turned, degrees. Raises BadInput where it has no picture of that page."""
    found = the_bill(_figures(ctx, whole_site(ctx)).bills, bill_id)
    turned = found.bill.scan.turned_degrees if found.bill.scan else ()
    if not 1 <= number <= len(turned):
        raise BadInput(f"the bill has no picture of a page {number}", reason="unknown_bill")
    return found, turned


@router.post(PATH + "/{bill_id}/confirm")
def confirm(bill_id: str, ctx: Context = requires(Permission.BILL_RECONCILE)) -> Response:
    """Take a bill over that was read of a picture, with what the person put right."""
    site, form = whole_site(ctx), ctx.form
    named = [f"{name}={value}" for name, value in form.items() if name in HEADS or name.startswith("lines.")]
    done = bill_confirm(WebCall(ctx), bill_id, site.site_id, form.get("reason", ""), named)
    [row] = dict(done.result)["bills"]
    return RedirectResponse(bill_address(row["bill_id"], _at(ctx)), 303)


@router.post(PATH + "/{bill_id}/{act}")
def act_on(bill_id: str, act: str, ctx: Context = requires(Permission.BILL_RECONCILE)) -> Response:
    """Write down what the person decided. Raises BadInput for an act that there is not, or one that is refused."""
    if act not in get_args(BillAct):
        raise BadInput(
            f"one of {', '.join(get_args(BillAct))} is done with a bill, not {act[:20]!r}", reason="bad_request"
        )
    acting = Acting(
        ctx.project, whole_site(ctx), ctx.person, ctx.form.get("reason", ""), ctx.clock, ctx.form.get("seen", "")
    )
    found = act_on_bill(acting, bill_id, act)  # type: ignore[arg-type]
    return RedirectResponse(bill_address(found.bill_id, _at(ctx)), 303)


def _figures(ctx: Context, site: Site) -> BillFigures:
    found = site_bills(ctx.project, site, now_utc=ctx.now_utc, as_of_utc=ctx.address.as_of_utc)
    return BillFigures(site, found, as_of_utc=instant_of(ctx))


def _at(ctx: Context) -> Address:
    """The address with its site, which numbers are explained of."""
    return ctx.address.model_copy(update={"site": ctx.site().site_id, "scope": "", "period": ""})


@router.get(UPLOAD, response_class=HTMLResponse)
def choose(ctx: Context = requires(Permission.BILL_UPLOAD)) -> Response:
    """The form in which a bill is chosen."""
    return draw(ctx, upload_page(whole_site(ctx).site_id, ctx.address))


@router.post(PREVIEW, response_class=HTMLResponse)
def preview(ctx: Context = requires(Permission.BILL_UPLOAD)) -> Response:
    """Content of an uploaded bill; it is stored nowhere. Raises BadInput for a file that is no bill."""
    site, uploads = whole_site(ctx), UploadStore(ctx, "bill")
    kept = uploads.keep(ctx.files[:1], mend=MEND)
    _, bill = _read(uploads, kept)
    rows = bill_store(ctx).bills(site.site_id)
    stored = next((row["bill_id"] for row in rows if row["source_sha256"] == bill.sha256), "")
    like = next((row["bill_id"] for row in rows if bill.invoice and row["invoice"] == bill.invoice), "")
    page = preview_page(bill, kept, site.site_id, ctx.address, stored=stored, like=like)
    return draw(ctx, page)


@router.post(UPLOAD + "/add")
def add(ctx: Context = requires(Permission.BILL_UPLOAD)) -> Response:
    """Store a bill, once for its file, and check it. Raises BadInput for one that is no bill."""
    site = whole_site(ctx)
    path, bill = _read(UploadStore(ctx, "bill"), ctx.form.get("kept", ""))
    bill_id = keep_bill(ctx, site, path, bill)
    return RedirectResponse(bill_address(bill_id, ctx.address.model_copy(update={"site": site.site_id})), 303)


def _read(uploads: UploadStore, kept: str) -> tuple[Path, SupplierBill]:
    """A kept file and the bill in it. Raises BadInput."""
    [path] = uploads.files(kept)
    return path, bill_in(path)
