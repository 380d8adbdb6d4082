"""Models learnt from a site's own instruments: load by the clock, sun, prices nobody has published, states of rooms.

Rooms by readings that err, lack, or stand still: a Kalman filter over all of them. Each has a temperature and a heat
that nobody measures (neighbours, walls, people): the second stays nearly what it is, and takes up what the room's own
figures do not explain, so that plans are not off for good (offset-free).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.moving_steps import PER_HOUR, STEP_H
from data_quality.contracts.control.closed_loop import Outlook, SiteObservation
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# A mean over the clock forgets: four weeks of working days, or weekends, and a week of prices.
_LOAD_LEAST, _PRICE_LEAST = 1 / (4 * 5 * PER_HOUR), 1 / (7 * PER_HOUR)
# Half of what the sun gave to the modules is forgotten after so many quarter hours of it: snow falls, and slides off.
_SUN_HALF = 40
_LEAST_W_PER_M2 = 30.0
# Of how far the load is off now, so much is left after an hour.
_LASTS = 0.5
# Shares of the load that came: kept to tell its low and high hours.
_KEPT = 28 * 24
_LEVELS = (0.1, 0.5, 0.9)
# Quantised readings of a room whose heater switches do not stay the same for so long.
STUCK_H = 6.0
# Without a reading for so long, the model's own prediction is no longer one.
LOST_H = 24.0
# The unmeasured heat wanders so many kW in an hour, for a room that holds one kelvin with one kW.
_WANDERS = 0.3
_W_PER_KW = 1000.0
# A room of two masses modelled as one errs more than its own likelihood says, and no thermometer is finer.
_LEAST_K = 0.1


@dataclass
class ByClock:
    """Means by a kind of day and a local hour; `least`: how much the newest value counts at least."""

    least: float
    means: dict[tuple[bool, int], tuple[float, int]] = field(default_factory=dict)

    def note(self, key: tuple[bool, int], value: float) -> None:
        """One value more."""
        mean, count = self.means.get(key, (0.0, 0))
        self.means[key] = mean + (value - mean) * max(1 / (count + 1), self.least), count + 1

    def of(self, key: tuple[bool, int]) -> float | None:
        """The mean at an hour of a kind of day; of the other kind where this one is not known."""
        found = self.means.get(key) or self.means.get((not key[0], key[1]))
        return found[0] if found else None


@dataclass
class Learnt:
    """Learnt figures of one site: fed with every reading of it, used when a plan is made. time_zone: of its clock."""

    time_zone: str
    load: ByClock = field(default_factory=lambda: ByClock(_LOAD_LEAST))
    buys: ByClock = field(default_factory=lambda: ByClock(_PRICE_LEAST))
    sells: ByClock = field(default_factory=lambda: ByClock(_PRICE_LEAST))
    sun: tuple[float, float] = (0.0, 0.0)
    off_share: float = 0.0
    shares: list[float] = field(default_factory=list)
    _hour: list[float] = field(default_factory=list)
    _priced_until: datetime | None = None

    def keys(self, starts: Sequence[datetime]) -> list[tuple[bool, int]]:
        """Kind of day and local hour of some instants."""
        here = ZoneInfo(self.time_zone)
        locals_ = [at.astimezone(here) for at in starts]
        return [(each.weekday() >= 5, each.hour) for each in locals_]

    def note(self, before: SiteObservation, now: SiteObservation, pv_kw: float | None) -> None:
        """A quarter hour more: powers of `now` are means since `before`. pv_kw: what the modules gave; None: cut."""
        key = self.keys([before.at_utc])[0]
        usual = self.load.of(key)
        self.off_share = now.load_kw / usual - 1 if usual else 0.0
        self._hour = [*self._hour, now.load_kw / usual if usual else 1.0]
        if now.at_utc.minute == 0:
            self.shares = [*self.shares, sum(self._hour) / len(self._hour)][-_KEPT:]
            self._hour = []
        self.load.note(key, now.load_kw)
        ghi = (before.ghi_w_per_m2 + now.ghi_w_per_m2) / 2
        if pv_kw is not None and ghi > _LEAST_W_PER_M2:
            kept = 0.5 ** (1 / _SUN_HALF)
            self.sun = self.sun[0] * kept + pv_kw, self.sun[1] * kept + ghi

    def note_prices(self, starts: Sequence[datetime], outlook: Outlook) -> None:
        """Published prices, each once. starts: of the outlook's quarter hours."""
        count = len(outlook.import_price_per_kwh)
        new = [n for n, at in enumerate(starts[:count]) if self._priced_until is None or at > self._priced_until]
        if not new:
            return
        self._priced_until = starts[count - 1]
        for n, key in zip(new, self.keys([starts[n] for n in new]), strict=True):
            self.buys.note(key, outlook.import_price_per_kwh[n])
            self.sells.note(key, outlook.export_price_per_kwh[n])

    @property
    def kw_per_w(self) -> float:
        """PV power by horizontal irradiance, kW for each W/m2."""
        given, shone = self.sun
        return given / shone if shone > 0 else 0.0

    def load_kw(self, starts: Sequence[datetime]) -> Floats:
        """Forecast of the load without devices, kW a quarter hour: the usual one, with today's deviation fading."""
        usual = np.array([self.load.of(key) or 0.0 for key in self.keys(starts)])
        ahead_h = STEP_H * np.arange(len(starts))
        found: Floats = usual * np.maximum(1 + self.off_share * _LASTS ** (ahead_h + 1), 0.2)
        return found

    def load_levels(self) -> tuple[float, ...]:
        """Which shares of the usual load hours came to at P10, P50 and P90; their own spread of the last weeks."""
        return tuple(np.quantile(self.shares, _LEVELS).tolist()) if len(self.shares) > 48 else (0.7, 1.0, 1.4)

    def prices(self, starts: Sequence[datetime], known: Sequence[float], table: ByClock) -> tuple[float, ...]:
        """As published, and after that as at that hour of the last week."""
        later = self.keys(starts[len(known) :])
        last = known[-1] if known else 0.0
        usual = [table.of(key) for key in later]
        return (*known, *(last if value is None else value for value in usual))[: len(starts)]


