"""A tariff laid over the slots of a load: one array per charge says which period holds in each slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import polars as pl

from assets.tariffs.calendar_layout import DayKind, Timed, charge_layout, day_kind, tariff_day_types
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import QUARTER_MINUTES, ClockName, DayType
from data_quality.contracts.billing.tariff_charges import DemandCharge
from data_quality.contracts.errors import BadInput

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Grid:
    """Slots of step_minutes from start_utc on, and the zone whose days and clock count."""

    start_utc: datetime
    step_minutes: int
    size: int
    time_zone: str

    @property
    def start_us(self) -> np.ndarray:
        """Start of each slot, microseconds since 1970, int64."""
        # Whole seconds times a million: slots are compared as integers, so no rounding of a float comes near them.
        first = int(self.start_utc.timestamp()) * 1_000_000
        return first + np.arange(self.size, dtype=np.int64) * (self.step_minutes * 60_000_000)


# Every charge of a tariff asks for the same few grids. One year of quarter hours is 0.2 MB.
@lru_cache(maxsize=32)
def wall_clock(grid: Grid, clock: ClockName) -> tuple[np.ndarray, np.ndarray]:
    """Day (since 1970) and quarter hour of the day (0 to 95) of each slot's start, as that clock shows them."""
    times = pl.Series(grid.start_us).cast(pl.Datetime("us", "UTC"))
    if clock != "utc":
        local = times.dt.convert_time_zone(grid.time_zone)
        if clock == "standard":
            # Meters with a fixed clock never switch to summer time: their clock is the zone's offset without it. Irish
            # law calls the summer's standard, and the winter an hour behind it.
            year = pl.Series([datetime(grid.start_utc.year, month, 1, tzinfo=UTC) for month in (1, 7)])
            behind = min(timedelta(0), *year.dt.convert_time_zone(grid.time_zone).dt.dst_offset())
            local = times.dt.replace_time_zone(None) + local.dt.base_utc_offset() + behind
        times = local
    days = times.dt.date().to_physical().to_numpy().astype(np.int32)
    quarters = times.dt.hour().to_numpy().astype(np.int16) * 4 + times.dt.minute().to_numpy() // QUARTER_MINUTES
    return days, quarters.astype(np.int16)


@dataclass(frozen=True)
class Compiled:
    """Period index per slot of every charge, FREE where none holds; None for a price by reference or by register.

    energy and demand: charge_id -> int16 per slot; export likewise.
    """

    tariff: Tariff
    grid: Grid
    energy: dict[str, np.ndarray | None]
    demand: dict[str, np.ndarray]
    export: np.ndarray | None


def compile_tariff(tariff: Tariff, grid: Grid, *, day_types: dict[date, DayType] | None = None) -> Compiled:
    """Lay the tariff over the grid. day_types: the site's, for what the tariff's calendar leaves out.

    Raises BadInput for periods that are not exact, and for slots longer than the tariff's periods allow.
    """
    slots = _Slots(tariff, grid, day_types)
    terms = tariff.export_terms
    return Compiled(
        tariff=tariff,
        grid=grid,
        energy={
            charge.charge_id: slots.of(charge.charge_id, charge.all_periods, is_total=True)
            # A single period that is a register needs no hours: it is the whole meter.
            if charge.all_periods and not (charge.by_register and len(charge.periods) > 1)
            else None
            for charge in tariff.energy_charges
        },
        demand={
            charge.charge_id: slots.of(charge.charge_id, charge.periods, is_total=False) for charge in tariff.demand
        },
        export=slots.of(terms.charge_id, terms.all_periods, is_total=True) if terms.all_periods else None,
    )


