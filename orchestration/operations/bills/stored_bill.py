"""`meterloom bill add|list|accounts|show|override`, and `bill reconcile --stored`: the bills of a site's accounts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from assets.bills.dispute.reconcile import Reconciliation
from assets.bills.documents.read_bill import read_bill
from assets.bills.documents.reads import MeterReads, read_meter_reads, read_site_register
from assets.bills.notice import overrides_of
from assets.bills.stored import StoredAudit, audit_bills, bill_months, bills_of, facts_of, is_estimated
from assets.readings.readers.child import run_limited
from assets.stores.ledgers.bill_ledger import BillStore, notifications_of, override_tariff
from data_quality.contracts.billing.supplier_bill import ScannedField, SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.reporting.figure import Band
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_day
from orchestration.operations.answer import BAD_INPUT, CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import AnyPeriodOption, ReasonOption, SiteOption, period_or_none
from orchestration.operations.signing import actor
from orchestration.views.requested_figures import bill_ids
from orchestration.views.site_bills import site_bills, the_bill
from reports.figures.bill_figures import AuditedBill, BillFigures
from reports.recompute.bands import band_data, figure_band

NONE_STORED = "no bill is stored"


def _look(each: ScannedField) -> str:
    """Doubt about a field, for the person who confirms it."""
    return each.doubt or ("look at it" if each.is_for_a_person else "")


def _mark(each: dict[str, Any]) -> str:
    return (" (estimated)" if each["is_estimated"] else "") + (" (to confirm)" if each["is_draft"] else "")


# What every table of stored bills shows of one.
_BILL = "account | from: {start:|unread} | to: {end:|unread} | total: {total:,.2f} {currency}{mark}"
ADDED = Table(
    "bills",
    "file: {name} | bill: {bill_id:.12} | " + _BILL + " | : {news}",
    name=lambda each: Path(each["path"]).name,
    news=lambda each: "new" if each["is_new"] else "known",
    mark=_mark,
)
STORED = Table(
    "bills", "bill: {bill_id:.12} | " + _BILL + " | audit: {cause:|none made}", empty=NONE_STORED, mark=_mark
)
ACCOUNTS = Table(
    "accounts",
    "account | meters: {named} | bills | from: {start:|unread} | to: {end:|unread} | on: {put:|by its bills}",
    empty=NONE_STORED,
    named=lambda each: ", ".join(each["meters"]),
    put=lambda each: ", ".join(rule.tariff_id for rule in each["overrides"]),
)
MONTHS = Table(
    "months",
    "account | month: {start:%Y-%m} | kWh: {kwh:,.1f|not said} | cost: {cost:,.2f} {currency} | "
    "covered: {coverage:.0%} | estimated: {estimated_share:.0%}",
    empty=NONE_STORED,
)
SCANNED = "field: {name} | read: {text} | where: {place} | sure: {sure:.0%} | : {look}"
TO_CONFIRM = "'meterloom bill confirm' takes it over, with what you put right"
CHECKED = (
    "line: {label} | billed: {billed:,.2f|} | expected: {recomputed:,f|} | difference: {delta:+,f|} | "
    "rate: {billed_rate:f|} | tariff: {recomputed_rate:f|}"
)
AUDITED = "bill: {bill_id:.12} | " + _BILL + " | recomputed: {audit.recomputed_total:,.2f|} | verdict: {outcome} | told"


def books_of(call: Call) -> BillStore:
    """The project's bills."""
    return BillStore(call.project.project.data_dir / "bills", call.project.store)


@operation("bill add", takes=PROJECT, example="bills/*.pdf --site factory", writes=True)
def bill_add(
    call: Call,
    files: Annotated[list[Path], Argument("Bills: CSV, XLSX, PDF or pictures.", metavar="FILE...")],
    site: SiteOption,
) -> Answer:
    """Read bills into the store, each once; what cannot be read of one is shown, a file that is none is refused."""
    known, books = call.project.site(site), books_of(call)
    added: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for file in files:
        try:
            # Bills come from outside: a PDF is taken apart in the limited child.
            bill = read_bill(file, run=run_limited)
        except BadInput as fault:
            refused.append({"path": str(file), "message": str(fault), "reason": fault.reason})
            call.say(str(fault))
            continue
        # Asked again for each file: one call may name the same bill twice.
        before = {row["bill_id"] for row in books.bills(known.site_id)}
        bill_id = books.keep_bill(file, bill, site_id=known.site_id, clock=call.clock)
        unread = books.unread(bill_id)
        added.append({**_shown(bill_id, bill), "path": str(file), "is_new": bill_id not in before, "unread": unread})
        for part in unread:
            # What is nowhere on the page has no line.
            where = f", line {part['line']}: {part['text']!r}" if part["text"] else ""
            call.say(f"{Path(part['picture']).name}{where}: expected {part['expected']}")
    return Answer(
        {"site_id": known.site_id, "bills": added, "refused": refused},
        ADDED,
        f"{len(refused)} of {len(files)} files refused" if refused else "",
        BAD_INPUT if refused else DONE,
    )


