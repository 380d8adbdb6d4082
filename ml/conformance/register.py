"""Conformance to standards, clause by clause, each with a case that is computed on the spot: `meterloom conformance`.

A case is a small sum with a known answer, run by the code that also computes real figures; no test framework is needed.
The cases stand in caltrack.py, hourly.py, statistics.py, savings.py and
platform.py. "pass" means that the case holds, not that a standard's owner has certified anything.
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import numpy as np

from data_quality.contracts.model import Model
from ml.baselines.models.fit import Fit
from ml.baselines.models.forms import HOURS_OF_WEEK, HourlyForm
from ml.baselines.models.hourly_model import CALTRACK_KNOTS_DEGC, MIN_HOURS_A_PIECE, OCCUPIED_SHARE, merged_knots
from ml.baselines.models.inference import solve
from ml.baselines.models.segments import SegmentedForm
from ml.conformance.caltrack import CALTRACK
from ml.conformance.case import Case, Outcome, Register
from ml.conformance.data import SPLIT, START, ZONE, codes, fitted, frame, hours
from ml.conformance.platform import PLATFORM
from ml.conformance.savings import SAVINGS
from ml.conformance.statistics import STATISTICS

Result = Literal["pass", "fail", "deviation"]


class Row(Model):
    """One line of the table. test: the case's name; note: what it computed, or why we deviate."""

    standard: str
    clause: str
    statement: str
    test: str
    result: Result
    note: str


def all_cases() -> tuple[Case, ...]:
    """Every case, standard by standard."""
    return tuple(case for each in (CALTRACK, HOURLY, STATISTICS, SAVINGS, PLATFORM) for case in each.cases)


def conformance_rows(cases: Sequence[Case] | None = None) -> tuple[Row, ...]:
    """Run the cases. A case that raises is a fault of ours and is not hidden."""
    return tuple(_row(case) for case in (all_cases() if cases is None else cases))


def _row(case: Case) -> Row:
    outcome = case.run()
    result: Result = "fail" if not outcome.holds else "deviation" if outcome.deviation else "pass"
    note = f"{outcome.note}; {outcome.deviation}" if outcome.deviation else outcome.note
    return Row(
        standard=case.standard,
        clause=case.clause,
        statement=case.statement,
        test=case.name,
        result=result,
        note=note,
    )


HOURLY = Register("CalTRACK 2.0")
_case = HOURLY.case


def _form(fit: Fit) -> HourlyForm | None:
    return fit.form if isinstance(fit.form, HourlyForm) else None


@_case("2.2.1.3")
def every_month_needs_nine_tenths_of_its_hours() -> Outcome:
    """A calendar month with 90 % of its hours or less is named and blocks."""
    from ml.baselines.usage_tables.usage_table import usage_of

    usage = hours()
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    energy[:80] = np.nan
    readings = frame(energy, "energy_kwh", minutes=60).drop_nulls()
    temps = frame(usage.frame["temp_degc"].to_numpy(), "temp_degc", minutes=60)
    span = (START, date(2023, 1, 1))
    holed = usage_of(readings, temperatures=temps, frequency="hourly", zone=ZONE, span=span)
    holds = "poor_months!" in codes(fitted(holed, end=SPLIT)) and "poor_months!" not in codes(fitted(usage))
    return Outcome(holds, "80 of January's 744 hours missing: poor_months, blocking")


@_case("3.8")
def each_hour_of_the_week_has_its_level() -> Outcome:
    """There are 168 time-of-week terms."""
    form = _form(fitted(hours(), model="towt_caltrack"))
    count = 0 if form is None else form.n_levels
    return Outcome(count == HOURS_OF_WEEK, f"{count} levels")


@_case("3.9.1")
def temperature_is_cut_at_the_stated_knots() -> Outcome:
    """Knots stand at 30, 45, 55, 65, 75 and 90 °F."""
    shown = [round(each * 1.8 + 32, 2) for each in CALTRACK_KNOTS_DEGC]
    return Outcome(shown == [30, 45, 55, 65, 75, 90], f"{shown} °F")


@_case("3.9.2")
def a_piece_with_under_twenty_hours_is_merged() -> Outcome:
    """A temperature bin with fewer than 20 hours joins its neighbour."""
    temps = np.concatenate([np.full(500, 2.0), np.full(19, 20.0), np.full(500, 28.0)])
    knots = merged_knots(temps, (10.0, 25.0))
    full = merged_knots(np.concatenate([temps, [20.0]]), (10.0, 25.0))
    return Outcome(len(knots) == 1 and len(full) == 2 and MIN_HOURS_A_PIECE == 20, "19 hours: merged; 20: kept")


@_case("3.10")
def occupied_hours_are_those_predicted_too_low() -> Outcome:
    """An hour of the week is occupied where over 65 % of its residuals against a degree model are positive."""
    form = _form(fitted(hours(), model="towt_caltrack"))
    occupied = np.zeros(HOURS_OF_WEEK, dtype=bool) if form is None else np.asarray(form.occupied)
    working = np.array([hour // 24 < 5 and 8 <= hour % 24 < 18 for hour in range(HOURS_OF_WEEK)])
    return Outcome(
        OCCUPIED_SHARE == 0.65 and bool((occupied == working).all()), f"{int(occupied.sum())} hours: weekdays 8 to 18"
    )


@_case("3.11")
def months_are_fitted_in_weighted_segments() -> Outcome:
    """Three-month segments weighted 0.5, 1 and 0.5 are fitted for each month."""
    fit = fitted(hours(), model="towt_segments")
    parts = list(fit.form.parts()) if isinstance(fit.form, SegmentedForm) else []
    months = fit.training.frame["local_start"].dt.month().to_numpy()
    off = 0.0
    for month, part, _ in parts:
        neighbours = ((month - 2) % 12 + 1, month % 12 + 1)
        weights = np.select([months == month, np.isin(months, neighbours)], [1.0, 0.5], 0.0)
        used, own = weights > 0, months == month
        design = part.design(fit.training)
        expected = design[own] @ solve(design[used], fit.y[used], weights[used])
        off = max(off, float(np.abs(fit.fitted[own] - expected).max()))
    holds = [month for month, _, _ in parts] == list(range(1, 13)) and off < 1e-6
    return Outcome(holds, f"{len(parts)} months, {off:.6f} kWh off least squares with these weights")


@_case("3.12")
def the_hourly_model_finds_the_load_again() -> Outcome:
    """Time of week and temperature explain a load that consists of them."""
    fit = fitted(hours(), model="towt_caltrack")
    return Outcome(fit.statistics.r2 > 0.98, f"R² {fit.statistics.r2:.4f}, CV(RMSE) {fit.statistics.cvrmse_g14:.2%}")
