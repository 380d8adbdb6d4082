"""Oracle of writes that may never reach the wire, in other words and without a line of the guards.

Physics is tried out instead of bounded: every power that the device may have now, and every one that it may have after
the command, are put into the meter's sum one by one.
"""

from datetime import datetime
from itertools import product
from typing import Any

from data_quality.contracts.control.command import Command


def number(*values: float | None) -> bool:
    return all(value is not None and value == value and abs(value) < float("inf") for value in values)


def forbids(item: Command, live: Any, limits: Any, now: datetime) -> set[str]:
    """The interlocks that have something against the command, by their ids."""
    found = set()
    if live.mode.name not in ("PARTIAL", "FULL"):
        found.add("MODE")
    if live.is_latched:
        found.add("I13")
    if live.hold != "":
        found.add("I08")
    for offset, most in ((live.clock_step_s, 1.0), (live.reference_offset_s, 2.0)):
        if offset is not None and not (number(offset) and -most <= offset <= most):
            found.add("I10")
    if now < item.valid_from_utc or now >= item.valid_until_utc or live.monotonic_s >= live.deadline_monotonic_s:
        found.add("EXPIRY")
    if live.wrong_way_s is not None and not live.wrong_way_s < 30:
        found.add("I14")
    found |= {"I01"} if _is_unfit(item, live, limits) else set()
    fights = any(name in live.other_active for name in limits.excludes) and item.value != limits.safe_default
    if item.epoch != live.lease_epoch or fights:
        found.add("I11")
    if not _is_fresh(item, live):
        found.add("I09")
    if limits.soc_min is not None and limits.soc_max is not None and not _is_storage_fine(item, live, limits):
        found.add("I06")
    found |= _of_the_connection(item, live, limits)
    if item.value != limits.safe_default:
        found |= _of_the_process(item, live, limits, now)
    if limits.ramp_per_s is not None:
        pause = 1.0 if live.since_write_s is None else min(max(live.since_write_s, 0.0), 1.0)
        reach = limits.ramp_per_s * pause + limits.tolerance + 2e-6
        if not number(live.value_before) or abs(item.value - live.value_before) > reach:
            found.add("I02")
    return found


def _is_unfit(item: Command, live: Any, limits: Any) -> bool:
    if (item.device_id, item.capability, item.unit) != (limits.device_id, limits.capability, limits.unit):
        return True
    if not number(item.value) or item.value < limits.min_value or item.value > limits.max_value:
        return True
    reach = max(abs(limits.min_value), abs(limits.max_value)) * limits.partial_share
    return bool(live.mode.name == "PARTIAL") and abs(item.value - limits.safe_default) > reach + 2e-6


def _is_fresh(item: Command, live: Any) -> bool:
    plan, read = live.plan_age_s, live.read_age_s
    if plan is None or read is None or live.plan_hash not in (None, item.plan_hash):
        return False
    return bool(-2 <= plan <= 26 * 3600 and -2 <= read <= 10)


def _is_storage_fine(item: Command, live: Any, limits: Any) -> bool:
    soc, age, drift = live.soc, live.soc_age_s, live.soc_drift
    if not number(soc, age) or not 0 <= soc <= 1 or not 0 <= age <= 60:
        return False
    if drift is not None and not (number(drift) and abs(drift) <= 0.05):
        return False
    return not (item.value > 0 and soc >= limits.soc_max) and not (item.value < 0 and soc <= limits.soc_min)


def _powers(value: float, live: Any, limits: Any) -> list[float]:
    """Every power (ends of the range) that the device may draw when set to the value."""
    if limits.kw_per_unit is None:
        return [0.0, limits.switched_kw if value > limits.min_value else 0.0]
    full = value * limits.kw_per_unit
    if not limits.is_limit:
        return [0.0, full]
    own = live.own_kw
    if own is None or own * limits.kw_per_unit <= 0:
        return [0.0, full]
    return [own if abs(own) <= abs(full) else full, full]


