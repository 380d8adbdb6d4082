"""A plan frozen with its hashes, and the commands that carry it out."""

import uuid
from collections import Counter
from datetime import datetime
from typing import Any

from assets.stores.column_types import sha256_of
from controls.optimiser.case import case_of, without_control
from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.solution import Series, Solution
from controls.optimiser.solve import solve
from controls.planning.plan_inputs import STEP, not_measured
from data_quality.contracts.control.command import Command
from data_quality.contracts.control.explanation import Explanation
from data_quality.contracts.control.plan import FORECAST_FROM, Plan, PlanRequest, PlanStart, PlanStep
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site

# Fixed for ever: a command's id follows from its key, so that a retry names the same command.
_COMMAND_NAMESPACE = uuid.UUID("6f1c9a2e-54b8-4e0b-9d53-6a4c1d0f7a11")
# When and how freshly something was read does not make another plan of the same inputs.
_NOT_IN_DIGEST = ("known_at_utc",)
_INPUTS_NOT_IN_DIGEST = "_age_s"


def make_plan(
    request: PlanRequest,
    solution: Solution,
    *,
    created_at_utc: datetime,
    version: int,
    explanation: Explanation | None = None,
    asked_because: str = "",
    start: PlanStart | None = None,
) -> Plan:
    """Freeze request and solution. The same inputs make the same `plan_id`, on any machine and at any time.

    plan_hash covers the request and the steps, and neither why they are so nor who asked. no_battery_cost:
    `unplanned_cost`.
    """
    steps = steps_of(request, solution)
    digest = input_digest(request)
    return Plan(
        # The instant first, so that plans sort by time; 80 bits of the digest keep two plans of it apart.
        plan_id=f"p{request.start_utc:%Y%m%dT%H%M}-{digest[:20]}",
        plan_hash=content_hash(request.model_dump(mode="json"), [step.model_dump(mode="json") for step in steps]),
        version=version,
        site_id=request.site_id,
        created_at_utc=created_at_utc,
        status=solution.status,
        objective=solution.objective,
        bound=solution.bound,
        gap=solution.gap,
        no_battery_cost=unplanned_cost(request, solution.series),
        currency=request.currency,
        input_digest=digest,
        solver=solution.solver,
        costs=solution.costs,
        measures=solution.measures,
        money=solution.money,
        risk=solution.risk,
        request=request,
        steps=steps,
        explanation=explanation,
        asked_because=asked_because,
        start=start,
    )


def content_hash(request: Any, steps: Any) -> str:
    """The plan_hash of a request and its steps, both as plain JSON."""
    return sha256_of({"request": request, "steps": steps})


def input_digest(request: PlanRequest) -> str:
    """SHA-256 of all that decides the plan: the request without the instant at which it was read."""
    content: dict[str, Any] = request.model_dump(mode="json", exclude=set(_NOT_IN_DIGEST))
    content["inputs"] = {
        name: value for name, value in content["inputs"].items() if not name.endswith(_INPUTS_NOT_IN_DIGEST)
    }
    return sha256_of(content)


def unplanned_cost(request: PlanRequest, planned: Series) -> float:
    """Cost of the same load, PV and prices with nothing planned, in the request's currency.

    planned: series of the plan. Heat stores end with the heat that it leaves in them, where their thermostat can.

    PV is curtailed where that pays, so the difference to the plan is the other devices' own. Where the plan ends with
    at least the charge it began with, as a request from `plan_request` does, nothing is borrowed and the difference is
    a lower bound of the saving; charge left over in a battery is not valued. Of a plan over scenarios it is the mean
    over them, as the plan's own cost is. Source: formulas 5.18.
    """
    case = case_of(request)
    known = case.uncertain.scenarios if case.uncertain else ()
    each = [(one.weight, case.in_scenario(one)) for one in known] or [(1.0, case)]
    total = 0.0
    for weight, one in each:
        answer = solve(without_control(one, planned.devices))
        if isinstance(answer, Finding):
            raise OurFault(f"the same data with nothing planned have no solution: {answer.message}")
        total += weight * answer.money
    return total


def commands_of(plan: Plan, site: Site, *, epoch: int, ttl_s: float = 45.0) -> list[Command]:
    """Absolute set-points of every device for every quarter hour, as its kind says: of those with a template whose
    state was measured when the plan was made.

    A longer step is planned again before it comes; where it is not, safe defaults hold. Ids and keys follow from the
    plan; `seq` counts from 0 per device of this plan.
    """
    devices = {device.device_id: device for device in devices_of(plan.request)}
    # In the order of the site file: sequence numbers follow from it, and must be the same in every retry.
    guessed = not_measured(plan.request.inputs)
    commanded = [one.asset_id for one in site.assets if one.template and one.asset_id in devices.keys() - guessed]
    commands: list[Command] = []
    seq = Counter[str]()
    for t, step in enumerate(plan.steps):
        for name in commanded if step.end_utc - step.start_utc <= STEP else ():
            for capability, value in devices[name].commands(step.devices[name], t).items():
                key = f"{plan.plan_id}:{name}:{capability}:{step.start_utc:%Y-%m-%dT%H:%M:%SZ}"
                commands.append(
                    Command(
                        command_id=uuid.uuid5(_COMMAND_NAMESPACE, key).hex,
                        idempotency_key=key,
                        plan_id=plan.plan_id,
                        plan_hash=plan.plan_hash,
                        site_id=plan.site_id,
                        device_id=name,
                        capability=capability,
                        value=watts_toward_zero(value),
                        # Names carry units: set_charge_power_kw.
                        unit=capability.rsplit("_", 1)[1],
                        seq=seq[name],
                        epoch=epoch,
                        valid_from_utc=step.start_utc,
                        valid_until_utc=step.end_utc,
                        ttl_s=ttl_s,
                    )
                )
                seq[name] += 1
    return commands


def watts_toward_zero(power_kw: float) -> float:
    """Whole watts, in kW, never larger than planned: rounding up could leave the envelope."""
    # 1e-6 W of slack, or 1.5 kW that arrives as 1.4999999999 would lose a watt.
    watts = int(abs(power_kw) * 1000 + 1e-6)
    # Cut as an absolute value: floor would make a discharge larger than planned.
    return (watts if power_kw >= 0 else -watts) / 1000


def steps_of(request: PlanRequest, solution: Solution) -> tuple[PlanStep, ...]:
    """Plan step of each step of the request, from its solution."""
    series, forecast_from = solution.series, request.inputs.get(FORECAST_FROM)
    return tuple(
        PlanStep(
            start_utc=start_utc,
            end_utc=end_utc,
            import_kw=series.connection["import_kw"][t],
            export_kw=series.connection["export_kw"][t],
            devices={
                name: {column: values[t] for column, values in columns.items()}
                for name, columns in series.devices.items()
            },
            is_price_forecast=forecast_from is not None and f"{start_utc:%Y-%m-%dT%H:%MZ}" >= forecast_from,
        )
        for t, (start_utc, end_utc) in enumerate(case_of(request).windows_utc)
    )


def series_of(plan: Plan) -> Series:
    """The series of a stored plan: the way back from `steps_of`."""
    devices = {
        name: {column: tuple(step.devices[name][column] for step in plan.steps) for column in columns}
        for name, columns in plan.steps[0].devices.items()
    }
    connection = {name: tuple(getattr(step, name) for step in plan.steps) for name in ("import_kw", "export_kw")}
    return Series(connection=connection, devices=devices)
