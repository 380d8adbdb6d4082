"""Every guard in one place: with planned values at release, with live values at issue."""

from datetime import datetime

from controls.safety.clock import check_clock
from controls.safety.exclusion import check_exclusion
from controls.safety.expiry import check_deadline, check_window
from controls.safety.freshness import check_freshness
from controls.safety.limits import DeviceLimits
from controls.safety.mode import check_latch, check_mode
from controls.safety.rating import check_envelope, check_rating
from controls.safety.soc import check_soc
from controls.safety.verdict import ALLOW, Block, Live, Verdict
from data_quality.contracts.control.command import Command, Mode


def check_planned(command: Command, limits: DeviceLimits | None, mode: Mode) -> Verdict:
    """The first refusal of the guards that need no measurement, or Allow. limits: None for a device we do not know."""
    if limits is None:
        reason = f"the site has no device {command.device_id!r} with {command.capability!r}"
        return Block(guard_id="I01", reason=reason)
    return _first_block(check_rating(command, limits), check_envelope(command, limits, mode))


def check_all(command: Command, live: Live, limits: DeviceLimits, now_utc: datetime) -> Verdict:
    """The first refusal of all guards with live values, or Allow. `command` carries the epoch it is sent with."""
    return _first_block(
        # The first refusal is the one that is told: what a person decided comes before what was measured.
        check_mode(live.mode),
        check_latch(live),
        check_clock(live, limits),
        check_window(command, now_utc),
        check_deadline(command, live, now_utc),
        check_rating(command, limits),
        check_envelope(command, limits, live.mode),
        check_exclusion(command, live, limits),
        check_freshness(live, limits),
        check_soc(command, live, limits),
    )


def _first_block(*verdicts: Verdict) -> Verdict:
    return next((verdict for verdict in verdicts if isinstance(verdict, Block)), ALLOW)
