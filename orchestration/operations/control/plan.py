"""`meterloom plan`: plan a site, or solve a dispatch case, and say why it does what it does; `plans list|show`."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from data_quality.contracts.control.plan import Preset
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, filled
from orchestration.operations.control.plan_site import band_lines, block_table, start_lines
from orchestration.operations.operation import PROJECT, Argument, Call, Option, Written, operation
from orchestration.operations.options import SiteOption, write_file

if TYPE_CHECKING:
    from controls.optimiser.case import DispatchCase
    from controls.optimiser.solution import Solution
    from data_quality.contracts.control.explanation import Explanation
    from data_quality.contracts.control.plan import Plan


_NO_TIME = "time was over before the last goal had a plan of its own"
_RISK = (
    "over the scenarios {expected_cost:.4f} on average; {level:.0%} of all cases cost no more than {promised_cost:.4f},"
    " the others {cvar:.4f} on average"
)
_WORTH = {
    "value": "planning for the mean scenario alone would cost {value:.4f} more",
    "perfect": "to know each scenario beforehand, {perfect:.4f}",
    "blind": "to decide nothing later, {blind:.4f}: what can be kept lies between the plan and this",
}
_SHOWN = (
    "What is the same in all {scenarios} scenarios is priced by all of them; the rest is as scenario {scenario} has it."
)
_SOLVED = "{status}: objective {objective:.6f}, bound {bound:.6f}, gap {gap:.2%}, solved in {solve_seconds:.3f} s"
_WHY = (
    "from: {start} | to: {end} | does | price | one kWh more: {marginal_price} | at a limit: {binding:|-}"
    " | best other choice: {other_choice:|-}"
)


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
        from orchestration.operations.control.plan_site import plan_site

        return plan_site(call, call.project.site(site), day, picture)
    if case is None:
        raise BadInput("expected --site SITE or a dispatch case", reason="bad_option")
    from controls.optimiser.case_file import load_case
    from controls.optimiser.solve import solve
    from data_quality.contracts.finding import Finding

    problem = load_case(case, preset=objective)
    zone(tz)
    if write_lp is not None:
        _write_lp(problem, write_lp)
        call.say(f"the problem is written to {write_lp}")
    found = solve(problem, solver=solver, gap=gap, time_zone=tz)
    if isinstance(found, Finding):
        return Answer({"status": found.code, "finding": found}, text=found.message, exit_code=CHECK_FAILED)
    if explain and not found.values:
        call.say(f"not explained: {_NO_TIME}")
    why = _why(call, problem, found, tz=tz, budget_s=explain_s) if explain and found.values else None
    if picture is not None:
        from controls.planning.plan_picture import picture_of
        from orchestration.previews_plan import plan_picture

        drawn = plan_picture(picture_of(problem, found.series, why), title=problem.case_id, time_zone=tz)
        write_file(picture, drawn)
        call.say(f"the plan is drawn in {picture}")
    _say_unproven(call, problem, found)
    if why is None:
        return Answer(found, text=_solved(found, problem.currency))
    return _explained(problem, found, why, budget_s=explain_s)


def _say_unproven(call: Call, problem: "DispatchCase", found: "Solution") -> None:
    if found.status == "feasible":
        from controls.optimiser.out_of_time import not_proven

        call.say(not_proven(problem, found.gap).message)


def _write_lp(problem: "DispatchCase", path: Path) -> None:
    from controls.optimiser.backends.solve_pulp import write_readable
    from controls.optimiser.lp_build import build_problem
    from controls.optimiser.stochastic.two_stage import TwoStage

    both = TwoStage(problem) if problem.uncertain else None
    program = both.problems[0].program if both else build_problem(problem).program
    write_readable(program, path, weights=both.weights if both else problem.weights)


def _solved(found: "Solution", currency: str) -> str:
    from controls.optimiser.devices.device import MONEY

    # Money is one figure, and what is no money stands beside it: a weighted sum would be neither.
    unpaid = {kind: cost for kind, cost in found.costs.items() if kind not in MONEY}
    each = "; ".join(f"{name} {value:.4f}" for name, value in (unpaid | found.measures).items())
    risk = found.risk
    worth = [filled(words, risk) for name, words in _WORTH.items() if risk and getattr(risk, name) is not None]
    more = [filled(_RISK, risk), *worth, *risk.told] if risk else []
    return "\n".join([filled(_SOLVED, found), f"paid {found.money:.4f} {currency}; {each}", *more])


def _why(call: Call, case: "DispatchCase", found: "Solution", *, tz: str, budget_s: float) -> "Explanation":
    from controls.optimiser.explain.explain import explain

    def progress(done: int, of: int) -> None:
        call.doing("asking what other choices would cost", done=done, of=of)

    return explain(case, found, time_zone=tz, budget_s=budget_s, progress=progress)


def _explained(case: "DispatchCase", found: "Solution", why: "Explanation", *, budget_s: float) -> Answer:
    from controls.optimiser.explain.words import folded, whole_sentences

    texts = [f"Prices are in {why.currency} per kWh, times those of {why.time_zone}.", *whole_sentences(why)]
    if why.scenario:
        texts.append(filled(_SHOWN, why))
    if why.left_open:
        texts.append(f"{why.left_open} of {len(why.slots)} slots are not explained: {budget_s:g} s were over")
    texts.append(_solved(found, case.currency))
    # The solver's own values are of no use to a reader, and are no part of the answer.
    solved = {name: getattr(found, name) for name, field in type(found).model_fields.items() if not field.exclude}
    reasons = {name: getattr(why, name) for name in type(why).model_fields if name != "objective"}
    return Answer(solved | reasons, table=Table(folded(why, case.devices), _WHY), text="\n".join(texts))


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
