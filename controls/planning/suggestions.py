"""Suggestions from set-points that people change again and again, put to them as a question. None acts by itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controls.ledger.rows import LedgerRow
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.model import Model

# Of the last ten days; twice may be a guest.
DAYS, LEAST_DAYS = 10, 3
# Of a day, by the hour at which they begin, as people call them.
PARTS = {0: "nights", 6: "mornings", 12: "afternoons", 18: "evenings"}


class Override(Model):
    """Somebody set a device by hand: what it was found at, in the unit that ends the capability's name."""

    device_id: str
    capability: str
    at_utc: datetime
    value: float


class Suggestion(Model):
    """A question for the owner; `sentence` asks it."""

    device_id: str
    capability: str
    part_of_day: str
    value: float
    on_days: int
    of_days: int
    sentence: str


def overrides_of(
    ledger: Iterable[LedgerRow], by_hand: Iterable[tuple[str, str, datetime, float]] = ()
) -> list[Override]:
    """The overrides that the ledger tells of (a read-back that was not ours, twice in a row), and those that people
    told of themselves (device_holds.told_by_hand).
    """
    told = [Override(device_id=one[0], capability=one[1], at_utc=one[2], value=one[3]) for one in by_hand]
    return told + [
        Override(
            device_id=row.command.device_id,
            capability=row.command.capability,
            at_utc=datetime.fromisoformat(str(row.facts.get("readback_at_utc") or row.recorded_at_utc.isoformat())),
            value=float(value),
        )
        for row in ledger
        if row.state is CommandState.OVERRIDDEN and isinstance(value := row.facts.get("readback_value"), int | float)
    ]


def suggestions(
    overrides: Iterable[Override],
    *,
    time_zone: str,
    now_utc: datetime,
    days: int = DAYS,
    least_days: int = LEAST_DAYS,
) -> tuple[Suggestion, ...]:
    """One question for each device, capability, part of the day and value (to a tenth) that came back on enough of the
    last `days` local days, the most frequent first.
    """
    zone = ZoneInfo(time_zone)
    first = now_utc.astimezone(zone).date() - timedelta(days=days - 1)
    seen: dict[tuple[str, str, str, float], set[object]] = {}
    for each in overrides:
        local = each.at_utc.astimezone(zone)
        if local.date() >= first and each.at_utc <= now_utc:
            part = PARTS[max(hour for hour in PARTS if hour <= local.hour)]
            seen.setdefault((each.device_id, each.capability, part, round(each.value, 1)), set()).add(local.date())
    often = sorted((key for key in seen if len(seen[key]) >= least_days), key=lambda key: (-len(seen[key]), key))
    return tuple(
        Suggestion(
            device_id=device,
            capability=capability,
            part_of_day=part,
            value=value,
            on_days=len(seen[device, capability, part, value]),
            of_days=days,
            sentence=f"on {len(seen[device, capability, part, value])} of the last {days} {part} somebody set "
            f"{capability.removeprefix('set_')} of {device} to {value:g}: shall the wish be changed?",
        )
        for device, capability, part, value in often
    )
