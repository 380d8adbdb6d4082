"""One builder for all workflows: a sensor that looks at the triggers of every definition, and the job that does steps.

Definitions of a project come and go while it runs, and times are of each site's clock: so there is no sensor or
schedule a workflow, but one look at all of them.
"""

from collections.abc import Iterator

import dagster as dg

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every

# So often an instance whose run was killed is asked for again.
_AGAIN_S = 300
# Of many sites: a look that takes longer is followed by a pause, so that looks take a tenth of a core at the most.
_LONG_S, _PAUSE = 1.0, 9


@dg.op
def workflow_steps(context: dg.OpExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]) -> None:
    """Does the steps of every instance that is due."""
    from orchestration.workflows.run import advance, due

    for at, instance in due(project, clock):
        made = advance(at, instance)
        context.log.info(f"{made.workflow} {made.site_id} {made.subject}: {made.state}")


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Does the steps of workflows that are due: notices into the outbox, work orders, questions for approval. "
        "Asked for by the sensor workflow_triggers; what was done is not done again."
    ),
)
def workflows() -> None:
    """One op: all that is due."""
    workflow_steps()


@looking_every(30, job="workflows")
def workflow_triggers(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Looks at the triggers of all workflows and asks for a run where an instance has a step to do.

    Looks every 30 s. What is seen is recorded at once, so that the waiting time of an anomaly goes on whoever is
    restarted; an instance whose run was killed is asked for again after five minutes.
    """
    from orchestration.workflows.run import due

    begun_s = clock.now_utc().timestamp()
    if begun_s < float(context.cursor or 0):
        yield dg.SkipReason("it pauses after a long look")
        return
    try:
        found = [each for _, each in due(project, clock)]
    except BadInput as fault:
        yield dg.SkipReason(str(fault))
        return
    took_s = clock.now_utc().timestamp() - begun_s
    context.update_cursor(str(begun_s + took_s * (1 + _PAUSE)) if took_s > _LONG_S else "")
    if not found:
        yield dg.SkipReason("no workflow has a step to do")
        return
    turn = int(clock.now_utc().timestamp() // _AGAIN_S)
    steps = sum(step.state == "done" for each in found for step in each.steps)
    newest = sorted(each.instance_id for each in found)[0]
    yield dg.RunRequest(run_key=f"workflows:{newest}:{len(found)}:{steps}:{turn}")
