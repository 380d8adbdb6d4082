"""I01: a set-point is finite, in the device's unit, within its rating and its register's resolution; in PARTIAL within
the narrow envelope around the safe default. Refused, never clamped.
"""

import math

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Block, Verdict
from data_quality.contracts.control.command import Command, Mode

# Powers come from a solver: a value on the envelope may miss it by the solver's tolerance. The rating itself is exact.
TOLERANCE = 1e-6


def check_rating(command: Command, limits: DeviceLimits) -> Verdict:
    """Block a value the device is not rated for."""
    if (command.device_id, command.capability) != (limits.device_id, limits.capability):
        return _block("the command is for another device or capability", command)
    if command.unit != limits.unit:
        return _block(f"unit {command.unit!r}; the device takes {limits.unit!r}", command)
    if not math.isfinite(command.value):
        return _block("the value is not a finite number", command)
    if not limits.min_value <= command.value <= limits.max_value:
        return _block(f"{command.value:g} is outside {limits.min_value:g}..{limits.max_value:g}", command)
    return ALLOW


def check_envelope(command: Command, limits: DeviceLimits, mode: Mode) -> Verdict:
    """Block, in PARTIAL, a value further from the safe default than the allowed share of the rating."""
    if mode >= Mode.FULL:
        return ALLOW
    # Of the rating, not of the range: a battery may then charge and discharge equally far.
    allowed = limits.partial_share * limits.rating
    if abs(command.value - limits.safe_default) > allowed + TOLERANCE:
        return _block(
            f"{command.value:g} differs from the safe default {limits.safe_default:g} by more than {allowed:g}, "
            f"{limits.partial_share:.0%} of the rating, which PARTIAL allows",
            command,
        )
    return ALLOW


def _block(reason: str, command: Command) -> Block:
    # JSON has no NaN: the refusal itself must be storable.
    value = command.value if math.isfinite(command.value) else None
    return Block(guard_id="I01", reason=reason, facts={"value": value, "unit": command.unit})
