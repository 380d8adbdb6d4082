"""Bill files that were sent: what is in them, and their way into the store with the check that follows."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.bills.documents.read_bill import read_bill
from assets.bills.stored import audit_bills
from assets.readings.readers.child import run_limited
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from orchestration.web.request_context import Context

# A file of this kind is no meter's.
PDF = ".pdf"
MEND = "choose the bill as PDF, CSV, XLSX or a picture of it"


def bill_store(ctx: Context) -> BillStore:
    """The bills of the project."""
    return BillStore(ctx.project.project.data_dir / "bills", ctx.project.store)


def bill_in(path: Path) -> SupplierBill:
    """The bill of a file, called as its sender calls it. Raises BadInput."""
    try:
        # Bills come from outside: a PDF is taken apart in the limited child.
        return read_bill(path, run=run_limited)
    except BadInput as fault:
        raise BadInput(f"{path.name}: {fault.message}", reason=fault.reason, mend=fault.mend or MEND) from fault


def picture_of(path: Path, page: int, turned_degrees: int) -> bytes:
    """A page of a bill that is a picture, upright, as PNG. Raises BadInput."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "page.png"
        arguments = {"path": str(path), "page": page, "turned_degrees": turned_degrees, "out": str(out)}
        run_limited("assets.bills.documents.read_scan:write_page", arguments)
        return out.read_bytes()


def bills_in(paths: Iterable[Path]) -> tuple[dict[Path, SupplierBill], dict[Path, BadInput]]:
    """Of these files the bills, and why the others are none."""
    found: dict[Path, SupplierBill] = {}
    wrong: dict[Path, BadInput] = {}
    for path in paths:
        try:
            found[path] = bill_in(path)
        except BadInput as fault:
            wrong[path] = fault
    return found, wrong


def keep_bill(ctx: Context, site: Site, path: Path, bill: SupplierBill) -> str:
    """Store a bill, once for its file, and check it; its id."""
    books = bill_store(ctx)
    bill_id = next((row["bill_id"] for row in books.bills(site.site_id) if row["source_sha256"] == bill.sha256), "")
    if not bill_id:
        bill_id = books.keep_bill(path, bill, site_id=site.site_id, clock=ctx.clock)
        if bill.is_draft:
            return bill_id
        audit_bills([(bill_id, bill)], books, ctx.project.lake, site, clock=ctx.clock)
    return bill_id
