"""The two shapes of a baseline model: a line of named terms, and time of week with temperature in pieces.

A form turns the rows of a `Usage` into a design matrix, by name; it holds balance points, knots and occupancy, and no
coefficient. For the choice of forms see choose.py and choose_hourly.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from assets.kpi.enpi.daily import INTERCEPT, driver_of
from ml.baselines.models.statistics import BLOCKS_OF_SHORT_DATA, MIN_MONTH_FOLDS, Vector
from ml.baselines.usage_tables.usage_table import SUN, Usage, bill_days

Places = npt.NDArray[np.int64]
TEMPERATURE = "temp_degc"
# Kinds of dependence on it, fewest slopes first: one; by parts of the day, since modules and windows face one way; by
# warmth, since what the sun gives saves heating and costs cooling; by both.
SUN_KINDS = ("one", "by_warmth", "by_hour", "by_both")
_PARTS_OF_DAY = (0, 9, 12, 15)
# Where a building with usual gains needs neither heating nor cooling.
_WARM_DEGC = 15.0
HOURS_OF_WEEK = 168
SUNDAY = 6
# From Tuesday: Monday is the intercept's, or seven of them would determine it.
WEEKDAY_TERMS = tuple(f"is_weekday_{day}" for day in range(2, 8))


class Form(Protocol):
    """Names of the coefficients, and the matrix that they are multiplied with."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name a coefficient."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the usage that must be known."""

    def design(self, usage: Usage) -> Vector:
        """(rows of usage.frame, coefficients); a row with an unknown driver is nan throughout."""


@dataclass(frozen=True, slots=True)
class LinearForm:
    """Intercept and terms: `temp_degc`, `temp_degc.hdd_15.5`, `is_weekend`, `is_weekday_2` …, drivers.

    Units of a coefficient: kWh per day and unit of the term. Degree days of a bill are means over its days (CalTRACK
    3.2): the coefficient is the same as of a daily model.
    """

    terms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The intercept first."""
        return (INTERCEPT, *self.terms)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Distinct columns behind the terms."""
        return tuple(dict.fromkeys(driver_of(term) for term in self.terms if term not in WEEKDAY_TERMS))

    def design(self, usage: Usage) -> Vector:
        """See Form."""
        columns = columns_of(usage, self.terms)
        design: Vector = np.column_stack([np.ones(usage.frame.height), *(columns[term] for term in self.terms)])
        design[np.isnan(design).any(axis=1)] = np.nan
        return design


def columns_of(usage: Usage, terms: Sequence[str]) -> dict[str, Vector]:
    """Each term as one column of the design; nan where its driver is unknown."""
    day = weekdays(usage) if any(term in WEEKDAY_TERMS for term in terms) else np.empty(0)
    found: dict[str, Vector] = {}
    for term in terms:
        driver = driver_of(term)
        if term in WEEKDAY_TERMS:
            found[term] = (day == int(term[-1]) - 1).astype(np.float64)
        elif driver == term:
            found[term] = column(usage, term)
        else:
            base, kind = float(term.rpartition("_")[2]), term.partition(".")[2][:3]
            found[term] = degree_days(usage, np.array([base]), driver=driver)[0 if kind == "hdd" else 1][:, 0]
    return found


def column(usage: Usage, name: str) -> Vector:
    """A column as floats, nan for null."""
    values: Vector = usage.frame[name].to_numpy()
    return values if values.dtype == np.float64 else values.astype(np.float64)


def month_numbers(usage: Usage) -> Places:
    """Number of the calendar month of each row, 0 … in order; under three months, five blocks of equal length."""
    stamps = usage.frame["local_start"].to_numpy().astype("datetime64[M]").astype(np.int64)
    months: Places = np.cumsum(np.diff(stamps, prepend=stamps[:1]) > 0)
    if len(months) and months[-1] >= MIN_MONTH_FOLDS - 1:
        return months
    blocks: Places = np.arange(len(stamps), dtype=np.int64) * BLOCKS_OF_SHORT_DATA // max(len(stamps), 1)
    return blocks


def weekdays(usage: Usage) -> Places:
    """0 for Monday … 6 for Sunday, of the local start."""
    days: Places = _weekday(_local_hours(usage) // 24)
    return days


def _local_hours(usage: Usage) -> Places:
    """Whole hours of the wall clock since 1970-01-01 00:00."""
    hours: Places = usage.frame["local_start"].to_numpy().astype("datetime64[h]").astype(np.int64)
    return hours


def _weekday(days: Places) -> Places:
    # 1970-01-01 was a Thursday.
    return (days + 3) % 7


def degree_days(usage: Usage, bases_degc: Vector, *, driver: str = TEMPERATURE) -> tuple[Vector, Vector]:
    """Heating and cooling degree days a day, (rows, bases) each; a bill's are means over its days (formulas 5.9)."""
    # Only the outdoor temperature is known by the day within a bill.
    if usage.frequency != "billing" or driver != TEMPERATURE:
        difference = bases_degc[None, :] - column(usage, driver)[:, None]
        return np.maximum(difference, 0.0), np.maximum(-difference, 0.0)
    place, temps = days_of_bills(usage)
    difference = bases_degc[None, :] - temps[:, None]
    known = ~np.isnan(column(usage, TEMPERATURE))
    heating = _mean_by(np.maximum(difference, 0.0), place, known)
    cooling = _mean_by(np.maximum(-difference, 0.0), place, known)
    return heating, cooling


