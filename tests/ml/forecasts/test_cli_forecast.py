"""`meterloom forecast backtest|run` on plain files: keys, what is known when, weaker models, one sentence."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.e2e.conftest import call
from tests.ml.forecasts import issuing
from tests.ml.forecasts.test_file_case import table

# Eighteen weeks that end within a month: the last whole ones are November and December.
START = datetime(2024, 9, 2, tzinfo=UTC)
HOURS = 18 * 168
KEYS = {"target", "nrmse", "wape", "mase", "pinball", "coverage_p10_p90", "floor", "folds"}


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("forecast",)), ["forecast", *(str(word) for word in words)])
    return result.exit_code, result.stdout, result.stderr


def answer(*words: object) -> tuple[int, dict[str, Any]]:
    code, out, err = run(*words, "--json")
    assert out, err
    return code, json.loads(out)


def load(hours: int = HOURS) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Workdays, a warm week and a cold one, noise: last week is a poor forecast, weather a good one."""
    rng, index = np.random.default_rng(5), np.arange(hours)
    workday = (index // 24 % 7) < 5
    shape = 20 + 8 * np.sin(np.pi * np.clip(index % 24 - 6, 0, 12) / 12) * np.where(workday, 1.0, 0.2)
    return np.round(shape + 0.8 * degc(hours) + rng.normal(0, 0.4, hours), 3)


def degc(hours: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 8 + 5 * np.sin(np.arange(hours) / 24 / 9 * 2 * np.pi)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("files")
    energy = table(folder / "e.csv", "kwh", load().tolist(), start=START)
    weather = table(folder / "w.csv", "temp_degc", degc(HOURS + 48).tolist(), start=START)
    return ("--energy", str(energy), "--weather", str(weather), "--tz", "Europe/London")


@pytest.fixture(scope="module")
def scored(files: tuple[str, ...]) -> dict[str, Any]:
    code, data = answer("backtest", *files, "--horizon", "24h", "--folds", "2")
    assert code == 0
    return data


def test_a_backtest_has_the_keys_of_the_contract_and_scores_the_last_local_months(scored: dict[str, Any]) -> None:
    assert set(scored) >= KEYS
    assert [fold["name"] for fold in scored["folds"]] == ["2024-11", "2024-12"]
    assert [fold["origins"] for fold in scored["folds"]] == [30, 31]
    # Fitted on everything before the first of the month, and on nothing of it.
    assert scored["folds"][0]["trained_steps"] == (datetime(2024, 11, 1, tzinfo=UTC) - START) // timedelta(hours=1)
    assert scored["floor"]["model"] == "same_hour_last_week"
    assert set(scored["floor"]) >= KEYS - {"target", "floor", "folds"}
    assert {part["part"] for part in scored["by_lead"]} == {"h00", "h06", "h12", "h18"}
    assert scored["nrmse"] < 0.8 * scored["floor"]["nrmse"]
    assert 0.5 < scored["coverage_p10_p90"] < 1.0


def test_the_floor_of_a_backtest_is_the_same_hour_of_the_week_before(scored: dict[str, Any]) -> None:
    values = load()
    first, last = (int((datetime(2024, 12, day, tzinfo=UTC) - START).days) * 24 for day in (1, 31))
    actual = values[first : last + 24]
    error = values[first - 168 : last + 24 - 168] - actual
    floor = scored["folds"][1]["floor"]
    assert floor["n"] == len(actual)
    assert floor["nrmse"] == pytest.approx(float(np.sqrt(np.mean(error**2)) / np.mean(actual)))


def test_a_forecast_has_ordered_rows_from_the_issue_on(files: tuple[str, ...]) -> None:
    code, data = answer("run", *files, "--issue", "2024-12-20T00:00", "--horizon", "48h")
    assert code == 0
    assert len(data["rows"]) == 48
    assert data["rows"][0]["time_utc"] == "2024-12-20T00:00:00Z"
    assert all(row["p10"] <= row["p50"] <= row["p90"] for row in data["rows"])
    assert (data["unit"], data["step_minutes"], data["labels"]) == ("kwh", 60, {})
    assert data["why"][0].startswith("Friday 20 December 2024: ")
    first = int((datetime(2024, 12, 20, tzinfo=UTC) - START).days) * 24
    actual, p50 = load()[first : first + 48], np.array([row["p50"] for row in data["rows"]])
    assert np.sqrt(np.mean((actual - p50) ** 2)) / actual.mean() < 0.1


def test_what_comes_after_the_issue_changes_no_forecast(files: tuple[str, ...], tmp_path: Path) -> None:
    poisoned = load()
    poisoned[int((datetime(2024, 12, 20, tzinfo=UTC) - START).days) * 24 :] *= 100
    energy = table(tmp_path / "e.csv", "kwh", poisoned.tolist(), start=START)
    words = ("--issue", "2024-12-20T00:00", "--horizon", "24h")
    assert answer("run", *files, *words) == answer("run", "--energy", energy, *files[2:], *words)


def test_weather_that_ends_within_the_horizon_is_labelled_and_the_rest_is_forecast_without(
    files: tuple[str, ...], tmp_path: Path
) -> None:
    weather = table(tmp_path / "w.csv", "temp_degc", degc(HOURS - 240).tolist(), start=START)
    issue = START + timedelta(hours=HOURS - 252)
    words = ("--issue", f"{issue:%Y-%m-%dT%H:%MZ}", "--horizon", "24h")
    code, data = answer("run", *files[:2], "--weather", weather, *files[4:], *words)
    assert code == 0
    assert data["labels"] == {"weather": "a forecast of the weather was known for 12 of 24 steps"}
    _, whole = answer("run", *files, *words)
    # What the weather still covers is the forecast of a file that covers all.
    assert data["rows"][:12] == whole["rows"][:12]
    # Behind it, that of a model that never saw weather ahead.
    ended = table(tmp_path / "ended.csv", "temp_degc", degc(HOURS - 252).tolist(), start=START)
    _, none = answer("run", *files[:2], "--weather", ended, *files[4:], *words)
    assert data["rows"][12:] == none["rows"][12:]
    assert none["labels"] == {
        "weather": "no forecast of the weather was known at the issue, only what was measured before"
    }


def test_a_short_history_gives_a_weaker_model_by_name_and_none_a_finding(tmp_path: Path) -> None:
    energy = table(tmp_path / "e.csv", "kwh", load(168 * 3).tolist(), start=START)
    words = ("run", "--energy", energy, "--tz", "UTC", "--issue")
    code, data = answer(*words, "2024-09-23T00:00Z")
    assert (code, data["model"]) == (0, "same_hour_last_week")
    assert data["labels"]["weaker_model"].endswith("same_hour_last_week answers instead")
    code, data = answer(*words, "2024-09-08T00:00Z")
    assert (code, data["rows"], data["findings"][0]["code"]) == (1, [], "no_answer")
    energy = table(tmp_path / "months.csv", "kwh", load(168 * 12).tolist(), start=START)
    _, data = answer("run", "--energy", energy, "--tz", "UTC", "--issue", "2024-11-29T00:00Z")
    assert (data["model"], data["labels"]["stale"][:37]) == ("climatology", "the newest reading is 4.0 days old: f")
    code, data = answer(*words, "2024-11-01T00:00Z")
    assert (code, data["findings"][0]["code"]) == (1, "recent_readings_missing")
    assert "The readings end at 2024-09-23 00:00Z, 39 days before the issue." in data["findings"][0]["message"]


@pytest.mark.parametrize(
    ("value", "message"), [(7.0, "is as the one before it"), (0.0, "No step of the months has a value")]
)
def test_a_constant_or_an_empty_series_is_a_finding_and_no_score(tmp_path: Path, value: float, message: str) -> None:
    energy = table(tmp_path / "e.csv", "kwh", [value] * HOURS, start=START)
    code, data = answer("backtest", "--energy", energy, "--tz", "UTC", "--folds", "1")
    assert (code, data["nrmse"], data["findings"][0]["code"]) == (1, None, "not_scorable")
    assert message in data["findings"][0]["message"]
    code, data = answer("run", "--energy", energy, "--tz", "UTC", "--issue", "2024-12-20T00:00Z")
    assert (code, len(data["rows"])) == ((0, 24) if value else (1, 0))
    assert ("constant" in data.get("labels", {})) is bool(value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("backtest", "--folds", "12"), "12 months cannot be tested: the readings are of 2024-09-02"),
        (("backtest", "--folds", "0"), "expected at least one month"),
        (("backtest", "--horizon", "soon"), "--horizon 'soon': expected such as 24h"),
        (("backtest", "--horizon", "9d"), "at most 7 days"),
        (("run", "--issue", "2024-12-20T00:00Z", "--horizon", "90min"), "expected whole steps of 60 minutes"),
        (("run", "--issue", "2024-01-01T00:00Z"), "is before the first reading"),
        (("run", "--issue", "tomorrow"), "cannot read time 'tomorrow'"),
    ],
)
def test_a_wrong_request_is_one_sentence(files: tuple[str, ...], words: tuple[str, ...], sentence: str) -> None:
    code, out, err = run(*words, *files)
    assert (code, out) == (2, "")
    assert sentence in err.splitlines()[-1]