@operation("bill list", example="--site factory --calendarised", keeps=True)
def bill_list(
    call: Call,
    site: SiteOption,
    account: Annotated[str | None, Option("Only this account.")] = None,
    period: AnyPeriodOption = None,
    is_calendarised: Annotated[bool, Option("By calendar month: kWh, cost, share estimated.")] = False,
) -> Answer:
    """List stored bills with their last audit, or lay odd periods and estimates over calendar months."""
    known, books = call.project.site(site), books_of(call)
    span = period_or_none(period, known)
    if is_calendarised:
        found = [bill for _, bill in bills_of(books, known, as_of_utc=call.as_of_utc)]
        months = [
            vars(month)
            for month in bill_months(bill for bill in found if account is None or bill.account == account)
            if span is None or (month.start < span.end and month.end > span.start)
        ]
        return Answer({"months": months}, MONTHS)
    # Audits run at night too: what they told, nobody at this screen has seen. The newest of a bill counts.
    notices = notifications_of(call.project.store, known.site_id, as_of_utc=call.as_of_utc)
    by_subject = {each["subject"]: each for each in notices}
    bills = []
    standing = site_bills(call.project, known, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc, period=span)
    shown = [each for each in standing if account in (None, each.bill.account)]
    ids = _ids(call, known, shown)
    for each in shown:
        notice = by_subject.get(each.bill_id, {"message": "", "recorded_at_utc": None})
        row = {**audited_bill_json(each), "notice": notice["message"], "told_at_utc": notice["recorded_at_utc"]}
        bills.append({**row, "figures": _named(ids.get((each.bill_id, ""), {}))})
    text = "\n".join(f"reported {each['told_at_utc']:%Y-%m-%d}: {each['notice']}" for each in bills if each["notice"])
    return Answer({"site_id": known.site_id, "bills": bills}, STORED, text)


@operation("bill accounts", example="--site factory")
def bill_accounts(call: Call, site: SiteOption) -> Answer:
    """List the accounts of a site as its bills print them: meters, number of bills, dates, and tariffs put on them."""
    known, books = call.project.site(site), books_of(call)
    mine: dict[str, list[SupplierBill]] = {}
    for _, bill in bills_of(books, known, as_of_utc=call.as_of_utc):
        mine.setdefault(bill.account, []).append(bill)
    put = overrides_of(call.project.store, known.site_id, as_of_utc=call.as_of_utc)
    rows = [
        {
            "account": name, "meters": sorted({each.meter for each in found if each.meter}), "bills": len(found),
            "start": min((each.start for each in found if each.start), default=None),
            "end": max((each.end for each in found if each.end), default=None),
            "overrides": [each for each in put if each.account == name],
        }
        for name, found in sorted({**{each.account: [] for each in put}, **mine}.items())
    ]  # fmt: skip
    return Answer({"site_id": known.site_id, "accounts": rows}, ACCOUNTS)


