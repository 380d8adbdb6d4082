"""Sensor that starts an optimisation run when an assumption of the plan fails, at most as often as allowed."""

from collections.abc import Iterator

import dagster as dg

from controls.planning.make import plan_trigger
from controls.planning.plan_inputs import makes_a_plan
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.time import Clock
from orchestration.jobs import plan
from orchestration.partitions import active_runs
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every
from orchestration.views.planning_context import record_plan_check, record_site_fault


@looking_every(30, job=plan)
def plan_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Plans battery, heat pump or charger anew when forecast, prices, the sun, a person or a device call for it.

    Looks every 30 s. One run of the job plan for each site with devices, and none while one is on its way; where a plan
    still holds it says why. A run is known by what its plan depends on, so the same inputs are planned once.
    """
    requests, reasons = [], []
    for site_id, site in sorted(project.sites.items()):
        try:
            if not makes_a_plan(site):
                continue
            decision = plan_trigger(project.planning_context(site, clock))
        # What is wrong with one site is no reason for the others to wait.
        except WorldFault as fault:
            reasons.append(f"{site_id}: {fault}")
            if isinstance(fault, BadInput):
                # No run would fail of it, as none is asked for; a plan that is made takes it back.
                record_site_fault(project.store, site, fault, clock)
            continue
        record_plan_check(project.store, site, decision.finding, clock)
        if not decision.should_plan:
            reasons.append(f"{site_id}: {decision.reason}")
        elif context.instance.get_runs_count(active_runs(plan.name, site_id)):
            reasons.append(f"{site_id}: {decision.reason}, and a plan is being made; the last one holds until then")
        else:
            config = {"ops": {"core_site__plan": {"config": {"because": decision.reason}}}}
            key = f"plan:{decision.run_key}"
            requests.append(dg.RunRequest(run_key=key, partition_key=site_id, run_config=config))
    # A tick that asks for runs has no reason to skip: Dagster refuses both together.
    if requests:
        yield from requests
    elif reasons:
        yield dg.SkipReason("; ".join(reasons))
