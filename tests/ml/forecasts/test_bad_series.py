"""Series that say little and models that say nonsense: a typed finding or a labelled weaker model, never NaN."""

import time
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.premises import Premises
from data_quality.contracts.time import local_midnight_utc
from ml.forecasts.issue import findings_of
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import target_of
from ml.tracking import MlflowTracker
from tests.ml.cases import ZONE, quarters, stream
from tests.ml.forecasts.issuing import DAYS, FLOOR, NOW, issued, lead, load, naive, readings, sound, trained, works


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (naive(high=1e9), "1e+09 kwh where"),
        (naive(low=float("nan"), high=float("nan")), "no number for 24 of 24 steps"),
        (naive(low=-8.0, floor=None), "kwh of what never was below zero"),
    ],
    ids=["a thousand million", "NaN", "below zero"],
)
def test_fault_f84_an_answer_that_cannot_be_gives_way_to_the_floor_and_says_so(
    tracker: MlflowTracker, model: object, what: str
) -> None:
    site = works(f"hostile{abs(hash(what)) % 1000}")
    rows = readings(site, load())
    lead(tracker, site, model)  # type: ignore[arg-type]
    found = sound(issued(tracker, site, rows))
    assert what in found.labels["fallback"]
    assert f"{FLOOR} answers instead" in found.labels["fallback"]
    assert (found.model_name, found.model_version) == (f"{site.site_id}.a.import.day_ahead.{FLOOR}", "unregistered")
    assert ("forecast_fallback", "warning") in [(reported.code, reported.severity) for reported in findings_of(found)]
    assert max(row.p90 for row in found.rows) < 30


def test_fault_f84_a_model_that_says_one_number_for_all_hours_gives_way(tracker: MlflowTracker) -> None:
    site = works("flat")
    still = target_case(readings(site, np.full(24 * DAYS, 5.0)), site=site, target=target_of(site, "a"), end_utc=NOW)
    assert not isinstance(still, Finding)
    # A real booster, trained on a meter that stood still.
    lead(tracker, site, EnsembleFitter().fit(still))
    found = sound(issued(tracker, site, readings(site, load())))
    assert "for every step, of what changes every day" in found.labels["fallback"]
    assert np.ptp([row.p50 for row in found.rows]) > 5


def test_fault_f84_the_model_that_led_before_answers_before_the_floor(tracker: MlflowTracker) -> None:
    site = works("former")
    rows = readings(site, load())
    former = lead(tracker, site, naive(low=-2.0, high=2.0), trained_until_utc=NOW - timedelta(days=7))
    lead(tracker, site, naive(high=1e9))
    found = sound(issued(tracker, site, rows))
    assert (found.model_name, found.model_version) == (former.name, str(former.version))
    assert "fallback" in found.labels


def test_a_series_that_ended_ten_days_ago_is_forecast_from_like_times_and_labelled(tracker: MlflowTracker) -> None:
    site = works("stale")
    rows = readings(site, load())
    trained(tracker, site, rows)
    found = sound(issued(tracker, site, rows, NOW + timedelta(days=10), horizon_h=48))
    assert "10.0 days old" in found.labels["stale"]
    assert found.model_name.endswith(".climatology")
    day = load().reshape(-1, 24)
    assert np.abs(np.array([row.p50 for row in found.rows[:24]]) - np.median(day, axis=0)).max() < 1.5
    # Behind four weeks of silence there is nothing to go by.
    silent = issued(tracker, site, rows, NOW + timedelta(days=40))
    assert isinstance(silent, Finding)
    assert silent.code == "recent_readings_missing"


def test_a_hole_that_the_champion_cannot_bridge_is_bridged_by_a_weaker_model(tracker: MlflowTracker) -> None:
    site = works("holed")
    values = load()
    rows = readings(site, values)
    trained(tracker, site, rows)
    values[-7 * 24 + 6 : -7 * 24 + 12] = np.nan
    found = sound(issued(tracker, site, readings(site, values)))
    assert "no number for 6 of 24 steps" in found.labels["fallback"]


def test_a_series_that_never_changes_is_forecast_and_said_to_stand_still(tracker: MlflowTracker) -> None:
    site = works("still")
    rows = readings(site, np.full(24 * DAYS, 5.0))
    lead(tracker, site, naive(low=0.0, high=0.0))
    found = sound(issued(tracker, site, rows))
    assert {(row.p10, row.p50, row.p90) for row in found.rows} == {(5.0, 5.0, 5.0)}
    assert "every reading of the last 28 days is 5 kwh" in found.labels["constant"]
    assert "fallback" not in found.labels


