"""`meterloom replay`: a stored day once more."""

from typing import TYPE_CHECKING, Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import parse_day
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.operation import READS, Argument, Call, Option, operation
from orchestration.operations.options import SiteOption

if TYPE_CHECKING:
    from controls.planning.replay.replay_day import DayReplay, Lost

PLANS = Table(
    "plans", "plan: {version} | from: {start_utc:%Y-%m-%d %H:%M}Z | hash: {plan_hash:.12} | solved again: {sentence}"
)


@operation("replay", takes=READS, example="2026-11-21 --site home --policy planned no_control")
def replay(
    call: Call,
    day: Annotated[str, Argument("The local day, such as 2025-03-30.", metavar="DAY")],
    site: SiteOption,
    more: Annotated[list[str] | None, Argument("Further policies.", metavar="[NAME]...")] = None,
    policy: Annotated[list[str] | None, Option("A policy; all if left out.")] = None,
) -> Answer:
    """Solve a day's stored plans again, and say what other policies would have cost on what came."""
    from controls.planning.replay.policies import DEFAULT, POLICIES
    from controls.planning.replay.replay_day import replay_stored_day

    named = [*(policy or []), *(more or [])]
    unknown = [name for name in named if name not in POLICIES]
    if unknown:
        message = f"--policy: unknown policy {unknown[0]!r}; expected {', '.join(POLICIES)}"
        raise BadInput(message, reason="unknown_policy")
    parsed = parse_day(day, "DAY")
    known = call.project.site(site)
    call.doing(f"replaying {parsed} of {site}")
    found = replay_stored_day(
        known,
        parsed,
        store=call.project.store,
        lake=call.project.lake,
        policies=dict.fromkeys(named or DEFAULT),
        as_of_utc=call.as_of_utc,
    )
    # A day that nobody has read yet is told and no fault, unless a policy of it was asked for by name.
    is_done = found.is_same and {*named} <= {each.name for each in found.policies}
    costs = Table(
        "policies",
        f"policy: {{name}} | cost, {found.currency}: {{cost:z,.2f}} | regret: {{regret:z,.2f}} | "
        "saved against no control: {saving_against_no_control:z,.2f} | paid: {paid:z,.2f} | "
        "end charge: {charge_value:z,.2f}",
    )
    text = "\n".join([*_lines(found), *finding_lines(found.findings, indent="")])
    return Answer(found, [PLANS, costs] if found.policies else PLANS, text, exit_code=DONE if is_done else CHECK_FAILED)


def _lines(found: "DayReplay") -> list[str]:
    if not found.policies:
        return []
    span = f"{found.start_utc:%Y-%m-%d %H:%M}Z to {found.end_utc:%Y-%m-%d %H:%M}Z"
    lines = [f"judged over {found.quarter_hours} quarter hours, {span}; cost is what was paid and the end charge"]
    lines += [
        f"{name} began with {begin:.2f} kWh; a kWh more than that at the end would have cost "
        f"{found.charge_prices[name]:.4f} {found.currency} with perfect foresight"
        for name, begin in found.begin.items()
        if name in found.charge_prices
    ]
    return [*lines, *([_lost(found.lost, found.currency)] if found.lost else [])]


def _lost(lost: "Lost", currency: str) -> str:
    physics = "not measured" if lost.physics_error is None else f"{lost.physics_error:z.2f}"
    execution = "not known" if lost.execution_error is None else f"{lost.execution_error:z.2f}"
    return (
        f"{lost.policy} lost {lost.total:z.2f} {currency} against perfect foresight: {lost.forecast_error:z.2f} by "
        f"forecasts, {lost.model_error:z.2f} by the model (horizon {lost.horizon_error:z.2f}, physics {physics}), "
        f"{execution} by execution"
    )
