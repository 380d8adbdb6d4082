"""Hourly models of their own for each month, trained on it and half on its neighbours (CalTRACK 3.11–3.12)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.baselines.models.forms import HourlyForm, Places
from ml.baselines.models.hourly_model import hourly_form, solve_hourly
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage

NEIGHBOUR_WEIGHT = 0.5
MONTHS = range(1, 13)


@dataclass(frozen=True, slots=True)
class SegmentedForm:
    """One hourly form a calendar month (1–12, those that were trained); a row is predicted by its own month's."""

    months: tuple[int, ...]
    forms: tuple[HourlyForm, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """`month_01.hour_of_week_000` …"""
        return tuple(
            f"month_{month:02d}.{name}"
            for month, form in zip(self.months, self.forms, strict=True)
            for name in form.names
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that any of the forms uses."""
        return tuple(dict.fromkeys(name for form in self.forms for name in form.inputs))

    def parts(self) -> Iterator[tuple[int, HourlyForm, slice]]:
        """Month, form, and the place of its coefficients."""
        first = 0
        for month, form in zip(self.months, self.forms, strict=True):
            last = first + len(form.names)
            yield month, form, slice(first, last)
            first = last

    def design(self, usage: Usage) -> Vector:
        """See forms.Form: wide and mostly zero; nan for months without a model. `expected` does without it."""
        months, found = months_of(usage), np.zeros((usage.frame.height, len(self.names)))
        for month, form, place in self.parts():
            rows = np.flatnonzero(months == month)
            found[rows, place] = form.design(usage.with_frame(usage.frame[rows]))
        found[~np.isin(months, self.months) | np.isnan(found).any(axis=1)] = np.nan
        return found

    def expected(self, coefficients: Vector, usage: Usage) -> Vector:
        """Expected values by each set of coefficients (B, p): (B, rows); nan for months without a model."""
        months, found = months_of(usage), np.full((len(coefficients), usage.frame.height), np.nan)
        for month, form, place in self.parts():
            rows = np.flatnonzero(months == month)
            if len(rows):
                found[:, rows] = coefficients[:, place] @ form.design(usage.with_frame(usage.frame[rows])).T
        return found


@dataclass(frozen=True, slots=True)
class SegmentedSolution:
    """As hourly_model.HourlySolution, of all months."""

    form: SegmentedForm
    values: Vector
    fitted: Vector
    held_out: Vector


def months_of(usage: Usage) -> Places:
    """Calendar month 1–12 of each row's local start."""
    # datetime64[M] counts months from January 1970.
    found: Places = usage.frame["local_start"].to_numpy().astype("datetime64[M]").astype(np.int64) % 12 + 1
    return found


def month_weights(months: Places, month: int) -> Vector:
    """1 in the month, a half in the adjacent months, in any year; 0 elsewhere."""
    # December and January are neighbours.
    away = np.minimum((months - month) % 12, (month - months) % 12)
    return np.select([away == 0, away == 1], [1.0, NEIGHBOUR_WEIGHT], 0.0)


def solve_segments(
    usage: Usage, y: Vector, *, knots_degc: tuple[float, ...], holidays: bool, drivers: tuple[str, ...]
) -> SegmentedSolution:
    """Weighted least squares of each month's model. usage: rows in use; y: their kWh.

    held_out: each month predicted by its own model trained on its neighbours alone; with none, by their mean.
    """
    months = months_of(usage)
    # A month that was never trained has no model: its rows are unknown, not guessed.
    present = [month for month in MONTHS if (months == month).any()]
    forms, values = [], []
    fitted, held_out = np.empty(len(y)), np.empty(len(y))
    for month in present:
        weights = month_weights(months, month)
        rows = np.flatnonzero(weights > 0)
        part = usage.with_frame(usage.frame[rows])
        form = hourly_form(part, y[rows], knots_degc=knots_degc, holidays=holidays, drivers=drivers)
        own = months[rows] == month
        found = solve_hourly(form, part, y[rows], folds=own.astype(np.int64), weights=weights[rows])
        forms.append(form)
        values.append(found.values)
        fitted[rows[own]], held_out[rows[own]] = found.fitted[own], found.held_out[own]
    return SegmentedSolution(SegmentedForm(tuple(present), tuple(forms)), np.concatenate(values), fitted, held_out)
