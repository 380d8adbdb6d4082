"""Training, promotion and issue of forecasts on a real registry."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from ml.forecasts.issue import run_forecast
from ml.forecasts.lifecycle.forecast_registry import family, load_champion, model_name, move_alias
from ml.forecasts.train import Training
from ml.tracking import CHAMPION, MlflowTracker
from tests.ml.cases import RECORDED, hourly_load, plant, whole_days
from tests.ml.whole_training import train_and_register

START = datetime(2025, 1, 6, tzinfo=UTC)
WEEK = 168
LENGTH = 11 * WEEK
READINGS = hourly_load(LENGTH, START)
FIRST = START + timedelta(hours=8 * WEEK)
BEST = "ensemble"


def site(name: str) -> Site:
    """The plant under a name of its own, so that tests do not share models."""
    return plant().model_copy(update={"site_id": name})


def readings(name: str, frame: pl.DataFrame = READINGS) -> pl.DataFrame:
    return frame.with_columns(site_id=pl.lit(name))


def train(
    tracker: MlflowTracker, name: str, until: datetime, frame: pl.DataFrame = READINGS, days: int = 14
) -> Training:
    found = train_and_register(
        readings(name, frame), site=site(name), target="m1", known_until_utc=until, tracker=tracker, backtest_days=days
    )
    assert isinstance(found, Training), found
    return found


def forecast(
    tracker: MlflowTracker, issued: datetime, frame: pl.DataFrame = READINGS, **more: object
) -> Forecast | Finding:
    settings = {"site": site("a"), "target": "m1", "issued_at_utc": issued, "horizon_h": 24, "tracker": tracker, **more}
    return run_forecast(readings("a", frame), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tracker: MlflowTracker) -> Training:
    return train(tracker, "a", FIRST)


def test_the_first_training_registers_the_best_model_and_makes_it_champion(
    tracker: MlflowTracker, trained: Training
) -> None:
    assert set(trained.scores) == {BEST, "same_hour_last_week", "climatology"}
    assert trained.scores[BEST].nrmse < trained.scores["same_hour_last_week"].nrmse
    assert trained.scores[BEST].n == trained.scores["same_hour_last_week"].n == 14 * 24
    assert trained.decision.is_promoted
    assert trained.registered.name == "a.m1.import.day_ahead.ensemble"
    assert tracker.get_alias(trained.registered.name, CHAMPION) == trained.registered.version
    assert trained.registered.tags["dataset_digest"] == trained.input_digest
    assert 0.6 < trained.scores[BEST].coverage_p10_p90 < 0.97


def test_training_again_on_the_same_hours_changes_nothing(tracker: MlflowTracker, trained: Training) -> None:
    second = train(tracker, "a", FIRST)
    assert second.registered == trained.registered
    assert not second.decision.is_promoted
    assert "0 days are new" in second.decision.reason


def scrambled() -> pl.DataFrame:
    """Readings whose hours before FIRST are in random order: nothing can be learnt from them."""
    is_past = pl.col("interval_start_utc") < FIRST
    past, rest = READINGS.filter(is_past), READINGS.filter(~is_past)
    return pl.concat([past.with_columns(value=past["value"].shuffle(seed=1)), rest])


def test_the_alias_moves_to_a_model_that_learnt_more(tracker: MlflowTracker) -> None:
    train(tracker, "b", FIRST, scrambled())
    later = train(tracker, "b", FIRST + timedelta(days=14, hours=23), days=14)
    assert later.decision.test is not None
    assert later.decision.test.days == 14  # local midnights after the champion's training
    assert later.decision.is_promoted
    leader = load_champion(tracker, site("b"), "m1")
    assert leader is not None
    assert leader.logged == later.registered


def test_one_model_of_a_target_leads_at_a_time(tracker: MlflowTracker) -> None:
    short = READINGS.head(4 * 24 * 29)
    floor = train(tracker, "c", START + timedelta(days=29), short)
    assert floor.registered.name.endswith("same_hour_last_week")
    boosted = train(tracker, "c", START + timedelta(hours=LENGTH))
    move_alias(tracker, family(site("c"), "m1"), CHAMPION, boosted.registered)
    assert tracker.get_alias(floor.registered.name, CHAMPION) is None
    leader = load_champion(tracker, site("c"), "m1")
    assert leader is not None
    assert leader.logged == boosted.registered


def test_of_two_leaders_the_better_score_leads(tracker: MlflowTracker, trained: Training) -> None:
    from ml.forecasts.models.naive import SameHourLastWeek
    from ml.tracking import ModelRecord

    worse = SameHourLastWeek(low=-1.0, high=1.0, floor=0.0)
    tags = {"nrmse": "9.9", "trained_until_utc": FIRST.isoformat()}
    name = model_name(site("a"), "m1", "same_hour_last_week")
    record = ModelRecord(dataset_name="x", dataset_digest="f" * 64, tags=tags)
    logged = tracker.log_model(name, worse.to_files(), record)
    tracker.set_alias(name, CHAMPION, logged.version)
    leader = load_champion(tracker, site("a"), "m1")
    tracker.delete_alias(name, CHAMPION)
    assert leader is not None
    assert leader.logged.name == trained.registered.name


@pytest.mark.parametrize("issued", [FIRST, FIRST + timedelta(hours=7, minutes=20)])
def test_a_forecast_starts_at_the_first_full_hour_and_says_who_made_it(
    tracker: MlflowTracker, trained: Training, issued: datetime
) -> None:
    found = forecast(tracker, issued, horizon_h=36)
    assert isinstance(found, Forecast)
    expected = issued if issued == FIRST else FIRST + timedelta(hours=8)
    assert [row.time_utc for row in found.rows] == [expected + timedelta(hours=step) for step in range(36)]
    assert (found.model_name, found.model_version) == (trained.registered.name, str(trained.registered.version))
    assert (found.target, found.issued_at_utc, found.available_at_utc) == ("meter:m1", issued, issued)
    assert all(row.p10 >= 0 for row in found.rows)


def test_a_forecast_has_its_courses_and_says_what_moved_it(tracker: MlflowTracker, trained: Training) -> None:
    found = forecast(tracker, FIRST, horizon_h=36)
    assert isinstance(found, Forecast)
    assert [len(course) for course in found.trajectories] == [36] * 20
    low, high = (sorted(course[12] for course in found.trajectories)[n] for n in (2, 17))
    width = found.rows[12].p90 - found.rows[12].p10
    assert found.rows[12].p10 - 0.1 * width <= low < high <= found.rows[12].p90 + 0.1 * width
    assert found.why[0].startswith("From Monday 3 March 2025: ")
    assert len(found.why) > 1
    assert Forecast.model_validate_json(found.model_dump_json()) == found


def test_what_happens_after_the_issue_changes_nothing(tracker: MlflowTracker, trained: Training) -> None:
    honest = forecast(tracker, FIRST)
    is_future = pl.col("interval_start_utc") >= FIRST
    changed = READINGS.with_columns(value=pl.when(is_future).then(999.0).otherwise(pl.col("value")))
    assert forecast(tracker, FIRST, changed) == honest
    assert forecast(tracker, FIRST, READINGS.filter(~is_future)) == honest
    is_past = pl.col("interval_start_utc") >= FIRST - timedelta(hours=1)
    assert (
        forecast(tracker, FIRST, READINGS.with_columns(value=pl.when(is_past).then(999.0).otherwise("value"))) != honest
    )


def test_what_was_recorded_later_changes_nothing(tracker: MlflowTracker, trained: Training) -> None:
    honest = forecast(tracker, FIRST, as_of_utc=RECORDED)
    late = hourly_load(24, FIRST - timedelta(hours=24), seed=9).with_columns(
        recorded_at_utc=pl.lit(RECORDED + timedelta(days=1), dtype=pl.Datetime("us", "UTC"))
    )
    assert forecast(tracker, FIRST, pl.concat([READINGS, late]), as_of_utc=RECORDED) == honest


def test_the_same_forecast_has_the_same_id_and_another_another(tracker: MlflowTracker, trained: Training) -> None:
    one, same, other = (forecast(tracker, moment) for moment in (FIRST, FIRST, FIRST + timedelta(hours=1)))
    assert isinstance(one, Forecast)
    assert isinstance(other, Forecast)
    assert one == same
    assert one.forecast_id != other.forecast_id


def test_too_little_history_is_a_finding(tracker: MlflowTracker) -> None:
    until = START + timedelta(days=27)
    trained = train_and_register(readings("d"), site=site("d"), target="m1", known_until_utc=until, tracker=tracker)
    assert isinstance(trained, Finding)
    assert (trained.code, trained.facts["hours_found"]) == ("short_history", 27 * 24)
    issued = forecast(tracker, START + timedelta(days=27))
    assert isinstance(issued, Finding)
    assert issued.code == "short_history"


def test_a_constant_zero_cannot_be_scored(tracker: MlflowTracker) -> None:
    nothing = READINGS.with_columns(value=pl.lit(0.0), site_id=pl.lit("d"))
    found = train_and_register(nothing, site=site("d"), target="m1", known_until_utc=FIRST, tracker=tracker)
    assert isinstance(found, Finding)
    assert found.code == "not_scorable"


def test_no_champion_is_a_finding(tracker: MlflowTracker) -> None:
    found = run_forecast(readings("e"), site=site("e"), target="m1", issued_at_utc=FIRST, horizon_h=24, tracker=tracker)
    assert isinstance(found, Finding)
    assert found.code == "no_champion"


def test_a_last_week_that_is_missing_is_forecast_from_the_weeks_before_and_labelled(
    tracker: MlflowTracker, trained: Training
) -> None:
    frame = READINGS.filter(pl.col("interval_start_utc") < FIRST - timedelta(days=4))
    found = forecast(tracker, FIRST, frame)
    assert isinstance(found, Forecast)
    assert "4.0 days old" in found.labels["stale"]


def test_an_unknown_target_and_an_impossible_horizon_are_refused(tracker: MlflowTracker) -> None:
    with pytest.raises(BadInput, match="not of this site"):
        forecast(tracker, FIRST, target="m7")
    with pytest.raises(BadInput, match="outside 1–48"):
        forecast(tracker, FIRST, horizon_h=49)


def test_gaps_are_counted_and_not_filled(tracker: MlflowTracker) -> None:
    is_gap = pl.col("interval_start_utc").is_between(
        FIRST - timedelta(hours=30), FIRST - timedelta(hours=20), closed="left"
    )
    found = train(tracker, "f", FIRST, READINGS.filter(~is_gap))
    assert found.gap_hours == 10
    # Of the five hours a day behind the gap the day before is not known: they count for no model.
    assert found.left_out_hours == 15
    assert found.scores[BEST].n == 14 * 24 - 15


def test_temperature_comes_along_where_the_site_has_it(tracker: MlflowTracker) -> None:
    degc = whole_days("outdoor_degc", START.date(), FIRST.date(), 9.0, unit="degc").with_columns(site_id=pl.lit("g"))
    both = pl.concat([readings("g"), degc])
    found = train_and_register(
        both, site=site("g"), target="m1", known_until_utc=FIRST, tracker=tracker, backtest_days=8
    )
    assert isinstance(found, Training)
    assert found.input_digest != train(tracker, "g", FIRST).input_digest
