"""Comfort bounds that hands suggest: rooms that people heated or cooled again and again. It changes nothing."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from math import ceil, floor
from statistics import median
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from controls.optimiser.devices.room import RoomParams
from controls.planning.suggestions import LEAST_DAYS, PARTS, Override
from data_quality.contracts.model import Model

# A season is long enough to be a habit, and short enough not to be the last one.
DAYS = 28
_STEP_K = 0.5
Edge = Literal["low", "high"]


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
    """Bounds by room, part of the day and edge that came back on LEAST_DAYS of the last DAYS local days or more.

    room_degc: temperature by room and instant of an override; one without counts for nothing. Switched on by hand, a
    room was too cold: half a degree more, to the half degree, is wished at least; switched off, it was too warm. A set
    temperature is the wish itself. The median of the wishes counts, within the other edge of the band.
    """
    zone, wishes = ZoneInfo(time_zone), dict[tuple[str, str, Edge], list[_Wish]]()
    first = now_utc.astimezone(zone).date() - timedelta(days=DAYS - 1)
    for each in overrides:
        local = each.at_utc.astimezone(zone)
        if each.device_id not in rooms or local.date() < first or each.at_utc > now_utc:
            continue
        part = PARTS[max(hour for hour in PARTS if hour <= local.hour)]
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
    over = days[-LEAST_DAYS] + timedelta(days=DAYS)
    return BoundSuggestion(
        device_id=key[0], part_of_day=key[1], edge=key[2], degc=degc, present_degc=present, on_days=len(days),
        of_days=DAYS, until_utc=datetime(over.year, over.month, over.day, tzinfo=zone),
    )  # fmt: skip
