"""Training on a real registry: who leads, who runs in its shadow, and what is kept of why."""

from datetime import timedelta

import numpy as np
import polars as pl

from data_quality.contracts.site_file.site import Site
from ml.forecasts.lifecycle.forecast_registry import FITTERS, called, load_champion, move_alias
from ml.tracking import CHALLENGER, CHAMPION, MlflowTracker, ModelRecord
from tests.ml.forecasts import issuing
from tests.ml.life.training import load, site, train_floor


def test_the_first_model_leads_and_nobody_challenges_it(tracker: MlflowTracker) -> None:
    found = train_floor(tracker, "life1", load(60))
    assert found.decision.is_promoted
    assert found.decision.model == called(found.registered)
    assert (found.decision.former, found.decision.basis) == ("", "backtest")
    leader = load_champion(tracker, site("life1"), "m1")
    assert leader is not None
    assert leader.logged == found.registered
    assert load_champion(tracker, site("life1"), "m1", CHALLENGER) is None


def test_a_later_model_that_does_not_gain_runs_as_challenger(tracker: MlflowTracker) -> None:
    values = load(84)
    first = train_floor(tracker, "life2", values[: 24 * 60])
    later = train_floor(tracker, "life2", values)
    assert not later.decision.is_promoted
    assert later.decision.test is not None
    # Only those new to the champion; since the clocks were moved the last of them is not whole.
    assert later.decision.test.days == 84 - 60 - 1
    assert later.decision.former == called(first.registered)
    challenger = load_champion(tracker, site("life2"), "m1", CHALLENGER)
    assert challenger is not None
    assert challenger.logged == later.registered


def test_a_challenger_keeps_its_place_until_it_could_be_judged(tracker: MlflowTracker) -> None:
    values, challengers = load(77), []
    for days in (50, 57, 71, 77):
        train_floor(tracker, "life8", values[: 24 * days])
        found = load_champion(tracker, site("life8"), "m1", CHALLENGER)
        challengers.append(None if found is None else found.logged.version)
    # Trained every week: the second version runs for two weeks and more before the last replaces it.
    assert challengers == [None, 2, 2, 4]


def test_a_model_that_gains_takes_the_lead_and_is_no_challenger(tracker: MlflowTracker) -> None:
    # The spread of the first was learnt on a noise ten times as wide.
    wild = load(60) + np.random.default_rng(5).normal(0, 15, 24 * 60)
    train_floor(tracker, "life3", wild)
    # The trial itself is after the change: what the new one was fitted on is two months of calm.
    later = train_floor(tracker, "life3", np.concatenate([wild[: 24 * 30], load(150)]))
    assert later.decision.is_promoted, later.decision.reason
    leader = load_champion(tracker, site("life3"), "m1")
    assert leader is not None
    assert leader.logged == later.registered
    assert load_champion(tracker, site("life3"), "m1", CHALLENGER) is None


def test_training_again_on_the_same_hours_registers_nothing_and_makes_no_challenger(tracker: MlflowTracker) -> None:
    first, second = (train_floor(tracker, "life4", load(60)) for _ in range(2))
    assert second.registered == first.registered
    assert not second.decision.is_promoted
    assert second.decision.reason.startswith("0 days are new")
    assert load_champion(tracker, site("life4"), "m1", CHALLENGER) is None


def test_a_champion_of_an_earlier_release_is_replaced_and_the_reason_names_it(tracker: MlflowTracker) -> None:
    name = "life5.m1.import.day_ahead.hist_gradient_boosting"
    old = tracker.log_model(name, {"trees.npz": b"x"}, ModelRecord(dataset_name="x", dataset_digest="f" * 64))
    move_alias(tracker, "life5.m1.import.day_ahead", CHAMPION, old)
    found = train_floor(tracker, "life5", load(60))
    assert found.decision.is_promoted
    assert found.decision.former == f"{name}@1"
    assert f"{name}@1 is of an earlier release" in found.decision.reason
    assert tracker.get_alias(name, CHAMPION) is None


def test_a_champion_whose_files_another_release_wrote_is_outdated_and_no_fault(tracker: MlflowTracker) -> None:
    name = "life9.m1.import.day_ahead.same_hour_last_week"
    tags = {"nrmse": "0.1", "trained_until_utc": "2025-01-01T00:00:00+00:00"}
    record = ModelRecord(dataset_name="x", dataset_digest="f" * 64, tags=tags)
    old = tracker.log_model(name, {"model.json": b"{}"}, record)
    tracker.set_alias(name, CHAMPION, old.version)
    assert load_champion(tracker, site("life9"), "m1") is None
    assert "is of an earlier release" in train_floor(tracker, "life9", load(60)).decision.reason


def test_the_run_holds_the_trial_by_fold_lead_and_season(tracker: MlflowTracker) -> None:
    found = train_floor(tracker, "life6", load(60))
    metrics = tracker.metrics(found.registered.run_id)
    folds = {each.name for each in found.slices if each.kind == "fold"}
    assert len(folds) == 2
    assert {f"fold/{name}/nrmse" for name in folds} <= set(metrics)
    assert metrics["lead/h06/skill"] == 0
    assert metrics["season/spring/n"] == found.scores["same_hour_last_week"].n
    assert float(found.registered.tags["daily_loss_std"]) > 0


def test_pictures_are_kept_beside_the_files_of_a_run_and_are_none_of_the_model(tracker: MlflowTracker) -> None:
    found = train_floor(tracker, "life7", load(60)).registered
    tracker.add_files(found.run_id, "plots", {"daily_loss.png": b"\x89PNG"})
    assert set(tracker.load_files(found.name, found.version)) == {"model.json", "error_days.json"}
    assert [each.path for each in tracker._client.list_artifacts(found.run_id, "plots")] == ["plots/daily_loss.png"]


def rising(works: Site) -> pl.DataFrame:
    """64 days of a load that rises from 1 to 10 kW: what goes on with the trend answers 34 where 15 was the most."""
    values = issuing.load(64) / 10 * np.repeat(1 + 9 * np.arange(64) / 64, 24)
    return issuing.readings(works, values, start=issuing.NOW - timedelta(days=64))


def test_a_model_that_answers_twice_what_was_ever_seen_does_not_lead_though_it_scored_best(
    tracker: MlflowTracker,
) -> None:
    works = issuing.works("reach1")
    found = issuing.trained(tracker, works, rising(works), target="a@daily_peak", fitters=FITTERS)
    assert (min(found.scores, key=lambda name: found.scores[name].crps or 0), found.best) == (
        "ensemble",
        "same_hour_last_week",
    )
    assert "Refused: ensemble answers 34.09 kw where 1.512 to 15.43 were ever seen, beyond 2 times" in (
        found.decision.reason
    )
    leader = load_champion(tracker, works, "a@daily_peak")
    assert leader is not None
    assert leader.logged == found.registered


def test_a_champion_that_answers_so_leads_no_longer_after_the_next_training(tracker: MlflowTracker) -> None:
    works = issuing.works("reach2")
    wild = issuing.lead(tracker, works, issuing.naive(high=40.0), target="a@daily_peak")
    found = issuing.trained(tracker, works, rising(works), target="a@daily_peak")
    assert found.decision.is_promoted
    assert found.decision.reason.startswith(f"The champion {called(wild)} answers 55.43 kw where 1.512 to 15.43")
    assert found.decision.former == called(wild)
