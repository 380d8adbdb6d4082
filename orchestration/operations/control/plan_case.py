"""`meterloom plan CASE.json`: a dispatch case solved, and why its devices do what they do, slot by slot."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data_quality.contracts.control.plan import Preset
from data_quality.contracts.time import zone
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, filled
from orchestration.operations.operation import Call
from orchestration.operations.options import write_file

if TYPE_CHECKING:
    from controls.optimiser.case import DispatchCase
    from controls.optimiser.solution import Solution
    from data_quality.contracts.control.explanation import Explanation

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


def plan_case(
    call: Call,
    path: Path,
    *,
    solver: Literal["highs", "cbc"],
    gap: float | None,
    objective: Preset | None,
    explain_s: float | None,
    time_zone: str,
    picture: Path | None,
    write_lp: Path | None,
) -> Answer:
    """The solved case; a finding where no plan keeps its limits. explain_s: seconds for the reasons; None: none."""
    from controls.optimiser.case_file import load_case
    from controls.optimiser.solve import solve
    from data_quality.contracts.finding import Finding

    problem = load_case(path, preset=objective)
    zone(time_zone)
    if write_lp is not None:
        _write_lp(problem, write_lp)
        call.say(f"the problem is written to {write_lp}")
    found = solve(problem, solver=solver, gap=gap, time_zone=time_zone)
    if isinstance(found, Finding):
        return Answer({"status": found.code, "finding": found}, text=found.message, exit_code=CHECK_FAILED)
    if explain_s is not None and not found.values:
        call.say(f"not explained: {_NO_TIME}")
    why = None
    if explain_s is not None and found.values:
        why = _why(call, problem, found, time_zone=time_zone, budget_s=explain_s)
    if picture is not None:
        from controls.planning.plan_picture import picture_of
        from orchestration.previews_plan import plan_picture

        drawn = plan_picture(picture_of(problem, found.series, why), title=problem.case_id, time_zone=time_zone)
        write_file(picture, drawn)
        call.say(f"the plan is drawn in {picture}")
    if found.status == "feasible":
        from controls.optimiser.out_of_time import not_proven

        call.say(not_proven(problem, found.gap).message)
    if why is None:
        return Answer(found, text=_solved(found, problem.currency))
    return _explained(problem, found, why, budget_s=explain_s)


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


def _why(call: Call, case: "DispatchCase", found: "Solution", *, time_zone: str, budget_s: float) -> "Explanation":
    from controls.optimiser.explain.explain import explain

    def progress(done: int, of: int) -> None:
        call.doing("asking what other choices would cost", done=done, of=of)

    return explain(case, found, time_zone=time_zone, budget_s=budget_s, progress=progress)


def _explained(case: "DispatchCase", found: "Solution", why: "Explanation", *, budget_s: float | None) -> Answer:
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
