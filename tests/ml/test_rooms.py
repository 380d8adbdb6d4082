"""Rooms identified from temperatures: true figures inside their intervals, a day ahead, and what stays unknown."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.finding import Finding
from ml.rooms.identify_room import (
    RoomData,
    RoomModel,
    ahead,
    day_ahead_error_k,
    identify,
    state_of,
    without_stuck,
)
from tests.orchestration.test_cli import run

STEP_H, WITHIN = 0.25, 15


def lived_in(seed: int, *, days: int = 14) -> tuple[dict[str, float], RoomData]:
    """A room by minutes with a thermostat, clouds, people who come and go, and a thermometer of tenths of a degree.

    Its equations are written here once more: the identifier's own are not used.
    """
    drawn = np.random.default_rng(seed)
    heater_kw, tau_h = drawn.uniform(0.8, 1.6), drawn.uniform(20, 60)
    r = 30 / heater_kw * drawn.uniform(0.9, 1.2)
    true = {"r_k_per_kw": r, "c_kwh_per_k": tau_h / r}
    aperture, gain = drawn.uniform(0.2, 1.0), drawn.uniform(0.02, 0.1)
    steps = int(days * 24 / STEP_H)
    minute_h = STEP_H / WITHIN
    hour = np.arange(steps * WITHIN) * minute_h
    outdoor = 2 + 4 * np.sin((hour - 9) / 12 * np.pi) + np.clip(np.cumsum(drawn.normal(0, 0.02, hour.size)), -6, 6)
    cloud = np.repeat(drawn.uniform(0.1, 1, days * 24), int(1 / minute_h))
    sun = np.maximum(0, np.sin((hour % 24 - 7) / 10 * np.pi)) * 400 * cloud * ((hour % 24 > 7) & (hour % 24 < 17))
    noise = drawn.normal(0, 0.02 * np.sqrt(minute_h), hour.size)
    now, is_on, degc, heat = 20.0, False, np.zeros(hour.size), np.zeros(hour.size)
    for t, at in enumerate((hour % 24).tolist()):
        low = 20.0 if 6 <= at < 22 else 17.5
        is_on = now < low - 0.3 or (is_on and now <= low + 0.3)
        degc[t], heat[t] = now, heater_kw * is_on
        people_kw = gain * (1 + 0.5 * np.sin(at))
        now += (
            minute_h / true["c_kwh_per_k"]
            * ((outdoor[t] - now) / r + heat[t] + people_kw + aperture * sun[t] / 1000) + noise[t]
        )  # fmt: skip
    readings = np.round(degc.reshape(steps, WITHIN)[:, 0] + drawn.normal(0, 0.1, steps), 1)
    mean = [each.reshape(steps, WITHIN).mean(axis=1) for each in (outdoor, heat, sun)]
    return true, RoomData(STEP_H, readings, *mean)


def known(seed: int = 1) -> tuple[RoomModel, RoomData]:
    """A room that can be identified."""
    _, data = lived_in(seed)
    found = identify(data)
    assert isinstance(found, RoomModel)
    return found, data


def test_true_figures_lie_in_their_intervals_as_often_as_promised() -> None:
    hits, rooms = 0, 20
    for seed in range(rooms):
        true, data = lived_in(seed)
        found = identify(data)
        assert isinstance(found, RoomModel)
        hits += sum(found.intervals[name].low <= value <= found.intervals[name].high for name, value in true.items())
    # Of forty figures 36 are promised; fewer than 30 would come once in a thousand times.
    assert hits >= 30


def test_a_day_ahead_is_foreseen_to_less_than_half_a_degree_by_days_that_were_not_seen() -> None:
    errors = [day_ahead_error_k(lived_in(seed)[1]) for seed in range(3)]
    assert all(error is not None and error < 0.5 for error in errors)
    assert day_ahead_error_k(lived_in(0, days=3)[1]) is None


def test_a_filtered_temperature_is_better_than_its_thermometer_and_knows_its_doubt() -> None:
    model, data = known()
    assert model.sensor_k == pytest.approx(0.104, abs=0.03)
    gap = replace(data, indoor_degc=data.indoor_degc.copy())
    gap.indoor_degc[400:496] = np.nan
    state = state_of(model, gap)
    assert state.sd_k[399] < model.sensor_k
    assert state.sd_k[495] > 2 * state.sd_k[399]
    # A day without a reading, and still within three of its own deviations.
    away = np.abs(state.degc[400:496] - data.indoor_degc[400:496])
    assert (away < 3 * np.hypot(state.sd_k[400:496], model.sensor_k)).mean() > 0.95
    assert state.degc[500] == pytest.approx(data.indoor_degc[500], abs=0.3)


def test_what_comes_is_less_and_less_certain() -> None:
    model, data = known()
    found = ahead(model, (20.0, 0.0), data.between(0, 96))
    assert (np.diff(found.sd_k) > 0).all()
    cold = ahead(model, (20.0, 0.0), replace(data.between(0, 96), heating_kw=np.zeros(96)))
    assert cold.degc[-1] < found.degc[-1]


def test_without_the_sun_a_room_is_told_without_an_aperture() -> None:
    _, data = lived_in(5)
    found = identify(replace(data, sun_w_per_m2=np.zeros(data.sun_w_per_m2.size)))
    assert isinstance(found, RoomModel)
    assert (found.aperture_m2, found.intervals["aperture_m2"].low, found.intervals["aperture_m2"].high) == (0, 0, 0)
    assert found.intervals["r_k_per_kw"].low < found.r_k_per_kw < found.intervals["r_k_per_kw"].high


def test_a_stuck_thermometer_is_left_out_and_said() -> None:
    _, data = known()
    stuck = data.indoor_degc.copy()
    stuck[200:280] = 19.3
    cleaned, findings = without_stuck(replace(data, indoor_degc=stuck))
    assert [each.code for each in findings] == ["thermometer_stuck"]
    assert "19.3 degC for 20 h" in findings[0].message
    assert np.isnan(cleaned.indoor_degc[200:280]).all()
    assert np.isfinite(cleaned.indoor_degc).sum() == data.indoor_degc.size - 80
    assert without_stuck(data)[1] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"heating_kw": 0.5}, "room_heater_constant"),
        ({"indoor_degc": np.nan}, "room_too_short"),
    ],
)
def test_what_cannot_be_told_is_a_finding(change: dict[str, float], code: str) -> None:
    _, data = lived_in(2)
    fields = {name: np.full(data.indoor_degc.size, value) for name, value in change.items()}
    found = identify(replace(data, **fields))
    assert isinstance(found, Finding)
    assert found.code == code


def test_a_room_that_hardly_moved_is_told_as_such() -> None:
    _, data = lived_in(3)
    drawn = np.random.default_rng(0)
    # A thermometer that errs by whole degrees sees nothing of a room held at one temperature.
    found = identify(replace(data.between(0, 500), indoor_degc=20 + drawn.normal(0, 2, 500)))
    assert isinstance(found, Finding)
    assert found.code == "room_not_told"
    assert "the room was moved too little" in found.message


def test_a_file_of_a_room_is_told_and_faults_in_it_are_named(tmp_path: Path) -> None:
    true, data = lived_in(4)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "timestamp": [
                f"{start + timedelta(minutes=15 * t):%Y-%m-%dT%H:%M:%SZ}" for t in range(data.indoor_degc.size)
            ],
            "indoor_degc": data.indoor_degc,
            "outdoor_degc": data.outdoor_degc,
            "heating_kw": data.heating_kw,
            "ghi_w_per_m2": data.sun_w_per_m2,
        }
    )
    path = tmp_path / "room.csv"
    # A temperature that was not read and an hour without weather are drawn through.
    holes = frame.with_columns(
        pl.when(pl.int_range(pl.len()).is_between(300, 310)).then(None).otherwise("indoor_degc").alias("indoor_degc"),
        pl.when(pl.int_range(pl.len()).is_between(500, 503)).then(None).otherwise("outdoor_degc").alias("outdoor_degc"),
    )
    holes.write_csv(path)
    code, out, _ = run("rooms", "fit", str(path), "--json")
    found = json.loads(out)
    assert code == 0
    for name, value in true.items():
        assert found["intervals"][name]["low"] <= value <= found["intervals"][name]["high"]
    assert found["missing"] == 11
    assert found["day_ahead_error_k"] < 0.5
    longer = pl.when(pl.int_range(pl.len()).is_between(500, 520)).then(None).otherwise("outdoor_degc")
    frame.with_columns(longer.alias("outdoor_degc")).write_csv(path)
    code, _, error = run("rooms", "fit", str(path))
    assert code == 2
    assert "outdoor_degc is missing for 5.25 h from 2026-01-10 05:00Z on" in error
    frame.drop("heating_kw").write_csv(path)
    code, _, error = run("rooms", "fit", str(path))
    assert code == 2
    assert "there is no column heating_kw" in error
    frame.head(96).write_csv(path)
    code, out, _ = run("rooms", "fit", str(path), "--json")
    assert code == 1
    assert json.loads(out)["findings"][0]["code"] == "room_too_short"
