"""I13: a device with a latched fault, or whose site has one, waits for a person."""

from controls.safety.verdict import ALLOW, Live, Verdict, block


def check_latch(live: Live) -> Verdict:
    """Block while a fault of the device or its site is latched."""
    return block("I13", "a fault is latched; a person must acknowledge it first") if live.is_latched else ALLOW