@operation(
    "bill override",
    takes=ACTS,
    example='ACC-7 --site factory --tariff NIGHT --from 2025-01-01 --to 2025-07-01 --reason "by contract of 12 '
    'December" --as anna',
)
def bill_override(
    call: Call,
    account: Annotated[str, Argument("As bills print it.", metavar="ACCOUNT")],
    site: SiteOption,
    tariff: Annotated[str, Option("A tariff of the site file.")],
    start: Annotated[str, Option("First local day.", "--from")],
    end: Annotated[str, Option("Local day after the last.", "--to")],
    reason: ReasonOption,
) -> Answer:
    """Put an account on a tariff for some dates: a row with person and reason; of two for a day the later counts."""
    who = actor(call, Role.ANALYST)
    known = call.project.site(site)
    codes = [each.tariff_id for each in known.tariffs]
    if tariff not in codes:
        raise BadInput(
            f"site {site} has no tariff {tariff!r}; it has {', '.join(codes) or 'none'}", reason="unknown_tariff"
        )
    row = {
        "site_id": known.site_id,
        "account": account,
        "tariff_id": tariff,
        "valid_from": parse_day(start, "--from"),
        "valid_to": parse_day(end, "--to"),
        "person_id": who.person.person_id,
        "reason": reason,
    }
    with call.project.store.together():
        override_tariff(call.project.store, **row, clock=call.clock)  # type: ignore[arg-type]
        who.sign("bill override", f"{known.site_id}/{account}", **{name: str(value) for name, value in row.items()})
    if all(each["account"] != account for each in books_of(call).bills(known.site_id)):
        call.say(f"no stored bill of site {site} is of account {account!r}")
    text = f"account {account} is on {tariff} from {start} to {end} (exclusive), by {who.person.person_id}: {reason}"
    return Answer({"override": row}, text=text)


@operation("bill show", example="5a89f6f6 --site factory", keeps=True)
def bill_show(
    call: Call,
    bill: Annotated[str, Argument("Of a stored bill, or how its id starts.", metavar="ID")],
    site: SiteOption,
) -> Answer:
    """Show a stored bill line by line as it was checked last: billed, expected, difference, and what people did."""
    known = call.project.site(site)
    bills = site_bills(call.project, known, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc)
    found = the_bill(bills, bill)
    audit, ids, band = found.audit, _ids(call, known, [found]), _band(call, known, found)
    result = {
        "site_id": known.site_id, **audited_bill_json(found), "refused": found.refused,
        "uncertainty": None if band is None else band_data(band),
        "evidence": audit.evidence if audit else (), "checked": _with_ids(audit, found.bill_id, ids),
        "events": list(found.events), "figures": _named(ids.get((found.bill_id, ""), {})),
        **({"scan": found.bill.scan} if found.bill.scan else {}),
    }  # fmt: skip
    text = f"{found.name}: {found.state.replace('_', ' ')}"
    if audit is not None and audit.verdict == "differs":
        text += f", {audit.delta_total:+,f} {audit.currency}: {audit.cause.replace('_', ' ')}"
    if audit is not None and band is not None and band.half is not None:
        text += f"; expected {audit.recomputed_total:,.2f} ± {band.half:,.2f} {audit.currency} at {band.coverage:.0%}"
    if found.bill.is_draft and found.bill.scan:
        return Answer(result, Table(list(found.bill.scan.fields), SCANNED, look=_look), f"{text}; {TO_CONFIRM}")
    return Answer(result, Table(list(audit.lines) if audit else [], CHECKED, empty="not checked yet"), text)


def _band(call: Call, site: Site, bill: AuditedBill) -> Band | None:
    """Uncertainty band of the expected bill by the meters' classes; None for one without dates."""
    as_of_utc = call.as_of_or_now
    numbers = BillFigures(site, [bill], as_of_utc=as_of_utc).of(bill)
    return None if numbers is None else figure_band(numbers.expected, sources=call.sources, lookup=lambda _: None)


# What a whole bill's numbers are called, and in an audit.
_WHOLE = {"billed": "total", "expected": "expected", "difference": "difference"}
_AUDITED = {"billed": "billed_total", "expected": "recomputed_total", "difference": "delta_total"}
_OF_LINE = {"billed": "billed", "expected": "recomputed", "difference": "delta"}
Ids = Mapping[tuple[str, str], Mapping[str, str]]


def _ids(call: Call, site: Site, bills: Sequence[AuditedBill]) -> Ids:
    as_of_utc = call.as_of_or_now
    return bill_ids(call.project, site, bills, as_of_utc=as_of_utc, clock=call.clock)


def _named(ids: Mapping[str, str], names: Mapping[str, str] = _WHOLE) -> dict[str, str]:
    return {names[of]: figure_id for of, figure_id in ids.items()}


