"""`meterloom baseline fit` on plain files: keys, exit codes, one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.baselines.cases import hourly_temps
from tests.ml.baselines.test_read_usage import hours, write

KEYS = (
    "model", "coefficients", "n", "r2", "r2_adj", "cvrmse_n", "cvrmse_g14", "cvrmse_caltrack", "nmbe_out_of_sample",
    "findings", "digest",
)  # fmt: skip


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("baseline",)), ["baseline", "fit", *(str(word) for word in words)])
    return result.exit_code, result.stdout, result.stderr


def answer(*words: object) -> tuple[int, dict[str, Any]]:
    code, out, _ = run(*words, "--json")
    return code, json.loads(out)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("files")
    temps = hourly_temps()
    noise = np.random.default_rng(1).uniform(0, 1, len(temps))
    energy = hours(folder / "e.csv", "timestamp,kwh", (5 + 0.2 * np.maximum(14 - temps, 0) + noise).tolist())
    weather = hours(folder / "w.csv", "timestamp,temp_degc", temps.tolist())
    return ("--energy", str(energy), "--weather", str(weather), "--tz", "Europe/Berlin")


PERIOD = ("--train", "2025-01-01/2026-01-01")


@pytest.mark.parametrize("frequency", ["daily", "hourly"])
def test_a_fit_prints_the_keys_of_the_contract(files: tuple[str, ...], frequency: str) -> None:
    code, data = answer(*files, "--frequency", frequency, *PERIOD)
    assert code == 0
    assert set(KEYS) <= set(data)
    assert data["n"] == {"daily": 365, "hourly": 8760}[frequency]
    assert data["target_unit"] == {"daily": "kWh/day", "hourly": "kWh/hour"}[frequency]
    assert sum(each["is_chosen"] for each in data["selection"]) == 1
    assert {each["verdict"] for each in data["accuracy"]} <= {"pass", "fail", "not_applicable"}
    assert run(*files, "--frequency", frequency, *PERIOD)[1].startswith(data["model"])


def test_the_same_files_give_the_same_digest_and_numbers(files: tuple[str, ...]) -> None:
    words = (*files, "--frequency", "daily", *PERIOD)
    assert answer(*words) == answer(*words)


def test_a_finding_stands_in_place_of_numbers_with_exit_code_1(files: tuple[str, ...]) -> None:
    code, data = answer(*files, "--frequency", "daily", "--train", "2025-01-01/2025-01-06")
    assert code == 1
    assert set(KEYS) <= set(data)
    assert data["findings"][0]["code"] == "too_few_days"
    assert all(data[key] in (None, {}) for key in KEYS if key != "findings")


def test_a_period_of_next_year_is_no_baseline(files: tuple[str, ...]) -> None:
    code, data = answer(*files, "--frequency", "daily", "--train", "2199-01-01/2200-01-01")
    assert (code, data["findings"][0]["code"]) == (1, "period_in_future")


def test_a_profile_that_fails_is_exit_code_1(files: tuple[str, ...]) -> None:
    words = (*files, "--frequency", "daily", *PERIOD, "--profile")
    assert answer(*words, "cvrmse_10")[0] == 0
    code, data = answer(*words, "sep")
    assert code == (0 if data["accuracy"][0]["verdict"] == "pass" else 1)
    noisy_code, noisy = answer(*files, "--frequency", "hourly", *PERIOD, "--profile", "enpi_r2")
    assert noisy["accuracy"][0]["verdict"] == ("fail" if noisy_code else "pass")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give --energy FILE or --site SITE"),
        (("--site", "s", "--energy", "e.csv"), "give --energy FILE or --site SITE"),
        (("--energy", "none.csv", "--frequency", "daily", *PERIOD, "--tz", "UTC"), "no such file"),
        (("--energy", "none.csv", "--frequency", "weekly", *PERIOD), "expected hourly, daily, billing"),
        (("--energy", "none.csv", *PERIOD), "expected hourly, daily, billing"),
        (("--energy", "none.csv", "--frequency", "daily"), "expected --train START/END"),
        (("--energy", "none.csv", "--frequency", "daily", "--train", "2025-13-01/2026-01-01"), "cannot read period"),
        (("--energy", "none.csv", "--frequency", "daily", "--train", "2026-01-01/2025-01-01"), "ends before it starts"),
        (("--energy", "none.csv", "--frequency", "daily", *PERIOD, "--confidence", "90"), "between 0 and 1"),
        (("--energy", "none.csv", "--frequency", "daily", *PERIOD, "--kwh-per-m3", "-1"), "above 0"),
        (("--energy", "none.csv", "--frequency", "daily", *PERIOD, "--profile", "best"), "unknown accuracy profile"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(words: tuple[str, ...], sentence: str) -> None:
    code, out, error = run(*words)
    assert code == 2
    assert out == ""
    assert sentence in error
    assert "Traceback" not in error


def test_an_unknown_model_names_the_known_ones(files: tuple[str, ...]) -> None:
    code, _, error = run(*files, "--frequency", "daily", *PERIOD, "--model", "magic")
    assert code == 2
    assert "change_point" in error


def test_drivers_of_a_file_become_terms(files: tuple[str, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    from datetime import date, timedelta

    output = rng.uniform(0, 100, 365)
    rows = [f"{date(2025, 1, 1) + timedelta(days=n)},{output[n]:.3f}" for n in range(365)]
    drivers = write(tmp_path / "d.csv", "date,output", rows)
    days = [f"{date(2025, 1, 1) + timedelta(days=n)},{50 + 2 * output[n] + rng.uniform(0, 1):.4f}" for n in range(365)]
    energy = write(tmp_path / "e.csv", "date,kwh", days)
    code, data = answer("--energy", energy, *files[2:], "--drivers", drivers, "--frequency", "daily", *PERIOD)
    assert code == 0
    assert data["coefficients"]["output"] == pytest.approx(2, abs=0.01)
    assert data["driver_ranges"]["output"] == pytest.approx([output.min(), output.max()], abs=1e-3)