def test_a_meter_without_a_reading_and_without_others_beside_it_is_a_finding(tracker: MlflowTracker) -> None:
    alone = works("alone", meters=(Meter(meter_id="a"),))
    found = issued(tracker, alone, readings(alone, np.full(24, np.nan)))
    assert isinstance(found, Finding)
    assert (found.code, found.facts["hours_found"]) == ("short_history", 0)


def test_a_meter_without_history_goes_as_its_group_scaled_by_connected_load(tracker: MlflowTracker) -> None:
    site = works("group")
    rows = pl.concat(
        [
            readings(site, load(level=10, seed=2)),
            readings(site, load(level=20, seed=3), "b"),
            readings(site, load(level=99, seed=4), "main"),
        ]
    )
    found = sound(issued(tracker, site, rows, target="c", horizon_h=48))
    assert found.labels["group_profile"] == (
        "c has too little history of its own: the mean of a, b, scaled by connected load"
    )
    # Half a kW of mean load for each kW of connection, and c has ten.
    assert np.mean([row.p50 for row in found.rows]) == pytest.approx(5.0, rel=0.05)
    assert found.model_name == "group.c.import.day_ahead.group_profile"


def test_a_group_is_scaled_by_the_days_that_the_meter_has_and_else_by_floor_area(tracker: MlflowTracker) -> None:
    meters = tuple(Meter(meter_id=name, parent=None if name == "main" else "main") for name in ("main", "a", "b", "c"))
    area = {"definition": "GFA"}
    zones = [
        {"zone_id": "one", "name": "One", "meters": [{"meter": "a"}], "floor_areas": [{"m2": 100, **area}]},
        {"zone_id": "two", "name": "Two", "meters": [{"meter": "c"}], "floor_areas": [{"m2": 300, **area}]},
    ]
    site = works("areas", meters=meters, premises=Premises.model_validate({"zones": zones}))
    old = pl.concat([readings(site, load(level=10)), readings(site, load(level=20), "b")])
    by_area = sound(issued(tracker, site, old, target="c"))
    assert by_area.labels["group_profile"].endswith("the mean of a, scaled by floor area")
    assert np.mean([row.p50 for row in by_area.rows]) == pytest.approx(30.0, rel=0.05)
    young = readings(site, load(2, level=3), "c", start=NOW - timedelta(days=2))
    by_days = sound(issued(tracker, site, pl.concat([old, young]), target="c"))
    assert by_days.labels["group_profile"].endswith("the mean of a, b, scaled to its own 2 days")
    assert np.mean([row.p50 for row in by_days.rows]) == pytest.approx(3.0, rel=0.05)


def test_a_load_that_doubled_after_the_training_is_forecast_and_said_to_have_changed(tracker: MlflowTracker) -> None:
    site = works("regime")
    values = load()
    values[-15 * 24 :] *= 2
    rows = readings(site, values)
    lead(tracker, site, naive(), trained_until_utc=NOW - timedelta(days=15))
    found = sound(issued(tracker, site, rows))
    assert "the mean of the last 14 days is 20" in found.labels["regime_change"]
    lead(tracker, works("steady"), naive(), trained_until_utc=NOW - timedelta(days=15))
    assert "regime_change" not in sound(issued(tracker, works("steady"), readings(works("steady"), load()))).labels


def test_net_load_below_zero_is_forecast_without_a_floor(tracker: MlflowTracker) -> None:
    site = works("net")
    rows = readings(site, load() - 8.0)
    trained(tracker, site, rows)
    found = sound(issued(tracker, site, rows))
    assert "fallback" not in found.labels
    assert min(row.p50 for row in found.rows) < -2 < min(load() - 8.0) + 3


