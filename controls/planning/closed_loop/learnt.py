"""Models learnt from a site's own instruments: its load by the clock, its sun, prices nobody has published."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.moving_steps import PER_HOUR, STEP_H
from data_quality.contracts.control.closed_loop import Outlook, Seen

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
    """Of one site: fed with every look at it, asked when a plan is made. time_zone: of its clock."""

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

    def note(self, before: Seen, now: Seen, pv_kw: float | None) -> None:
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
        """What the modules give by the sun on the horizontal, kW for each W/m2."""
        given, shone = self.sun
        return given / shone if shone > 0 else 0.0

    def load_kw(self, starts: Sequence[datetime]) -> Floats:
        """What the site draws besides its devices in quarter hours to come: as usual, nearly as far off it as now."""
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
