"""Schedules and sensors as people open them: described by their docstrings, and running from the start."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dagster as dg
from dagster import ScheduleDefinition, SensorDefinition

from data_quality.contracts.errors import Unreachable

# What a schedule or a sensor is given; what it answers is a request, or why there is none.
Tick = Callable[..., Any]


def in_utc(job: Any, cron_schedule: str, none: str = "") -> Callable[[Tick], ScheduleDefinition]:
    """A schedule in UTC, where no hour is missing or there twice. none: why a tick that asks for no run is skipped."""

    def made(tick: Tick) -> ScheduleDefinition:
        @functools.wraps(tick)
        def look(context: dg.ScheduleEvaluationContext, **resources: Any) -> Iterator[Any]:
            yield from _or_why(tick(context, **resources), none)

        return dg.schedule(
            job=job,
            cron_schedule=cron_schedule,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=inspect.getdoc(tick),
        )(look)

    return made


def _or_why(requests: Iterable[Any], none: str) -> list[Any]:
    found = list(requests)
    return found if found or not none else [dg.SkipReason(none)]


def looking_every(seconds: int, job: Any, none: str = "") -> Callable[[Tick], SensorDefinition]:
    """A sensor that looks again after so many seconds. What is away now, as a warehouse that is being written, is a
    reason to skip a look and no fault of the sensor. none: why a look that asks for no run is skipped.
    """

    def made(tick: Tick) -> SensorDefinition:
        @functools.wraps(tick)
        def look(context: dg.SensorEvaluationContext, **resources: Any) -> Iterator[Any]:
            seen = context.cursor
            try:
                answer = _or_why(tick(context, **resources), none)
            except Unreachable as fault:
                # Not seen: the next look asks in full.
                context.update_cursor(seen or "")
                answer = [dg.SkipReason(f"it looks again: {fault}")]
            yield from answer

        sensor = functools.partial(
            dg.sensor,
            minimum_interval_seconds=seconds,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description=inspect.getdoc(tick),
        )
        return (sensor(job_name=job) if isinstance(job, str) else sensor(job=job))(look)

    return made