def _with_ids(audit: Reconciliation | None, bill_id: str, ids: Ids) -> dict[str, Any] | None:
    """An audit in JSON with the ids of its numbers, and of each line's."""
    if audit is None:
        return None
    lines = [
        {**line.model_dump(), "figures": _named(ids.get((bill_id, line.id), {}), _OF_LINE)} for line in audit.lines
    ]
    return {**audit.model_dump(), "lines": lines, "figures": _named(ids.get((bill_id, ""), {}), _AUDITED)}


def audited_bill_json(each: AuditedBill) -> dict[str, Any]:
    """A stored bill with its newest audit in JSON."""
    audit = each.audit
    return {
        **_shown(each.bill_id, each.bill), "state": each.state,
        "verdict": audit.verdict if audit else "", "cause": audit.cause if audit else "",
        "expected": audit.recomputed_total if audit else None, "difference": audit.delta_total if audit else None,
    }  # fmt: skip


def reconcile_stored(
    call: Call, site: str, period: str | None, reads: Path | None, register: Path | None, only: str = ""
) -> Answer:
    """Audit the site's stored bills, or the one whose id starts so; tell those above its threshold. Exit code 1 where
    one differs.
    """
    known, books = call.project.site(site), books_of(call)
    bills = bills_of(books, known, period=period_or_none(period, known), as_of_utc=call.as_of_utc)
    if only:
        named = the_bill(site_bills(call.project, known, now_utc=call.clock.now_utc()), only)
        if named.bill.is_draft:
            raise BadInput(
                f"bill {named.name} is not checked: {named.refused}", reason="not_confirmed", mend=TO_CONFIRM
            )
        bills = [each for each in bills if each[0] == named.bill_id]
    audits = audit_bills(
        bills, books, call.project.lake, known, clock=call.clock,
        reads=_reads(reads, {bill.meter for _, bill in bills}) if reads is not None else None,
        register=read_site_register(register) if register is not None else None,
    )  # fmt: skip
    for each in audits:
        if each.refused:
            call.say(f"not audited: {each.refused}")
        elif each.notice:
            call.say(each.notice)
    facts = facts_of(audits)
    rows = [{**_shown(each.bill_id, each.bill), **_audited(each)} for each in audits]
    audited = {each.bill_id for each in audits}
    standing = site_bills(call.project, known, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc)
    ids = _ids(call, known, [each for each in standing if each.bill_id in audited])
    documents = [{**_audited(each), "audit": _with_ids(each.audit, each.bill_id, ids)} for each in audits]
    return Answer(
        {"site_id": known.site_id, **facts, "audits": documents},
        Table(rows, AUDITED, empty="no bill is stored for this", outcome=_verdict_words, told=_has_event, mark=_mark),
        exit_code=CHECK_FAILED if facts["differ"] or facts["not_audited"] else DONE,
    )


def _reads(path: Path, meters: set[str]) -> dict[str, MeterReads]:
    """Reads per meter; a meter that the file lacks is audited by the lake. Raises BadInput for all else."""
    found = {}
    for meter in sorted(meters):
        try:
            found[meter] = read_meter_reads(path, meter=meter)
        except BadInput as fault:
            # A broken file must not pass for one that lacks the meter.
            if fault.reason != "unknown_meter":
                raise
    return found


def _shown(bill_id: str, bill: SupplierBill) -> dict[str, Any]:
    return {
        "bill_id": bill_id, "file": bill.file, "account": bill.account, "invoice": bill.invoice, "meter": bill.meter,
        "start": bill.start, "end": bill.end, "currency": bill.currency or "", "total": bill.amount_due,
        "is_estimated": is_estimated(bill), "lines": len(bill.lines), "unread_parts": len(bill.unread),
        "is_draft": bill.is_draft,
    }  # fmt: skip


def _audited(each: StoredAudit) -> dict[str, Any]:
    audit = each.audit
    return {
        "bill_id": each.bill_id, "file": each.bill.file, "verdict": audit.verdict if audit else "not_audited",
        "cause": audit.cause if audit else "", "refused": each.refused, "event_id": each.event_id,
        "notice": each.notice, "audit": audit,
    }  # fmt: skip


def _verdict_words(each: dict[str, Any]) -> str:
    return f"differs: {each['cause']}" if each["verdict"] == "differs" else str(each["verdict"]).replace("_", " ")


def _has_event(each: dict[str, Any]) -> str:
    return "yes" if each["event_id"] else ""
