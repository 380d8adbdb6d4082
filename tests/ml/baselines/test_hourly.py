"""Hourly models: the fast way gives what least squares on the whole matrix gives."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.forms import in_pieces, month_numbers
from ml.baselines.models.hourly_model import (
    KNOTS,
    MIN_HOURS_A_PIECE,
    hourly_form,
    merged_knots,
    occupied_hours,
    solve_hourly,
)
from ml.baselines.models.segments import SegmentedForm
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.baselines.cases import END, HOURS, START, codes, fitted, hourly_temps, year
from tests.ml.refitted import refit


def load(seed: int = 1, *, holiday_like_sunday: bool = False) -> Usage:
    """An office: busy on working hours, warmed and cooled."""
    temps = hourly_temps()
    usage = year("hourly", np.ones(HOURS), temps)
    local = usage.frame["local_start"]
    works = (local.dt.weekday() < 6) & local.dt.hour().is_between(7, 18)
    busy = works.to_numpy().astype(float)
    if holiday_like_sunday:
        busy = busy * (1 - usage.frame["is_holiday"].to_numpy())
    rng = np.random.default_rng(seed)
    energy: Vector = 5 + 8 * busy + 0.3 * np.maximum(12 - temps, 0) + 0.5 * busy * np.maximum(temps - 18, 0)
    return year("hourly", energy + rng.uniform(0, 1, HOURS), temps)


def normal_equations(design: Vector, y: Vector) -> Vector:
    """Least squares on the whole matrix."""
    values: Vector = np.linalg.solve(design.T @ design, design.T @ y).astype(np.float64)
    return values


@pytest.fixture(scope="module")
def office() -> Usage:
    return load()


def test_the_fast_solution_is_least_squares_on_the_whole_matrix(office: Usage) -> None:
    y = office.frame["energy_kwh"].to_numpy()
    form = hourly_form(office, y, knots_degc=KNOTS["caltrack"], holidays=False)
    found = solve_hourly(form, office, y, folds=month_numbers(office))
    design = form.design(office)
    values = normal_equations(design, y)
    assert design.shape == (HOURS, len(form.names))
    assert found.values == pytest.approx(values, rel=1e-6, abs=1e-8)
    assert found.fitted == pytest.approx(design @ values, rel=1e-8)
    out = office.frame["local_start"].dt.month().to_numpy() == 5
    unseen = normal_equations(design[~out], y[~out])
    assert found.held_out[out] == pytest.approx(design[out] @ unseen, rel=1e-6)


def test_weights_count_as_repeated_rows(office: Usage) -> None:
    y = office.frame["energy_kwh"].to_numpy()
    form = hourly_form(office, y, knots_degc=KNOTS["five_degrees"], holidays=False)
    weights = np.where(np.arange(HOURS) < 4000, 2.0, 1.0)
    found = solve_hourly(form, office, y, folds=month_numbers(office), weights=weights)
    design, root = form.design(office), np.sqrt(weights)
    values = normal_equations(design * root[:, None], y * root)
    assert found.values == pytest.approx(values, rel=1e-6, abs=1e-8)


def test_the_office_is_occupied_when_people_work(office: Usage) -> None:
    fit = fitted(office, model="towt_five_degrees")
    occupied = np.flatnonzero(fit.form.occupied)  # type: ignore[attr-defined]
    assert set(occupied) == {24 * day + hour for day in range(5) for hour in range(7, 19)}


def test_an_hour_is_occupied_above_65_percent_of_its_weeks_and_not_at_65() -> None:
    hours = np.repeat([0, 1], 20)
    temps = np.full(40, 12.0)
    y = np.concatenate([np.r_[np.ones(13) * 3, np.ones(7)], np.r_[np.ones(14) * 3, np.ones(6)]])
    occupied = occupied_hours(hours, temps, y)
    assert (occupied[0], occupied[1]) == (False, True)


def test_pieces_of_the_temperature_add_up_to_it() -> None:
    pieces = in_pieces(np.array([-3.0, 7.0, 12.0, 40.0]), (5.0, 10.0))
    assert pieces.tolist() == [[-3, 0, 0], [5, 2, 0], [5, 5, 2], [5, 5, 30]]


@given(st.lists(st.floats(-30, 45), min_size=0, max_size=300))
def test_every_piece_that_is_left_has_its_hours(values: list[float]) -> None:
    temps = np.array(values)
    knots = merged_knots(temps, KNOTS["caltrack"])
    assert set(knots) <= set(KNOTS["caltrack"])
    if knots:
        assert np.histogram(temps, [-np.inf, *knots, np.inf])[0].min() >= MIN_HOURS_A_PIECE


def test_holidays_count_as_sundays_where_that_predicts_better() -> None:
    closed, open_ = fitted(load(holiday_like_sunday=True)), fitted(load())
    assert closed.form.holidays_are_sundays  # type: ignore[attr-defined]
    assert not open_.form.holidays_are_sundays  # type: ignore[attr-defined]
    assert len(closed.selection) == 4


def test_refits_by_elimination_are_refits_of_the_whole_matrix(office: Usage) -> None:
    fit = fitted(office, model="towt_five_degrees")
    rows = np.random.default_rng(3).integers(0, fit.n, (2, fit.n))
    many = fit.refit_many(rows)
    for place in (0, 1):
        values = normal_equations(fit.design[rows[place]], fit.y[rows[place]])
        assert many[place] == pytest.approx(values, rel=1e-5, abs=1e-6)
        assert refit(fit, rows[place]).values == pytest.approx(values, rel=1e-5, abs=1e-6)


def test_an_hour_of_the_week_that_never_occurs_takes_the_level_before_it(office: Usage) -> None:
    sundays_off = office.with_frame(office.frame.filter(office.frame["local_start"].dt.weekday() < 7))
    fit = fitted(sundays_off, model="towt_five_degrees")
    assert fit.form.n_levels == 144  # type: ignore[attr-defined]
    assert np.isfinite(fit.predict(office)).all()


def test_a_month_under_ninety_percent_blocks() -> None:
    usage = load()
    thin = usage.with_frame(
        usage.frame.filter(~usage.frame["local_start"].dt.date().is_between(date(2025, 2, 1), date(2025, 2, 5)))
    )
    assert "missing_days" not in codes(fitted(thin))
    assert "excluded_days" in codes(fitted(thin))
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    is_hole = usage.frame["local_start"].dt.date().is_between(date(2025, 2, 1), date(2025, 2, 5)).to_numpy()
    energy[is_hole] = np.nan
    from tests.ml.baselines.cases import with_energy

    assert "poor_months" in codes(fitted(with_energy(usage, energy)))


def test_without_weather_the_hours_of_the_week_remain() -> None:
    fit = fitted(year("hourly", load().frame["energy_kwh"].to_numpy(), None))
    assert fit.form.inputs == ()
    assert fit.n_params == 168


def test_too_few_hours_and_unknown_names_are_refused(office: Usage) -> None:
    found = fit_usage(office, start=START, end=date(2025, 1, 8))
    assert isinstance(found, Finding)
    assert found.code == "too_few_days"
    with pytest.raises(BadInput, match="unknown model 'caltrack' for hourly data"):
        fit_usage(office, start=START, end=END, model="caltrack")


def test_a_model_a_month_is_least_squares_on_the_month_and_half_of_its_neighbours(office: Usage) -> None:
    fit = fitted(office, model="towt_segments")
    months = office.frame["local_start"].dt.month().to_numpy()
    form = fit.form
    assert isinstance(form, SegmentedForm)
    assert form.months == tuple(range(1, 13))
    _, january, place = next(form.parts())
    weights = np.select([months == 1, np.isin(months, (12, 2))], [1.0, 0.5], 0.0)
    root = np.sqrt(weights)
    here = np.flatnonzero(weights)
    design = january.design(office)[here] * root[here, None]
    values = normal_equations(design, office.frame["energy_kwh"].to_numpy()[here] * root[here])
    is_january = months == 1
    assert fit.fitted[is_january] == pytest.approx(january.design(office)[is_january] @ values, rel=1e-6)
    assert fit.predict(office) == pytest.approx(fit.fitted, rel=1e-9)
    names = [term.name for term in fit.terms()]
    assert names == list(fit.names)
    assert names[0] == "month_01.hour_of_week_000"
    rows = np.arange(fit.n)[None, :]
    assert fit.predict_many(fit.refit_many(rows), office)[0] == pytest.approx(fit.fitted, rel=1e-6)
    assert place == slice(0, len(january.names))


def test_a_month_that_was_not_trained_is_not_predicted(office: Usage) -> None:
    half = fit_usage(office, start=START, end=date(2025, 7, 1), model="towt_segments")
    assert isinstance(half, Fit)
    expected = half.predict(office)
    assert np.isnan(expected[-24 * 100 :]).all()
    assert np.isfinite(expected[: 24 * 100]).all()
    assert half.design.shape == (half.n, half.n_params)
