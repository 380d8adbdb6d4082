"""The trial of a training: several folds, every model on the same steps, skill against the floor."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml.features.civil import civil_of
from ml.features.forecast_case import Case
from ml.features.series import Series
from ml.forecasts.forecast_model import Quantiles, TooShort
from ml.forecasts.lifecycle.trial import FLOOR, Trial, daily_losses, hold_trial, recent_folds
from ml.forecasts.models.naive import SameHourLastWeekFitter
from tests.ml.cases import plant

START = datetime(2025, 2, 3, 23, tzinfo=UTC)
DAYS = 49


def case(days: int = DAYS, *, gap: slice | None = None) -> Case:
    hours = np.arange(24 * days)
    values = 10 + 5 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(1).normal(0, 1, len(hours))
    if gap is not None:
        values[gap] = np.nan
    series = Series(START, values)
    return Case(series, civil_of(plant(), START, len(values) + 49))


class Knows:
    """A model that knows the shape without the noise; what it was fitted on is written down."""

    algorithm = "knows"

    def __init__(self, seen: list[int] | None = None) -> None:
        self.seen = [] if seen is None else seen

    def fit(self, case: Case) -> "Knows":
        self.seen.append(len(case.series.values))
        return self

    def load(self, files: object) -> "Knows":
        return self

    def to_files(self) -> dict[str, bytes]:
        return {}

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        assert len(case.series.values) == origin
        p50 = 10 + 5 * np.sin(2 * np.pi * np.arange(origin, origin + horizon) / 24)
        return Quantiles(p50 - 1.28, p50, p50 + 1.28)


class NeverFits(Knows):
    algorithm = "never_fits"

    def fit(self, case: Case) -> "Knows":
        raise TooShort("always")


def held(of: Case, *fitters: object, count: int = 2, days: int = 14) -> Trial:
    found = hold_trial(of, fitters, recent_folds(of, count=count, days=days), horizon=48)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_each_fold_is_forecast_by_models_fitted_on_what_was_before_it() -> None:
    knows = Knows()
    trial = held(case(), knows, SameHourLastWeekFitter())
    assert [fold.start for fold in trial.folds] == knows.seen
    assert [len(fold.origins) for fold in trial.folds] == [7, 7]
    assert trial.best == "knows"


def test_the_scores_are_of_the_first_day_and_the_leads_of_all() -> None:
    trial = held(case(), Knows(), SameHourLastWeekFitter())
    assert trial.scores["knows"].n == 14 * 24
    leads = {each.name: each.score.n for each in trial.slices if each.kind == "lead" and each.model_name == "knows"}
    # The last origin's second day is not over.
    assert leads == {"h00": 84, "h06": 84, "h12": 84, "h18": 84, "d1": 13 * 24}


def test_skill_is_above_zero_where_the_floor_is_beaten_and_zero_for_the_floor_itself() -> None:
    trial = held(case(), Knows(), SameHourLastWeekFitter())
    of = {(each.model_name, each.kind, each.name): each.skill for each in trial.slices}
    assert of[FLOOR, "season", "spring"] == pytest.approx(0)
    assert 0.2 < (of["knows", "season", "spring"] or 0) < 0.5
    assert {name for _, kind, name in of if kind == "fold"} == {fold.name for fold in trial.folds}


def test_a_gap_is_left_out_for_every_model_and_counted() -> None:
    trial = held(case(gap=slice(-30, -20)), Knows(), SameHourLastWeekFitter())
    # And six hours of the day after, whose day before is the gap.
    assert trial.left_out == 16
    assert {score.n for score in trial.scores.values()} == {14 * 24 - 16}


def test_a_model_that_cannot_be_fitted_stands_back_for_the_others() -> None:
    assert set(held(case(), NeverFits(), SameHourLastWeekFitter()).scores) == {FLOOR}


def test_a_short_history_keeps_two_thirds_to_learn_from() -> None:
    short = case(30)
    assert sum(len(fold.origins) for fold in recent_folds(short, count=2, days=28)) == 10
    assert recent_folds(case(0), count=2, days=28) == ()


def test_daily_losses_are_by_local_date_and_only_of_days_that_are_new() -> None:
    trial = held(case(), Knows())
    run, civil = trial.runs["knows"], trial.case.civil
    losses = daily_losses(run, civil)
    last = (START + timedelta(hours=1, days=DAYS - 1)).date()
    assert list(losses)[-1] == last
    assert len(daily_losses(run, civil, from_origin=trial.origins[10])) == 4


def test_what_is_drawn_has_as_many_values_as_places() -> None:
    charts = held(case(gap=slice(-30, -20)), Knows(), SameHourLastWeekFitter()).charts("kwh")
    assert [chart.name for chart in charts] == ["last_week", "daily_loss", "skill_by_lead"]
    assert all(len(values) == len(chart.at) for chart in charts for values in chart.series.values())
