"""A stored plan as the graph shows it: figures, sentences, and why each spell is so."""

from typing import Any

from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.explain.words import folded
from controls.planning.starting_states import left_out, not_measured
from controls.planning.summary import device_sentences, summarise
from data_quality.contracts.control.plan import Plan

WHY = ("from", "to", "does", "price", "one kWh more", "at a limit", "best other choice")


def told_of(plan: Plan, *, time_zone: str) -> dict[str, Any]:
    """What a plan says of itself, by name, times those of the zone."""
    return {
        "plan_id": plan.plan_id,
        "version": plan.version,
        "cost": plan.paid,
        "objective": plan.request.objective.preset,
        "costs": dict(plan.costs),
        "measures": dict(plan.measures),
        "cost_with_nothing_planned": plan.no_battery_cost,
        "currency": plan.currency,
        "status": plan.status,
        "gap": plan.gap,
        "synthetic": plan.request.is_synthetic,
        "asked_because": plan.asked_because,
        "sentence": summarise(plan, time_zone=time_zone),
        "devices": "\n".join(device_sentences(plan, time_zone=time_zone)),
        "assumptions": "\n".join(not_measured(plan.request.inputs).values()),
        "left_out": "\n".join(left_out(plan.request.inputs).values()),
    }


def why_rows(plan: Plan) -> list[list[Any]]:
    """The rows of the table WHY; none where nobody asked."""
    why = folded(plan.explanation, devices_of(plan.request)) if plan.explanation else []
    return [list(spell.model_dump().values()) for spell in why]
