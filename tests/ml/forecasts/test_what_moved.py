"""Explanation of a changed forecast: plain words whose numbers add up exactly."""

import time
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from ml.features.civil import Civil
from ml.features.forecast_case import Case
from ml.features.series import DAY, Vector
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.forecast_model import Contributions, Quantiles
from ml.forecasts.lifecycle.forecast_change import ForecastChange, forecast_change
from ml.forecasts.models.blend import BlendForecaster
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.models.ensemble import EnsembleFitter
from tests.ml.forecasts.known_cases import case_like, factory

DAYS = 100
# Midnight of 16 April in Berlin: since 30 March an hour earlier by UTC.
ORIGIN = DAYS * 24 - 1
# Every second Wednesday, the last on the day that is forecast.
HOLIDAYS = frozenset(date(2025, 1, 22) + timedelta(days=14 * n) for n in range(7))
# Mild and cold days in turn, at random; the day that is forecast is cold, that of the week before mild.
DEGC = np.repeat(np.random.default_rng(5).uniform(2.0, 16.0, DAYS + 40), 24)
DEGC[ORIGIN - 168 : ORIGIN - 144], DEGC[ORIGIN : ORIGIN + 24] = 14.0, 4.0


def heated(civil: Civil) -> Vector:
    """Half a kWh an hour more for each degree under 15 °C, beside the factory's own course."""
    return factory(1)(civil) + 0.5 * (16.0 - DEGC)


@pytest.fixture(scope="module")
def case() -> Case:
    weather = FixedWeather(("temperature_degc",), DEGC[:, None])
    return case_like(heated, days=DAYS, weather=weather, holidays=HOLIDAYS)


@pytest.fixture(scope="module")
def model(case: Case) -> BlendForecaster:
    return EnsembleFitter().fit(case)


def why_of(case: Case, model: BlendForecaster, origin: int) -> ForecastChange:
    why = forecast_change(case, model, origin, model.predict(case, origin, 48))
    assert why is not None
    return why


def test_the_parts_add_up_to_the_difference(case: Case, model: BlendForecaster) -> None:
    for origin in (ORIGIN, ORIGIN - 9, 60 * 24 + 5):
        why = why_of(case.before(origin), model, origin)
        assert why.is_last_week
        assert sum(part.amount for part in why.parts) == pytest.approx(why.total - why.reference, rel=1e-9)
        first = int(next(step for step in case.civil.midnights if step >= origin))
        assert why.reference == pytest.approx(case.series.values[first - 168 : first - 144].sum(), rel=1e-12)


def test_a_colder_day_is_told_with_its_degrees(case: Case, model: BlendForecaster) -> None:
    why = why_of(case, model, ORIGIN)
    colder = next(part for part in why.parts if part.topic == "temperature")
    assert colder.words == "colder by 10.0 K (4.0 °C, the week before 14.0)"
    # A day of it costs 120 kWh, some of which the trees put down to what goes with it.
    assert 30 < colder.amount < 150
    head, *lines = why.sentences()
    assert head.startswith("Wednesday 16 April 2025, a public holiday: ")
    assert "than the Wednesday before" in head
    assert any(line.endswith("the calendar (a public holiday)") for line in lines)


def test_sentences_add_up_as_they_are_rounded(case: Case, model: BlendForecaster) -> None:
    why = why_of(case, model, ORIGIN)
    sentence = [float(line.split(" ")[0].replace(",", "")) for line in why.sentences()[1:]]
    assert sum(sentence) == pytest.approx(why.total - why.reference, abs=0.5 * len(sentence))


def test_without_last_week_a_usual_day_is_what_it_is_held_against(case: Case, model: BlendForecaster) -> None:
    values = case.series.values.copy()
    values[ORIGIN - 7 * 24 + 3] = np.nan
    why = why_of(replace(case, series=replace(case.series, values=values)), model, ORIGIN)
    assert not why.is_last_week
    assert "than usual." in why.sentences()[0]
    assert sum(part.amount for part in why.parts) == pytest.approx(why.total - why.reference, rel=1e-9)


