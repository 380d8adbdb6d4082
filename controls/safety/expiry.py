"""A command acts inside its window only, by the wall clock and by a monotonic deadline fixed when it was picked up."""

from datetime import datetime

from controls.safety.verdict import ALLOW, Block, Live, Verdict
from data_quality.contracts.control.command import Command


def check_window(command: Command, now_utc: datetime) -> Verdict:
    """Block before valid_from_utc and from valid_until_utc on."""
    if now_utc < command.valid_from_utc:
        return _block("the window has not begun", command, now_utc)
    # The end belongs to the next window: at that very instant its successor is due.
    if now_utc >= command.valid_until_utc:
        return _block("the window has ended", command, now_utc)
    return ALLOW


def check_deadline(command: Command, live: Live, now_utc: datetime) -> Verdict:
    """Block from the monotonic deadline on: a wall clock set back cannot prolong a command."""
    if live.monotonic_s >= live.deadline_monotonic_s:
        return _block("the monotonic deadline has passed", command, now_utc)
    return ALLOW


def _block(reason: str, command: Command, now_utc: datetime) -> Block:
    facts: dict[str, str | float | int | bool | None] = {
        "now_utc": now_utc.isoformat(),
        "valid_from_utc": command.valid_from_utc.isoformat(),
        "valid_until_utc": command.valid_until_utc.isoformat(),
    }
    return Block(guard_id="EXPIRY", reason=reason, facts=facts)
