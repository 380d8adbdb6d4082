"""Modes, commands and their states. Free of every heavy library: the agent imports this."""

from datetime import datetime
from enum import IntEnum, StrEnum

from pydantic import Field

from data_quality.contracts.model import Model


class Mode(IntEnum):
    """Control mode: how far commands may go; the effective mode is the minimum of site and device."""

    # Ordered by how far they reach: the lower of two modes is the safer one.
    SIMULATION = 0
    ADVISORY = 1
    PARTIAL = 2
    FULL = 3


class CommandState(StrEnum):
    """States of dispatch.md B.3."""

    PROPOSED = "PROPOSED"
    RELEASED = "RELEASED"
    PENDING = "PENDING"
    ISSUED = "ISSUED"
    ACKED = "ACKED"
    VERIFIED = "VERIFIED"
    UNKNOWN = "UNKNOWN"
    MISMATCH = "MISMATCH"
    DRIFTED = "DRIFTED"
    COMPLETED = "COMPLETED"
    ADVISED = "ADVISED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    BLOCKED = "BLOCKED"
    UNVERIFIED = "UNVERIFIED"
    REVERTED = "REVERTED"
    OVERRIDDEN = "OVERRIDDEN"


class EvidenceGrade(IntEnum):
    """Grade of evidence. An acknowledgement alone (2) is never shown as success."""

    SENT = 0
    # A broker acknowledges what it may still lose, and never asks the device.
    BROKER_ACCEPTED = 1
    DEVICE_ACKNOWLEDGED = 2
    READ_BACK = 3
    METER_MOVED = 4


# In the place of a plan: a person set it, and it holds as long as their hold does.
BY_HAND = "by-hand"


class Command(Model):
    """One absolute set-point for one window. Key: plan_id:device_id:capability:valid_from."""

    command_id: str
    idempotency_key: str
    plan_id: str
    plan_hash: str
    site_id: str
    device_id: str
    capability: str
    # Absolute: clients of Modbus and MQTT may send a command twice, and a step up would be taken twice.
    value: float
    unit: str
    seq: int = Field(ge=0)
    # Of the device's lease: who takes over counts it up, so that a late command of the former holder shows.
    epoch: int = Field(ge=0)
    valid_from_utc: datetime
    valid_until_utc: datetime
    ttl_s: float = Field(gt=0)

    @property
    def is_by_hand(self) -> bool:
        """True where it is of no plan: a person set it."""
        return self.plan_id == BY_HAND
