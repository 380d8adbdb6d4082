"""Weather as of the instant of issue: the only way by which a forecast sees weather."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from typing import Protocol

import numpy as np

from data_quality.contracts.control.weather_issue import WEATHER_UNITS, WeatherIssue
from data_quality.contracts.time import zone
from ml.features.series import DAY, Index, Series, Vector


class WeatherAsOf(Protocol):
    """Weather by step of a grid, asked for a step as known at an origin.

    names: of WEATHER_UNITS (contracts/control/weather_issue.py), in the order of the columns that `at` gives.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that there are; empty where nothing is known."""

    def at(self, step: Index, origin: Index) -> Vector:
        """Rows × names: weather of each step as known when its origin (a step of the same grid) began; NaN unknown."""

    def digest(self) -> str:
        """SHA-256 of everything that it could answer."""


@dataclass(frozen=True)
class FixedWeather:
    """Steps × names, taken as known at issue whatever the origin (cli.md); steps behind its end are unknown.

    is_ahead: False for measured weather, of which nothing at or after the origin can be known.
    """

    names: tuple[str, ...]
    values: Vector
    is_ahead: bool = True

    def at(self, step: Index, origin: Index) -> Vector:
        """The weather of each step; of measured weather only what had ended at the origin."""
        is_known = (step >= 0) & (step < len(self.values))
        if not self.is_ahead:
            is_known &= step < origin
        found: Vector = np.full((len(step), len(self.names)), np.nan)
        found[is_known] = self.values[step[is_known]]
        return found

    def digest(self) -> str:
        """SHA-256 of names and values."""
        return hashlib.sha256(f"{self.names} {self.is_ahead}".encode() + self.values.tobytes()).hexdigest()


NO_WEATHER = FixedWeather((), np.empty((0, 0)))


@dataclass(frozen=True)
class IssuedWeather:
    """Weather in two times: of each step what the newest issue said that was known when the origin began.

    step, since: of each row of `values` (rows × names), sorted by both: what was known of that step once step `since`
    began. A row says the best that was known then, so one row answers, and none that became known later is looked at.
    measured: where it is known before the origin it stands for what had been forecast.
    """

    names: tuple[str, ...]
    step: Index
    since: Index
    values: Vector
    measured: FixedWeather = NO_WEATHER

    def at(self, step: Index, origin: Index) -> Vector:
        """The weather of each step as known at its origin: a row that is known later lies behind the place found."""
        found: Vector = np.full((len(step), len(self.names)), np.nan)
        place = self._place(step, origin)
        found[place >= 0] = self.values[place[place >= 0]]
        if self.measured.names:
            own = self.measured.at(step, origin)
            own[step >= origin] = np.nan
            columns = [self.names.index(name) for name in self.measured.names]
            found[:, columns] = np.where(np.isnan(own), found[:, columns], own)
        return found

    def since_of(self, step: Index, origin: Index) -> Index:
        """The step from which on the issue was known that says most of each step by its origin; −1 where none does."""
        place = self._place(step, origin)
        found: Index = np.full(len(step), -1, dtype=np.int64)
        found[place >= 0] = self.since[place[place >= 0]]
        return found

    def _place(self, step: Index, origin: Index) -> Index:
        """The row of `values` that says the best of each step that was known at its origin; −1 where none does."""
        if not len(self.step):
            return np.full(len(step), -1, dtype=np.int64)
        width = int(self.since.max()) + 2
        key, wanted = self.step * width + self.since, step * width + np.clip(origin, -1, width - 1)
        place = np.searchsorted(key, wanted, side="right") - 1
        # Before the first row, and before all that was ever known of the step, there is nothing.
        found: Index = np.where((place >= 0) & (self.step[place] == step), place, -1).astype(np.int64)
        return found

    def digest(self) -> str:
        """SHA-256 of all values, when they were known, and of what was measured."""
        head = f"{self.names} {self.measured.digest()}".encode()
        return hashlib.sha256(head + self.step.tobytes() + self.since.tobytes() + self.values.tobytes()).hexdigest()


def issued_weather(
    issues: Sequence[WeatherIssue], grid: Series, *, measured: FixedWeather = NO_WEATHER, time_zone: str = "UTC"
) -> IssuedWeather:
    """Issues on the grid of a series, whose end they may pass by any number of steps.

    An issue of longer steps holds in each step within (rain in equal parts), one of shorter steps counts with all of
    them. Of two issues known at an origin the one issued later counts, name by name: what it does not tell is taken
    from the one before it. measured: of steps of the same grid. time_zone: whose days a daily grid has.
    """
    ordered = sorted(issues, key=lambda each: (each.issued_at_utc, each.available_at_utc))
    forecast = {name for each in ordered for name in each.values}
    names = tuple(name for name in WEATHER_UNITS if name in forecast | set(measured.names))
    steps, since, rows, rank = [], [], [], []
    for place, issue in enumerate(ordered, start=1):
        first, values = _on_grid(issue, grid, names, time_zone)
        later = -((_on_clock(grid, issue.available_at_utc, time_zone) - grid.start_utc) // -grid.step)
        steps.append(np.arange(first, first + len(values)))
        since.append(np.full(len(values), max(later, 0)))
        rank.append(np.full(len(values), place))
        rows.append(values)
    if not ordered:
        nothing = np.empty(0, dtype=np.int64)
        return IssuedWeather(names, nothing, nothing, np.empty((0, len(names))), measured)
    step, known, place_of, value = (np.concatenate(each) for each in (steps, since, rank, rows))
    order = np.lexsort((place_of, known, step))
    order = order[step[order] >= 0]
    step, known, place_of, value = step[order], known[order], place_of[order], value[order]
    for column in range(len(names)):
        # The newest issue so far of each step: its rank, raised by the step so that no step looks into the one before,
        # with the row that it stands in.
        has = np.where(np.isnan(value[:, column]), 0, place_of)
        best = np.maximum.accumulate((step * (len(ordered) + 1) + has) * len(step) + np.arange(len(step)))
        value[:, column] = value[best % len(step), column]
    return IssuedWeather(names, step, known, value, measured)


def _on_clock(grid: Series, moment: datetime, time_zone: str) -> datetime:
    """An instant on the grid's clock: daily grids have local dates, written as midnights UTC."""
    return moment if grid.step < DAY else moment.astimezone(zone(time_zone)).replace(tzinfo=UTC)


