"""Checks of a command before the wire, and of a value after it: pure, against the template."""

import math
from datetime import datetime

from controls.gateways.capabilities import DeviceRefused, NotSent
from controls.templates.load_templates import Capability, Template
from data_quality.contracts.control.command import Command


def checked(command: Command, template: Template, *, device_id: str, now_utc: datetime) -> tuple[Capability, int]:
    """The capability, and the whole seconds for which the device may hold the value.

    The time to live never reaches past `valid_until_utc`, so no set-point outlives its window. Nothing is clamped.
    Raises NotSent with one sentence.
    """
    if command.device_id != device_id:
        raise NotSent(f"command {command.command_id} is for device {command.device_id!r}, not {device_id!r}")
    if command.capability not in template.settable:
        raise NotSent(f"device {device_id!r} cannot {command.capability!r}; it can {', '.join(template.settable)}")
    capability = template.capabilities[command.capability]
    if command.unit != capability.unit:
        raise NotSent(f"{command.capability} takes {capability.unit}, got {command.unit!r}")
    low, high = template.limits(command.capability)
    # Asked as "inside", not as "outside": NaN fails every comparison and would be outside of nothing.
    if not (math.isfinite(command.value) and low <= command.value <= high):
        raise NotSent(f"{command.capability}: {command.value} is outside {low}..{high} {capability.unit}")
    if now_utc < command.valid_from_utc:
        raise NotSent(f"command {command.command_id} is not valid before {command.valid_from_utc:%Y-%m-%dT%H:%M:%SZ}")
    # Refused and not shortened: who counts on 45 s would find the device at home after 30.
    if capability.expires_s is not None and command.ttl_s > capability.expires_s:
        raise NotSent(
            f"{command.capability}: ttl {command.ttl_s} s is longer than the device's {capability.expires_s} s"
        )
    # Downwards: rounded up, the device would hold the value past its window.
    ttl_s = math.floor(min(command.ttl_s, (command.valid_until_utc - now_utc).total_seconds()))
    if ttl_s < 1:
        raise NotSent(f"command {command.command_id} has less than one second to live")
    return capability, ttl_s


def plausible(value: float, capability: Capability, *, name: str, device: str) -> float:
    """The value, if it is plausible by the template. Raises DeviceRefused where it cannot have been measured."""
    low, high = capability.min, capability.max
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"{'' if low is None else low}..{'' if high is None else high} {capability.unit}"
        raise DeviceRefused(f"{device} states {value} for {name}, outside {span}", code="implausible")
    return value
