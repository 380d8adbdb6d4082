"""Hourly models: time of week and temperature (CalTRACK 3.8–3.12), fitted by eliminating the levels.

The levels of the hours of the week exclude each other, so least squares needs only sums per level: the slopes of
temperature follow from a system of a dozen unknowns, and every month can be held out by subtracting its sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.baselines.models.forms import HOURS_OF_WEEK, TEMPERATURE, HourlyForm, Places, column, hours_of_week
from ml.baselines.models.inference import solve_stack
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage

# CalTRACK 3.9.1: 30, 45, 55, 65, 75 and 90 °F.
CALTRACK_KNOTS_DEGC = tuple(round((fahrenheit - 32) / 1.8, 4) for fahrenheit in (30, 45, 55, 65, 75, 90))
# The same idea for a maritime climate, where most hours lie between 0 and 25 °C.
FIVE_DEGREE_KNOTS_DEGC = (5.0, 10.0, 15.0, 20.0)
KNOTS = {"caltrack": CALTRACK_KNOTS_DEGC, "five_degrees": FIVE_DEGREE_KNOTS_DEGC}
MIN_HOURS_A_PIECE = 20
# An hour of the week is occupied where the plain degree model predicts too little in more of its weeks than that.
OCCUPIED_SHARE = 0.65
# CalTRACK 3.10's plain model has fixed bases, 50 and 65 °F: it only has to tell used hours from unused ones.
_HEATING_BASE_DEGC, _COOLING_BASE_DEGC = 10.0, 65 / 1.8 - 32 / 1.8


@dataclass(frozen=True, slots=True)
class HourlySolution:
    """values: coefficients in order of form.names; fitted and held_out: kWh per hour of each row."""

    form: HourlyForm
    values: Vector
    fitted: Vector
    held_out: Vector


def occupied_hours(hours: Places, temps: Vector, y: Vector) -> tuple[bool, ...]:
    """Which of the 168 hours of the week are occupied, by the 65 % rule (CalTRACK 3.10). hours: of each row."""
    plain = np.column_stack(
        [np.ones(len(y)), np.maximum(_HEATING_BASE_DEGC - temps, 0.0), np.maximum(temps - _COOLING_BASE_DEGC, 0.0)]
    )
    slopes = solve_stack((plain.T @ plain)[None], (plain.T @ y)[None])[0]
    seen = np.bincount(hours, minlength=HOURS_OF_WEEK)
    above = np.bincount(hours, weights=(y > plain @ slopes), minlength=HOURS_OF_WEEK)
    return tuple((above > OCCUPIED_SHARE * np.maximum(seen, 1)).tolist())


def merged_knots(temps: Vector, knots_degc: Sequence[float]) -> tuple[float, ...]:
    """The knots that leave at least 20 hours in each piece: a poor piece joins its neighbour (CalTRACK 3.9.2)."""
    knots = list(knots_degc)
    while knots:
        counts = np.bincount(np.searchsorted(knots, temps, side="right"), minlength=len(knots) + 1)
        poor = np.flatnonzero(counts < MIN_HOURS_A_PIECE)
        if not len(poor):
            break
        # The piece above the last knot joins the one below; every other joins the one above it.
        knots.pop(min(int(poor[0]), len(knots) - 1))
    return tuple(knots)


def hourly_form(
    usage: Usage, y: Vector, *, knots_degc: Sequence[float], holidays: bool, drivers: tuple[str, ...] = ()
) -> HourlyForm:
    """The form for these rows: occupancy, knots with enough hours, and a level for each hour of the week that occurs.

    usage: rows with known energy and drivers; y: their kWh. An hour of the week that never occurs shares the level of
    the nearest one before it.
    """
    hours = hours_of_week(usage, holidays=holidays)
    occurs = np.bincount(hours, minlength=HOURS_OF_WEEK) > 0
    # Levels without holes: one that no row has would make the equations singular.
    level = np.cumsum(occurs) - 1
    groups = tuple(np.where(level < 0, level[-1], level).tolist())
    temps = column(usage, TEMPERATURE)
    has_temperature = not bool(np.isnan(temps).all())
    occupied: tuple[bool, ...] = (False,) * HOURS_OF_WEEK
    knots: list[tuple[float, ...]] = [(), ()]
    if has_temperature:
        occupied = occupied_hours(hours, temps, y)
        is_occupied = np.asarray(occupied)[hours]
        # Each state for itself: nights are colder, and lack the warm pieces that days have.
        knots = [merged_knots(temps[is_occupied == state], knots_degc) for state in (False, True)]
    return HourlyForm(
        groups=groups,
        occupied=occupied,
        knots_degc=(knots[0], knots[1]),
        holidays_are_sundays=holidays,
        has_temperature=has_temperature,
        drivers=drivers,
    )


def solve_hourly(
    form: HourlyForm, usage: Usage, y: Vector, *, folds: Places, weights: Vector | None = None
) -> HourlySolution:
    """Least squares of the form on the rows, and the prediction of each row by the other folds.

    folds: number of the fold (month) of each row, 0 …; weights: of each row, ones if None.
    """
    hours = form.hours(usage)
    levels, pieces = form.levels(hours), form.pieces(usage, hours)
    n_folds, n_levels = int(folds.max()) + 1, form.n_levels
    sums = _sums(levels, pieces, y, folds, n_folds, n_levels, weights)
    whole = tuple(part.sum(axis=0, keepdims=True) for part in sums)
    means, slopes = _solve(*whole)
    values: Vector = np.concatenate([means[0], slopes[0]])
    fitted = means[0][levels] + pieces @ slopes[0]
    # A month is held out by taking its sums away: no fit is made anew.
    out_means, out_slopes = _solve(*(total - part for total, part in zip(whole, sums, strict=True)))
    held_out = out_means[folds, levels] + np.einsum("nq,nq->n", pieces, out_slopes[folds])
    return HourlySolution(form=form, values=values, fitted=fitted, held_out=held_out)


def _sums(
    levels: Places, pieces: Vector, y: Vector, folds: Places, n_folds: int, n_levels: int, weights: Vector | None
) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """Per fold: rows and energy of each level, pieces by level, pieces by pieces, pieces by energy."""
    q, size = pieces.shape[1], n_folds * n_levels
    place = folds * n_levels + levels
    weight = np.ones(len(y)) if weights is None else weights

    def by_level(values: Vector) -> Vector:
        sums: Vector = np.bincount(place, weights=values, minlength=size).astype(np.float64, copy=False)
        return sums.reshape(n_folds, n_levels)

    mixed = np.empty((n_folds, n_levels, q))
    for piece in range(q):
        mixed[:, :, piece] = by_level(weight * pieces[:, piece])
    gram, moments = np.empty((n_folds, q, q)), np.empty((n_folds, q))
    for fold in range(n_folds):
        rows = np.flatnonzero(folds == fold)
        part = pieces[rows] * weight[rows, None]
        gram[fold], moments[fold] = part.T @ pieces[rows], part.T @ y[rows]
    return by_level(weight), by_level(weight * y), mixed, gram, moments


def _solve(counts: Vector, energy: Vector, mixed: Vector, gram: Vector, moments: Vector) -> tuple[Vector, Vector]:
    """Levels and slopes of each system of the stack."""
    has_rows = counts > 0
    safe = np.where(has_rows, counts, 1.0)
    left = gram - np.matmul(np.swapaxes(mixed, 1, 2), mixed / safe[:, :, None])
    right = moments - np.einsum("flq,fl->fq", mixed, energy / safe)
    slopes = solve_stack(left, right)
    means = (energy - np.einsum("flq,fq->fl", mixed, slopes)) / safe
    # A level without rows in what is left (one month held out of a short year) is the mean of the others.
    typical = np.einsum("fl,fl->f", means, counts) / np.maximum(counts.sum(axis=1), 1.0)
    return np.where(has_rows, means, typical[:, None]), slopes