def _on_grid(issue: WeatherIssue, grid: Series, names: tuple[str, ...], time_zone: str) -> tuple[int, Vector]:
    """The first step of the grid that an issue tells of, and its values from there on (steps × names)."""
    minutes = int(grid.step.total_seconds()) // 60
    ahead = int((_on_clock(grid, issue.start_utc, time_zone) - grid.start_utc).total_seconds()) // 60
    # Cut into parts that fit both grids, then put together again.
    part = gcd(issue.step_minutes, minutes, ahead)
    first, offset = ahead // minutes, ahead % minutes // part
    count = len(next(iter(issue.values.values()))) * (issue.step_minutes // part)
    length = -(-(offset + count) // (minutes // part))
    found: Vector = np.full((length, len(names)), np.nan)
    for name, values in issue.values.items():
        parts: Vector = np.full(length * (minutes // part), np.nan)
        parts[offset : offset + count] = np.repeat(np.array(values, dtype=float), issue.step_minutes // part)
        by_step = parts.reshape(length, -1)
        if WEATHER_UNITS[name] == "mm":
            found[:, names.index(name)] = by_step.sum(axis=1) * part / issue.step_minutes
        elif WEATHER_UNITS[name] == "deg":
            # The mean of north-west and north-east is north.
            turned = np.exp(1j * np.radians(by_step)).mean(axis=1)
            found[:, names.index(name)] = np.degrees(np.angle(turned)) % 360
        else:
            found[:, names.index(name)] = by_step.mean(axis=1)
    return first, found