@pytest.mark.parametrize("change", [date(2025, 3, 30), date(2025, 10, 26)])
@pytest.mark.parametrize("length", [15, 60])
def test_days_of_92_and_100_quarter_hours_are_forecast_by_the_local_clock(
    tracker: MlflowTracker, change: date, length: int
) -> None:
    site, first = works(f"dst{change:%m}{length}"), change - timedelta(days=43)
    start, issue, after = (
        local_midnight_utc(day, ZONE) for day in (first, change - timedelta(days=1), change + timedelta(days=1))
    )
    # One quarter hour a day, at noon by the local clock, holds 9 kWh.
    clock = [start + timedelta(minutes=15) * k for k in range(quarters(first, change + timedelta(days=1)))]
    local = pl.Series(clock, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(ZONE)
    at_noon = ((local.dt.hour() == 12) & (local.dt.minute() == 0)).to_numpy()
    rows = stream("a", start, np.where(at_noon, 9.0, 1.0).tolist()).with_columns(site_id=pl.lit(site.site_id))
    target = "a" if length == 60 else "a@15min"
    lead(tracker, site, naive(), target=target)
    found = sound(issued(tracker, site, rows, issue, target=target, horizon_h=48))
    assert (len(found.rows), found.step_minutes) == (48 * 60 // length, length)
    top = [row.time_utc for row in found.rows if row.p50 > 5 and row.time_utc < after]
    assert [moment.astimezone(local[0].tzinfo).strftime("%d %H:%M") for moment in top] == [
        f"{(change - timedelta(days=1)):%d} 12:00",
        f"{change:%d} 12:00",
    ]


def weather_issue(available_at_utc: datetime, degc: float) -> WeatherIssue:
    return WeatherIssue(
        source="feed",
        issued_at_utc=available_at_utc,
        available_at_utc=available_at_utc,
        start_utc=NOW,
        step_minutes=60,
        values={"temperature_degc": (degc,) * 48},
        is_synthetic=True,
    )


def test_missing_weather_is_said_and_weather_that_arrives_after_the_issue_is_not_used(tracker: MlflowTracker) -> None:
    site = works("weather")
    rows = readings(site, load())
    trained(tracker, site, rows)
    early, late = weather_issue(NOW - timedelta(hours=1), 5.0), weather_issue(NOW + timedelta(hours=1), 30.0)
    without = sound(issued(tracker, site, rows))
    assert "no weather is known" in without.labels["weather"]
    assert sound(issued(tracker, site, rows, weather=[late])) == without
    known = sound(issued(tracker, site, rows, weather=[early]))
    assert "weather" not in known.labels
    assert sound(issued(tracker, site, rows, weather=[early, late])) == known
    half = sound(issued(tracker, site, rows, NOW, weather=[early], horizon_h=48))
    assert "weather" not in half.labels


def spoilt(seed: int) -> np.ndarray:
    """A load of which any part may be missing, stuck, negative, zero or a thousand times too high."""
    rng = np.random.default_rng(seed)
    values = load(seed=seed)
    for _ in range(rng.integers(1, 6)):
        first = int(rng.integers(0, len(values) - 1))
        part = slice(first, first + int(rng.integers(1, 24 * 21)))
        how = rng.integers(0, 6)
        values[part] = [np.nan, values[first], -values[part], 0.0, 1000 * values[part], np.nan][how]
    return values


def test_whatever_happened_to_a_series_there_is_a_sound_forecast_or_a_finding(tracker: MlflowTracker) -> None:
    site = works("spoilt")
    lead(tracker, site, naive(low=-3.0, high=3.0))
    found = [issued(tracker, site, readings(site, spoilt(seed)), horizon_h=48) for seed in range(10)]
    made = [sound(one) for one in found if not isinstance(one, Finding)]
    assert {one.code for one in found if isinstance(one, Finding)} <= {"short_history", "recent_readings_missing"}
    assert len(made) >= 5
    assert any({"fallback", "stale"} & set(one.labels) for one in made)


def test_fault_f41_a_registry_that_is_away_or_silent_leaves_the_forecast_to_the_floor_within_seconds(
    tracker: MlflowTracker, tmp_path: Path
) -> None:
    site = works("away")
    rows = readings(site, load())
    lead(tracker, site, naive())
    began_s = time.monotonic()
    sound(issued(tracker, site, rows))
    usual_s = time.monotonic() - began_s
    began_s = time.monotonic()
    found = sound(issued(MlflowTracker("http://127.0.0.1:9", tmp_path), site, rows))
    assert time.monotonic() - began_s <= usual_s + 5
    assert found.model_version == "unregistered"
    assert "model registry at http://127.0.0.1 does not answer" in found.labels["fallback"]
    assert ("forecast_fallback", "warning") in [(reported.code, reported.severity) for reported in findings_of(found)]
