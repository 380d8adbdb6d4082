"""A plan with a current slot starts the dispatch job; the run key names plan, slot and ledger."""

from collections.abc import Iterator

import dagster as dg

from controls.ledger.outbox import ledger_id, slot_run_key
from controls.planning.execution import not_renewed
from controls.planning.plan_inputs import quarter_start
from data_quality.contracts.time import Clock
from orchestration.jobs import dispatch
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every


# Dagster's daemon looks round every 5 s: a whole 5 would miss every other round by a hair.
@looking_every(4, job=dispatch)
def dispatch_slots(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Starts the release of a plan's commands to the site's devices when a quarter hour of that plan begins.

    Looks every 5 s. One run of the job dispatch a site, plan and quarter hour, however often it looks; what the run
    may send is decided by the site's mode.
    """
    slot = quarter_start(clock.now_utc())
    ledger = ledger_id(project.store)
    reasons, is_quiet = list[str](), True
    # Without an asset there is nothing that a plan could be of: most sites of a portfolio are not even asked for one.
    for site_id in sorted(site_id for site_id, site in project.sites.items() if site.assets):
        plan = project.plans.latest(site_id)
        if plan is None or slot < plan.steps[0].start_utc:
            continue
        # Of a longer step nobody is told anything: that one was to be renewed before it came.
        if finding := not_renewed(plan, slot):
            reasons.append(f"{site_id}: {finding.message}")
            continue
        is_quiet = False
        yield dg.RunRequest(run_key=f"dispatch:{slot_run_key(plan.plan_id, slot, ledger)}", partition_key=site_id)
    if is_quiet:
        yield dg.SkipReason("; ".join(reasons) or "no plan covers this quarter hour")
