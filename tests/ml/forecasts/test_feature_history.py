"""Features kept at the first issue of a day, as they were known then, and held against what came."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from assets.stores.feature_days import FeatureDays
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from ml.features.matrix import FEATURES, feature_matrix
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.feature_history import (
    FeatureHistory,
    StoredFeatureDay,
    correlations,
    feature_history,
    rank_correlation,
    stored_feature_day,
)
from ml.forecasts.site_forecast import forecast_site
from ml.forecasts.store_features import HEADS, feature_rows_ahead, names_of
from ml.tracking import MlflowTracker
from orchestration.previews import correlation_png
from tests.kpi.seeded import fill
from tests.ml.forecasts.issuing import DAYS, NOW, lead, load, naive, readings, works
from tests.ml.forecasts.known_cases import case_like, factory
from tests.ml.forecasts.test_site_weather import issue

HOUR = timedelta(hours=1)
TODAY = date(2025, 3, 31)


class Works:
    """A site whose readings, weather and forecasts come one after the other."""

    def __init__(self, lake: Lake, store: Store, tracker: MlflowTracker, folder: Path) -> None:
        self.site, self.clock = works("kept"), FixedClock(NOW)
        self.lake, self.weather, self.features = lake, WeatherStore(store), FeatureDays(folder)
        self.folder = folder
        self.forecasts, self.tracker = ForecastStore(store), tracker
        lead(tracker, self.site, naive(), target="meter:a")

    def read(self, rows: pl.DataFrame, name: str) -> None:
        kept = rows.drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(name != "first"))
        fill(self.lake, self.site, kept, clock=self.clock, name=name)

    def add_issue(self, degc: float, known_utc: datetime) -> None:
        update = {"start_utc": NOW, "issued_at_utc": NOW - HOUR, "available_at_utc": known_utc}
        self.weather.add("kept", [issue(degc, NOW).model_copy(update=update)], self.clock)

    def forecast(self) -> None:
        forecast_site(
            self.site, lake=self.lake, store=self.forecasts, tracker=self.tracker, clock=self.clock,
            weather=self.weather, features_in=self.folder,
        )  # fmt: skip

    def known(self) -> dict[str, Any]:
        return {"lake": self.lake, "weather": self.weather, "store": self.features}

    def history(self, days: int = 14) -> FeatureHistory:
        found = feature_history(self.site, "meter:a", days=days, now_utc=self.clock.now_utc(), **self.known())
        assert isinstance(found, FeatureHistory), found
        return found


@pytest.fixture
def plant(lake: Lake, store: Store, tracker: MlflowTracker, tmp_path: Path) -> Works:
    made = Works(lake, store, tracker, tmp_path)
    made.read(readings(made.site, load()), "first")
    return made


def of(found: StoredFeatureDay, name: str) -> tuple[float | None, float | None, int | None]:
    one = next(each for each in found.features if each.feature == name)
    return one.mean, one.mean_now, one.changed


def test_a_day_keeps_what_its_first_issue_knew_and_says_what_today_makes_of_it(plant: Works) -> None:
    plant.add_issue(3.0, NOW)
    plant.forecast()
    assert plant.features.days("kept", "kept.a.import.day_ahead") == [TODAY]
    first = plant.features.read("kept", "kept.a.import.day_ahead", [TODAY])
    assert first.columns == [*HEADS, *FEATURES]
    assert first.height == 48
    assert first["weather_since_utc"].unique().to_list() == [NOW]
    assert first["readings_until_utc"].unique().to_list() == [NOW]
    assert first["temperature_degc"].unique().to_list() == [3.0]
    plant.clock.advance(HOUR)
    # Later that day: other weather is told, and yesterday turns out to have been half as much again.
    plant.add_issue(9.0, NOW + HOUR)
    plant.read(readings(plant.site, load(1, level=15.0, seed=5), start=NOW - timedelta(days=1)), "corrected")
    plant.read(readings(plant.site, load(1), start=NOW), "next")
    plant.clock.advance(2 * HOUR)
    plant.forecast()
    assert plant.features.read("kept", "kept.a.import.day_ahead", [TODAY]).equals(first)
    found = stored_feature_day(plant.site, "meter:a", TODAY, **plant.known())
    assert found.is_calendar_as_then
    # The forecast that became known after the issue was not known to it, and is no change.
    assert of(found, "temperature_degc") == (3.0, 3.0, 0)
    then, now, changed = of(found, "same_hour_newest")
    assert changed == 48
    assert then is not None and now is not None and now > 1.1 * then  # noqa: PT018
    assert of(found, "weekday")[2] == 0


def test_days_that_were_kept_are_judged_as_they_were_known_and_others_are_rebuilt(plant: Works) -> None:
    plant.forecast()
    plant.read(readings(plant.site, load(2, seed=2), start=NOW), "next")
    plant.clock.advance(timedelta(days=2))
    honest = plant.history()
    assert honest.kept == (TODAY,)
    assert len(honest.rebuilt) == 13
    strongest = honest.correlations[0]
    # The load of this site is a sine of the day.
    assert strongest.feature == "day_sine"
    assert strongest.rank is not None
    assert strongest.rank > 0.95
    assert strongest.n == 14 * 24
    assert correlation_png(honest).startswith(b"\x89PNG")
    # What the file of the day says counts, and not what today would make of it.
    path = next(plant.features.root.glob("*/*/*.parquet"))
    pl.read_parquet(path).with_columns(same_hour_newest=-pl.col("same_hour_newest")).write_parquet(path)
    turned = {each.feature: each.rank or 0.0 for each in plant.history().correlations}
    before = {each.feature: each.rank or 0.0 for each in honest.correlations}
    # Of what was never known nothing is said, and not that it does not matter.
    assert next(each.rank for each in honest.correlations if each.feature == "temperature_degc") is None
    assert turned["same_hour_newest"] < before["same_hour_newest"] - 0.02
    assert turned["same_hour_week"] == before["same_hour_week"]


def test_a_day_of_long_ago_is_still_held_against_what_is_recorded_today(plant: Works) -> None:
    plant.forecast()
    plant.read(readings(plant.site, load(1, level=15.0, seed=5), start=NOW - timedelta(days=1)), "corrected")
    # More days than a load is learnt from.
    plant.read(readings(plant.site, load(200, seed=2), start=NOW), "next")
    plant.clock.advance(timedelta(days=200))
    found = stored_feature_day(plant.site, "meter:a", TODAY, **plant.known())
    assert of(found, "same_hour_newest")[2] == 48
    assert of(found, "weekday")[2] == 0
    assert found.is_calendar_as_then is True


def test_a_day_of_which_nothing_can_be_made_today_is_not_called_unchanged(plant: Works) -> None:
    plant.forecast()
    path = next(plant.features.root.glob("*/*/*.parquet"))
    # Of years before the first reading that is there.
    earlier = pl.col("time_utc", "issued_at_utc").dt.offset_by("-3y")
    pl.read_parquet(path).with_columns(earlier).write_parquet(path)
    found = stored_feature_day(plant.site, "meter:a", TODAY, **plant.known())
    then, now, changed = of(found, "same_hour_newest")
    assert then is not None
    assert (now, changed, found.is_calendar_as_then) == (None, None, None)


def test_a_new_meter_is_forecast_by_those_beside_it_and_keeps_no_features(plant: Works) -> None:
    plant.site = plant.site.model_copy(update={"forecast_targets": ("a", "b", "c")})
    new = [readings(plant.site, load(1, level=5.0), "c", start=NOW - timedelta(days=1))]
    plant.read(pl.concat([readings(plant.site, load(level=20.0, seed=3), "b"), *new]), "beside")
    plant.forecast()
    forecast = plant.forecasts.latest("kept", "meter:c")
    assert forecast is not None
    assert "group_profile" in forecast.labels
    assert [path.name for path in plant.features.root.glob("*/*")] == ["kept.a.import.day_ahead"]


def test_what_is_not_kept_or_too_short_is_said(plant: Works) -> None:
    with pytest.raises(BadInput, match="no features of meter:a are kept of 2025-03-31: none is yet"):
        stored_feature_day(plant.site, "meter:a", TODAY, **plant.known())
    plant.forecast()
    with pytest.raises(BadInput, match="1 are, 2025-03-31 to 2025-03-31"):
        stored_feature_day(plant.site, "meter:a", date(2025, 3, 1), **plant.known())
    early = NOW - timedelta(days=DAYS - 10)
    short = feature_history(plant.site, "meter:a", days=14, now_utc=early, **plant.known())
    assert isinstance(short, Finding)
    assert (short.code, short.facts["days_found"]) == ("short_history", 3)


def test_kept_rows_are_the_rows_that_a_model_sees() -> None:
    case = case_like(factory(1), days=40)
    rows = feature_rows_ahead(case, 30 * 24, 24, issued_at_utc=case.series.time(30 * 24))
    matrix = feature_matrix(case, np.array([30 * 24]), 24, names_of(case))
    assert np.array_equal(rows.select(matrix.names).to_numpy(), matrix.inputs, equal_nan=True)
    assert rows["readings_until_utc"][0] == case.series.time(30 * 24)
    # What comes after the issue moves none of it.
    later = case.series.values.copy()
    later[30 * 24 :] = 1e6
    poisoned = case_like(lambda civil: np.concatenate([later, np.zeros(len(civil) - len(later))]), days=40)
    second = feature_rows_ahead(poisoned, 30 * 24, 24, issued_at_utc=case.series.time(30 * 24))
    assert second.drop("input_digest").equals(rows.drop("input_digest"))


def test_a_rank_correlation_is_that_of_spearman_by_lead_and_gaps_count_for_nothing() -> None:
    drawn = np.random.default_rng(3)
    one, other = drawn.normal(size=200), drawn.normal(size=200)
    other = np.round(one + other, 1)
    gaps = one.copy()
    gaps[::7] = np.nan
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation(gaps, other) == pytest.approx(spearmanr(gaps, other, nan_policy="omit").statistic)
    assert rank_correlation(np.ones(200), other) is None
    assert rank_correlation(one[:41], other[:41]) is None
    # A load that follows the temperature by day alone.
    degc = drawn.normal(10, 5, 80 * 24)
    hour = np.arange(80 * 24) % 24
    warmed = case_like(
        lambda civil: np.resize(np.where(hour >= 12, 100 + degc, drawn.uniform(80, 120, len(degc))), len(civil)),
        days=40,
        weather=FixedWeather(("temperature_degc",), degc[:, None]),
    )
    origins = np.arange(28, 39) * 24
    found = correlations(feature_matrix(warmed, origins, 24, names_of(warmed)), warmed)
    warm = next(each for each in found if each.feature == "temperature_degc")
    assert warm.by_lead["h12"] == pytest.approx(1.0, abs=0.02)
    assert warm.by_lead["h18"] == pytest.approx(1.0, abs=0.02)
    assert abs(warm.by_lead["h00"] or 0.0) < 0.5
