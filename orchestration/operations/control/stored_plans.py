"""`meterloom plans list|show`: stored plans of a site, as they were recorded."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import Answer, Table
from orchestration.operations.control.plan_site import band_lines, block_table, start_lines
from orchestration.operations.operation import Argument, Call, Option, operation
from orchestration.operations.options import SiteOption

if TYPE_CHECKING:
    from data_quality.contracts.control.plan import Plan

DaysOption = Annotated[int, Option("Those that begin within so many days up to now.", min=1, max=31)]
_LIST = (
    "plan: {plan_id} | version | from: {start_utc:%Y-%m-%d %H:%M} UTC | to: {end_utc:%Y-%m-%d %H:%M} UTC "
    "| cost: {cost:,.2f} | with no control: {without_control:,.2f} | currency | status | because: {asked_because}"
)


@operation("plans list", example="--site home --days 2")
def plans_list(call: Call, site: SiteOption, days: DaysOption = 1) -> Answer:
    """Stored plans of a site, the newest first: what each costs, and what asked for it."""
    from assets.stores.ledgers.plans import PlanStore

    known, until_utc = call.project.site(site), call.as_of_utc or call.clock.now_utc()
    # The step in progress is of the newest plan, and a plan may begin with the next one.
    plans = PlanStore(call.project.store)
    since_utc, end_utc = until_utc - timedelta(days=days), until_utc + timedelta(days=1)
    rows, unread = [], []
    for plan_id in reversed(plans.begun_ids(known.site_id, since_utc, end_utc, call.as_of_utc)):
        try:
            rows.append(_line(plans.get(plan_id)))
        except BadInput as fault:
            # A plan of another schema hides none of the others.
            unread.append({"plan_id": plan_id, "reason": fault.reason, "message": str(fault)})
    table = Table(rows, _LIST, empty=f"no plan of the last {days} day(s) is stored")
    return Answer({"plans": rows, "unread": unread}, table, "\n".join(each["message"] for each in unread))


@operation("plans show", example="p20261128T1400-1 --site home")
def plans_show(
    call: Call, plan: Annotated[str, Argument("Id of a stored plan.", metavar="PLAN")], site: SiteOption
) -> Answer:
    """Show a stored plan: each device's blocks, every step, what it costs, and the hash over request and steps."""
    from assets.stores.ledgers.plans import PlanStore
    from controls.planning.summary import blocks

    known = call.project.site(site)
    found = PlanStore(call.project.store).get(plan, as_of_utc=call.as_of_utc)
    if found.site_id != known.site_id:
        # As of one that there is nowhere: whoever sees one site learns nothing of another.
        raise BadInput(f"unknown plan {plan!r}", reason="unknown_plan")
    spells = blocks(found, time_zone=known.time_zone)
    result = _line(found) | {"blocks": spells, "steps": found.steps, "costs": found.costs, "measures": found.measures}
    result |= {"start": found.start}
    headline = f"{found.plan_id}, version {found.version}: {found.paid:,.2f} {found.currency}, hash {found.plan_hash}"
    return Answer(result, block_table(spells, known), "\n".join([headline, *band_lines(found), *start_lines(found)]))


def _line(plan: "Plan") -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "plan_hash": plan.plan_hash,
        "version": plan.version,
        "site_id": plan.site_id,
        "created_at_utc": plan.created_at_utc,
        "start_utc": plan.steps[0].start_utc,
        "end_utc": plan.steps[-1].end_utc,
        "status": plan.status,
        "cost": plan.paid,
        "cost_band": plan.cost_band,
        "without_control": plan.no_battery_cost,
        "currency": plan.currency,
        "gap": plan.gap,
        "solver": plan.solver,
        "asked_because": plan.asked_because,
    }
