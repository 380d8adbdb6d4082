"""The card of a forecast model: figures with intervals, features with shares, limits that follow from facts."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ml.features.series import DAY
from ml.forecasts.lifecycle.cards import MAX_CHARACTERS, feature_table, forecast_card, known_limits
from ml.forecasts.lifecycle.trial import Trial, hold_trial, recent_folds
from ml.forecasts.models.blend import BlendForecaster
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.models.ensemble import ALGORITHM, EnsembleFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.uncertainty.score_bands import score_bands
from tests.ml.forecasts.known_cases import case_like, factory
from tests.ml.forecasts.test_trajectories import days_of_errors, run_of


@pytest.fixture(scope="module")
def trial() -> Trial:
    case = case_like(factory(1, sigma=2.0), days=100)
    series = replace(case.series, values=case.series.values.copy(), is_synthetic=True)
    series.values[500:600] = np.nan
    case = replace(case, series=series)
    fitters = (EnsembleFitter(), SameHourLastWeekFitter())
    found = hold_trial(case, fitters, recent_folds(case, count=1, days=14), horizon=24)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def model(trial: Trial) -> BlendForecaster:
    return EnsembleFitter().fit(trial.case)


def test_a_card_says_data_scores_features_and_limits(trial: Trial, model: BlendForecaster) -> None:
    card = forecast_card(trial, model, title="meter:main by hours of Plant", params={"rounds": "120"})
    assert len(card) <= MAX_CHARACTERS
    assert card.startswith("**meter:main by hours of Plant**, forecast by ensemble.")
    for reported in (
        "| Missing | 100 steps (4.2%) |",
        f"| Digest of the data | `{trial.case.digest()[:16]}` |",
        "| Rounds | 120 |",
        "| 0 to 6 h ahead | ",
        "| the series of the days and weeks before | ",
        "| of the series | the series | once the steps before the issue have ended |",
        "no summer or autumn seen",
        "- No weather is known at issue",
        "- No public holiday seen.",
        "- The readings are synthetic",
        "- 4.2% of the steps are missing",
        "- Scored on 14 days, all in spring",
    ):
        assert reported in card
    score = trial.scores[ALGORITHM]
    assert f"| the day ahead | {score.nrmse:.1%} (" in card
    assert forecast_card(trial, model, title="meter:main by hours of Plant", params={"rounds": "120"}) == card


def test_a_table_has_every_feature_with_unit_source_and_share(model: BlendForecaster) -> None:
    table = feature_table(model)
    assert table is not None
    rows = list(csv.DictReader(table.decode().splitlines()))
    assert {row["feature"] for row in rows} == set(model.names)
    assert all(row["unit"] and row["known"] and row["source"] for row in rows)
    assert sum(float(row["share_of_gain"]) for row in rows) == pytest.approx(1.0, abs=1e-3)


def test_of_the_floor_and_of_a_model_without_features_there_is_a_card_too(trial: Trial) -> None:
    floor = SameHourLastWeekFitter().fit(trial.case)
    card = forecast_card(trial, floor, title="main")
    assert "skill |" not in card
    assert feature_table(floor) is None
    assert "What it rests on" not in card


def test_a_month_of_days_is_told_by_weeks_and_fits() -> None:
    case = case_like(factory(2), days=400, step=DAY)
    trial = hold_trial(case, (ClimatologyFitter(),), recent_folds(case, count=2, days=28), horizon=31)
    assert trial is not None
    card = forecast_card(trial, ClimatologyFitter().fit(case), title="main by days")
    assert "| days 1 to 7 ahead | " in card
    assert "| days 15 to 21 ahead | " in card
    assert len(card) <= MAX_CHARACTERS


def test_shares_of_the_gain_add_up_to_one(model: BlendForecaster) -> None:
    assert sum(model.importance().values()) == pytest.approx(1.0)


def test_intervals_hold_the_true_score_about_nine_times_in_ten() -> None:
    true = np.sqrt(np.mean((1.0 + np.sin(np.pi * np.arange(24) / 24)) ** 2)) / 10.0
    held = []
    for seed in range(100):
        run = run_of(days_of_errors(28, seed))
        # The mean of what was is random too: held against the mean that the errors leave.
        band = score_bands(run, None, seed=seed)["nrmse"]
        held.append(band.low <= true <= band.high)
    assert np.mean(held) == pytest.approx(0.9, abs=0.07)


def test_a_band_that_is_too_narrow_and_a_bias_are_told(trial: Trial) -> None:
    errors = 3.0 + days_of_errors(28, 1)
    bands = score_bands(run_of(errors), run_of(errors))
    text = " ".join(known_limits(trial, bands))
    assert "rather than 80%: it is too narrow" in text
    assert "too low on average" in text
    assert "not surely better than same hour last week" in text
    assert score_bands(run_of(errors[:2]), None) == {}
