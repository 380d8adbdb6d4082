"""Input and answer of a guard."""

import math
from typing import Literal

from pydantic import Field

from data_quality.contracts.control.command import Mode
from data_quality.contracts.model import Model

Fact = str | float | int | bool | None


class Allow(Model):
    """The guard has nothing against the command."""

    is_allowed: Literal[True] = True


class Block(Model):
    """The guard refuses. guard_id: interlock of dispatch.md B.5, MODE, EXPIRY or LEDGER. facts: the values that
    decided.
    """

    is_allowed: Literal[False] = False
    guard_id: str
    reason: str
    facts: dict[str, Fact] = {}


Verdict = Allow | Block
ALLOW = Allow()


def block(guard_id: str, reason: str, **facts: Fact) -> Block:
    """A refusal that can be stored whatever was measured: JSON has no NaN, so that a value of that kind is null."""
    plain = {
        name: None if isinstance(fact, float) and not math.isfinite(fact) else fact for name, fact in facts.items()
    }
    return Block(guard_id=guard_id, reason=reason, facts=plain)


def is_young(age_s: float | None, limit_s: float) -> bool:
    """True where the age is known, not of the future and within its limit; NaN never is."""
    return age_s is not None and 0 <= age_s <= limit_s


def is_known(*values: float | None) -> bool:
    """True where every value is a finite number."""
    return all(value is not None and math.isfinite(value) for value in values)


class Live(Model):
    """Present state of one device and its site. None: not known, which never counts as good. Ages in seconds.

    soc: share of capacity, 0-1; soc_drift: how far it is off what its energy implies, None where nobody counts.
    *_monotonic_s: the agent's monotonic clock. clock_step_s: how far the wall clock moved against the monotonic one
    since the last cycle. reference_offset_s: wall clock minus a reference clock; None where the site has no reference.
    other_active: capabilities of the device whose set-point of ours stands now and is not their safe default.

    plan_hash: of the stored plan. hold: who or what set the device past us, empty for nobody. value_before: what
    stands now, in the command's unit; since_write_s: since we wrote last, None where we never did.
    is_on, state_for_s: measured, and since when at least; starts_last_hour, writes_last_hour, writes_last_day: counted.
    Powers in kW, drawing is positive: own_kw the device's, grid_kw the connection's. phase_a: amperes of each phase,
    signed alike. dso_limit_kw: the network operator's ceiling of import; None while none is in force. signal_import_kw,
    signal_export_kw: ceilings of stored grid signals, which hold however long nothing more is heard.
    degc, humidity_percent, co2_ppm: of the zone or tank; end_degc: expected at the end of the window, None where
    nobody foresees it. wrong_way_s: for how long a meter has shown the opposite of the set-point, by wrong_way_kw.
    """

    mode: Mode
    is_latched: bool
    lease_epoch: int = Field(ge=0)
    monotonic_s: float
    deadline_monotonic_s: float
    clock_step_s: float
    reference_offset_s: float | None = None
    read_age_s: float | None = None
    plan_age_s: float | None = None
    plan_hash: str | None = None
    soc: float | None = None
    soc_age_s: float | None = None
    soc_drift: float | None = None
    other_active: tuple[str, ...] = ()
    hold: str = ""
    value_before: float | None = None
    since_write_s: float | None = None
    is_on: bool | None = None
    state_for_s: float | None = None
    starts_last_hour: int | None = None
    writes_last_hour: int | None = None
    writes_last_day: int | None = None
    own_kw: float | None = None
    grid_kw: float | None = None
    grid_age_s: float | None = None
    phase_a: tuple[float, float, float] | None = None
    phase_age_s: float | None = None
    dso_limit_kw: float | None = None
    dso_age_s: float | None = None
    signal_import_kw: float | None = None
    signal_export_kw: float | None = None
    degc: float | None = None
    degc_age_s: float | None = None
    end_degc: float | None = None
    humidity_percent: float | None = None
    co2_ppm: float | None = None
    is_hygiene_cycle: bool = False
    wrong_way_s: float | None = None
    wrong_way_kw: float | None = None
