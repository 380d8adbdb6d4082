"""Forecasts of a site: which, when one is handed out again, and how far and by which step they go."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.transactions import Store
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.forecast_target import ForecastTarget
from data_quality.contracts.site_file.site import Driver, Site
from data_quality.contracts.time import FixedClock, local_midnight_utc
from ml.features.forecast_case import Case
from ml.forecasts.issue import is_still_good, issue_case, run_forecast
from ml.forecasts.lifecycle.forecast_registry import load_champion
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.site_case import target_case
from ml.forecasts.site_forecast import SiteForecasts, SiteInputs, forecast_site
from ml.forecasts.targets import target_of
from ml.tracking import MlflowTracker
from tests.kpi.seeded import fill
from tests.ml.cases import ZONE
from tests.ml.forecasts.issuing import FLOOR, NOW, START, issued, lead, load, naive, readings, sound, trained, works


def is_reused(tracker: MlflowTracker, site: Site, stored: Forecast, rows: pl.DataFrame, at: datetime) -> bool:
    target = target_of(site, stored.target)
    champion = load_champion(tracker, site, stored.target)
    return is_still_good(stored, rows, site=site, target=target, issued_at_utc=at, champion=champion)


def test_a_forecast_is_handed_out_again_until_its_time_to_live_ends(tracker: MlflowTracker) -> None:
    words = (ForecastTarget(target="a", horizon_h=24, time_to_live_minutes=120),)
    site = works("ttl", forecasts=words)
    later = pl.concat([readings(site, load()), readings(site, load(1, seed=9), start=NOW)])
    lead(tracker, site, naive())
    stored = sound(issued(tracker, site, later))
    # What was read since changes nothing of what it rests on.
    assert is_reused(tracker, site, stored, later, NOW)
    assert is_reused(tracker, site, stored, later, NOW + timedelta(minutes=119))
    assert not is_reused(tracker, site, stored, later, NOW + timedelta(minutes=120))
    assert not is_reused(tracker, site, stored, later, NOW - timedelta(minutes=1))


def test_a_corrected_reading_another_champion_another_length_and_a_weaker_model_end_it(tracker: MlflowTracker) -> None:
    site = works("ends", forecasts=(ForecastTarget(target="a", horizon_h=24),))
    rows = readings(site, load())
    lead(tracker, site, naive())
    stored = sound(issued(tracker, site, rows))
    assert is_reused(tracker, site, stored, rows, NOW)
    last_day = pl.col("interval_start_utc") == NOW - timedelta(hours=5)
    corrected = rows.with_columns(value=pl.when(last_day).then(99.0).otherwise("value"))
    assert not is_reused(tracker, site, stored, corrected, NOW)
    assert not is_reused(tracker, site, stored, rows.filter(~last_day), NOW)
    assert not is_reused(tracker, site, stored.model_copy(update={"rows": stored.rows[:12]}), rows, NOW)
    assert not is_reused(tracker, site, stored.model_copy(update={"labels": {"fallback": "x"}}), rows, NOW)
    lead(tracker, site, naive(low=-3.0))
    assert not is_reused(tracker, site, stored, rows, NOW)


def test_readings_of_longer_ago_that_are_at_hand_or_not_change_nothing() -> None:
    site = works("window")
    target = target_of(site, "a")
    early = START - timedelta(days=300)
    rows = pl.concat([readings(site, load(300), start=early), readings(site, load())])
    recent = rows.filter(pl.col("interval_start_utc") >= NOW - timedelta(days=190))
    both = [issue_case(each, site=site, target=target, issued_at_utc=NOW) for each in (rows, recent)]
    assert not any(isinstance(each, Finding) for each in both)
    assert both[0].digest() == both[1].digest()  # type: ignore[union-attr]


def test_a_week_by_hours_a_day_by_quarters_and_a_month_of_days_carry_their_steps(tracker: MlflowTracker) -> None:
    site = works(
        "steps",
        forecasts=(
            ForecastTarget(target="a"),
            ForecastTarget(target="a", step_minutes=15),
            ForecastTarget(target="a", what="daily_peak"),
        ),
    )
    rows = readings(site, load())
    for name in ("meter:a", "meter:a@15min", "meter:a@daily_peak"):
        lead(tracker, site, naive(), target=name)
    week = sound(issued(tracker, site, rows, target="meter:a", horizon_h=168))
    assert (week.step_minutes, week.unit, len(week.rows)) == (60, "kwh", 168)
    quarters = sound(issued(tracker, site, rows, target="meter:a@15min", horizon_h=48))
    assert (quarters.step_minutes, len(quarters.rows)) == (15, 192)
    assert sum(row.p50 for row in quarters.rows) == pytest.approx(sum(row.p50 for row in week.rows[:48]), rel=1e-6)
    month = sound(issued(tracker, site, rows, target="meter:a@daily_peak", horizon_h=744))
    assert (month.step_minutes, month.unit, len(month.rows)) == (1440, "kw", 31)
    # Local dates: the issue is at local midnight of that day.
    assert month.rows[0].time_utc == datetime(2025, 3, 31, tzinfo=UTC)
    assert 13 < month.rows[20].p50 < 20


def test_a_price_forecast_begins_behind_the_last_published_quarter_hour(tracker: MlflowTracker) -> None:
    drivers = (Driver(driver_id="price", unit="per_kwh", aggregation="mean"),)
    site = works("price", drivers=drivers, forecast_targets=("price",))
    rows = readings(site, 4 * load(57, level=0.2), "price", register="value", unit="per_kwh")
    lead(tracker, site, naive(low=-0.01, high=0.01), target="price")
    found = sound(issued(tracker, site, rows, NOW - timedelta(hours=11), target="price"))
    # To the end of tomorrow by the local clock; what an import brought beyond was not published then.
    assert found.rows[0].time_utc == datetime(2025, 3, 31, 22, tzinfo=UTC)
    assert (found.unit, found.step_minutes) == ("per_kwh", 60)
    assert found.issued_at_utc == NOW - timedelta(hours=11)


class Plant:
    """A site with a lake, a store of forecasts and a registry, at an instant."""

    def __init__(self, site: Site, lake: Lake, store: Store, tracker: MlflowTracker) -> None:
        self.site, self.lake, self.store, self.tracker = site, lake, ForecastStore(store), tracker
        self.clock = FixedClock(NOW)

    def read(self, rows: pl.DataFrame, name: str) -> None:
        kept = rows.drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(name != "first"))
        fill(self.lake, self.site, kept, clock=self.clock, name=name)

    def forecast(self, **more: Any) -> SiteForecasts:
        given = {"lake": self.lake, "store": self.store, "tracker": self.tracker, "clock": self.clock}
        return forecast_site(self.site, **given, **more)  # type: ignore[arg-type]


@pytest.fixture
def plant(lake: Lake, store: Store, tracker: MlflowTracker) -> Plant:
    words = (ForecastTarget(target="a", what="daily_energy", horizon_h=48), ForecastTarget(what="base_load"))
    made = Plant(works("site", forecasts=words), lake, store, tracker)
    made.read(readings(made.site, load()), "first")
    for name in ("meter:a", "meter:a@daily_energy"):
        lead(tracker, made.site, naive(), target=name)
    return made


def test_a_site_forecasts_all_its_targets_and_keeps_what_is_still_good(plant: Plant) -> None:
    first = plant.forecast()
    assert [made.target for made in first.forecasts] == ["meter:a", "meter:a@daily_energy"]
    assert first.refused["base_load"].code == "base_load_part_missing"
    assert first.reused == ()
    assert {reported.code for reported in first.warnings} == {"forecast_weather"}
    second = plant.forecast()
    assert (second.forecasts, second.reused) == (first.forecasts, ("meter:a", "meter:a@daily_energy"))
    # Readings end where they ended: an hour later nothing new is known, and the forecast is the same.
    plant.clock.advance(timedelta(hours=1))
    assert plant.forecast().reused == ("meter:a", "meter:a@daily_energy")


def test_each_target_is_given_readings_from_as_far_back_as_it_learns_from(plant: Plant) -> None:
    plant.read(readings(plant.site, load(30), start=NOW - timedelta(days=1000)), "old")
    inputs = SiteInputs(plant.site, plant.lake, None, NOW)
    first = {one.name: inputs.readings(one)["interval_start_utc"].min() for one in inputs.targets}
    assert first == {"meter:a": START, "meter:a@daily_energy": NOW - timedelta(days=1000), "base_load": START}


def test_a_correction_of_the_last_day_makes_a_new_forecast(plant: Plant) -> None:
    first = plant.forecast()
    plant.clock.advance(timedelta(minutes=5))
    plant.read(readings(plant.site, load(1, level=12.0, seed=5), start=NOW - timedelta(days=1)), "corrected")
    second = plant.forecast()
    assert second.reused == ()
    assert all(one.forecast_id != two.forecast_id for one, two in zip(first.forecasts, second.forecasts, strict=True))
    assert plant.store.latest("site", "meter:a") == second.forecasts[0]


def test_a_model_of_days_learns_its_whole_month_and_is_judged_by_it(tracker: MlflowTracker) -> None:
    site = works("month")
    rows = readings(site, load(120), start=NOW - timedelta(days=120))
    case = target_case(rows, site=site, target=target_of(site, "a@daily_energy"), end_utc=NOW)
    assert isinstance(case, Case)
    assert case.horizon_steps == 31
    two_days, month = (EnsembleFitter().fit(replace(case, horizon_steps=requested)) for requested in (None, 31))
    assert two_days.to_files() != month.to_files()
    # Four weeks of origins: the first is judged by all that has happened since, the last by one day.
    found = trained(tracker, site, rows, target="a@daily_energy")
    assert found.scores[FLOOR].n == sum(range(1, 29))


def test_a_horizon_that_is_no_whole_number_of_days_is_refused(tracker: MlflowTracker) -> None:
    site = works("whole")
    with pytest.raises(BadInput, match="no whole number of its steps"):
        run_forecast(
            readings(site, load()),
            site=site,
            target="a@daily_energy",
            issued_at_utc=NOW,
            horizon_h=36,
            tracker=tracker,
        )


def test_the_daily_forecast_of_a_morning_begins_with_that_day(tracker: MlflowTracker) -> None:
    site = works("morning")
    morning = local_midnight_utc(date(2025, 3, 30), ZONE) + timedelta(hours=9)
    lead(tracker, site, naive(), target="a@daily_energy")
    found = sound(issued(tracker, site, readings(site, load()), morning, target="a@daily_energy", horizon_h=48))
    assert [row.time_utc.day for row in found.rows] == [30, 31]
    assert np.isfinite(found.rows[0].p50)
