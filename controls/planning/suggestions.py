"""Suggestions from set-points that people change again and again: questions, comfort bounds. None acts by itself."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from math import ceil, floor
from statistics import median
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from controls.ledger.rows import LedgerRow
from controls.optimiser.devices.room import RoomParams
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.model import Model

# Of the last ten days; twice may be a guest.
DAYS, LEAST_DAYS = 10, 3
# Of a comfort bound: a season is long enough to be a habit, and short enough not to be the last one.
BOUND_DAYS = 28
_STEP_K = 0.5
# Of a day, by the hour at which they begin, as people call them.
PARTS = {0: "nights", 6: "mornings", 12: "afternoons", 18: "evenings"}
Edge = Literal["low", "high"]


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
    told of themselves (device_holds.manual_settings).
    """
    manual = [Override(device_id=one[0], capability=one[1], at_utc=one[2], value=one[3]) for one in by_hand]
    return manual + [
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
    least_days: int = LEAST_DAYS,
) -> tuple[Suggestion, ...]:
    """One question for each device, capability, part of the day and value (to a tenth) that came back on enough of the
    last DAYS local days, the most frequent first.
    """
    seen: dict[tuple[str, str, str, float], set[object]] = {}
    for each, local, part in _lately(overrides, ZoneInfo(time_zone), now_utc, DAYS):
        seen.setdefault((each.device_id, each.capability, part, round(each.value, 1)), set()).add(local.date())
    often = sorted((key for key in seen if len(seen[key]) >= least_days), key=lambda key: (-len(seen[key]), key))
    return tuple(
        Suggestion(
            device_id=device,
            capability=capability,
            part_of_day=part,
            value=value,
            on_days=len(seen[device, capability, part, value]),
            of_days=DAYS,
            sentence=f"on {len(seen[device, capability, part, value])} of the last {DAYS} {part} somebody set "
            f"{capability.removeprefix('set_')} of {device} to {value:g}: shall the wish be changed?",
        )
        for device, capability, part, value in often
    )


def _lately(
    overrides: Iterable[Override], zone: ZoneInfo, now_utc: datetime, days: int
) -> Iterator[tuple[Override, datetime, str]]:
    """Overrides of the last local days, each with its local time and its part of the day."""
    first = now_utc.astimezone(zone).date() - timedelta(days=days - 1)
    for each in overrides:
        local = each.at_utc.astimezone(zone)
        if local.date() >= first and each.at_utc <= now_utc:
            yield each, local, PARTS[max(hour for hour in PARTS if hour <= local.hour)]


class BoundSuggestion(Model):
    """A bound of a room's comfort band that people asked for with their hands, and the present one at those hours.

    on_days: of the last `of_days` local days. until_utc: from then on too few of them are left.
    """

    device_id: str
    edge: Edge
    part_of_day: str
    degc: float
    present_degc: float
    on_days: int
    of_days: int
    until_utc: datetime


class _Wish(NamedTuple):
    day: date
    at_utc: datetime
    degc: float
    present_degc: float


def suggested_bounds(
    overrides: Iterable[Override],
    rooms: Mapping[str, RoomParams],
    room_degc: Mapping[tuple[str, datetime], float],
    *,
    time_zone: str,
    now_utc: datetime,
) -> tuple[BoundSuggestion, ...]:
    """Bounds by room, part of the day and edge that came back on LEAST_DAYS of the last BOUND_DAYS local days or more.

    room_degc: temperature by room and instant of an override; one without counts for nothing. Switched on by hand, a
    room was too cold: half a degree more, to the half degree, is wished at least; switched off, it was too warm. A set
    temperature is the wish itself. The median of the wishes counts, within the other edge of the band.
    """
    zone, wishes = ZoneInfo(time_zone), dict[tuple[str, str, Edge], list[_Wish]]()
    of_rooms = (each for each in overrides if each.device_id in rooms)
    for each, local, part in _lately(of_rooms, zone, now_utc, BOUND_DAYS):
        wished = _wish(each, rooms[each.device_id], room_degc.get((each.device_id, each.at_utc)), local.hour)
        if wished is not None:
            edge, degc, present = wished
            wishes.setdefault((each.device_id, part, edge), []).append(_Wish(local.date(), each.at_utc, degc, present))
    found = [one for key, own in sorted(wishes.items()) if (one := _suggested(key, own, zone)) is not None]
    return tuple(sorted(found, key=lambda one: -one.on_days))


def _wish(each: Override, room: RoomParams, degc: float | None, hour: int) -> tuple[Edge, float, float] | None:
    """Edge, wished and present bound; None where the temperature is not known, or the band has it already."""
    low, high = (edge[hour] if isinstance(edge, tuple) else edge for edge in (room.low_degc, room.high_degc))
    if each.capability.endswith("_degc"):
        return ("low", min(each.value, high), low) if each.value != low else None
    if degc is None:
        return None
    if each.value > 0:
        wished = (floor(degc / _STEP_K) + 1) * _STEP_K
        return ("low", min(wished, high), low) if wished > low else None
    wished = (ceil(degc / _STEP_K) - 1) * _STEP_K
    return ("high", max(wished, low), high) if wished < high else None


def _suggested(key: tuple[str, str, Edge], wishes: list[_Wish], zone: ZoneInfo) -> BoundSuggestion | None:
    days = sorted({each.day for each in wishes})
    degc, present = (round(median(values), 1) for values in zip(*(each[2:] for each in wishes), strict=True))
    if len(days) < LEAST_DAYS or degc == present:
        return None
    over = days[-LEAST_DAYS] + timedelta(days=BOUND_DAYS)
    return BoundSuggestion(
        device_id=key[0], part_of_day=key[1], edge=key[2], degc=degc, present_degc=present, on_days=len(days),
        of_days=BOUND_DAYS, until_utc=datetime(over.year, over.month, over.day, tzinfo=zone),
    )  # fmt: skip
