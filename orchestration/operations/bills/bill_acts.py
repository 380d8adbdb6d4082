"""`meterloom bill dispute|accept|withdraw`: what a person decides about a bill that differs."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from assets.stores.ledgers.alert_events import AlertEvents, stamp
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.open_finding import FindingAct
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.operations.answer import Answer
from orchestration.operations.bills.stored_bill import standing_bill
from orchestration.operations.operation import ACTS, Argument, Call, operation
from orchestration.operations.options import ReasonOption, SiteOption
from orchestration.views.open_findings import Look, bill_findings
from orchestration.views.site_bills import site_bills, the_bill
from reports.figures.bill_figures import BillState, StandingBill

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


def act_on_bill(acting: Acting, bill_id: str, act: BillAct) -> StandingBill:
    """Write it down; the bill as it stands then. Raises BadInput where the bill has nothing to decide, for who may not,
    without reason, and where somebody acted since.
    """
    project, site, now_utc = acting.project, acting.site, acting.clock.now_utc()
    done, states = _ACTS[act]
    bill = the_bill(site_bills(project, site, now_utc=now_utc), bill_id)
    finding = next((each for each in bill_findings(Look(project, site, now_utc)) if each.cause == bill.bill_id), None)
    # A form of before the last act is told what was done since, or that it was this.
    is_late = acting.seen is not None and bool(bill.events) and acting.seen != stamp(bill.events[-1])
    if finding is None or (bill.state not in states and not is_late):
        raise BadInput(f"bill {bill.name} {_TOLD[bill.state]}: there is nothing to {act}", reason="decided")
    AlertEvents(project.store).record(
        finding, done, person=acting.person, reason=acting.reason, clock=acting.clock, seen=acting.seen
    )
    return the_bill(site_bills(project, site, now_utc=acting.clock.now_utc()), bill.bill_id)


_TOLD: dict[BillState, str] = {
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
    return Answer({"site_id": site, "bills": [standing_bill(found)], "events": list(found.events)}, text=text)
