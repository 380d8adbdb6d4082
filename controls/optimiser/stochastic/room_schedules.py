"""The best schedule of each room at given prices of its heater, by dynamic programming on a grid of temperatures.

Two answers: schedules whose temperatures and costs are exact, and a bound below which no schedule can cost. The bound
lets a room choose, in every step, the better end of the grid cell in which it is: so no true course is left out, and a
finer grid lies closer. Bellman's recursion, all rooms and cells at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.devices.room import Room

Flags = NDArray[np.bool_]
# Of a day of hours and sixteen rooms, 2,000 cells are 25 MB of passages.
_KEPT_CELLS = 2000


@dataclass(frozen=True)
class Prices:
    """heater: of each room's heater in each step, currency. comfort, stored: what a unit of these costs counts."""

    heater: Floats
    comfort: float = 1.0
    stored: float = 1.0

    def near(self, former: "Prices | None", share: float) -> "Prices":
        """With a share of those before, where there are any."""
        if former is None:
            return self
        mixed = (
            (1 - share) * mine + share * theirs
            for mine, theirs in zip(vars(self).values(), vars(former).values(), strict=True)
        )
        return Prices(*mixed)


@dataclass(frozen=True)
class Rooms:
    """Rooms over the same steps, as arrays: rooms x steps, or one value a room. Costs are in currency, not weighed."""

    kept: Floats
    off_degc: Floats
    heated_degc: Floats
    low_degc: Floats
    high_degc: Floats
    cold_price: Floats
    hot_price: Floats
    init_degc: Floats
    end_value: Floats

    @classmethod
    def of(cls, rooms: Sequence[Room], step_h: Floats) -> Self:
        """The figures of rooms. step_h: hours of each step."""
        pulls = [room.pulls_degc(step_h) for room in rooms]
        return cls(
            kept=np.array([room.kept_share(step_h) for room in rooms]),
            off_degc=np.array([off for off, _ in pulls]),
            heated_degc=np.array([heated for _, heated in pulls]),
            low_degc=np.array([room.low_degc for room in rooms]),
            high_degc=np.array([room.high_degc for room in rooms]),
            cold_price=np.array([room.comfort_price_per_kh * step_h for room in rooms]),
            hot_price=np.array([room.hot_price_per_kh * step_h for room in rooms]),
            init_degc=np.array([room.init_degc for room in rooms]),
            end_value=np.array([room.heat_value_per_kwh * room.c_kwh_per_k for room in rooms]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rooms and steps."""
        rooms, steps = self.kept.shape
        return rooms, steps

    def costs(self, is_on: Floats) -> dict[str, Floats]:
        """Exact cost of each room's schedule (rooms x steps) without its power, by kind."""
        now, found = self.init_degc, np.zeros(self.shape[0])
        for t in range(self.shape[1]):
            now = self.after(t, now, is_on[:, t])
            found += self.outside(t, now, now)
        return {"comfort": found, "stored": self.end_value * (self.init_degc - now)}

    def at(self, prices: Prices, is_on: Floats) -> Floats:
        """Cost of each room's schedule (rooms x steps) at these prices, with its power."""
        costs = self.costs(is_on)
        power: Floats = (prices.heater * is_on).sum(axis=1)
        return prices.comfort * costs["comfort"] + prices.stored * costs["stored"] + power

    def after(self, t: int, degc: Floats, is_on: Floats | float) -> Floats:
        """The temperature at the end of step t, from that at its start."""
        found: Floats = self.kept[:, t] * degc + self.off_degc[:, t] + self.heated_degc[:, t] * is_on
        return found

    def outside(self, t: int, coldest: Floats, warmest: Floats) -> Floats:
        """The least that a step can cost that ends between two temperatures (rooms, or rooms x cells)."""
        of = (slice(None), t) if coldest.ndim == 1 else (slice(None), t, None)
        found: Floats = self.cold_price[of] * np.maximum(self.low_degc[of] - warmest, 0.0)
        return found + self.hot_price[of] * np.maximum(coldest - self.high_degc[of], 0.0)


@dataclass(frozen=True)
class Grid:
    """Every temperature that each room can reach, in cells of one width: rooms x cells. It knows no prices."""

    rooms: Rooms
    first: Floats
    width: Floats
    cells: int
    _kept: dict[tuple[int, float], tuple[Places, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, rooms: Rooms, cells: int) -> Self:
        """From never heated to always heated."""
        ends = []
        for is_on in (0.0, 1.0):
            now, seen = rooms.init_degc, [rooms.init_degc]
            for t in range(rooms.shape[1]):
                now = rooms.after(t, now, is_on)
                seen.append(now)
            ends.append(np.array(seen))
        coldest, warmest = np.min(ends, axis=(0, 1)), np.max(ends, axis=(0, 1))
        return cls(rooms, coldest, np.maximum(warmest - coldest, 1e-6) / (cells - 1), cells)

    @property
    def starts(self) -> Floats:
        """Lower edge of each cell."""
        found: Floats = self.first[:, None] + self.width[:, None] * np.arange(self.cells)
        return found

    def cell(self, degc: Floats) -> Places:
        """In which cell each temperature lies (rooms, or rooms x any)."""
        shape = (-1, *(1,) * (degc.ndim - 1))
        place = (degc - self.first.reshape(shape)) / self.width.reshape(shape)
        # A hair below a border belongs to the cell before, whose neighbour is looked at as well.
        return np.clip(np.floor(place - 1e-9), 0, self.cells - 1).astype(np.int64)

    def ahead(self, to_go: Floats) -> Floats:
        """Least cost to go of a cell and the one behind it: rooms x cells."""
        found = to_go.copy()
        np.minimum(to_go[:, :-1], to_go[:, 1:], out=found[:, :-1])
        return found

    def passage(self, t: int, is_on: float) -> tuple[Places, Floats]:
        """Where step t takes each cell, as places in rooms x cells laid flat, and the least that it costs outside the
        band. Called again at every price, so small grids cache the result.
        """
        if (t, is_on) in self._kept:
            return self._kept[t, is_on]
        kept, starts, width = self.rooms.kept[:, t, None], self.starts, self.width[:, None]
        coldest = kept * starts + self.rooms.off_degc[:, t, None] + self.rooms.heated_degc[:, t, None] * is_on
        # The hair by which a cell is told lower.
        hair = 2e-9 * width
        outside = self.rooms.outside(t, coldest - hair, coldest + kept * width + hair)
        # A cell shrinks on its way, so it ends in two neighbours at most.
        flat = self.cell(coldest) + self.cells * np.arange(len(starts))[:, None]
        if self.cells <= _KEPT_CELLS:
            self._kept[t, is_on] = flat, outside
        return flat, outside


def cheapest(grid: Grid, prices: Prices) -> tuple[Floats, Floats]:
    """Schedules (rooms x steps, 0 or 1) and the lower bound of each room's cost at these prices.

    More cells of the grid make a closer bound.
    """
    rooms, every = grid.rooms, np.arange(grid.rooms.shape[0])
    to_go = _values(grid, prices)
    bound = grid.ahead(to_go[0])[every, grid.cell(rooms.init_degc)]
    now, found = rooms.init_degc, np.zeros(rooms.shape)
    for t in range(rooms.shape[1]):
        after = [rooms.after(t, now, is_on) for is_on in (0.0, 1.0)]
        costs = [
            prices.comfort * rooms.outside(t, degc, degc)
            + is_on * prices.heater[:, t]
            + to_go[t + 1][every, grid.cell(degc)]
            for is_on, degc in enumerate(after)
        ]
        heats: Flags = costs[1] < costs[0]
        found[:, t], now = heats, np.where(heats, after[1], after[0])
    return found, bound + prices.stored * rooms.end_value * rooms.init_degc


def _values(grid: Grid, prices: Prices) -> list[Floats]:
    """Least cost to go from each cell, before each step and after the last: rooms x cells."""
    found = [-prices.stored * grid.rooms.end_value[:, None] * (grid.starts + grid.width[:, None])]
    for t in reversed(range(grid.rooms.shape[1])):
        ahead, options = grid.ahead(found[-1]).ravel(), []
        for is_on in (0.0, 1.0):
            flat, outside = grid.passage(t, is_on)
            options.append(ahead[flat] + prices.comfort * outside + is_on * prices.heater[:, t, None])
        found.append(np.minimum(*options))
    return found[::-1]
