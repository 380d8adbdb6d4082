"""`meterloom baseline best` on plain files: keys, refusals, and what is printed first."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.savings.simulated import building

KEYS = {"years", "best", "enpi", "interval", "verdicts_agree", "findings", "approved", "rule"}
YEAR_KEYS = {"train", "eligible", "reason", "expected_kwh", "enpi", "interval"}
REPORT = "2024-01-01/2025-01-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Energy and weather of three years; in `halved.csv` the use is half from the second year on."""
    made = tmp_path_factory.mktemp("best")
    frame = building(1, share=0.0, rho=0.2, report_days=730).usage.frame
    rows = frame.select("start_utc", "energy_kwh", "temp_degc").rows()
    tables = {
        "energy": ("kwh", [row[1] for row in rows]),
        "weather": ("temp_degc", [row[2] for row in rows]),
        "halved": ("kwh", [row[1] / (2 if row[0].year == 2023 else 1) * 0.75 ** (row[0].year == 2024) for row in rows]),
    }
    for name, (header, values) in tables.items():
        lines = [f"{row[0]:%Y-%m-%dT%H:%M:%SZ},{value:.4f}" for row, value in zip(rows, values, strict=True)]
        (made / f"{name}.csv").write_text("\n".join([f"timestamp,{header}", *lines]) + "\n")
    return made


def run(folder: Path, *more: str, energy: str = "energy", report: str = REPORT) -> Result:
    files = ["--energy", str(folder / f"{energy}.csv"), "--weather", str(folder / "weather.csv"), "--tz", "UTC"]
    return CliRunner().invoke(build_app(("baseline",)), ["baseline", "best", *files, "--report", report, *more])


def data(folder: Path, *more: str, code: int = 0, **options: Any) -> dict[str, Any]:
    answer = run(folder, "--json", *more, **options)
    assert answer.exit_code == code, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_the_contract_is_kept_and_years_are_days_without_being_asked(folder: Path) -> None:
    found = data(folder, "--years", "2022,2023")
    assert set(found) >= KEYS
    assert [set(year) >= YEAR_KEYS for year in found["years"]] == [True, True]
    assert found["best"] in ("2022", "2023")
    assert found["interval"][0] <= 100 <= found["interval"][1]
    assert found["verdicts_agree"] is True
    assert found["approved"] is None


def test_spans_are_the_same_as_years(folder: Path) -> None:
    spans = ("--train", "2023-01-01/2024-01-01", "--train", "2022-01-01/2023-01-01")
    assert data(folder, *spans) == data(folder, "--years", "2022,2023")
    assert data(folder, "--train", "2022-01-01/2023-01-01,2023-01-01/2024-01-01") == data(folder, *spans)


def test_years_that_contradict_are_said_before_any_figure(folder: Path) -> None:
    answer = run(folder, "--years", "2022,2023", energy="halved")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("blocking: verdicts_contradict: The years contradict each other")
    assert data(folder, "--years", "2022,2023", energy="halved")["verdicts_agree"] is False


def test_the_text_shows_the_uncorrected_band_beside_the_corrected_one(folder: Path) -> None:
    answer = run(folder, "--years", "2022,2023")
    for words in ("corrected for the choice", "uncorrected", "best of: ", "100 is as expected"):
        assert words in answer.stdout


@pytest.mark.parametrize(
    ("more", "options", "sentence"),
    [
        (("--years", "2022,2024"), {}, "overlaps the reporting period"),
        (("--train", "2022-01-01/2023-01-01", "--years", "2022"), {}, "overlap"),
        (("--years", "twenty"), {}, "expected calendar years"),
        ((), {}, "expected --train START/END or --years"),
        (("--years", "2022", "--confidence", "0.5"), {}, "0.68"),
        (("--years", "2022", "--seu", "line"), {}, "give --energy FILE, or --seu SEU"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    folder: Path, more: tuple[str, ...], options: dict[str, str], sentence: str
) -> None:
    answer = run(folder, *more, **options)
    assert answer.exit_code == 2
    assert sentence in answer.stderr


def test_without_an_eligible_year_every_key_is_there_and_no_number(folder: Path) -> None:
    found = data(folder, "--years", "2019,2020", code=1)
    assert (found["best"], found["enpi"], found["interval"], found["verdicts_agree"]) == (None,) * 4
    assert [(year["eligible"], year["reason"]) for year in found["years"]] == [(False, "too_few_days")] * 2
