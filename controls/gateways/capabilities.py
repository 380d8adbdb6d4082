"""Capabilities of a device: typed answers, two faults, three one-purpose protocols.

A reader has no `write` attribute at all; whoever may not write is handed a reader.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.model import Model


class DeviceSilent(WorldFault):
    """The device, or the way to it, gives no answer. A write may or may not have been applied: read before retrying."""


class DeviceRefused(WorldFault):
    """The device answered with a refusal. `code` is its own code. Modbus devices may have applied the value even so."""

    def __init__(self, message: str, *, code: int | str = "") -> None:
        self.code = code
        super().__init__(message)


class NotSent(DeviceRefused):
    """The gateway itself declined (expired, outside the template's limits, wrong unit): nothing went to the wire."""


class Ack(Model):
    """The device's acknowledgement, evidence grade 2.

    code: function code (Modbus) or result word (MQTT). applied_value: as the device states it, in the capability's
    unit; None where the protocol only echoes the request.
    """

    code: int | str
    applied_value: float | None
    at_utc: datetime


class ReadBack(Model):
    """The active set-point as read from the device, evidence grade 3.

    value: in the capability's unit. raw: the registers (hex words) or the JSON text. revert_remaining_s: seconds
    until the device falls back by itself, 0 when it has; epoch, seq: of the last accepted command. None: not offered.
    """

    value: float
    raw: str
    at_utc: datetime
    revert_remaining_s: float | None = None
    epoch: int | None = None
    seq: int | None = None


class DeviceReader(Protocol):
    """Reads, and cannot write. Every method raises DeviceSilent rather than returning the last known value."""

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point of a settable capability (`set_…`)."""

    def read(self, name: str) -> float:
        """One measured value by the template's name (`read_…`), in the unit of that name."""

    def close(self) -> None:
        """Drop the connection; safe to call twice."""


def each_read(names: Sequence[str], read: Callable[[str], float]) -> dict[str, float | DeviceRefused]:
    """The answer to each name, or the refusal of it. Raises what else `read` does."""
    found: dict[str, float | DeviceRefused] = {}
    for name in names:
        try:
            found[name] = read(name)
        except DeviceRefused as fault:
            found[name] = fault
    return found


class DeviceWriter(DeviceReader, Protocol):
    """Reads, and sends absolute set-points."""

    def write(self, command: Command) -> Ack:
        """Send once, wait for the acknowledgement, never retry. Raises NotSent, DeviceRefused, DeviceSilent."""
