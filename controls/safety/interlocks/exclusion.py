"""I11: one writer at a time, and no two set-points of one device that fight each other."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block
from data_quality.contracts.control.command import Command


def check_exclusion(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block a command of another epoch than the lease that is held now, and one of an excluded pair."""
    if command.epoch != live.lease_epoch:
        reason = f"the command carries epoch {command.epoch}; the lease is of epoch {live.lease_epoch}"
        return block("I11", reason, epoch=command.epoch, lease_epoch=live.lease_epoch)
    fighting = sorted(set(limits.excludes) & set(live.other_active))
    # At its safe default it fights nothing.
    if fighting and command.value != limits.safe_default:
        return block("I11", f"{', '.join(fighting)} holds a set-point of this device", holds=", ".join(fighting))
    return ALLOW
