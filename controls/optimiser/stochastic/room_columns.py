"""Many rooms by Dantzig-Wolfe: a column is a whole schedule of a room, generated where prices call for one.

Relays over rooms do not close as plain integers; their schedules do (decisions.md). What is left of the problem is a
linear one that shares the schedules out; its prices make better ones (room_schedules.py), until none is better. The sum
of what it costs and of what the best schedules would still save bounds every plan from below (Lagrange), whatever was
rounded on the way: the gap that is told is proven. In the end each room gets one whole schedule, and what is left is
solved around them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.backends.program import Arrays, Outcome
from controls.optimiser.backends.solvers import GrowingLp, run_highs
from controls.optimiser.devices.room import Room
from controls.optimiser.stochastic.room_schedules import Grid, Prices, Rooms, cheapest

# So many switchings are left to the plain solver, which proves them best.
MANY = 96
# Cells of the grid while schedules are sought, and at most for the bound.
_CELLS, _MOST_CELLS = 1000, 64000
_MOST_ROUNDS = 200
_NONE = np.zeros(0, np.int64)
# A schedule that saves less is none.
_HAIR = 1e-7
# How much of the former prices counts: a lone price makes all rooms jump at once (Wentges 1997).
_INERTIA = 0.4
# Part of the requested gap that shares of schedules may leave open; the rest is for whole ones.
_SHARED_GAP = 0.7
# What the first schedules pay for their power, as a multiple of its price.
_FIRST = (0.0, 0.3, 0.7, 1.0, 1.5, 3.0)


@dataclass(frozen=True)
class Block:
    """A room in a problem: its switchings, all columns that are its own, and all rows of which that is true."""

    room: Room
    is_on: Places
    columns: Places
    rows: Places


@dataclass
class _Search:
    """Schedules so far. rest: the problem without the rooms; at: its row of each row of the whole problem, or -1.

    weights: what a unit of each kind of the rooms' costs counts. bounds: rows of the whole that bound such a kind.
    """

    rooms: Rooms
    blocks: Sequence[Block]
    whole: Arrays
    rest: Arrays
    at: Places
    weights: dict[str, float]
    bounds: Mapping[str, Places]
    lp: GrowingLp = field(init=False)
    schedules: list[Floats] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    seen: set[tuple[int, bytes]] = field(default_factory=set)

    def __post_init__(self) -> None:
        # One row a room: its schedules are shared out to one.
        ones = np.ones(len(self.blocks))
        self.lp = GrowingLp(self.rest, more_rows=(ones, ones))
        entries = [_entries(self.whole, block.is_on) for block in self.blocks]
        self.entries = [(step[self.at[row] >= 0], row[self.at[row] >= 0], value[self.at[row] >= 0])
                        for step, row, value in entries]  # fmt: skip
        self.own_price = np.array([self.whole.cost[block.is_on] for block in self.blocks])

    def add(self, is_on: Floats, which: Sequence[int]) -> int:
        """Take schedules (rooms x steps) of some rooms in; how many were new."""
        kinds, new = self.rooms.costs(is_on), 0
        costs = self.rooms.at(Prices(self.own_price, **self.weights), is_on)
        for n in which:
            key = (n, is_on[n].tobytes())
            if key in self.seen:
                continue
            self.seen.add(key)
            step, row, value = self.entries[n]
            taken = is_on[n][step] > 0
            rows = self.at[row[taken]]
            weight = np.bincount(rows, value[taken], self.rest.row_lower.size).astype(np.float64)
            for kind, bounded in self.bounds.items():
                weight[self.at[bounded]] += kinds[kind][n]
            places = np.union1d(rows, np.flatnonzero(weight))
            self.lp.add_column(
                float(costs[n]),
                np.append(places, self.rest.row_lower.size + n),
                np.append(weight[places], 1.0),
            )
            self.schedules.append(is_on[n].copy())
            self.owners.append(n)
            new += 1
        return new

    def prices(self, duals: Floats) -> Prices:
        """Price of each room's heater in each step, and weights of comfort and stored heat, less their duals."""
        found = self.own_price.copy()
        for n, (step, row, value) in enumerate(self.entries):
            found[n] -= np.bincount(step, value * duals[self.at[row]], found.shape[1])
        bounded = {kind: float(duals[self.at[rows]].sum()) for kind, rows in self.bounds.items()}
        return Prices(found, **{kind: weight - bounded.get(kind, 0.0) for kind, weight in self.weights.items()})


