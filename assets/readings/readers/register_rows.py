"""Amounts between states of a register as rows, and a register's state as a channel of a report."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from assets.readings.parsed import Channel
from assets.readings.readers.placed_rows import PLACED_SCHEMA, Sieve
from assets.readings.readers.register_steps import State, Steps
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour

# A clock that jumps must not make one amount of years.
MAX_STEP_DAYS = 400


def quanta_of(value: Decimal) -> int:
    """Whole quanta of 1e-9."""
    return int(value.scaleb(QUANTUM_DECIMALS).to_integral_value())


def step_rows(found: Steps, channel: Mapping[str, Any], sieve: Sieve) -> pl.DataFrame:
    """PLACED_SCHEMA rows of the steps. channel: `meter`, `alias`, `register`, `unit`; falls and conflicts become
    rejects, and a register without any step is counted as `single_register_read`.
    """
    for state in found.falls:
        got = f"{channel['meter']} {channel['register']} = {_value(state.quanta)}"
        sieve.reject(state.line, "register_decrease", "a register that never falls", got)
    for state in found.conflicts:
        got = f"{channel['meter']} = {_value(state.quanta)}"
        sieve.reject(state.line, "duplicate_conflict", "one value per meter and time", got)
    longest = MAX_STEP_DAYS * 1440
    for step in (step for step in found.steps if step.minutes > longest):
        got = f"{step.minutes // 1440} days before {_value(step.quanta)} more"
        sieve.reject(step.line, "unknown_interval", f"states at most {MAX_STEP_DAYS} days apart", got)
    if not found.steps:
        sieve.warn("single_register_read", 1)
    steps = [step for step in found.steps if step.minutes <= longest]
    columns = {
        "meter": [channel["meter"]] * len(steps),
        "alias": [channel["alias"]] * len(steps),
        "register": [channel["register"]] * len(steps),
        "start": [datetime.fromtimestamp(step.start_s, UTC) for step in steps],
        "minutes": [step.minutes for step in steps],
        "value": [float(_value(step.quanta)) for step in steps],
        "unit": [channel["unit"]] * len(steps),
        "quality": [int(step.quality) for step in steps],
        "line": [step.line for step in steps],
        "got": [str(_value(step.quanta)) for step in steps],
    }
    return pl.DataFrame(columns, schema=PLACED_SCHEMA)


def state_channel(state: State, channel: Mapping[str, Any]) -> Channel:
    """The report of a register's last state. channel: as in step_rows, and `_commodity`."""
    unit, value = UNITS[channel["unit"]], _value(state.quanta)
    adds_up = unit.behaviour is Behaviour.AMOUNT and not unit.is_power
    is_energy = adds_up and unit.canonical == "kwh"
    when = datetime.fromtimestamp(state.epoch_s, UTC)
    return Channel(
        meter=channel["meter"],
        channel=f"{channel['register']} register",
        commodity=channel["_commodity"],
        unit=channel["unit"],
        intervals=0,
        start_utc=when,
        end_utc=when,
        sum=float(value) if adds_up else None,
        sum_kwh=float(value * Decimal(str(unit.factor))) if is_energy else None,
        reading=float(value),
    )


def _value(quanta: int) -> Decimal:
    return Decimal(quanta).scaleb(-QUANTUM_DECIMALS)
