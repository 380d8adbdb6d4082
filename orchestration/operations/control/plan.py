"""`meterloom plan`: spells of a site's devices, what they cost against nothing planned and habit; `plans list|show`."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from data_quality.contracts.control.plan import Preset
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import clock_of, local_day, parse_day, weekday_clock, zone
from orchestration.operations.answer import CHECK_FAILED, Answer, Table
from orchestration.operations.operation import PROJECT, Argument, Call, Option, Written, operation
from orchestration.operations.options import SiteOption, write_file

if TYPE_CHECKING:
    from controls.planning.day_plan import DayPlan
    from controls.planning.summary import Block
    from data_quality.contracts.control.plan import Plan
    from data_quality.contracts.finding import Finding
    from data_quality.contracts.site_file.site import Site


_BLOCKS = "from: {start} | to: {end} | device | mean kW: {kw:.2f} | kWh: {kwh:.2f} | does: {sentence}"


@operation("plan", repeats=True, takes=PROJECT, example="--site home --for tomorrow", writes=True)
def plan(
    call: Call,
    case: Annotated[Path | None, Argument("A dispatch case.", metavar="[CASE.json]")] = None,
    site: Annotated[str | None, Option("Plan this site instead of a case.")] = None,
    day: Annotated[str | None, Option("With --site: today, tomorrow or a date; else the next 24 h.", "--for")] = None,
    solver: Annotated[Literal["highs", "cbc"], Option("Which solver.")] = "highs",
    gap: Annotated[
        float | None, Option("Relative gap at which to stop (1e-6; many rooms: 0.005).", min=0.0, max=1.0)
    ] = None,
    objective: Annotated[Preset | None, Option("What to be good at, instead of the case's own.")] = None,
    explain: Annotated[bool, Option("Say why, slot by slot.")] = False,
    explain_s: Annotated[float, Option("Seconds that --explain may take.", min=0.0)] = 60.0,
    tz: Annotated[str, Option("Zone of times in words (IANA).")] = "UTC",
    picture: Annotated[Path | None, Written("Draw the plan (PNG).", metavar="FILE")] = None,
    write_lp: Annotated[Path | None, Written("Write the problem out.", metavar="FILE")] = None,
) -> Answer:
    """Plan a site's devices, or solve a dispatch case; an infeasible one names the constraints in conflict."""
    if site is not None:
        if case is not None or write_lp is not None or objective is not None or gap is not None:
            message = "--site takes --for and --picture; a dispatch case, its problem, goal and gap are another plan's"
            raise BadInput(message, reason="bad_option")
        return plan_site(call, call.project.site(site), day, picture)
    if case is None:
        raise BadInput("expected --site SITE or a dispatch case", reason="bad_option")
    from orchestration.operations.control.plan_case import plan_case

    return plan_case(
        call, case, solver=solver, gap=gap, objective=objective, explain_s=explain_s if explain else None, time_zone=tz,
        picture=picture, write_lp=write_lp,
    )  # fmt: skip


def plan_site(call: Call, site: "Site", day: str | None, picture: Path | None) -> Answer:
    """The answer to `meterloom plan --site`; a finding where there is no plan."""
    from controls.planning.day_plan import day_plan
    from controls.planning.mends import with_mend
    from data_quality.contracts.finding import Finding
    from orchestration.views.planning_context import record_requested_plan

    project = call.project
    today = local_day(call.clock.now_utc(), site.time_zone)
    named = {None: None, "today": today, "tomorrow": today + timedelta(days=1)}
    wanted = named[day] if day in named else parse_day(str(day), "--for")
    call.doing(f"planning {site.site_id}")
    found = day_plan(project.planning_context(site, call.clock), wanted, because="it was asked for by hand")
    # A day that is planned though commands have no plan does not mend that.
    refused = found if isinstance(found, Finding) else next((one for one in found.findings if one.is_blocking), None)
    record_requested_plan(project.store, site, refused, call.clock)
    if isinstance(found, Finding):
        return _refused(with_mend(found, site, call.option))
    if picture is not None:
        from controls.planning.plan_picture import picture_of_plan
        from orchestration.previews_plan import plan_picture

        drawn = plan_picture(picture_of_plan(found.plan), title=f"Plan of {site.name}", time_zone=site.time_zone)
        write_file(picture, drawn)
        call.say(f"the plan is drawn in {picture}")
    return _plan_answer(found, site)


def block_table(blocks: "Iterable[Block]", site: "Site") -> Table:
    """Spells of a site's devices by its clock, as rows for people."""
    return Table(
        list(blocks), _BLOCKS, empty="no device has anything to do",
        start=lambda each: weekday_clock(each.start_utc, site.time_zone),
        end=lambda each: weekday_clock(each.end_utc, site.time_zone),
    )  # fmt: skip


def start_lines(plan: "Plan") -> list[str]:
    """Worth of the plan before as a warm start, in words; none in plans of earlier versions."""
    from controls.planning.plan_start import start_sentence

    return [] if plan.start is None else [f"  {start_sentence(plan.start)}"]


def band_lines(plan: "Plan") -> list[str]:
    """Between which costs it lies over its scenarios, or why nobody knows."""
    band = plan.cost_band
    if band is not None:
        cases = f"in {band.coverage:.0%} of all cases (P10 to P90 of {band.scenarios} scenarios)"
        return [f"  between {band.low:.2f} and {band.high:.2f} {plan.currency} {cases}"]
    if plan.risk is not None:
        return ["  no band of its cost: its scenarios are weighed by more than money"]
    return ["  no band of its cost: it is planned for the mean alone ('risk:' of the site file plans over scenarios)"]


def _refused(finding: "Finding") -> Answer:
    unknown = ("cost", "cost_band", "without_control", "habit_cost", "currency", "start")
    result: dict[str, Any] = {"blocks": [], **dict.fromkeys(unknown)}
    text = f"no plan: {finding.message}\n  {finding.facts['mend']}"
    return Answer(result | {"assumptions": [], "findings": [finding]}, text=text, exit_code=CHECK_FAILED)


def _plan_answer(found: "DayPlan", site: "Site") -> Answer:
    plan, here = found.plan, zone(site.time_zone)
    result = {
        "blocks": found.blocks,
        "cost": plan.paid,
        "cost_band": plan.cost_band,
        "without_control": plan.no_battery_cost,
        "habit_cost": found.habit_cost,
        "currency": plan.currency,
        "start": plan.start,
        "assumptions": found.assumptions,
        "findings": found.findings,
    }
    ends = (at.astimezone(here) for at in (plan.steps[0].start_utc, plan.steps[-1].end_utc))
    start, end = (f"{at:%a %Y-%m-%d} {clock_of(at)}" for at in ends)
    habit = "not known" if found.habit_cost is None else f"{found.habit_cost:.2f} {plan.currency}"
    lines = [
        f"{site.name}, {start} to {end}: {plan.paid:.2f} {plan.currency}",
        f"  with no control {plan.no_battery_cost:.2f} {plan.currency}, by today's habits {habit}",
        *band_lines(plan),
        *start_lines(plan),
        *(f"  assumed: {each}" for each in found.assumptions),
        *(f"  {'nothing is commanded: ' if each.is_blocking else ''}{each.message}" for each in found.findings),
    ]
    return Answer(result, block_table(found.blocks, site), "\n".join(lines))


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