def split(arrays: Arrays, blocks: Sequence[Block]) -> tuple[Arrays, Places]:
    """The problem without its rooms; for each row, its index there, or -1."""
    rows_kept, columns_kept = np.ones(arrays.row_lower.size, bool), np.ones(arrays.column_count, bool)
    for block in blocks:
        rows_kept[block.rows], columns_kept[block.columns] = False, False
    row_at = np.where(rows_kept, np.cumsum(rows_kept) - 1, -1)
    column_at = np.where(columns_kept, np.cumsum(columns_kept) - 1, -1)
    row_of = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.start))
    entry = rows_kept[row_of] & columns_kept[arrays.column]
    counts = np.bincount(row_at[row_of[entry]], minlength=int(rows_kept.sum()))
    rest = Arrays(
        lower=arrays.lower[columns_kept],
        upper=arrays.upper[columns_kept],
        is_integer=arrays.is_integer[columns_kept],
        start=np.concatenate([[0], np.cumsum(counts)]),
        column=column_at[arrays.column[entry]],
        value=arrays.value[entry],
        row_lower=arrays.row_lower[rows_kept],
        row_upper=arrays.row_upper[rows_kept],
        cost=arrays.cost[columns_kept],
        offset=arrays.offset,
    )
    return rest, row_at


def run_by_columns(
    arrays: Arrays,
    blocks: Sequence[Block],
    *,
    step_h: Floats,
    weights: dict[str, float],
    gap: float,
    time_limit_s: float,
    bounds: Mapping[str, Places] | None = None,
    start: Floats | None = None,
) -> Outcome:
    """Solve a problem with many rooms; answers as solvers.run_solver, and its bound is proven.

    weights: of comfort and of stored heat in the objective. Stops where the proven gap is reached, or time is up.
    bounds: rows that bound the sum of such a kind (goals that came first). start: values to begin from, NaN where none
    is known; with bounds those of a solution, for of a few schedules none may keep them.
    """
    started, bounds = time.perf_counter(), bounds or {}
    rooms = Rooms.of([block.room for block in blocks], step_h)
    rest, row_at = split(arrays, blocks)
    own = {kind: weights.get(kind, 1.0) for kind in ("comfort", "stored")}
    # What heat at the start is worth is in the schedules' costs, and so in the rows that bound them.
    at_start, upper = float((rooms.end_value * rooms.init_degc).sum()), rest.row_upper.copy()
    upper[row_at[bounds.get("stored", _NONE)]] += at_start
    rest = replace(rest, offset=arrays.offset - own["stored"] * at_start, row_upper=upper)
    search = _Search(rooms, blocks, arrays, rest, row_at, own, bounds)
    known = None if start is None else np.array([start[block.is_on] for block in blocks])
    known = known if known is not None and np.isfinite(known).all() else None
    answer = _grown(search, known, gap=gap, until=started + 0.7 * time_limit_s)
    if answer is None:
        return Outcome(status="infeasible", solver=search.lp.name)
    lower, rounds = answer
    until = started + time_limit_s
    name = f"{search.lp.name}, rooms by {len(search.schedules)} schedules in {rounds} rounds, asked to {gap:.2%}"
    # Few rooms, or a narrow connection: which schedules go together is a question of its own. At last those of before.
    choices = (
        lambda: _rounded(search),
        lambda: _together(search, gap=gap, until=until),
        lambda: [] if known is None else list(known),
    )
    found = Outcome("stopped", "")
    for choice in choices:
        if not _is_close(found, lower, gap):
            better = _with(arrays, blocks, choice(), gap=gap, until=until)
            found = min(found, better, key=lambda one: np.inf if one.objective is None else one.objective)
    if found.objective is None:
        # No choice of these schedules fits: plain integers may, in the time that is left.
        found = run_highs(arrays, gap=gap, time_limit_s=max(until - time.perf_counter(), 1.0))
    if found.objective is None:
        return Outcome(status=found.status, solver=name)
    status: Literal["optimal", "feasible"] = "optimal" if _is_close(found, lower, gap) else "feasible"
    return Outcome(status, name, found.objective, min(lower, found.objective), found.values)


def _is_close(found: Outcome, lower: float, gap: float) -> bool:
    return found.objective is not None and found.objective - lower <= gap * max(abs(found.objective), 1e-9)


def _with(arrays: Arrays, blocks: Sequence[Block], chosen: list[Floats], *, gap: float, until: float) -> Outcome:
    """The rest of the problem around one schedule a room (none: no such plan)."""
    if not chosen:
        return Outcome("stopped", "")
    for block, is_on in zip(blocks, chosen, strict=True):
        arrays = arrays.bounded(block.is_on, is_on, is_on)
    return run_highs(arrays, gap=gap / 2, time_limit_s=max(until - time.perf_counter(), 1.0))