class RoomFigures(Model):
    """A room as identified from its readings, or as its site file has it. Standard deviations: K in an hour, K."""

    r_k_per_kw: float
    c_kwh_per_k: float
    gain_kw: float = 0.0
    aperture_m2: float = 0.0
    disturbance_k: float = 0.1
    sensor_k: float = 0.1


@dataclass
class WatchedRooms:
    """Rooms by asset id, in one order. degc, heat_kw: estimated; sd_k: of the temperature."""

    names: Sequence[str]
    figures: Mapping[str, RoomFigures]
    degc: Floats = field(init=False)
    heat_kw: Floats = field(init=False)
    silent_h: Floats = field(init=False)

    def __post_init__(self) -> None:
        every = [list(self.figures[name].model_dump().values()) for name in self.names]
        self._r, self._c, self._gain, self._aperture, *errors = np.array(every).T.reshape(6, -1)
        self._moves, self._errs = np.maximum(errors, _LEAST_K)
        count = len(every)
        self.degc, self.heat_kw = np.full(count, np.nan), np.zeros(count)
        self._spread = np.tile([1.0, 0.0, 0.01], (count, 1))
        self._last, self._same_h, self._switched = np.full(count, np.nan), np.zeros(count), np.zeros(count, bool)
        self._before_kw, self.silent_h = np.zeros(count), np.zeros(count)

    def look(
        self, readings: Sequence[float | None], drawn_kw: Floats, weather: tuple[float, float], hours: float
    ) -> None:
        """Go on by some hours in which heaters drew so much (mean kW), then read. weather: degC and W/m2 outside."""
        now = np.array([np.nan if value is None else value for value in readings], np.float64)
        self.degc = np.where(np.isnan(self.degc), np.where(np.isnan(now), 18.0, now), self.degc)
        kept = np.exp(-hours / (self._r * self._c))
        pull = (1 - kept) * self._r
        heat = drawn_kw + self.heat_kw + self._gain + self._aperture * weather[1] / _W_PER_KW
        self.degc = kept * self.degc + (1 - kept) * weather[0] + pull * heat
        a, b, d = self._spread.T
        wander = (_WANDERS / self._r) ** 2 * hours
        a, b, d = (
            kept**2 * a + 2 * kept * pull * b + pull**2 * d + self._moves**2 * hours,
            kept * b + pull * d,
            d + wander,
        )
        self._watch(now, drawn_kw, hours)
        is_valid = np.isfinite(now) & ~self.is_stuck
        gain = np.where(is_valid, 1 / (a + self._errs**2), 0.0)
        off = np.where(is_valid, now - self.degc, 0.0)
        self.degc, self.heat_kw = self.degc + a * gain * off, self.heat_kw + b * gain * off
        self._spread = np.array([a - a * gain * a, b - a * gain * b, d - b * gain * b]).T
        self.silent_h = np.where(is_valid, 0.0, self.silent_h + hours)

    @property
    def is_stuck(self) -> np.ndarray:
        """Thermometers that stand still while their heater switches."""
        found: np.ndarray = (self._same_h >= STUCK_H) & self._switched
        return found

    @property
    def sd_k(self) -> Floats:
        """Uncertainty of the temperatures."""
        found: Floats = np.sqrt(self._spread[:, 0])
        return found

    def gains_kw(self, ghi_w_per_m2: Floats, hours: Floats) -> Floats:
        """Forecast of each room's other heat gains, kW: rooms x steps. hours: lead time of each step."""
        sun = self._aperture[:, None] * ghi_w_per_m2 / _W_PER_KW
        # What is not explained now says less of the day after tomorrow.
        found: Floats = self._gain[:, None] + self.heat_kw[:, None] * 0.5 ** (hours / 12.0) + sun
        return found

    def findings(self) -> list[Finding]:
        """Findings on frozen or silent thermometers, with the value used instead."""
        found = []
        for n, name in enumerate(self.names):
            if self.is_stuck[n]:
                code, what = "thermometer_stuck", f"its thermometer says {self._last[n]:g} degC for hours of heating"
            elif self.silent_h[n] > 1.0:
                code, what = "thermometer_silent", "its thermometer sends no value"
            else:
                continue
            after = f"planned by its model, {self.degc[n]:.1f} degC within {2 * self.sd_k[n]:.1f} K"
            if self.silent_h[n] > LOST_H:
                code, after = f"{code}_for_long", "left to its own thermostat"
            found.append(Finding(code=code, severity="warning", scope=name, message=f"{name}: {what}: {after}"))
        return found

    @property
    def is_lost(self) -> np.ndarray:
        """Rooms of which nothing was read for so long that nobody plans them."""
        found: np.ndarray = self.silent_h > LOST_H
        return found

    def _watch(self, now: Floats, drawn_kw: Floats, hours: float) -> None:
        same = now == self._last
        moved = np.abs(drawn_kw - self._before_kw) > 1e-3
        # A reading that lacks says neither.
        is_valid = np.isfinite(now)
        self._same_h = np.where(same, self._same_h + hours, np.where(is_valid, 0.0, self._same_h))
        self._switched = np.where(is_valid & ~same, False, self._switched | moved)
        self._last, self._before_kw = np.where(is_valid, now, self._last), drawn_kw
