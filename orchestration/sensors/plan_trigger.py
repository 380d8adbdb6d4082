"""A new forecast or price, or a charge off the plan, starts an optimisation run, at most as often as allowed."""

from collections.abc import Iterator

import dagster as dg

from controls.ledger.modes import current_mode
from controls.optimiser.devices.kinds import device_assets
from controls.planning.make import Desk, plan_trigger
from controls.planning.measured import state_reader
from data_quality.contracts.time import Clock
from orchestration.jobs import plan
from orchestration.resources import ProjectResource


@dg.sensor(job=plan, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def plan_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask the pure trigger for every site with something to plan; the run key is the hash of what a plan depends on."""
    reasons = []
    for site_id, site in sorted(project.sites.items()):
        # Without a template no device says its state, and none could be commanded.
        if not any(kind.makes_a_plan and asset.template for asset, kind in device_assets(site)):
            continue
        desk = Desk(
            site=site,
            lake=project.lake,
            forecasts=project.forecasts,
            plans=project.plans,
            mode=current_mode(project.store, site_id),
            read_states=state_reader(site, project.project.settings, clock),
            clock=clock,
        )
        decision = plan_trigger(desk)
        if decision.should_plan:
            yield dg.RunRequest(run_key=f"plan:{decision.run_key}", partition_key=site_id)
        else:
            reasons.append(f"{site_id}: {decision.reason}")
    if reasons:
        yield dg.SkipReason("; ".join(reasons))
