"""The first model that leads a series: a plain one until the history suffices to tell what is better."""

from datetime import timedelta

import numpy as np
import pytest

from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.site_file.site import Site
from ml.forecasts.issue import findings_of, run_forecast
from ml.forecasts.lifecycle.forecast_registry import FITTERS, load_champion
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.train import Training
from ml.tracking import MlflowTracker
from tests.ml.forecasts import issuing


def trained(tracker: MlflowTracker, works: Site, values: np.ndarray, *, target: str = "a") -> Training:
    days = len(values) // 24
    rows = issuing.readings(works, values, start=issuing.NOW - timedelta(days=days))
    return issuing.trained(tracker, works, rows, target=target, fitters=FITTERS)


def rising(days: int, times: float) -> np.ndarray:
    """A load that rises from 1 kW to so many: what goes on with the trend answers far more than was ever seen."""
    return issuing.load(days) / 10 * np.repeat(1 + (times - 1) * np.arange(days) / days, 24)


def test_a_peak_of_64_days_that_would_answer_almost_twice_the_highest_is_led_by_a_plain_model(
    tracker: MlflowTracker,
) -> None:
    works = issuing.works("first1")
    found = trained(tracker, works, rising(64, 4), target="a@daily_peak")
    assert min(found.scores, key=lambda name: found.scores[name].crps or 0) == "ensemble"
    assert found.best == "same_hour_last_week"
    (why,) = found.findings
    assert (why.code, why.severity, why.scope) == ("short_first_trial", "warning", "meter:a@daily_peak")
    assert why.facts["days"] in (63, 64)
    assert why.facts["days_wanted"] == 3 * 31
    assert why.message.endswith("same_hour_last_week leads, ensemble waits.")
    assert why.message in found.decision.reason
    leader = load_champion(tracker, works, "a@daily_peak")
    assert leader is not None
    assert leader.logged == found.registered


@pytest.mark.parametrize(("gaps", "best"), [(6, "same_hour_last_week"), (0, "ensemble")])
def test_a_trial_of_less_than_a_fortnight_crowns_nobody_who_has_to_learn(
    tracker: MlflowTracker, gaps: int, best: str
) -> None:
    works, values = issuing.works(f"first2{gaps}"), rising(56, 2)
    # Every third day of the last: of the one behind it the day before is not known either.
    for day in range(gaps):
        values[24 * (54 - 3 * day) : 24 * (55 - 3 * day)] = np.nan
    found = trained(tracker, works, values)
    assert found.best == best
    assert min(found.scores, key=lambda name: found.scores[name].crps or 0) == "ensemble"
    assert [each.code for each in found.findings] == (["short_first_trial"] if gaps else [])


def test_a_forecast_of_a_plain_model_says_why_no_better_one_leads(tracker: MlflowTracker) -> None:
    works, values = issuing.works("first3"), rising(41, 2)
    trained(tracker, works, values)
    rows = issuing.readings(works, values, start=issuing.NOW - timedelta(days=41))
    issued = run_forecast(rows, site=works, target="a", issued_at_utc=issuing.NOW, horizon_h=24, tracker=tracker)
    assert isinstance(issued, Forecast)
    assert issued.labels["plain_model"].endswith("leads, ensemble waits")
    assert "forecast_plain_model" in [each.code for each in findings_of(issued)]


def test_a_model_that_waited_takes_the_lead_by_a_gain_that_chance_does_not_explain(tracker: MlflowTracker) -> None:
    works, values = issuing.works("first4"), rising(75, 3)
    start = issuing.NOW - timedelta(days=75)
    first = issuing.trained(
        tracker, works, issuing.readings(works, values[: 24 * 41], start=start), fitters=FITTERS,
        until=start + timedelta(days=41),
    )  # fmt: skip
    assert first.findings
    later = trained(tracker, works, values)
    assert not later.findings
    assert later.best == "ensemble"
    assert later.decision.is_promoted, later.decision.reason
    assert later.decision.test is not None
    assert later.decision.test.is_significant


def test_days_of_which_nothing_is_known_are_no_history(tracker: MlflowTracker) -> None:
    works, values = issuing.works("first5"), rising(56, 2)
    values[24 * 1 : 24 * 17] = np.nan
    found = trained(tracker, works, values)
    (why,) = found.findings
    assert why.facts["days"] in (40, 41)
    assert found.best != "ensemble"


def test_a_learner_that_leads_early_since_no_plain_kind_may_is_told_and_not_called_plain(
    tracker: MlflowTracker,
) -> None:
    works, values = issuing.works("first6"), rising(41, 2)
    rows = issuing.readings(works, values, start=issuing.NOW - timedelta(days=41))
    found = issuing.trained(tracker, works, rows, fitters=(EnsembleFitter(),))
    (why,) = found.findings
    assert why.message.endswith("ensemble leads all the same, since no plain kind may.")
    assert why.message in found.decision.reason
    issued = run_forecast(rows, site=works, target="a", issued_at_utc=issuing.NOW, horizon_h=24, tracker=tracker)
    assert isinstance(issued, Forecast)
    assert "plain_model" not in issued.labels


def test_a_plain_model_that_leads_long_after_its_first_trial_no_longer_says_that_too_little_is_known(
    tracker: MlflowTracker,
) -> None:
    works, values = issuing.works("first7"), rising(70, 2)
    rows = issuing.readings(works, values, start=issuing.NOW - timedelta(days=70))
    first = issuing.NOW - timedelta(days=29)
    assert issuing.trained(tracker, works, rows, fitters=FITTERS, until=first).findings
    labels = []
    for at in (first, first + timedelta(days=13), issuing.NOW):
        issued = run_forecast(rows, site=works, target="a", issued_at_utc=at, horizon_h=24, tracker=tracker)
        assert isinstance(issued, Forecast)
        labels.append("plain_model" in issued.labels)
    assert labels == [True, True, False]
