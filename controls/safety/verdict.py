"""What a guard is given and what it answers."""

from typing import Literal

from pydantic import Field

from data_quality.contracts.control.command import Mode
from data_quality.contracts.model import Model


class Allow(Model):
    """The guard has nothing against the command."""

    is_allowed: Literal[True] = True


class Block(Model):
    """The guard refuses. guard_id: interlock of dispatch.md B.5, MODE or LEDGER. facts: the values that decided."""

    is_allowed: Literal[False] = False
    guard_id: str
    reason: str
    facts: dict[str, str | float | int | bool | None] = {}


Verdict = Allow | Block
ALLOW = Allow()


class Live(Model):
    """What is known now about one device. Ages in seconds; None: not known, which never counts as good.

    soc: share of capacity, 0-1. *_monotonic_s: the agent's monotonic clock. clock_step_s: how far the wall clock moved
    against the monotonic one since the last cycle. reference_offset_s: wall clock minus a reference clock; None where
    the site has no reference. other_active: capabilities of the device that hold a set-point of ours now.
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
    soc: float | None = None
    soc_age_s: float | None = None
    other_active: tuple[str, ...] = ()
