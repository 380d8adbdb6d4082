"""The clock of events of demand response: a sensor that looks for open ones, and the job that moves them on."""

from collections.abc import Iterator

import dagster as dg

from data_quality.contracts.time import Clock
from orchestration.resources import ProjectResource
from orchestration.ticks import looking_every

# An event without anything to do is looked at once a minute: its circuit breaker must see it.
_TURN_S = 60


@dg.op
def event_steps(context: dg.OpExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]) -> None:
    """Moves every open event on to now."""
    from orchestration.demand_response.run import advance

    for event in advance(project, clock):
        context.log.info(f"{event.event_id} of {event.site_id}: {event.state}")


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Moves events of demand response on by the clock: they lapse, begin, send what was approved, trip, and come "
        "back. Asked for by the sensor open_events; done twice it changes nothing."
    ),
)
def dr_event() -> None:
    """One op: all open events."""
    event_steps()


@looking_every(30, job="dr_event", none="no event is due")
def open_events(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.RunRequest]:
    """Asks for a run where an event has begun, or has to, and is not over; once a minute for each state of all."""
    from orchestration.demand_response.run import unfinished

    now_utc = clock.now_utc()
    found = unfinished(project, now_utc)
    if found:
        states = ",".join(f"{each.event_id}:{each.state}" for each in found)
        yield dg.RunRequest(run_key=f"dr_event:{states}:{int(now_utc.timestamp() // _TURN_S)}")
