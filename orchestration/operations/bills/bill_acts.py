"""`meterloom bill dispute|accept|withdraw|confirm`: what a person decides about a bill that differs or was scanned."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import ValidationError

from assets.bills.stored import audit_bills
from assets.stores.ledgers.alert_events import AlertEvents, stamp
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.open_finding import FindingAct
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.operations.answer import Answer
from orchestration.operations.bills.stored_bill import ADDED, audited_bill_json, books_of
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.options import ReasonOption, SiteOption
from orchestration.operations.signing import actor
from orchestration.views.open_findings import FindingsQuery, bill_findings
from orchestration.views.site_bills import site_bills, the_bill
from reports.figures.bill_figures import AuditedBill, BillState

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


BillAct = Literal["dispute", "accept", "withdraw"]
# What an act is written down as, and the states of a bill that it is done with.
_ACTS: dict[BillAct, tuple[FindingAct, tuple[str, ...]]] = {
    "dispute": ("disputed", ("differs",)),
    "accept": ("accepted", ("differs", "disputed")),
    "withdraw": ("reopened", ("disputed", "accepted")),
}
IdArgument = Annotated[str, Argument("Of a stored bill, or how its id starts.", metavar="ID")]


class Acting(NamedTuple):
    """Person who acts on the bills of a site, and why. seen: what their form carries (alert_events.py: stamp)."""

    project: "OpenProject"
    site: Site
    person: Person
    reason: str
    clock: Clock
    seen: str | None = None


def act_on_bill(acting: Acting, bill_id: str, act: BillAct) -> AuditedBill:
    """Write it down; the bill as it stands then. Raises BadInput where the bill has nothing to decide, for who may not,
    without reason, and where somebody acted since.
    """
    project, site, now_utc = acting.project, acting.site, acting.clock.now_utc()
    done, states = _ACTS[act]
    bill = the_bill(site_bills(project, site, now_utc=now_utc), bill_id)
    finding = next(
        (each for each in bill_findings(FindingsQuery(project, site, now_utc)) if each.cause == bill.bill_id), None
    )
    # A form of before the last act is told what was done since, or that it was this.
    is_late = acting.seen is not None and bool(bill.events) and acting.seen != stamp(bill.events[-1])
    if finding is None or (bill.state not in states and not is_late):
        raise BadInput(f"bill {bill.name} {_STATE_TEXTS[bill.state]}: there is nothing to {act}", reason="decided")
    AlertEvents(project.store).record(
        finding, done, person=acting.person, reason=acting.reason, clock=acting.clock, seen=acting.seen
    )
    return the_bill(site_bills(project, site, now_utc=acting.clock.now_utc()), bill.bill_id)


_STATE_TEXTS: dict[BillState, str] = {
    "matches": "matches readings and tariff", "differs": "is neither disputed nor accepted",
    "not_checked": "is not checked yet", "disputed": "is disputed already", "accepted": "is accepted already",
    "draft": "waits for 'meterloom bill confirm'",
}  # fmt: skip


@operation("bill dispute", takes=ACTS, example='5a89f6f6 --site factory --as ben --reason "tariff of 2024 was applied"')
def bill_dispute(call: Call, bill: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Say that a bill which differs is disputed with its supplier. Nothing is sent; it leaves the list of findings."""
    return _answer(call, bill, "dispute", site, reason)


