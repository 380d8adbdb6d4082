"""A new forecast or price, or a charge off the plan, starts an optimisation run, at most as often as allowed."""

from collections.abc import Iterator

import dagster as dg

from controls.optimiser.devices.kinds import device_assets
from controls.planning.make import plan_trigger
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.time import Clock
from orchestration.jobs import plan
from orchestration.resources import ProjectResource


@dg.sensor(job=plan, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def plan_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask the pure trigger for every site with something to plan; the run key is the hash of what a plan depends on."""
    asked, reasons = [], []
    for site_id, site in sorted(project.sites.items()):
        # Without a template no device says its state, and none could be commanded.
        if not any(kind.makes_a_plan and asset.template for asset, kind in device_assets(site)):
            continue
        try:
            decision = plan_trigger(project.desk(site, clock))
        # What is wrong with one site is no reason for the others to wait.
        except WorldFault as fault:
            reasons.append(f"{site_id}: {fault}")
            continue
        if decision.should_plan:
            asked.append(dg.RunRequest(run_key=f"plan:{decision.run_key}", partition_key=site_id))
        else:
            reasons.append(f"{site_id}: {decision.reason}")
    # A tick that asks for runs has no reason to skip: Dagster refuses both together.
    if asked:
        yield from asked
    elif reasons:
        yield dg.SkipReason("; ".join(reasons))
