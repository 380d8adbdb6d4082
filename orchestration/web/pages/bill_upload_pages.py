"""/upload/bill: a bill file is read and shown, and stored when somebody accepts it; nothing is stored before."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.bills.documents.read_bill import read_bill
from assets.bills.stored import audit_bills
from assets.readings.readers.child import run_limited
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from orchestration.web.draw import draw
from orchestration.web.kept_uploads import KeptUploads
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, asked
from reports.pages.bill_upload import PREVIEW, UPLOAD, preview_page, upload_page
from reports.pages.bills import bill_address

router = APIRouter()
_MEND = "choose the bill as PDF with text, CSV or XLSX, or add it with: meterloom bill add FILE --site SITE"


@router.get(UPLOAD, response_class=HTMLResponse)
def choose(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """The form in which a bill is chosen."""
    return draw(ask, upload_page(whole_site(ask).site_id, ask.address))


@router.post(PREVIEW, response_class=HTMLResponse)
def preview(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """What was read of a file; it is stored nowhere. Raises BadInput for one that is no bill."""
    site, uploads = whole_site(ask), KeptUploads(ask, "bill")
    kept = uploads.keep(ask.files[:1], mend=_MEND)
    _, bill = _read(uploads, kept)
    rows = _books(ask).bills(site.site_id)
    stored = next((row["bill_id"] for row in rows if row["source_sha256"] == bill.sha256), "")
    like = next((row["bill_id"] for row in rows if bill.invoice and row["invoice"] == bill.invoice), "")
    page = preview_page(bill, kept, site.site_id, ask.address, stored=stored, like=like)
    return draw(ask, page)


@router.post(UPLOAD + "/add")
def add(ask: Ask = asked(Permission.BILL_UPLOAD)) -> Response:
    """Store a bill, once for its file, and check it. Raises BadInput for one that is no bill."""
    site, books, project = whole_site(ask), _books(ask), ask.project
    path, bill = _read(KeptUploads(ask, "bill"), ask.form.get("kept", ""))
    rows = books.bills(site.site_id)
    bill_id = next((row["bill_id"] for row in rows if row["source_sha256"] == bill.sha256), "")
    if not bill_id:
        bill_id = books.keep_bill(path, bill, site_id=site.site_id, clock=ask.clock)
        audit_bills([(bill_id, bill)], books, project.lake, site, clock=ask.clock)
    return RedirectResponse(bill_address(bill_id, ask.address.model_copy(update={"site": site.site_id})), 303)


def _books(ask: Ask) -> BillStore:
    return BillStore(ask.project.project.data_dir / "bills", ask.project.store)


def _read(uploads: KeptUploads, kept: str) -> tuple[Path, SupplierBill]:
    """A kept file and the bill in it. Raises BadInput."""
    [path] = uploads.files(kept)
    try:
        # Bills come from outside: a PDF is taken apart in the limited child.
        return path, read_bill(path, run=run_limited)
    except BadInput as fault:
        raise BadInput(f"{path.name}: {fault.message}", reason=fault.reason, mend=fault.mend or _MEND) from fault
