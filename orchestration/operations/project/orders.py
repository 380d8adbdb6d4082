"""`meterloom orders`: work orders of sites, with state, history, and their list as CSV."""

from datetime import date
from pathlib import Path
from typing import Annotated

from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.reporting.work_order import OrderState, WorkOrder
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, READS, Argument, Call, Option, Written, operation
from orchestration.operations.options import AnySiteOption, ReasonOption, SiteOption, day_or_none, write_file
from orchestration.views import work_orders
from orchestration.views.open_findings import FindingsQuery, the_finding

ORDERS = Table(
    "orders",
    "id | site | priority | state | due: {due:|-} | assignee: {assignee:|-} | title",
    empty="no work order is open",
)
HISTORY = Table("history", "at: {recorded_at_utc} | state | assignee: {assignee:|-} | person: {person:|-} | reason")
IdArgument = Annotated[str, Argument("Of a work order, or how its id starts.", metavar="ID")]
DueOption = Annotated[str | None, Option("Local day until which it is done.")]
AssigneeOption = Annotated[str, Option("Person who does it, by person_id.", "--to")]


@operation("orders list", takes=READS, example="--site factory")
def orders_list(
    call: Call,
    site: AnySiteOption = None,
    with_all: Annotated[bool, Option("Done and cancelled ones too.", "--all")] = False,
) -> Answer:
    """List the open work orders of a site, or of all, the most urgent first."""
    found = _of(call, site)
    shown = [work_orders.row(each) for each in found if with_all or each.is_open]
    ended = len(found) - len(shown)
    text = f"{ended} done or cancelled: --all shows them" if ended else ""
    return Answer({"site": site, "orders": shown}, ORDERS, text)


@operation("orders show", takes=READS, example="3f2a9c")
def orders_show(call: Call, order: IdArgument, site: AnySiteOption = None) -> Answer:
    """Show a work order with its history."""
    ledger = WorkOrders(call.project.store)
    found = ledger.named(order, site, as_of_utc=call.as_of_utc)
    history = [work_orders.row(each) for each in ledger.history(found, as_of_utc=call.as_of_utc)]
    headline = f"{found.order_id} {found.priority} {found.state}: {found.title}"
    return Answer({"orders": [work_orders.row(found)], "history": history}, HISTORY, headline)


@operation(
    "orders create",
    takes=ACTS,
    example='"Check the valve" --site factory --finding 3f2a9c --as carla --reason "it runs at night"',
)
def orders_create(
    call: Call,
    title: Annotated[str, Argument("What is to be done.", metavar="TITLE")],
    site: SiteOption,
    reason: ReasonOption,
    priority: Annotated[str, Option("P1 (at once) to P4.")] = "P3",
    finding: Annotated[str | None, Option("The finding that it is made of, by id.")] = None,
    recommendation: Annotated[str, Option("The accepted recommendation that it is made of: USE/NAME.")] = "",
    due: DueOption = None,
    assignee: AssigneeOption = "",
) -> Answer:
    """Create a work order; the same title of the same finding again is the order that is open."""
    person, where, now_utc = call.known_person(), call.project.site(site), call.clock.now_utc()
    source = the_finding(FindingsQuery(call.project, where, now_utc), finding).finding.finding_id if finding else ""
    made = work_orders.create(
        call.project, where, call.clock, person=person, title=title, priority=work_orders.priority_of(priority),
        reason=reason, finding_id=source, recommendation=recommendation, due=day_or_none(due, "--due"),
        assignee=assignee,
    )  # fmt: skip
    return _order_answer(made)


@operation("orders assign", takes=ACTS, example='3f2a9c --to carla --as carla --reason "I am there on Monday"')
def orders_assign(
    call: Call, order: IdArgument, assignee: AssigneeOption, reason: ReasonOption, due: DueOption = None
) -> Answer:
    """Give a work order to a person."""
    return _moved(call, order, "assigned", reason, assignee=assignee, due=day_or_none(due, "--due"))


@operation("orders close", takes=ACTS, example='3f2a9c --as carla --reason "valve replaced"')
def orders_close(
    call: Call,
    order: IdArgument,
    reason: ReasonOption,
    cancel: Annotated[bool, Option("Nothing was done: it is not needed.")] = False,
) -> Answer:
    """Close a work order as done, or as cancelled."""
    return _moved(call, order, "cancelled" if cancel else "done", reason)


@operation("orders export", takes=READS, example="--csv orders.csv --site factory")
def orders_export(
    call: Call,
    file: Annotated[Path, Written("The file to write.", "--csv")],
    site: AnySiteOption = None,
) -> Answer:
    """Write all work orders, ended ones too, to a CSV file."""
    found = _of(call, site)
    write_file(file, work_orders.orders_csv(found).encode())
    return Answer({"orders": [work_orders.row(each) for each in found], "file": file}, text=f"{len(found)} in {file}")


def _of(call: Call, site: str | None) -> list[WorkOrder]:
    where = call.project.site(site).site_id if site else None
    return WorkOrders(call.project.store).current(where, as_of_utc=call.as_of_utc)


def _moved(
    call: Call, order: str, state: OrderState, reason: str, *, assignee: str = "", due: date | None = None
) -> Answer:
    found = WorkOrders(call.project.store).named(order)
    person = call.known_person()
    return _order_answer(
        work_orders.move(
            call.project, found, state, call.clock, person=person, reason=reason, assignee=assignee, due=due
        )
    )


def _order_answer(order: WorkOrder) -> Answer:
    headline = f"{order.order_id} {order.priority} {order.state}: {order.title}"
    return Answer({"orders": [work_orders.row(order)]}, text=headline)
