"""`meterloom benchmark` on plain files: keys, what is left out, what is refused, the export without names."""

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestration.cli.main import build_app

KEYS = {
    "site", "group", "peers", "value", "unit", "percentile", "rank", "rank_interval", "normalised_by",
}  # fmt: skip
LEVELS = {"North": 10, "East": 20, "South": 30, "West": 40, "Mill": 50, "Shop": 60}
WARM = ("South", "West", "Mill")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five offices and a shop over a year of days; three of them stand where it is ten degrees warmer and heat less."""
    made = tmp_path_factory.mktemp("benchmark")
    days = [datetime(2023, 1, 1) + timedelta(days=n) for n in range(365)]  # noqa: DTZ001
    cold = 8 - 9 * np.cos(2 * np.pi * np.arange(365) / 365)
    rng = np.random.default_rng(1)
    energy, weather = ["site,timestamp,kwh"], ["station,timestamp,temp_degc"]
    for name, level in LEVELS.items():
        temps = cold + (10 if name in WARM else 0)
        use = 24 * level * (1 + 0.05 * np.maximum(15 - temps, 0)) * (1 + 0.02 * rng.standard_normal(365))
        energy += [f"{name},{day:%Y-%m-%d},{value:.3f}" for day, value in zip(days, use, strict=True)]
        weather += [f"{name},{day:%Y-%m-%d},{value:.3f}" for day, value in zip(days, temps, strict=True)]
    (made / "energy.csv").write_text("\n".join(energy) + "\n")
    (made / "weather.csv").write_text("\n".join(weather) + "\n")
    rows = [f"{name},{'retail' if name == 'Shop' else 'office'},1000,{40 + n}" for n, name in enumerate(LEVELS)]
    (made / "sites.csv").write_text("\n".join(["site,use,floor_area_m2,hours_per_week", *rows]) + "\n")
    return made


def run(folder: Path, *more: str) -> Result:
    files = ["--energy", str(folder / "energy.csv"), "--register", str(folder / "sites.csv")]
    return CliRunner().invoke(build_app(("benchmark",)), ["benchmark", *files, *more])


def data(folder: Path, *more: str, code: int = 0) -> dict[str, Any]:
    answer = run(folder, "--json", *more)
    assert answer.exit_code == code, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def by_site(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["site"]: row for row in found["rows"]}


def test_the_contract_is_kept_and_the_shop_has_too_few_peers(folder: Path) -> None:
    found = data(folder, "--period", "2023")
    assert all(set(row) >= KEYS for row in found["rows"])
    rows = by_site(found)
    assert [rows[name]["rank"] for name in LEVELS] == [1, 2, 3, 4, 5, None]
    assert rows["Shop"]["reason"] == "too_few_peers"
    assert rows["North"]["normalised_by"] == []
    assert found["findings"][0]["code"] == "too_few_peers"


def test_under_one_weather_the_cold_sites_take_less_and_the_warm_ones_more(folder: Path) -> None:
    found = data(folder, "--normalise", "weather,hours", "--weather", str(folder / "weather.csv"))
    for name, row in by_site(data(folder, "--normalise", "weather", "--weather", str(folder / "weather.csv"))).items():
        if name != "Shop":
            assert (row["value"] > row["raw_value"]) == (name in WARM)
    assert {tuple(row["normalised_by"]) for row in found["rows"]} == {("weather", "hours")}


def test_the_export_has_numbers_in_place_of_names(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "peers.csv"
    data(folder, "--anonymous", str(path))
    text = path.read_text()
    assert len(text.splitlines()) == 6
    assert not any(name in text for name in LEVELS)


def test_a_group_in_the_export_is_no_formula(folder: Path, tmp_path: Path) -> None:
    path, register = tmp_path / "peers.csv", tmp_path / "sites.csv"
    register.write_text((folder / "sites.csv").read_text().replace(",office,", ',"=HYPERLINK(""x"")",'))
    data(folder, "--register", str(register), "--anonymous", str(path))
    groups = {each["group"] for each in csv.DictReader(path.read_text().splitlines())}
    assert len(groups) == 1
    assert all(each.startswith("'=") for each in groups)


def test_the_text_states_the_assumed_drift(folder: Path) -> None:
    assert "an assumed drift of 8% between years" in run(folder).stdout


def test_a_bad_floor_area_is_said_on_the_first_line_with_file_and_key(folder: Path, tmp_path: Path) -> None:
    sites = tmp_path / "sites.csv"
    sites.write_text((folder / "sites.csv").read_text().replace("East,office,1000", "East,office,0"))
    answer = run(folder, "--register", str(sites))
    assert answer.exit_code == 0
    first = answer.stdout.splitlines()[0]
    assert first.startswith("blocking: floor_area_unusable: sites.csv, line 3: floor_area_m2 of East is zero")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--period", "2020"), "has no reading in 2020"),
        (("--by", "colour"), "--by 'colour': expected use, size, climate, all"),
        (("--normalise", "weather"), "--normalise weather needs --weather FILE"),
        (("--organisation", "all"), "give --energy FILE with --register FILE, or --organisation O"),
        (("--drift", "2"), "expected 0 to below 1"),
        (("--confidence", "1"), "expected 0.5 to 0.99"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(folder: Path, more: tuple[str, ...], sentence: str) -> None:
    answer = run(folder, *more)
    assert answer.exit_code == 2
    assert sentence in answer.stderr


def test_a_month_is_scaled_to_a_year_and_says_so(folder: Path) -> None:
    assert "part_of_a_year" in [each["code"] for each in data(folder, "--period", "2023-01")["findings"]]
