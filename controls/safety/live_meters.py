"""The power of meters that the agent does not read itself: a live source tells it, and the live board shows it. Pure.

An asset that names a meter and no template stands for such a meter. What the board shows is aged by the monotonic
clock from its first sight on, so that neither a collector that is gone nor a clock that is set back makes it young.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.site_file.live_source import P1Source, Streaming
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of

# What counts what leaves: its power is a negative import.
_OUTWARD = ("export", "discharge")
# So far a value may have come ahead of us: two processes of one machine read one clock.
_AHEAD_S = 1.0
_DSMR_EXPORT = "1-0:2.7.0"
Point = tuple[str, str]


class Reading(NamedTuple):
    """Of an asset: its power, kW, import positive (no number: not known), and the monotonic second it was measured."""

    asset_id: str
    kw: float
    at_s: float


def live_meters(site: Site) -> dict[str, dict[Point, float]]:
    """By asset: the points (source, name) that tell its power, each with kW per unit, below zero for what leaves.

    Of several sources of one meter the first of the site file speaks. Made-up values tell nothing of a real site.
    """
    readings: dict[str, dict[Point, float]] = {}
    for source in site.sources:
        if isinstance(source, Streaming) and (site.is_simulated or not source.is_synthetic):
            for stream, points in _powers(source).items():
                readings.setdefault(stream, points)
    electric = {meter.meter_id for meter in site.meters if meter.carrier == Carrier.ELECTRICITY}
    read = {asset.meter for asset in site.assets if asset.template}
    return {
        asset.asset_id: readings[asset.meter]
        for asset in site.assets
        if not asset.template and asset.meter in readings and asset.meter in electric - read
    }


def _powers(source: Streaming) -> dict[str, dict[Point, float]]:
    """By meter: a point for what comes, and one for what leaves where it tells both."""
    found: dict[str, dict[bool, tuple[Point, float]]] = {}
    for point in source.points:
        unit = unit_of(point.unit)
        if point.what == "live" and unit.is_power and unit.canonical == "kwh":
            leaves = point.register_id in _OUTWARD or getattr(point, "obis", "").startswith(_DSMR_EXPORT)
            address = (source.source_id, point.point)
            found.setdefault(point.stream, {}).setdefault(leaves, (address, -unit.factor if leaves else unit.factor))
    # Each power of a smart meter is 0 while the other flows: one alone would hide half of the truth. Elsewhere a power
    # of what comes has a sign of its own.
    needed = {True, False} if isinstance(source, P1Source) else {False}
    return {stream: dict(ways.values()) for stream, ways in found.items() if needed <= {*ways}}


class LivePowers:
    """Live powers of a site's meters, as readings; only what is new is one."""

    def __init__(self, site: Site) -> None:
        self._meters = live_meters(site)
        # Of each point: when the device measured it last, and that on our monotonic clock.
        self._seen: dict[Point, tuple[datetime, float]] = {}
        self._last_at_s: dict[str, float] = {}

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that it can tell of."""
        return tuple(self._meters)

    def news(self, board: Iterable[LiveValue], *, now_utc: datetime, now_s: float) -> list[Reading]:
        """Readings since it was asked last. A value that its device, or the clock, makes doubtful is no number."""
        by_point = {(each.source_id, each.point): each for each in board}
        found = []
        for asset_id, points in self._meters.items():
            values = [by_point[point] for point in points if point in by_point]
            if len(values) < len(points):
                continue
            at_s = min(self._at_s(each, now_utc, now_s) for each in values)
            if self._last_at_s.get(asset_id) != at_s:
                self._last_at_s[asset_id] = at_s
                known = all(_is_sound(each, now_utc) for each in values)
                kw = sum(points[each.source_id, each.point] * each.value for each in values) if known else math.nan
                found.append(Reading(asset_id, kw, at_s))
        return found

    def _at_s(self, value: LiveValue, now_utc: datetime, now_s: float) -> float:
        point = (value.source_id, value.point)
        if point not in self._seen or self._seen[point][0] != value.at_utc:
            self._seen[point] = (value.at_utc, now_s - value.age_s(now_utc))
        return self._seen[point][1]


def _is_sound(value: LiveValue, now_utc: datetime) -> bool:
    return value.quality == "measured" and (value.received_utc - now_utc).total_seconds() <= _AHEAD_S