def days_of_bills(usage: Usage) -> tuple[Places, Vector]:
    """Row of the bill and temperature of each day of every bill; days without temperature are left out."""
    known = bill_days(usage.frame).join(usage.daily_temps, on="local_date", how="inner")
    return known["_row"].to_numpy(), known["temp_degc"].to_numpy()


def _mean_by(values: Vector, place: Places, known: npt.NDArray[np.bool_]) -> Vector:
    sums = np.zeros((len(known), values.shape[1]))
    # Not `+=`, which would add one day only of each bill.
    np.add.at(sums, place, values)
    counts = np.bincount(place, minlength=len(known)).astype(np.float64)
    # A bill without a mean temperature has too few days known for degree days as well.
    counts[~known] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        means: Vector = sums / counts[:, None]
    return means


@dataclass(frozen=True, slots=True)
class HourlyForm:
    """Time of week and temperature (CalTRACK 3.8–3.10): a level for each hour of the week, and temperature in pieces
    with its own slopes in occupied and in unoccupied hours.

    groups: for each of the 168 hours of the week (Monday 00:00 first) the number of its level; occupied: for each
    whether slopes are the occupied ones; knots_degc: ends between pieces, per occupancy (unoccupied, occupied);
    holidays_are_sundays: public holidays take Sunday's hours; drivers: further columns, one slope each; sun: kind of
    dependence on the irradiance (SUN_KINDS), empty for none.
    """

    groups: tuple[int, ...]
    occupied: tuple[bool, ...]
    knots_degc: tuple[tuple[float, ...], tuple[float, ...]]
    holidays_are_sundays: bool = False
    has_temperature: bool = True
    drivers: tuple[str, ...] = ()
    # The model's name tells it; a form without sun is written, and so digested, as before there was any.
    sun: str = field(default="", repr=False)

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return max(self.groups) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Levels `hour_of_week_000` …, then the slopes of each piece, lowest temperatures first."""
        firsts = [self.groups.index(level) for level in range(self.n_levels)]
        levels = tuple(f"hour_of_week_{hour:03d}" for hour in firsts)
        pieces = (f"temp_degc.{state}_{piece}" for state, knots in self._pieces() for piece in range(len(knots) + 1))
        return (*levels, *pieces, *self.drivers, *self._sun_names())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Temperature, where it is used, drivers, and the irradiance, where it is used."""
        return (
            *((TEMPERATURE,) if self.has_temperature else ()),
            *self.drivers,
            *((SUN,) if self.sun else ()),
        )

    def hours(self, usage: Usage) -> Places:
        """The hour of the week of each row, as this form counts holidays."""
        return hours_of_week(usage, holidays=self.holidays_are_sundays)

    def levels(self, hours: Places) -> Places:
        """The level of each hour of the week."""
        found: Places = np.asarray(self.groups, dtype=np.int64)[hours]
        return found

    def pieces(self, usage: Usage, hours: Places) -> Vector:
        """The columns of temperature and drivers, nan throughout where one of them is unknown."""
        parts = [np.empty((usage.frame.height, 0)), *(column(usage, name)[:, None] for name in self.drivers)]
        if self.has_temperature:
            temps = column(usage, TEMPERATURE)
            is_occupied = np.asarray(self.occupied, dtype=np.bool_)[hours]
            for place, (state, knots) in enumerate(self._pieces()):
                here = is_occupied if state == "occupied" else ~is_occupied
                # nan stays nan in the state that the hour is not in: the row is unknown.
                parts.insert(1 + place, np.where(here[:, None], in_pieces(temps, knots), 0.0 * temps[:, None]))
        if self.sun:
            parts.append(self.sun_columns(usage))
        columns: Vector = np.column_stack(parts)
        if np.isnan(columns.sum()):
            columns[np.isnan(columns).any(axis=1)] = np.nan
        return columns

    def _sun_names(self) -> tuple[str, ...]:
        names = [SUN] if self.sun else []
        if self.sun in ("by_warmth", "by_both"):
            names = [f"{name}.{state}" for name in names for state in ("cold", "warm")]
        if self.sun in ("by_hour", "by_both"):
            names = [f"{name}.from_{hour:02d}" for name in names for hour in _PARTS_OF_DAY]
        return tuple(names)

    def sun_columns(self, usage: Usage) -> Vector:
        """Irradiance in kW/m2 in the columns of `_sun_names`, nan where it is not known."""
        known = column(usage, SUN) if SUN in usage.frame.columns else np.full(usage.frame.height, np.nan)
        columns = known[:, None] / 1000.0
        if self.sun in ("by_warmth", "by_both"):
            is_warm = column(usage, TEMPERATURE) >= _WARM_DEGC
            columns = np.column_stack([columns * ~is_warm[:, None], columns * is_warm[:, None]])
        if self.sun in ("by_hour", "by_both"):
            part = np.searchsorted(_PARTS_OF_DAY, _local_hours(usage) % 24, side="right") - 1
            own = part[:, None] == np.arange(len(_PARTS_OF_DAY))
            # nan times nothing stays nan: the row is unknown, whatever its hour.
            columns = (columns[:, :, None] * own[:, None, :]).reshape(len(part), -1)
        return columns

    def design(self, usage: Usage) -> Vector:
        """See Form."""
        hours = self.hours(usage)
        pieces = self.pieces(usage, hours)
        design = np.zeros((usage.frame.height, self.n_levels + pieces.shape[1]))
        design[np.arange(usage.frame.height), self.levels(hours)] = 1.0
        design[:, self.n_levels :] = pieces
        design[np.isnan(pieces).any(axis=1)] = np.nan
        return design

    def _pieces(self) -> list[tuple[str, tuple[float, ...]]]:
        if not self.has_temperature:
            return []
        states = [("unoccupied", False), ("occupied", True)]
        return [(name, self.knots_degc[int(flag)]) for name, flag in states if flag in self.occupied]


def hours_of_week(usage: Usage, *, holidays: bool) -> Places:
    """0 for Monday 00:00 local … 167; `holidays`: public holidays count as Sundays."""
    hours = _local_hours(usage)
    day = _weekday(hours // 24)
    if holidays:
        day = np.where(column(usage, "is_holiday") > 0, SUNDAY, day)
    found: Places = day * 24 + hours % 24
    return found


def in_pieces(temps: Vector, knots_degc: Sequence[float]) -> Vector:
    """Temperature cut at the knots: each column is the part of it within one piece, so that slopes are continuous."""
    bounds = [-np.inf, *knots_degc, np.inf]
    pieces = np.empty((len(temps), len(knots_degc) + 1))
    for piece, (low, high) in enumerate(pairwise(bounds)):
        np.clip(temps, low, high, out=pieces[:, piece])
        if piece:
            pieces[:, piece] -= low
    return pieces
