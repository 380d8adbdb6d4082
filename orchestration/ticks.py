"""Schedules and sensors as people open them: described by their docstrings, and running from the start."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster import ScheduleDefinition, SensorDefinition

# What a schedule or a sensor is given; what it answers is a request, or why there is none.
Tick = Callable[..., Any]


def in_utc(job: Any, cron_schedule: str) -> Callable[[Tick], ScheduleDefinition]:
    """A schedule in UTC, where no hour is missing or there twice."""

    def made(tick: Tick) -> ScheduleDefinition:
        return dg.schedule(
            job=job,
            cron_schedule=cron_schedule,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=inspect.getdoc(tick),
        )(tick)

    return made


def looking_every(seconds: int, job: Any) -> Callable[[Tick], SensorDefinition]:
    """A sensor that looks again after so many seconds."""

    def made(tick: Tick) -> SensorDefinition:
        return dg.sensor(
            job=job,
            minimum_interval_seconds=seconds,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description=inspect.getdoc(tick),
        )(tick)

    return made
