"""Room states of a site by readings that err, lack, or stand still: a Kalman filter over all of them.

Each room has a temperature and a heat that nobody measures (neighbours, walls, people): the second stays nearly what
it is, and takes up what the room's own figures do not explain, so that plans are not off for good (offset-free).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controls.optimiser.backends.expressions import Floats
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# Quantised readings of a room whose heater switches do not stay the same for so long.
STUCK_H = 6.0
# Without a reading for so long, the model's own prediction is no longer one.
LOST_H = 24.0
# The unmeasured heat wanders so many kW in an hour, for a room that holds one kelvin with one kW.
_WANDERS = 0.3
_W_PER_KW = 1000.0
# A room of two masses told as one errs more than its own likelihood says, and no thermometer is finer.
_LEAST_K = 0.1


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
        told = np.isfinite(now) & ~self.is_stuck
        gain = np.where(told, 1 / (a + self._errs**2), 0.0)
        off = np.where(told, now - self.degc, 0.0)
        self.degc, self.heat_kw = self.degc + a * gain * off, self.heat_kw + b * gain * off
        self._spread = np.array([a - a * gain * a, b - a * gain * b, d - b * gain * b]).T
        self.silent_h = np.where(told, 0.0, self.silent_h + hours)

    @property
    def is_stuck(self) -> np.ndarray:
        """Thermometers that stand still while their heater switches."""
        found: np.ndarray = (self._same_h >= STUCK_H) & self._switched
        return found

    @property
    def sd_k(self) -> Floats:
        """How sure the temperatures are."""
        found: Floats = np.sqrt(self._spread[:, 0])
        return found

    def gains_kw(self, ghi_w_per_m2: Floats, hours: Floats) -> Floats:
        """What else heats each room in steps to come: rooms x steps. hours: how far off each is."""
        sun = self._aperture[:, None] * ghi_w_per_m2 / _W_PER_KW
        # What is not explained now says less of the day after tomorrow.
        found: Floats = self._gain[:, None] + self.heat_kw[:, None] * 0.5 ** (hours / 12.0) + sun
        return found

    def findings(self) -> list[Finding]:
        """Of thermometers that stand still or say nothing, with what stands in their place."""
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
        told = np.isfinite(now)
        self._same_h = np.where(same, self._same_h + hours, np.where(told, 0.0, self._same_h))
        self._switched = np.where(told & ~same, False, self._switched | moved)
        self._last, self._before_kw = np.where(told, now, self._last), drawn_kw