def test_a_forecast_is_drawn_where_it_was_asked_for(tmp_path: Path) -> None:
    # Three weeks: the simplest model answers, and at once.
    energy, picture = table(tmp_path / "e.csv", "kwh", load(168 * 3).tolist(), start=START), tmp_path / "f.png"
    words = ("run", "--energy", energy, "--tz", "UTC", "--issue", "2024-09-23T00:00Z", "--picture")
    assert run(*words, picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, err = run(*words, tmp_path)
    assert code == 2
    assert "cannot be written" in err


def test_a_forecast_that_the_meters_of_a_site_cannot_give_is_named_by_forecast_issue(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").touch()
    demo = (Path(__file__).resolve().parents[3] / "assets/sites/demo/home.yaml").read_text()
    (tmp_path / "sites" / "home.yaml").write_text(demo + "forecasts: [{what: base_load}]\n")
    # No readings: no target is forecast, and each says why.
    code, out, _ = call("forecast", "issue", "--site", "home", "--project", str(tmp_path))
    assert code == 1
    [found] = [each for each in out["findings"] if each["scope"] == "base_load"]
    message = "The base load cannot be computed from the meters: tank 'hot_water' has no meter."
    assert (found["code"], found["message"], found["severity"]) == ("base_load_part_missing", message, "blocking")


# Dagster announces what is in beta.
@pytest.mark.filterwarnings("ignore")
def test_a_learner_that_waits_for_history_is_told_and_its_target_is_forecast(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").touch()
    site = "site_id: shop\nname: Shop\ncountry: DE\ntime_zone: UTC\ncurrency: EUR\nmeters: [{meter_id: main}]\n"
    (tmp_path / "sites" / "shop.yaml").write_text(site + "forecast_targets: [main]\n")
    hours = issuing.load(41) / 10 * np.repeat(1 + np.arange(41) / 41, 24)
    times = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(4 * len(hours))]
    rows = [f"main,{at:%Y-%m-%dT%H:%M:%SZ},{kwh / 4:.6f}" for at, kwh in zip(times, np.repeat(hours, 4), strict=True)]
    (tmp_path / "shop.csv").write_text("\n".join(["meter,timestamp,kwh", *rows]))
    project = ("--site", "shop", "--project", str(tmp_path))
    assert call("ingest", str(tmp_path / "shop.csv"), *project)[0] == 0
    found = CliRunner().invoke(build_app(), ["forecast", "issue", *project])
    assert found.exit_code == 0, found.output
    assert "leads, ensemble waits" in found.output
    assert "no forecast of" not in found.output
