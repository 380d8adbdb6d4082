"""`meterloom baseline savings` on plain files: keys, refusals, text."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.savings.simulated import START, building, weather

KEYS = {"expected_kwh", "actual_kwh", "savings_kwh", "delta_kwh", "uncertainty_kwh", "interval_kwh", "fsu", "bootstrap"}
BASE = ["--frequency", "daily", "--train", "2022-01-01/2023-01-01", "--tz", "UTC", "--country", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Energy and weather of a building that saves a tenth, and a typical year."""
    made = tmp_path_factory.mktemp("savings")
    frame = building(1, share=0.1, rho=0.2).usage.frame
    for name, column, header in (("energy", "energy_kwh", "kwh"), ("weather", "temp_degc", "temp_degc")):
        lines = [f"timestamp,{header}"]
        lines += [f"{row[0]:%Y-%m-%dT%H:%M:%SZ},{row[1]:.4f}" for row in frame.select("start_utc", column).iter_rows()]
        (made / f"{name}.csv").write_text("\n".join(lines) + "\n")
    typical = weather(np.random.default_rng(8), 365)
    days = [START.replace(year=2001).toordinal() + i for i in range(365)]
    lines = ["timestamp,temp_degc"]
    lines += [f"{START.fromordinal(day)}T00:00:00Z,{value:.3f}" for day, value in zip(days, typical, strict=True)]
    (made / "typical.csv").write_text("\n".join(lines) + "\n")
    return made


def run(folder: Path, *more: str, report: str = "2023-01-01/2024-01-01") -> Result:
    files = ["--energy", str(folder / "energy.csv"), "--weather", str(folder / "weather.csv")]
    return CliRunner().invoke(
        build_app(("baseline",)), ["baseline", "savings", *files, *BASE, "--report", report, *more]
    )


def data(folder: Path, *more: str, code: int = 0, **options: Any) -> dict[str, Any]:
    answer = run(folder, "--json", *more, **options)
    assert answer.exit_code == code, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_the_contract_is_kept_and_the_tenth_is_found(folder: Path) -> None:
    found = data(folder, "--measure", "2023-01-01", "--resamples", "200", "--typical-year", str(folder / "typical.csv"))
    assert set(found) >= KEYS
    assert found["savings_kwh"] == pytest.approx(found["expected_kwh"] - found["actual_kwh"])
    assert found["delta_kwh"] == -found["savings_kwh"]
    low, high = found["interval_kwh"]
    assert low <= 0.1 * found["expected_kwh"] <= high
    assert found["bootstrap"]["low"] < found["savings_kwh"] < found["bootstrap"]["high"]
    assert found["band"]["delta_e"] > 0
    assert found["unit"] == "kWh"
    assert found["claimed_kwh"] == found["savings_kwh"]
    assert found["normalised"]["kind"] == "normalised_to_typical_year"
    assert 0 < found["minimum_detectable"]["fraction"] < 0.2


def test_the_text_names_unit_zone_and_claim(folder: Path) -> None:
    answer = run(folder, "--measure", "2023-01-01", "--resamples", "50", "--typical-year", str(folder / "typical.csv"))
    assert answer.exit_code == 0, answer.output
    for word in ("avoided energy", "kWh", "(UTC)", "FSU", "n′", "block bootstrap", "claimed:", "typical year"):
        assert word in answer.stdout


def test_a_higher_confidence_is_wider_and_no_bootstrap_is_an_empty_object(folder: Path) -> None:
    sure, bold = (data(folder, "--confidence", each, "--resamples", "0") for each in ("0.99", "0.68"))
    assert sure["uncertainty_kwh"] > bold["uncertainty_kwh"]
    assert sure["bootstrap"] == {}
    assert sure["normalised"] is None


def test_nothing_to_compare_has_every_key_and_no_number(folder: Path) -> None:
    found = data(folder, code=1, report="2025-01-01/2026-01-01")
    assert {found[key] is None for key in KEYS - {"bootstrap"}} == {True}
    assert found["findings"][0]["code"] == "nothing_to_compare"
    assert "no savings" in run(folder, report="2025-01-01/2026-01-01").stdout


def test_too_short_a_baseline_is_a_finding(folder: Path) -> None:
    found = data(folder, "--train", "2022-12-28/2023-01-01", code=1)
    assert found["savings_kwh"] is None
    assert found["findings"][0]["severity"] == "blocking"


def test_a_typical_year_of_a_month_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("\n".join((folder / "typical.csv").read_text().splitlines()[:31]) + "\n")
    found = data(folder, "--typical-year", str(short), "--resamples", "0")
    assert found["normalised"]["code"] == "no_typical_year"
    assert "no_typical_year" in run(folder, "--typical-year", str(short), "--resamples", "0").stdout


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--option", "A"], "option A stipulates some parameters"),
        (["--option", "D"], "option D needs a calibrated simulation"),
        (["--option", "X"], "unknown IPMVP option 'X'"),
        (["--confidence", "0.5"], "expected 0.68 to 0.99"),
        (["--report", "2022-06-01/2023-06-01"], "before the baseline ends"),
        (["--measure", "soon"], "expected a date such as"),
        (["--resamples", "-1"], "expected 0 to 100000"),
        (["--train", "never"], "cannot read period"),
        (["--model", "magic"], "magic"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(folder: Path, more: list[str], sentence: str) -> None:
    answer = run(folder, *more)
    assert answer.exit_code == 2, answer.output
    assert sentence in answer.output
    assert len(answer.output.strip().splitlines()) == 1


def test_without_energy_the_command_says_what_it_needs() -> None:
    answer = CliRunner().invoke(build_app(("baseline",)), ["baseline", "savings", "--frequency", "daily"])
    assert answer.exit_code == 2
    assert "--energy FILE" in answer.output


def test_drivers_that_end_early_leave_the_rest_out_of_both_sums(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    days = [START.fromordinal(START.toordinal() + i) for i in range(730)]
    made = rng.uniform(50, 150, 730)
    energy = 100 + 2 * made * np.where(np.arange(730) < 365, 1.0, 0.9) + rng.normal(0, 5, 730)
    for name, header, values in (("energy", "kwh", energy), ("drivers", "pieces", made[:700])):
        rows = [f"{day}T00:00:00Z,{value:.4f}" for day, value in zip(days, values, strict=False)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"timestamp,{header}", *rows]) + "\n")
    (tmp_path / "weather.csv").write_text((folder / "weather.csv").read_text())
    found = data(tmp_path, "--drivers", str(tmp_path / "drivers.csv"), "--resamples", "0", "--measure", "2023-01-01")
    assert found["m"] == 335
    assert found["coverage"] == pytest.approx(335 / 365)
    assert found["savings_kwh"] == pytest.approx(0.2 * made[365:700].sum(), rel=0.05)


def test_a_load_without_noise_has_a_band_of_next_to_nothing(folder: Path, tmp_path: Path) -> None:
    days = [START.fromordinal(START.toordinal() + i) for i in range(730)]
    temps = 10 - 8 * np.cos(np.arange(730) / 58.0)
    for name, header, values in (
        ("energy", "kwh", 50 + 4 * np.maximum(12 - temps, 0)),
        ("weather", "temp_degc", temps),
    ):
        rows = [f"{day}T00:00:00Z,{value:.9f}" for day, value in zip(days, values, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"timestamp,{header}", *rows]) + "\n")
    found = data(tmp_path, "--resamples", "20")
    assert 0 <= found["uncertainty_kwh"] < 1e-3
    assert abs(found["savings_kwh"]) < 1e-3
