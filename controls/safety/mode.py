"""Mode: below PARTIAL nothing is written."""

from controls.safety.verdict import ALLOW, Block, Verdict
from data_quality.contracts.control.command import Mode


def check_mode(mode: Mode) -> Verdict:
    """Block below PARTIAL."""
    if mode < Mode.PARTIAL:
        return Block(guard_id="MODE", reason=f"the mode is {mode.name}: nothing is written", facts={"mode": mode.name})
    return ALLOW
