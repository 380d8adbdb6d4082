"""/upload/bill: a bill file is read and shown, and stored when somebody accepts it; nothing is stored before."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.billing.supplier_bill import SupplierBill
from orchestration.web.bill_files import MEND, bill_in, bill_store, keep_bill
from orchestration.web.draw import draw
from orchestration.web.kept_uploads import KeptUploads
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, asked
from reports.pages.bill_upload import PREVIEW, UPLOAD, preview_page, upload_page
from reports.pages.bills import bill_address

router = APIRouter()


@router.get(UPLOAD, response_class=HTMLResponse)
def choose(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """The form in which a bill is chosen."""
    return draw(ask, upload_page(whole_site(ask).site_id, ask.address))


@router.post(PREVIEW, response_class=HTMLResponse)
def preview(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """What was read of a file; it is stored nowhere. Raises BadInput for one that is no bill."""
    site, uploads = whole_site(ask), KeptUploads(ask, "bill")
    kept = uploads.keep(ask.files[:1], mend=MEND)
    _, bill = _read(uploads, kept)
    rows = bill_store(ask).bills(site.site_id)
    stored = next((row["bill_id"] for row in rows if row["source_sha256"] == bill.sha256), "")
    like = next((row["bill_id"] for row in rows if bill.invoice and row["invoice"] == bill.invoice), "")
    page = preview_page(bill, kept, site.site_id, ask.address, stored=stored, like=like)
    return draw(ask, page)


@router.post(UPLOAD + "/add")
def add(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """Store a bill, once for its file, and check it. Raises BadInput for one that is no bill."""
    site = whole_site(ask)
    path, bill = _read(KeptUploads(ask, "bill"), ask.form.get("kept", ""))
    bill_id = keep_bill(ask, site, path, bill)
    return RedirectResponse(bill_address(bill_id, ask.address.model_copy(update={"site": site.site_id})), 303)


def _read(uploads: KeptUploads, kept: str) -> tuple[Path, SupplierBill]:
    """A kept file and the bill in it. Raises BadInput."""
    [path] = uploads.files(kept)
    return path, bill_in(path)
