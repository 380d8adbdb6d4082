"""Models of their own for types of day: where they win, where too little is known for them, and as files."""

import numpy as np
import pytest

from ml.features.civil import Civil
from ml.features.forecast_case import Case
from ml.features.series import Vector
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.backtest import Fold, forecast_origins, run_folds
from ml.forecasts.lifecycle.forecast_registry import KINDS, PATIENT_FITTERS, fitter_of
from ml.forecasts.lifecycle.promotion import decide
from ml.forecasts.lifecycle.trial import daily_losses
from ml.forecasts.models.blend import BlendFitter
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.hour_lines import HourLinesMethod, LinearFitter
from ml.forecasts.models.parted import PartedMethod, parts_of
from tests.ml.forecasts.known_cases import case_like

DAYS = 26 * 7
PARTED = BlendFitter("linear_by_day_type", [PartedMethod(HourLinesMethod(), "day_type")])


def turned(days: int = DAYS, *, seed: int = 4) -> Case:
    """A load that heats on workdays and cools on days off: one line cannot have both slopes."""
    drawn = np.random.default_rng(seed)
    degc = np.repeat(drawn.normal(12, 6, days + 40), 24) + drawn.normal(0, 1, 24 * (days + 40))

    def course(civil: Civil) -> Vector:
        slope = np.where(civil.day_type > 0, 1.5, -1.0)
        found: Vector = 60 + slope * degc[: len(civil)] + drawn.normal(0, 1, len(civil))
        return found

    return case_like(course, days=days, weather=FixedWeather(("temperature_degc",), degc[:, None]))


def test_a_load_that_answers_otherwise_on_days_off_is_forecast_better_by_two_models() -> None:
    case = turned()
    origins = tuple(case.civil.midnights[DAYS - 29 : DAYS - 1].tolist())
    runs = run_folds(case, [LinearFitter(), PARTED], [Fold("last", origins[0], origins)], horizon=24)
    one, two = (daily_losses(runs[name], case.civil) for name in ("linear", "linear_by_day_type"))
    found = decide(one, two)
    # As any candidate: by the paired test that moves a champion.
    assert found.is_promoted, found.reason
    assert found.test is not None
    assert found.test.gain > 0.2


def test_days_off_of_a_short_history_are_learnt_with_all_others() -> None:
    case = turned(70)
    model = PARTED.fit(case)
    (part,) = model.near.parts
    assert set(part.of_part) == {0}
    assert part.whole is not None
    weekend = next(at for at in case.civil.midnights[40:60].tolist() if case.civil.day_type[at] > 0)
    # As a model of all rows says it, up to the weights that the blend then finds.
    one = LinearFitter().fit(case)
    matrix = model.near.parts[0].whole
    assert np.array_equal(matrix.slopes, one.near.parts[0].slopes)
    assert np.isfinite(forecast_origins(model, case, [weekend], 24).quantiles.p50).all()
    shares = part.importance()
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("by", ["day_type", "lead"])
def test_a_parted_model_says_the_same_from_its_files_and_its_parts_add_up(by: str) -> None:
    fitter = BlendFitter(f"linear_by_{by}", [PartedMethod(HourLinesMethod(), by)])  # type: ignore[arg-type]
    case = turned()
    end = len(case.series.values)
    model = fitter.fit(case)
    second = fitter.load(model.to_files())
    for origin in (end, end - 24 * 3):
        forecast, predicted = (each.predict(case.before(origin), origin, 48) for each in (model, second))
        assert np.array_equal(forecast.p50, predicted.p50)
        assert np.array_equal(forecast.p10, predicted.p10)
    parts = model.contributions(case, end, 48)
    assert parts.base + parts.parts.sum(axis=0) == pytest.approx(model.predict(case, end, 48).p50)
    assert sum(model.importance().values()) == pytest.approx(1.0)


def test_a_lead_has_a_part_for_six_hours_of_the_first_day_and_for_each_day_behind_it() -> None:
    from ml.features.matrix import feature_matrix

    case = turned()
    matrix = feature_matrix(case, np.array([24 * 100]), 96, ["day_type"])
    found = parts_of(matrix, "lead", 24)
    assert [int(found[lead - 1]) for lead in (1, 6, 7, 24, 25, 48, 49, 96)] == [0, 0, 1, 3, 4, 4, 5, 6]
    assert parts_of(matrix, "day_type", 24).tolist() == (case.civil.day_type[matrix.step] > 0).astype(int).tolist()


def test_day_types_are_a_candidate_of_a_patient_training_and_leads_are_none() -> None:
    names = [each.algorithm for each in KINDS]
    assert len(names) == len(set(names))
    assert "ensemble_by_day_type" in {each.algorithm for each in PATIENT_FITTERS}
    assert "ensemble_by_lead" not in names
    assert isinstance(fitter_of("ensemble_by_day_type"), EnsembleFitter)
