"""States of a register as rows to be placed, and a register's state as a channel of a report."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from assets.readings.cumulative.register_steps import State
from assets.readings.parsed import Channel
from assets.readings.readers.placed_rows import STATES_SCHEMA
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour


def quanta_of(value: Decimal) -> int:
    """Whole quanta of 1e-9."""
    return int(value.scaleb(QUANTUM_DECIMALS).to_integral_value())


def placed_states(states: Sequence[State], channel: Mapping[str, Any], series: str) -> pl.DataFrame:
    """STATES_SCHEMA rows of one count of one register. channel: `meter`, `alias`, `register`, `unit`."""
    columns = {
        "meter": [channel["meter"]] * len(states),
        "alias": [channel["alias"]] * len(states),
        "register": [channel["register"]] * len(states),
        "start": [datetime.fromtimestamp(state.epoch_s, UTC) for state in states],
        # A state lasts no time; the checks made for intervals ask for a length.
        "minutes": [1] * len(states),
        "value": [float(_value(state.quanta)) for state in states],
        "unit": [channel["unit"]] * len(states),
        "quality": [int(QualityCode.RAW)] * len(states),
        "line": [state.line for state in states],
        "got": [f"{_value(state.quanta):f}" for state in states],
        "series": [series] * len(states),
    }
    return pl.DataFrame(columns, schema=STATES_SCHEMA)


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
        start_utc=when,
        end_utc=when,
        sum=float(value) if adds_up else None,
        sum_kwh=float(value * Decimal(str(unit.factor))) if is_energy else None,
        reading=float(value),
    )


def _value(quanta: int) -> Decimal:
    return Decimal(quanta).scaleb(-QUANTUM_DECIMALS)
