"""I08: what a person, an app or a wall switch set is theirs: hands off until the hold expires or is released."""

from controls.safety.verdict import ALLOW, Live, Verdict, block


def check_override(live: Live) -> Verdict:
    """Block everything while a hold of the device is open."""
    return block("I08", f"somebody else has the device: {live.hold}", hold=live.hold) if live.hold else ALLOW
