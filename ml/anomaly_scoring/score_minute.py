"""The meters of a site judged each minute by the live board and the limits of the night: nothing is stored here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

import numpy as np

from assets.sites.meter_tree import ENERGY_UNIT
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent
from data_quality.contracts.site_file.live_point import Point
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc
from data_quality.contracts.units import unit_of
from ml.anomalies.levels import LevelLimits
from ml.anomalies.running_hour import hour_value, live_events
from ml.anomaly_causes.cause_model import by_kind
from ml.anomaly_scoring.live_limits import SiteLimits, StreamLimits
from ml.anomaly_scoring.score_site import scored_streams, stored
from ml.features.civil import Civil, civil_of
from ml.features.series import HOUR, Series, Vector

MINUTE = timedelta(minutes=1)
# Local days of hours that are kept, today among them: an event that goes on keeps its begin.
DAYS = 3
# A counter that says nothing for longer leaves a gap: a mean over it would hide what was in between.
LONGEST = timedelta(minutes=5)
Address = tuple[str, str]


def live_points(site: Site) -> dict[str, tuple[Address, Point]]:
    """By meter, for those that are judged: its power where a source tells one, else its counter or amounts."""
    judged = {(stream.stream_id, stream.register) for _, stream in scored_streams(site)}
    found: dict[str, tuple[Address, Point]] = {}
    for source in site.sources:
        for point in source.points:
            unit = unit_of(point.unit)
            is_power = point.what == "live" and unit.is_power
            if (point.stream, point.register_id) not in judged or unit.canonical != ENERGY_UNIT:
                continue
            if point.what == "interval" and (point.interval_minutes or 0) > LONGEST // MINUTE:
                continue
            if is_power or (point.what in {"register", "pulses", "interval"} and point.stream not in found):
                found[point.stream] = ((source.source_id, point.point), point)
    return found


@dataclass
class MeterMinutes:
    """Power of a meter in each minute that is known, kW, by hour of UTC; of hours long over their value alone.

    step_kw: the finest reported difference of its power; of a counter 0, infinite before any has.
    """

    point: Point
    hours: dict[datetime, dict[datetime, float]] = field(default_factory=dict)
    _done: dict[datetime, float] = field(default_factory=dict)
    _counter: tuple[datetime, float] | None = None
    _power: float | None = None
    step_kw: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        # Amounts are the readings that the night judges; a power is told apart from them, maybe in coarser steps.
        self.step_kw = inf if self.point.what == "live" else 0.0

    def take(self, value: LiveValue) -> None:
        """The newest value of the meter's point. A doubtful one, and one that came before, says nothing."""
        unit, at_utc = unit_of(self.point.unit), value.at_utc
        if value.quality != "measured":
            return
        if self.point.what == "live":
            self._put(value.minute_utc, value.minute_utc + MINUTE, value.minute_mean * unit.factor)
            before_kw, self._power = self._power, value.value * unit.factor
            if before_kw is not None and self._power != before_kw:
                self.step_kw = min(self.step_kw, abs(self._power - before_kw))
        elif self.point.what == "interval":
            length = timedelta(minutes=self.point.interval_minutes or 1)
            end_utc = at_utc.replace(second=0, microsecond=0)
            self._put(end_utc - length, end_utc, value.value * unit.factor * (HOUR / length))
        else:
            worth = float(self.point.value_per_pulse or 1) * unit.factor
            before, self._counter = self._counter, (at_utc, value.value * worth)
            if before is not None and before[0] < at_utc <= before[0] + LONGEST and self._counter[1] >= before[1]:
                kw = (self._counter[1] - before[1]) / ((at_utc - before[0]) / HOUR)
                first = before[0].replace(second=0, microsecond=0)
                self._put(first, max(at_utc.replace(second=0, microsecond=0), first + MINUTE), kw)

    def _put(self, start_utc: datetime, end_utc: datetime, kw: float) -> None:
        at_utc = start_utc
        while at_utc < end_utc:
            hour = at_utc.replace(minute=0)
            if hour not in self._done:
                self.hours.setdefault(hour, {})[at_utc] = kw
            at_utc += MINUTE

    def series(self, start_utc: datetime, now_utc: datetime, ceiling: Vector) -> Series:
        """Hours from the start to the running one. ceiling: of each of these hours.

        A counter steps: the power of its minutes says little, their energy does.
        """
        running, holds = now_utc.replace(minute=0, second=0, microsecond=0), self.point.what == "live"
        values = np.full((running - start_utc) // HOUR + 1, np.nan)
        for hour, minutes in list(self.hours.items()):
            place, is_over = (hour - start_utc) // HOUR, hour < running
            powers = [minutes[each] for each in sorted(minutes)]
            if 0 <= place < len(values):
                values[place] = hour_value(powers, float(ceiling[place]), is_over=is_over, holds=holds)
            if is_over and now_utc >= hour + HOUR + LONGEST:
                # Nothing comes for it any more: of three days of minutes, hours alone stay in memory.
                self._done[hour] = hour_value(powers, 0.0, is_over=True)
                del self.hours[hour]
        self._done = {hour: value for hour, value in self._done.items() if hour >= start_utc}
        for hour, value in self._done.items():
            values[(hour - start_utc) // HOUR] = value
        return Series(start_utc, values, unit=ENERGY_UNIT)


@dataclass(frozen=True)
class _Judge:
    """One meter with its limits and minutes."""

    meter: Meter
    address: Address
    minutes: MeterMinutes
    limits: LevelLimits
    expected: Mapping[bool, Vector]
    stuck_hours: float | None


class SiteWatch:
    """A site's meters with the minutes since it began. It judges nothing from before."""

    def __init__(self, site: Site, limits: SiteLimits) -> None:
        self.site, self.limits = site, limits
        self._calendar: tuple[datetime, Civil] | None = None
        self._minutes: dict[str, MeterMinutes] = {}
        self._judges = self._judged(limits)

    def renew(self, limits: SiteLimits) -> None:
        """Judge by the limits of another night from now on; minutes are kept."""
        self.limits, self._judges = limits, self._judged(limits)

    def __len__(self) -> int:
        return len(self._judges)

    def look(self, board: Iterable[LiveValue], now_utc: datetime) -> list[AnomalyEvent]:
        """Take the newest values, and judge the hours of the last days. now_utc: not before that of the last look."""
        by_address = {(each.source_id, each.point): each for each in board}
        start_utc, civil = self._civil(now_utc)
        found: list[AnomalyEvent] = []
        for each in self._judges:
            value = by_address.get(each.address)
            if value is not None:
                each.minutes.take(value)
            series = each.minutes.series(start_utc, now_utc, each.limits.ceiling[civil.hour])
            arguments = (each.limits, each.expected, self.limits.params, each.stuck_hours, each.minutes.step_kw)
            events = live_events(series, civil, *arguments)
            found += [
                stored(
                    one, by_kind(one.kind), self.site, each.meter, ENERGY_UNIT, self._price, self.limits.params_version
                )
                for one in events
                # Hours that the night has read are the night's.
                if one.end_utc > self.limits.until_utc
            ]
        return found

    def is_seen(self, event: AnomalyEvent, now_utc: datetime) -> bool:
        """True where the hours of an event are still kept, and not the night's."""
        return event.start_utc >= self._civil(now_utc)[0] and event.end_utc > self.limits.until_utc

    def _price(self, _event: object) -> tuple[float | None, str | None]:
        return self.limits.price_per_kwh, self.limits.cost_finding

    def _civil(self, now_utc: datetime) -> tuple[datetime, Civil]:
        """The whole hour in which the first of the days begins, and the calendar from there on."""
        today = local_day(now_utc, self.site.time_zone)
        start_utc = local_midnight_utc(today - timedelta(days=DAYS - 1), self.site.time_zone).replace(minute=0)
        if self._calendar is None or self._calendar[0] != start_utc:
            # One more than the longest days have.
            self._calendar = start_utc, civil_of(self.site, start_utc, DAYS * 25 + 1)
        return self._calendar

    def _judged(self, limits: SiteLimits) -> list[_Judge]:
        by_stream = {(each.stream_id, each.register_id): each for each in limits.streams}
        points, found = live_points(self.site), list[_Judge]()
        for meter, stream in scored_streams(self.site):
            learned: StreamLimits | None = by_stream.get((stream.stream_id, stream.register))
            if learned is None or meter.meter_id not in points:
                continue
            address, point = points[meter.meter_id]
            minutes = self._minutes.get(meter.meter_id)
            if minutes is None or minutes.point != point:
                minutes = self._minutes[meter.meter_id] = MeterMinutes(point)
            found.append(_Judge(meter, address, minutes, learned.limits, learned.expected, learned.stuck_hours))
        return found