def _together(search: _Search, *, gap: float, until: float) -> list[Floats]:
    """One whole schedule a room, chosen together among those that there are; empty where time does not suffice."""
    left_s = until - time.perf_counter()
    shares = search.lp.whole_shares(gap=gap / 2, time_limit_s=0.7 * left_s) if left_s > 0 else None
    if shares is None:
        return []
    owners = np.array(search.owners)
    return [
        search.schedules[int(np.flatnonzero(owners == n)[shares[owners == n].argmax()])]
        for n in range(len(search.blocks))
    ]


def _grown(search: _Search, known: Floats | None, *, gap: float, until: float) -> tuple[float, int] | None:
    """Add schedules until none is better or the bound is close; the bound and how many rounds. None: infeasible.

    known: a schedule of each room to begin with.
    """
    every, coarse = range(len(search.blocks)), Grid.of(search.rooms, _CELLS)
    plain = search.prices(_market(search))
    # Never heated: what a connection carries at all, it carries then.
    search.add(np.zeros(search.rooms.shape), every)
    if known is not None:
        search.add(np.round(known), every)
    for factor in _FIRST:
        search.add(cheapest(coarse, replace(plain, heater=factor * np.maximum(plain.heater, 0.0)))[0], every)
    best, calm, fine, rounds = -np.inf, None, Grid.of(search.rooms, 4 * _CELLS), 0
    while rounds < _MOST_ROUNDS:
        rounds += 1
        solved = search.lp.solve()
        if solved is None:
            return None
        cost, duals = solved
        room_duals, price = duals[search.rest.row_lower.size :], search.prices(duals[: search.rest.row_lower.size])
        calm = price.near(calm, _INERTIA)
        schedules, _ = cheapest(coarse, calm)
        new = search.add(schedules, _saving(search, schedules, price, room_duals))
        if new and time.perf_counter() < until:
            continue
        schedules, bounds = cheapest(fine, price)
        best = max(best, cost + float((bounds - room_duals).sum()))
        new = search.add(schedules, _saving(search, schedules, price, room_duals))
        if time.perf_counter() >= until or cost - best <= _SHARED_GAP * gap * max(abs(cost), 1e-9):
            break
        if not new:
            if fine.cells >= _MOST_CELLS:
                break
            fine = Grid.of(search.rooms, 4 * fine.cells)
    return best, rounds


def _market(search: _Search) -> Floats:
    """Prices of the problem's rows with every room's heater off; zero where that has no solution."""
    solved = search.lp.solve_alone()
    return np.zeros(search.rest.row_lower.size) if solved is None else solved


def _saving(search: _Search, schedules: Floats, price: Prices, room_duals: Floats) -> list[int]:
    """The rooms whose schedule would make the whole cheaper at these prices."""
    own = search.rooms.at(price, schedules) - room_duals
    return np.flatnonzero(own < -_HAIR * max(1.0, float(np.abs(room_duals).max()))).tolist()


def _rounded(search: _Search) -> list[Floats]:
    """One whole schedule a room: those that are nearly whole first, then the largest share, again and again."""
    owners, fixed = np.array(search.owners), dict[int, int]()
    while len(fixed) < len(search.blocks):
        shares = search.lp.shares()
        best = {n: int(np.flatnonzero(owners == n)[shares[owners == n].argmax()]) for n in range(len(search.blocks))}
        left = sorted((n for n in best if n not in fixed), key=lambda n: -shares[best[n]])
        for n in [n for n in left if shares[best[n]] > 1 - 1e-6] or left[:1]:
            fixed[n] = best[n]
            search.lp.choose(np.flatnonzero(owners == n), best[n])
        if search.lp.solve() is None:
            # Whole, it is more than is left for it: the first schedule of a room draws nothing.
            n = left[0]
            fixed[n] = int(np.flatnonzero(owners == n)[0])
            search.lp.choose(np.flatnonzero(owners == n), fixed[n])
            if search.lp.solve() is None:
                break
    return [search.schedules[fixed.get(n, int(np.flatnonzero(owners == n)[0]))] for n in range(len(search.blocks))]


def _entries(arrays: Arrays, columns: Places) -> tuple[Places, Places, Floats]:
    """Entries of some columns: column, row and factor of each."""
    place = np.full(arrays.column_count, -1)
    place[columns] = np.arange(columns.size)
    found = np.flatnonzero(place[arrays.column] >= 0)
    row_of = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.start))
    return place[arrays.column[found]], row_of[found], arrays.value[found]
