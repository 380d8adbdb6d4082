"""Mode and fault latch (I13): below PARTIAL nothing is written, and a latched device waits for a person."""

from controls.safety.verdict import ALLOW, Block, Live, Verdict
from data_quality.contracts.control.command import Mode


def check_mode(mode: Mode) -> Verdict:
    """Block below PARTIAL."""
    if mode < Mode.PARTIAL:
        return Block(guard_id="MODE", reason=f"the mode is {mode.name}: nothing is written", facts={"mode": mode.name})
    return ALLOW


def check_latch(live: Live) -> Verdict:
    """Block while a fault of the device or its site is latched."""
    if live.is_latched:
        return Block(guard_id="I13", reason="a fault is latched; a person must acknowledge it first")
    return ALLOW