class Windows:
    """Windows of `size` slots of a grid, each `stride` slots after the one before, from each of `starts` anew: slots
    [first, last).
    """

    def __init__(self, grid: Grid, *, size: int, stride: int, starts: Sequence[int] = (0,)) -> None:
        self._grid, self.size, self.stride, self._starts = grid, size, stride, starts

    @classmethod
    def of(cls, charge: DemandCharge, grid: Grid, starts: Sequence[int] = (0,)) -> "Windows":
        """Windows of a demand charge; one shorter than an interval is that interval. starts: slots of bill parts.

        Raises BadInput where a window does not hold whole intervals.
        """
        step_minutes = grid.step_minutes
        if charge.window_minutes > step_minutes and charge.window_minutes % step_minutes:
            raise BadInput(
                f"charge {charge.charge_id}: a {charge.window_minutes}-minute window does not hold whole "
                f"{step_minutes}-minute intervals",
                reason="demand_window",
            )
        size = stride = max(1, charge.window_minutes // step_minutes)
        if charge.method == "rolling":
            # A stride below an interval is not visible; one beyond the window would leave intervals out of every one.
            stride = max(1, min(charge.sub_interval_minutes // step_minutes, size))
        return cls(grid, size=size, stride=stride, starts=starts)

    @classmethod
    def blocks(cls, grid: Grid, minutes: int) -> "Windows":
        """Fixed blocks; one below an interval is the interval: no finer power can be known."""
        size = max(1, minutes // grid.step_minutes)
        return cls(grid, size=size, stride=size)

    @cached_property
    def last(self) -> np.ndarray:
        """The slot behind each window."""
        edges = pairwise([*self._starts, self._grid.size])
        return np.concatenate([np.arange(start + self.size, end + 1, self.stride) for start, end in edges])

    @property
    def first(self) -> np.ndarray:
        """The first slot of each window."""
        return self.last - self.size

    @property
    def minutes(self) -> int:
        """Minutes of one window."""
        return self.size * self._grid.step_minutes

    @cached_property
    def days(self) -> np.ndarray:
        """The local day on which each window ends."""
        found: np.ndarray = wall_clock(self._grid, "local")[0][self.last - 1]
        return found

    def sums(self, energy: np.ndarray) -> np.ndarray:
        """[slot] int64 -> [window]."""
        if self.size == 1:
            return energy
        # Differences of a running total of integers are exact; of floats they would drift over a year.
        running = np.concatenate([[0], np.cumsum(energy)])
        sums: np.ndarray = running[self.last] - running[self.first]
        return sums

    def at(self, instants: Sequence[datetime]) -> np.ndarray:
        """The window of each instant that lies in one; at its end an instant belongs to the next."""
        if not instants:
            return np.zeros(0, dtype=np.int64)
        starts, step_us = self._grid.start_us, self._grid.step_minutes * 60_000_000
        moments = np.array([int(at.timestamp()) * 1_000_000 for at in instants], dtype=np.int64)
        # An instant before the grid is another bill's, as is one after it: it must not fall to the first window.
        moments = moments[moments >= starts[0]] if starts.size else moments[:0]
        found = np.searchsorted(starts[self.last - 1] + step_us, moments, side="right")
        kept: np.ndarray = found[found < self.last.size]
        return kept


class _Slots:
    """Kinds of day of one tariff on one grid, worked out once for all its charges."""

    def __init__(self, tariff: Tariff, grid: Grid, day_types: dict[date, DayType] | None) -> None:
        self._tariff, self._grid = tariff, grid
        # A slot longer than a quarter hour may hold two periods, which must be seen; a shorter one goes by its start.
        parts = max(1, grid.step_minutes // QUARTER_MINUTES)
        fine = Grid(grid.start_utc, min(grid.step_minutes, QUARTER_MINUTES), grid.size * parts, grid.time_zone)
        days, self._quarters = wall_clock(fine, tariff.clock)
        # A colour of a day may hold until six in the morning after it.
        days = days - (self._quarters < tariff.calendar.first_quarter)
        self._parts = parts
        # numpy refuses the least of nothing, and `initial` would itself count as a day of 1970: hence two branches.
        first = int(days.min(initial=0)) if not days.size else int(days.min())
        count = (int(days.max()) - first + 1) if days.size else 0
        dates = [_EPOCH + timedelta(days=first + n) for n in range(count)]
        given = None
        if day_types is not None:
            # A tariff's clock (UTC, standard time) may show days that lie beside those the site was asked for.
            given = [day_types.get(day, "weekend" if day.weekday() >= 5 else "weekday") for day in dates]
        types = tariff_day_types(tariff, dates, given=given)
        # A year has a few dozen kinds of day: periods are laid out once a kind, not once a day.
        kinds: dict[DayKind, int] = {}
        of_day = [
            kinds.setdefault(day_kind(tariff, day, kind), len(kinds)) for day, kind in zip(dates, types, strict=True)
        ]
        self._kinds = tuple(kinds)
        self._kind = np.array(of_day, dtype=np.int32)[days - first] if count else np.zeros(0, dtype=np.int32)

    def of(self, charge_id: str, periods: Sequence[Timed], *, is_total: bool) -> np.ndarray:
        """The period of each slot. Raises BadInput where a slot holds two."""
        if not self._kinds:
            return np.zeros(0, dtype=np.int16)
        table = charge_layout(self._tariff, charge_id, periods, self._kinds, is_total=is_total)
        fine: np.ndarray = table[self._kind, self._quarters]
        if self._parts == 1:
            return fine
        parts = fine.reshape(-1, self._parts)
        mixed = (parts != parts[:, :1]).any(axis=1)
        if mixed.any():
            at = self._grid.start_utc + timedelta(minutes=self._grid.step_minutes * int(np.argmax(mixed)))
            raise BadInput(
                f"tariff {self._tariff.tariff_id}, charge {charge_id}: the period changes inside the load's "
                f"{self._grid.step_minutes}-minute interval at {at:%Y-%m-%d %H:%M} UTC; expected a finer load",
                reason="load_too_coarse",
            )
        # A view of every n-th slot would keep the fine array alive, and slow down the sums of every meter.
        return np.ascontiguousarray(parts[:, 0])