@operation("bill accept", takes=ACTS, example='5a89f6f6 --site factory --as ben --reason "the supplier explained it"')
def bill_accept(call: Call, bill: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Accept a bill which differs as it was billed. It leaves the list of findings until a check says otherwise."""
    return _answer(call, bill, "accept", site, reason)


@operation("bill withdraw", takes=ACTS, example='5a89f6f6 --site factory --as ben --reason "the meter was wrong"')
def bill_withdraw(call: Call, bill: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Withdraw a dispute or an acceptance: the bill differs, and is on the list of findings again."""
    return _answer(call, bill, "withdraw", site, reason)


def _answer(call: Call, bill: str, act: BillAct, site: str, reason: str) -> Answer:
    person = call.known_person()
    found = act_on_bill(Acting(call.project, call.project.site(site), person, reason, call.clock), bill, act)
    text = f"bill {found.name} {found.state.replace('_', ' ')}, by {person.name}: {found.events[-1].reason}"
    return Answer({"site_id": site, "bills": [audited_bill_json(found)], "events": list(found.events)}, text=text)


# What a person may put right: fields of the bill, of a line and of a register.
HEADS = (
    "supplier", "invoice", "account", "site", "meter", "start", "end", "tariff_codes", "multiplier", "currency", "net",
    "total",
)  # fmt: skip
OF_LIST = {
    "lines": ("label", "quantity", "unit", "rate", "amount"),
    "registers": ("period_id", "opened", "closed"),
}
# Labels that were not read, by the field that a person then said.
_LABELS = {"period from": "start", "period to (exclusive)": "end", "currency": "currency", "total": "total"}


@operation(
    "bill confirm",
    takes=ACTS,
    example='5a89f6f6 --site factory --set total=867.11 --set lines.0.amount=722.59 --as ben --reason "as on paper"',
)
def bill_confirm(
    call: Call,
    bill: IdArgument,
    site: SiteOption,
    reason: ReasonOption,
    put_right: Annotated[list[str] | None, Option("FIELD=VALUE, such as total=867.11; repeatable.", "--set")] = None,
) -> Answer:
    """Confirm a bill that was read of a picture, with what you put right; from then on it counts and is checked."""
    known, books, who = call.project.site(site), books_of(call), actor(call, Role.ANALYST)
    found = the_bill(site_bills(call.project, known, now_utc=call.clock.now_utc()), bill)
    if not found.bill.is_draft:
        raise BadInput(f"bill {found.name} needs no confirmation", reason="decided")
    if not reason.strip():
        raise BadInput("a bill is confirmed with a reason, such as: as on paper", reason="no_reason")
    counted = confirmed(found.bill, put_right or (), person_id=who.person.person_id, reason=reason)
    with call.project.store.together():
        # Another reading of the same file: the draft stays as it was, and the last reading counts.
        bill_id = books.keep_bill(books.kept_file(found.bill_id), counted, site_id=known.site_id, clock=call.clock)
        who.sign("bill confirm", f"{known.site_id}/{bill_id}", draft=found.bill_id, reason=reason)
    audit_bills([(bill_id, counted)], books, call.project.lake, known, clock=call.clock)
    stands = the_bill(site_bills(call.project, known, now_utc=call.clock.now_utc()), bill_id)
    changed = counted.scan.changed if counted.scan else ()
    row = {**audited_bill_json(stands), "path": counted.file, "is_new": True, "changed": changed}
    text = f"bill {stands.name} is confirmed by {who.person.name}" + (
        f"; put right: {', '.join(changed)}" * bool(changed)
    )
    return Answer({"site_id": known.site_id, "bills": [row]}, ADDED, text)


def confirmed(bill: SupplierBill, put_right: Sequence[str], *, person_id: str, reason: str) -> SupplierBill:
    """The bill as a person confirms it. put_right: FIELD=VALUE. Raises BadInput for no such field or value."""
    if bill.scan is None:
        raise BadInput(f"{bill.file} is no picture", reason="decided")
    document, changed = bill.model_dump(mode="json"), list[str]()
    for text in put_right:
        name, mark, value = text.partition("=")
        if not mark:
            raise BadInput(f"expected FIELD=VALUE, such as total=867.11, got {text[:60]!r}", reason="bad_option")
        name, value = name.strip(), value.strip()
        holder, key = _holder_of(document, name)
        if key in _NUMBERS and value and not _NUMBER.fullmatch(value):
            raise BadInput(f"{name}: expected a number such as 867.11, got {value[:40]!r}", reason="bad_value")
        if key == "currency" and value and not re.fullmatch(r"[A-Z]{3}", value):
            raise BadInput(f"currency: expected a code such as EUR, got {value[:40]!r}", reason="bad_value")
        new: Any = (
            [each.strip() for each in value.split(",") if each.strip()] if key == "tariff_codes" else value or None
        )
        if holder[key] != new and str(holder[key] or "") != value:
            holder[key] = new if new is not None or key in _NULLABLE else ""
            changed.append(name)
    found = {label for label, field in _LABELS.items() if document[field] is not None}
    document["unread"] = [
        each for each in document["unread"] if str(each["label"]).strip().rstrip(":").lower() not in found
    ]
    document["scan"] |= {"confirmed_by": person_id, "changed": changed, "reason": reason.strip()}
    try:
        return SupplierBill.model_validate(document)
    except ValidationError as error:
        raise BadInput(sentence_of(error.errors()[0]), reason="bad_value") from error


_NUMBERS = ("multiplier", "net", "total", "quantity", "rate", "amount", "opened", "closed")
# As bills print them: no exponent, which would make a number of a gigabyte of digits.
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,12})?", re.ASCII)
_NULLABLE = ("start", "end", "multiplier", "currency", "net", "total", "quantity", "rate")


def _holder_of(document: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The mapping that holds the field, and its key there. Raises BadInput (unknown_field)."""
    if name in HEADS:
        return document, name
    of, *rest = name.split(".")
    rows = document[of] if of in OF_LIST else []
    at = next((row for n, row in enumerate(rows) if rest[:1] == [str(n)]), None)
    if at is not None and len(rest) == 2 and rest[1] in OF_LIST[of]:
        return at, rest[1]
    known = [*HEADS, *(f"{each}.0.{key}" for each, keys in OF_LIST.items() if document.get(each) for key in keys)]
    raise BadInput(f"this bill has no field {name[:40]!r}; it has {', '.join(known)}", reason="unknown_field")
