"""Weather beside a meter: what it explains has that cause, a fault keeps its own, and nothing ahead is looked at."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.anomalies.events import AnomalyEvent
from ml.anomalies.monitor import watch
from ml.anomalies.weather import daily_temperature
from ml.features.civil import civil_on
from ml.features.series import Series, Vector
from tests.ml.anomalies.office import START, ZONE, load, types
from tests.ml.anomalies.test_cli_anomalies import run
from tests.ml.forecasts.test_file_case import table

DAYS = 120
COLD = slice(70 * 24, 84 * 24)


def temperature(seed: int = 5) -> Vector:
    """Mild days of 14 to 18 °C, and two weeks of frost from day 70 on that come in steps of a degree or two a day."""
    days = np.random.default_rng(seed).uniform(14, 18, DAYS)
    days[70:84] = 12 - 1.6 * np.arange(14)
    return np.repeat(days, 24)


def heated(share: float = 0.03) -> Vector:
    """The office with electric heat: a share of its load for each degree below 13."""
    return np.round(load(DAYS) * (1 + share * np.maximum(13 - temperature(), 0)), 2)


def judged(values: Vector, warmth: Vector | None) -> list[AnomalyEvent]:
    civil = civil_on(types, ZONE, START, len(values))
    return [each for each in watch(Series(START, values), civil, temperature=warmth).events if each.kind != "spike"]


def test_the_first_cold_weeks_are_weather_and_no_fault() -> None:
    cold = START + timedelta(days=70)
    without, others = judged(heated(), None), judged(heated(), temperature())
    assert [each.is_weather for each in without if each.end_utc > cold] == [False]
    assert [each.is_weather for each in others if each.end_utc > cold] == [True]
    # Weather says why, and changes nothing of when and how much.
    assert [(each.start_utc, each.measured) for each in others] == [(each.start_utc, each.measured) for each in without]


def test_a_drift_on_days_like_any_other_is_not_explained() -> None:
    values, warmth = load(DAYS), np.repeat(np.random.default_rng(5).uniform(2, 18, DAYS), 24)
    values[COLD] *= 1 + np.linspace(0, 0.4, COLD.stop - COLD.start)
    assert [(each.kind, each.is_weather) for each in judged(values, warmth)] == [("drift", False)]


def test_what_follows_the_last_day_of_an_event_explains_nothing_of_it() -> None:
    values, warmth = heated(), temperature()
    [event] = [each for each in judged(values, warmth) if each.is_weather]
    rest = round((event.end_utc - START) / timedelta(hours=1)) + 48
    poisoned, hot = values.copy(), warmth.copy()
    poisoned[rest:], hot[rest:] = values[rest:] * 3, 45.0
    assert event in judged(poisoned, hot)


def test_unknown_temperatures_explain_nothing() -> None:
    assert {each.is_weather for each in judged(heated(), np.full(DAYS * 24, np.nan))} == {False}


def test_a_day_needs_most_of_its_hours() -> None:
    warmth = temperature()
    warmth[24 : 24 + 9] = np.nan
    found = daily_temperature(warmth, civil_on(types, ZONE, START, len(warmth)))
    assert np.isnan(found[1])
    assert np.isfinite(found[2:-1]).all()


def test_a_weather_file_beside_the_energy(tmp_path: Path) -> None:
    energy = table(tmp_path / "e.csv", "kwh", heated().tolist(), start=START)
    weather = table(tmp_path / "w.csv", "temp_degc", temperature().tolist(), start=START)
    code, out, _ = run("--energy", energy, "--weather", weather, "--tz", ZONE, "--json")
    assert code == 0
    assert "weather" in {each["cause"] for each in json.loads(out)["events"]}


@pytest.mark.parametrize(
    ("column", "with_energy", "message"),
    [("rh_percent", True, "expected a column temp_degc"), ("temp_degc", False, "--weather without an energy file")],
)
def test_weather_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, column: str, with_energy: bool, message: str
) -> None:
    energy = table(tmp_path / "e.csv", "kwh", load(40).tolist(), start=START)
    weather = table(tmp_path / "w.csv", column, [50.0] * 24 * 40, start=START)
    words = ["--weather", str(weather), "--tz", ZONE, *(["--energy", str(energy)] if with_energy else [])]
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) <= 2
