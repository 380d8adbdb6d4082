"""A stored plan solved again from its stored request: the same plan, or which steps differ and by how much."""

from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Any

from assets.stores.ledgers.plans import StoredContent
from controls.optimiser.solution import Solution
from controls.planning.frozen_plan import content_hash, steps_of
from controls.planning.habit import solved_request
from data_quality.contracts.control.plan import Plan, PlanStep
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# Costs that differ by less are one cost found twice: the sums of a day carry that much noise.
_SAME_COST = 1e-6
_ALTERED = "what is stored is not what was hashed when it was made; "


class StepDifference(Model):
    """One value of a plan that is another one now (kW; stored amounts in kWh). part: a device, or `site`."""

    start_utc: datetime
    part: str
    column: str
    stored: float
    replayed: float


class PlanReplay(Model):
    """A stored plan and what its request gives now.

    is_whole: what is stored is what was hashed then. is_same: it is whole and gives its hash again. replayed_hash and
    replayed_cost are None where the request has no plan now.
    """

    plan_id: str
    version: int
    created_at_utc: datetime
    start_utc: datetime
    plan_hash: str
    replayed_hash: str | None
    is_whole: bool
    is_same: bool
    cost: float
    replayed_cost: float | None
    solver: str
    replayed_solver: str
    differences: tuple[StepDifference, ...]
    sentence: str


def replay_plan(stored: StoredContent) -> PlanReplay:
    """Solve the request of a stored plan again, with the solver as it is installed now and on one thread.

    The hash is over the stored JSON with the values found now in their places, so that a plan of an earlier version,
    whose shape was another, gives its hash too. Raises OurFault for a kind of device that this version does not know.
    """
    plan, content = stored.plan, stored.content
    is_whole = content_hash(content["request"], content["steps"]) == plan.plan_hash
    answer = solved_request(plan.request)
    frame: dict[str, Any] = {
        **plan.model_dump(include={"plan_id", "version", "created_at_utc", "plan_hash", "solver"}),
        "start_utc": plan.request.start_utc,
        "is_whole": is_whole,
        "cost": plan.objective,
    }
    if isinstance(answer, Finding):
        return PlanReplay(
            **frame,
            replayed_hash=None,
            is_same=False,
            replayed_cost=None,
            replayed_solver="",
            differences=(),
            sentence=f"{'' if is_whole else _ALTERED}its request has no plan now: {answer.message}",
        )
    steps = steps_of(plan.request, answer)
    pairs = zip_longest(content["steps"], (step.model_dump(mode="json") for step in steps), steps)
    replayed_hash = content_hash(content["request"], [_in_shape(*pair) for pair in pairs])
    differences = tuple(_differences(plan, steps))
    is_same = is_whole and replayed_hash == plan.plan_hash
    result = "gives the same plan"
    if not is_same:
        result = f"{'' if is_whole else _ALTERED}{_difference(plan, answer, differences)}"
        if replayed_hash == plan.plan_hash:
            result += "; what it gives now is what was hashed then"
    return PlanReplay(
        **frame,
        replayed_hash=replayed_hash,
        is_same=is_same,
        replayed_cost=answer.objective,
        replayed_solver=answer.solver,
        differences=differences,
        sentence=result,
    )


def _in_shape(stored: Any, new: Any, step: PlanStep | None) -> Any:
    """The values of a step found now, under the names that the stored step has for them."""
    if not isinstance(stored, dict) or not isinstance(new, dict):
        return new
    # A name that only the old shape has stood for all devices together (PlanStep.total).
    return {
        name: _in_shape(value, new[name], None) if name in new else step.total(name) if step else None
        for name, value in stored.items()
    }


def _differences(plan: Plan, steps: tuple[PlanStep, ...]) -> Iterator[StepDifference]:
    for stored, new in zip(plan.steps, steps, strict=False):
        old_parts, new_parts = _parts(stored), _parts(new)
        for part, columns in old_parts.items():
            for column, value in columns.items():
                found = new_parts.get(part, {}).get(column, 0.0)
                if found != value:
                    yield StepDifference(
                        start_utc=stored.start_utc, part=part, column=column, stored=value, replayed=found
                    )


def _parts(step: PlanStep) -> dict[str, dict[str, float]]:
    return {"site": {"import_kw": step.import_kw, "export_kw": step.export_kw}, **step.devices}


def _difference(plan: Plan, answer: Solution, differences: tuple[StepDifference, ...]) -> str:
    more = answer.objective - plan.objective
    money = f"it costs {abs(more):.6g} {plan.currency} {'more' if more > 0 else 'less'}"
    if abs(more) <= _SAME_COST * max(1.0, abs(plan.objective)):
        money = "it costs the same"
    if answer.solver != plan.solver:
        money += f", solved by {plan.solver} then and by {answer.solver} now"
    if plan.status != "optimal":
        money += "; it was stopped at its time limit then, and need not come out again"
    if not differences:
        return f"gives another hash and no other value; {money}"
    first = differences[0]
    most = max(abs(each.replayed - each.stored) for each in differences)
    count = len({each.start_utc for each in differences})
    return (
        f"gives another plan in {count} of {len(plan.steps)} steps, first at {first.start_utc:%Y-%m-%d %H:%MZ} "
        f"({first.part}, {first.column}: {first.stored:g} stored, {first.replayed:g} now), by up to {most:.3g}; {money}"
    )