def test_a_usual_day_is_of_the_size_of_the_weeks_before() -> None:
    case = case_like(factory(3, sigma=3.0), days=60)
    values, origin = case.series.values.copy(), int(case.civil.midnights[60])
    values[origin - 7 * 24 + 3] = np.nan
    case = replace(case, series=replace(case.series, values=values)).before(origin)
    model = EnsembleFitter().fit(case)
    assert model.near.weights[-1] > 0.1
    assert why_of(case, model, origin).reference == pytest.approx(24 * np.nanmean(values[:origin][-28 * 24 :]), rel=0.1)


def test_a_horizon_without_a_whole_day_is_told_as_the_hours_that_it_is(case: Case, model: BlendForecaster) -> None:
    why = forecast_change(case, model, ORIGIN - 9, model.predict(case, ORIGIN - 9, 12))
    assert why is not None
    assert not why.is_whole
    assert why.sentences()[0].startswith("From Tuesday 15 April 2025: ")
    assert "the same hours of the week before" in why.sentences()[0]


def test_a_bound_is_a_part_of_its_own(case: Case, model: BlendForecaster) -> None:
    origin = ORIGIN
    forecast = model.predict(case, origin, 48)
    capped = Quantiles(*(np.minimum(each, 14.0) for each in (forecast.p10, forecast.p50, forecast.p90)))
    why = forecast_change(case, model, origin, capped)
    assert why is not None
    assert next(part for part in why.parts if part.topic == "bounds").amount < 0
    assert sum(part.amount for part in why.parts) == pytest.approx(why.total - why.reference, rel=1e-9)


def test_days_of_23_and_25_hours_are_held_against_the_same_local_hours(model: BlendForecaster) -> None:
    for days, hours in ((83, 23), (293, 25)):
        case = case_like(factory(2), days=days)
        # The local midnight that begins the day of the change.
        origin = int(case.civil.midnights[np.diff(case.civil.midnights, append=0) == hours][0])
        case = case_like(factory(2), days=origin // 24 + 1).before(origin)
        why = why_of(case, model, origin)
        assert why.is_last_week
        assert sum(part.amount for part in why.parts) == pytest.approx(why.total - why.reference, rel=1e-9)


def test_a_level_is_told_by_its_mean_and_a_daily_series_by_its_day() -> None:
    class Line:
        algorithm = "line"

        def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
            return Quantiles(*(np.full(horizon, 12.0) for _ in range(3)))

        def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
            return Contributions(("weekday",), np.full((1, horizon), 2.0), np.full(horizon, 10.0))

        def to_files(self) -> dict[str, bytes]:
            return {}

    case = case_like(factory(3), days=30)
    price = replace(case, series=replace(case.series, unit="per_kwh"))
    why = forecast_change(price, Line(), 720, Line().predict(price, 720, 48))
    assert why is not None
    assert why.total == 12.0
    assert "on average 12.0 per kWh" in why.sentences()[0]
    daily = case_like(factory(3), days=30, step=DAY)
    why = forecast_change(daily, Line(), 30, Line().predict(daily, 30, 7))
    assert why is not None
    assert why.total == 12.0


def test_a_model_that_cannot_say_says_nothing(case: Case) -> None:
    floor = ClimatologyFitter().fit(case)
    assert forecast_change(case, floor, ORIGIN, floor.predict(case, ORIGIN, 48)) is None


def test_an_explanation_costs_little(case: Case, model: BlendForecaster) -> None:
    forecast = model.predict(case, ORIGIN, 48)
    spent = []
    for _ in range(5):
        begun = time.perf_counter()
        forecast_change(case, model, ORIGIN, forecast)
        spent.append(time.perf_counter() - begun)
    # A tenth of it on an idle machine.
    assert min(spent) < 1.5
