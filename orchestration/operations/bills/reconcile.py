"""`meterloom bill reconcile`: a supplier's bill against registers or load, line by line, with the cause."""

from pathlib import Path
from typing import Annotated

from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.documents.read_bill import read_bill
from assets.bills.documents.reads import read_meter_reads, read_site_register
from assets.bills.engine.bill_load import Load
from assets.readings.readers.child import run_limited
from assets.tariffs.formats.tariff_file import read_tariffs
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, filled
from orchestration.operations.bills.bill import LoadOption, PricesOption, load_with_warnings, prices_of, zone_to_use
from orchestration.operations.bills.stored_bill import reconcile_stored
from orchestration.operations.operation import Argument, Call, Option, operation
from orchestration.operations.options import MapOption, column_map
from reports.writer import words


@operation(
    "bill reconcile",
    writes=True,
    example="--bill bill.pdf --tariff tariffs.json --reads reads.csv --register meters.csv",
)
def audit(
    call: Call,
    file: Annotated[
        Path | None, Argument("The bill, instead of --bill; with --stored its id.", metavar="[BILL]")
    ] = None,
    bill: Annotated[Path | None, Option("The supplier's bill: CSV, XLSX or PDF with text.")] = None,
    tariff: Annotated[list[Path] | None, Option("Tariff file; several: all that may apply.")] = None,
    load: LoadOption = None,
    reads: Annotated[Path | None, Option("[meter,]read_date,<period>_register…")] = None,
    register: Annotated[Path | None, Option("meter,account,site,multiplier.")] = None,
    prices: PricesOption = None,
    meter: Annotated[str | None, Option("Which meter of the load, where it has several.")] = None,
    tz: Annotated[str | None, Option("Zone of days (IANA).")] = None,
    mapping: MapOption = None,
    is_stored: Annotated[bool, Option("The bills of --site in the store.")] = False,
    site: Annotated[str | None, Option("Whose bills, with --stored.")] = None,
    period: Annotated[str | None, Option("Bills that reach into it, with --stored.")] = None,
) -> Answer:
    """Audit a bill, or with --stored those of a site: every line recomputed, and why it differs. Exit code 1 where
    one does.
    """
    if file is not None and bill is not None:
        raise BadInput(f"--bill {bill} and {file}: expected one bill, got two", reason="two_bills")
    if is_stored:
        if site is None or bill is not None or tariff or load is not None:
            raise BadInput(
                "bill reconcile --stored needs --site; bills, tariffs and load are the site's", reason="no_site"
            )
        # Beside --stored the argument names a stored bill.
        return reconcile_stored(call, site, period, reads, register, "" if file is None else str(file))
    bill = bill or file
    if bill is None or not tariff:
        missing = [name for name, value in (("a BILL", bill), ("--tariff FILE", tariff)) if not value]
        raise BadInput(
            f"bill reconcile needs {' and '.join(missing)}",
            reason="no_bill",
            mend="as in: meterloom bill reconcile BILL --tariff FILE --reads FILE",
        )
    tariffs = tuple(each for file in tariff for each in read_tariffs(file))
    # Bills come from outside: a PDF is taken apart in the limited child.
    paper = read_bill(bill, run=run_limited)
    time_zone = zone_to_use(tz, tariffs, load, call)
    used: Load | None = None
    if load is not None:
        used = load_with_warnings(call, load, time_zone=time_zone, meter=meter, mapping=column_map(mapping))
    case = make_case(
        paper,
        tariffs,
        load=used,
        reads=read_meter_reads(reads, meter=paper.meter) if reads is not None else None,
        register=read_site_register(register) if register is not None else None,
        prices=prices_of(prices, tariffs, time_zone),
        time_zone=time_zone,
    )
    found = reconcile(case)
    if paper.is_draft:
        call.say(f"{paper.file} was read from an image and is not confirmed: compare this answer with the image")
    for note in found.notes:
        call.say(note)
    return _answer(found, paper)


def _answer(found: Reconciliation, paper: SupplierBill) -> Answer:
    data = found.model_dump()
    data["unread"] = [
        {
            "file": found.file,
            # A viewer opens the picture of that page.
            "page": f"{found.file}#page={unread.place.page}" if unread.place.page else "",
            "line": unread.place.line,
            "text": unread.text,
            "expected": unread.expected,
        }
        for unread in paper.unread
    ]
    total = ("", "total", found.billed_total, found.recomputed_total, found.delta_total, "")
    rows = [(line.id, line.label, line.billed, line.recomputed, line.delta, line.owner) for line in found.lines]
    columns = {
        "line": "{0}",
        "on the bill": "{1}",
        f"billed, {found.currency}": "{2:,.2f|}",
        "recomputed": "{3:,f|}",
        "delta": "{4:,f|}",
        **({"owner": "{5}"} if any(line.owner != "unknown" for line in found.lines) else {}),
    }
    headline = "agrees: recomputed it is the same"
    if found.verdict == "differs":
        delta = filled("{delta_total:+,f|}", found)
        headline = f"differs{f' by {delta} {found.currency}' if delta else ''}: {words(found.cause)}"
    return Answer(
        data,
        (headline, "", Table([*rows, total], columns), *(["", *found.evidence] if found.evidence else [])),
        exit_code=DONE if found.verdict == "agrees" else CHECK_FAILED,
    )
