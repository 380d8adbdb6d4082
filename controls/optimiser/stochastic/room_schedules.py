"""The best schedule of each room at given prices of its heater, by dynamic programming on a grid of temperatures.

Two answers: schedules whose temperatures and costs are exact, and a bound below which no schedule can cost. The bound
lets a room choose, in every step, the better end of the grid cell in which it is: so no true course is left out, and a
finer grid lies closer. Bellman's recursion, all rooms and cells at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.room import Room

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rooms:
    """Rooms over the same steps, as arrays: rooms x steps, or one value a room. Costs are weighed and in currency."""

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
    def of(cls, rooms: Sequence[Room], step_h: Floats, *, comfort: float, stored: float) -> Self:
        """comfort, stored: what a unit of these costs weighs in the objective."""
        pulls = [room.pulls_degc(step_h) for room in rooms]
        return cls(
            kept=np.array([room.kept_share(step_h) for room in rooms]),
            off_degc=np.array([off for off, _ in pulls]),
            heated_degc=np.array([heated for _, heated in pulls]),
            low_degc=np.array([room.low_degc for room in rooms]),
            high_degc=np.array([room.high_degc for room in rooms]),
            cold_price=np.array([comfort * room.comfort_price_per_kh * step_h for room in rooms]),
            hot_price=np.array([comfort * room.hot_price_per_kh * step_h for room in rooms]),
            init_degc=np.array([room.init_degc for room in rooms]),
            end_value=np.array([stored * room.heat_value_per_kwh * room.c_kwh_per_k for room in rooms]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rooms and steps."""
        rooms, steps = self.kept.shape
        return rooms, steps

    def costs(self, is_on: Floats) -> Floats:
        """What each room's schedule (rooms x steps) costs without its power: exact."""
        now, found = self.init_degc, np.zeros(self.shape[0])
        for t in range(self.shape[1]):
            now = self.after(t, now, is_on[:, t])
            found += self.outside(t, now, now)
        return found + self.end_value * (self.init_degc - now)

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
    """Every temperature that each room can reach, in cells of one width: rooms x cells."""

    first: Floats
    width: Floats
    cells: int

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
        return cls(coldest, np.maximum(warmest - coldest, 1e-6) / (cells - 1), cells)

    @property
    def starts(self) -> Floats:
        """Where each cell begins."""
        found: Floats = self.first[:, None] + self.width[:, None] * np.arange(self.cells)
        return found

    def cell(self, degc: Floats) -> NDArray[np.int64]:
        """In which cell each temperature lies (rooms, or rooms x any)."""
        shape = (-1, *(1,) * (degc.ndim - 1))
        place = (degc - self.first.reshape(shape)) / self.width.reshape(shape)
        # A hair below a border belongs to the cell before, whose neighbour is looked at as well.
        return np.clip(np.floor(place - 1e-9), 0, self.cells - 1).astype(np.int64)


def cheapest(rooms: Rooms, price: Floats, *, cells: int) -> tuple[Floats, Floats]:
    """Schedules (rooms x steps, 0 or 1) and, for each room, what none of its schedules costs less than.

    price: of each room's heater in each step, currency. cells: of the grid; more of them make a closer bound.
    """
    grid = Grid.of(rooms, cells)
    to_go = _values(rooms, grid, price)
    start = grid.cell(rooms.init_degc)
    bound = np.minimum(to_go[0][_at(start)], to_go[0][_at(np.minimum(start + 1, cells - 1))])
    now, found = rooms.init_degc, np.zeros(rooms.shape)
    for t in range(rooms.shape[1]):
        after = [rooms.after(t, now, is_on) for is_on in (0.0, 1.0)]
        costs = [
            rooms.outside(t, degc, degc) + is_on * price[:, t] + to_go[t + 1][_at(grid.cell(degc))]
            for is_on, degc in enumerate(after)
        ]
        heats: Flags = costs[1] < costs[0]
        found[:, t], now = heats, np.where(heats, after[1], after[0])
    return found, bound + rooms.end_value * rooms.init_degc


def _values(rooms: Rooms, grid: Grid, price: Floats) -> list[Floats]:
    """What is to come at least from each cell on, before each step and after the last: rooms x cells."""
    starts, width = grid.starts, grid.width[:, None]
    found = [-rooms.end_value[:, None] * (starts + width)]
    for t in reversed(range(rooms.shape[1])):
        kept, options = rooms.kept[:, t, None], []
        for is_on in (0.0, 1.0):
            coldest = kept * starts + rooms.off_degc[:, t, None] + rooms.heated_degc[:, t, None] * is_on
            # A cell shrinks on its way, so it ends in two neighbours at most.
            cell = grid.cell(coldest)
            ahead = np.take_along_axis(found[-1], cell, 1)
            ahead = np.minimum(ahead, np.take_along_axis(found[-1], np.minimum(cell + 1, grid.cells - 1), 1))
            # The hair by which a cell is told lower.
            hair = 2e-9 * width
            outside = rooms.outside(t, coldest - hair, coldest + kept * width + hair)
            options.append(ahead + outside + is_on * price[:, t, None])
        found.append(np.minimum(*options))
    return found[::-1]


def _at(cell: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.arange(cell.size), cell