def _of_the_connection(item: Command, live: Any, limits: Any) -> set[str]:
    if limits.kw_per_unit is None and limits.switched_kw is None:
        return set()
    if not number(item.value):
        return set()
    after, at_home = _powers(item.value, live, limits), _powers(limits.safe_default, live, limits)
    if sorted(after) == sorted(at_home):
        return set()
    if live.own_kw is not None:
        before = [live.own_kw]
    else:
        before = [0.0, *(kw for end in (limits.min_value, limits.max_value) for kw in _powers(end, live, limits))]
    more, less = max(after) > max(at_home), min(after) < min(at_home)
    found = set()
    ceiling = _ceiling(live, limits)
    fed = [each for each in (limits.export_max_kw, live.signal_export_kw) if each is not None]
    if ceiling is not None or fed:
        if limits.has_grid_meter and not (number(live.grid_kw, live.grid_age_s) and 0 <= live.grid_age_s <= 10):
            found.add("I05")
        else:
            base = [live.grid_kw - kw for kw in before] if limits.has_grid_meter else [0.0]
            sums = [rest + kw for rest, kw in product(base, after)]
            if more and ceiling is not None and max(sums) > ceiling:
                found.add("I05")
            if less and fed and min(sums) < -min(fed):
                found.add("I05")
    if limits.fuse_a is not None:
        is_seen = live.phase_a is not None and number(*live.phase_a, live.phase_age_s) and 0 <= live.phase_age_s <= 10
        if limits.has_phase_meter and not is_seen:
            found.add("I04")
        else:
            found |= _of_the_phases(live, limits, before if limits.has_phase_meter else [0.0], after, (more, less))
    return found


def _of_the_phases(
    live: Any, limits: Any, before: list[float], after: list[float], worse: tuple[bool, bool]
) -> set[str]:
    now_a = live.phase_a if limits.has_phase_meter else (0.0, 0.0, 0.0)
    for each, share in zip(now_a, limits.phase_share, strict=True):
        amperes = [each + (kw - was) * share * 1000 / 230 for kw, was in product(after, before)]
        if share and worse[0] and max(amperes) > 0.9 * limits.fuse_a:
            return {"I04"}
        if share and worse[1] and min(amperes) < -0.9 * limits.fuse_a:
            return {"I04"}
    return set()


def _ceiling(live: Any, limits: Any) -> float | None:
    contract, dso = limits.import_max_kw, None
    if limits.dso_failsafe_kw is not None:
        heard = live.dso_age_s is not None and 0 <= live.dso_age_s <= 110
        dso = live.dso_limit_kw if heard else limits.dso_failsafe_kw
    return min((float(each) for each in (contract, dso, live.signal_import_kw) if each is not None), default=None)


def _of_the_process(item: Command, live: Any, limits: Any, now: datetime) -> set[str]:
    """Comfort, minimum times and wear: of whatever is not the way home."""
    found = set()
    for count, most in (
        (live.writes_last_hour, limits.writes_per_hour),
        (live.writes_last_day, limits.writes_per_day),
    ):
        if most is not None and (count is None or count + 1 > most):
            found.add("I12")
    warms = item.value > limits.safe_default
    edge = limits.max_degc if warms else limits.min_degc
    if not warms and live.is_hygiene_cycle:
        found.add("I07")
    if edge is not None:
        known = number(live.degc, live.degc_age_s) and 0 <= live.degc_age_s <= 300
        seen = [live.degc, *([] if live.end_degc is None else [live.end_degc])]
        if not known or any(not (degc < edge if warms else degc > edge) for degc in seen):
            found.add("I07")
    for value, most in ((live.co2_ppm, limits.max_co2_ppm), (live.humidity_percent, limits.max_humidity_percent)):
        if most is not None and not warms and not (number(value) and value <= most):
            found.add("I07")
    if limits.min_on_s is None and limits.min_off_s is None and limits.max_starts_per_hour is None:
        return found
    runs = item.value != 0 if limits.min_value < 0 else item.value > limits.min_value
    if live.is_on is None or not number(live.state_for_s):
        return found | {"I03"}
    if runs == live.is_on:
        return found
    waits = limits.min_off_s if runs else limits.min_on_s
    stays = limits.min_on_s if runs else limits.min_off_s
    if waits is not None and live.state_for_s < waits:
        found.add("I03")
    home_runs = limits.safe_default != 0 if limits.min_value < 0 else limits.safe_default > limits.min_value
    left, whole = ((item.valid_until_utc - each).total_seconds() for each in (now, item.valid_from_utc))
    if stays is not None and runs != home_runs and left < stays and left < whole - 60:
        found.add("I03")
    if runs and limits.max_starts_per_hour is not None:
        starts = live.starts_last_hour
        if starts is None or starts + 1 > limits.max_starts_per_hour:
            found.add("I03")
    return found
