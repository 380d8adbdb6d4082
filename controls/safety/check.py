"""Every guard in one place: with planned values at release, with live values at issue."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from controls.safety.expiry import check_deadline, check_window
from controls.safety.interlocks.clock import check_clock
from controls.safety.interlocks.comfort import check_comfort
from controls.safety.interlocks.connection_limit import check_connection_limit
from controls.safety.interlocks.exclusion import check_exclusion
from controls.safety.interlocks.freshness import check_freshness
from controls.safety.interlocks.latch import check_latch
from controls.safety.interlocks.minimum_times import check_minimum_times
from controls.safety.interlocks.override import check_override
from controls.safety.interlocks.phase_current import check_phase_current
from controls.safety.interlocks.plausibility import check_plausibility
from controls.safety.interlocks.ramp import check_ramp
from controls.safety.interlocks.rating import check_envelope, check_rating
from controls.safety.interlocks.soc import check_soc
from controls.safety.interlocks.write_budget import check_write_budget
from controls.safety.limits import DeviceLimits
from controls.safety.mode import check_mode
from controls.safety.verdict import ALLOW, Block, Live, Verdict
from data_quality.contracts.control.command import Command, Mode


def check_planned(command: Command, limits: DeviceLimits | None, mode: Mode) -> Verdict:
    """The first refusal of the guards that need no measurement, or Allow. limits: None for a device we do not know."""
    if limits is None:
        reason = f"the site has no device {command.device_id!r} with {command.capability!r}"
        return Block(guard_id="I01", reason=reason)
    return _first_block((check_rating(command, limits), check_envelope(command, limits, mode)))


def check_all(command: Command, live: Live, limits: DeviceLimits, now_utc: datetime) -> Verdict:
    """The first refusal of all guards with live values, or Allow. `command` carries the epoch it is sent with."""
    return _first_block(_verdicts(command, live, limits, now_utc))


def _verdicts(command: Command, live: Live, limits: DeviceLimits, now_utc: datetime) -> Iterator[Verdict]:
    # The first refusal is reported: a person's decision comes before a measurement.
    yield check_mode(live.mode)
    yield check_latch(live)
    yield check_override(live)
    yield check_clock(live, limits)
    yield check_window(command, now_utc)
    yield check_deadline(command, live, now_utc)
    yield check_rating(command, limits)
    yield check_envelope(command, limits, live.mode)
    yield check_exclusion(command, live, limits)
    yield check_freshness(command, live, limits)
    yield check_soc(command, live, limits)
    yield check_phase_current(command, live, limits)
    yield check_connection_limit(command, live, limits)
    yield check_comfort(command, live, limits)
    yield check_minimum_times(command, live, limits, now_utc)
    yield check_ramp(command, live, limits)
    yield check_plausibility(live)
    # Last: a value that only stays where it is needs no write, so that whoever holds it may pass over this one.
    yield check_write_budget(command, live, limits)


def _first_block(verdicts: Iterable[Verdict]) -> Verdict:
    return next((verdict for verdict in verdicts if isinstance(verdict, Block)), ALLOW)
