"""`meterloom quality`: the keys that scripts rely on, and one sentence for every wrong request."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.data_quality.meters import office

RUNNER = CliRunner()


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = RUNNER.invoke(build_app(("quality", "init", "ingest")), list(words))
    return result.exit_code, result.stdout, result.stderr


def csv(path: Path, columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Path:
    """A wide or plain CSV of hourly values from 2024 on, UTC."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    count = len(next(iter(columns.values())))
    lines = [",".join(["timestamp", *columns])]
    for hour in range(count):
        stamp = f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"
        lines.append(",".join([stamp, *(f"{values[hour]:.10g}" for values in columns.values())]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_is_judged_without_a_project(tmp_path: Path) -> None:
    values = office(60)
    values[24 * 40] = 1e9
    values[24 * 45] = -2.0
    code, out, _ = run("quality", "--energy", str(csv(tmp_path / "a.csv", {"kwh": values})), "--json")
    answer = json.loads(out)
    assert (code, answer["coverage"]) == (0, 1.0)
    assert answer["score"] == pytest.approx((60 - 2 / 24) / 60)
    assert [(each["rule"], each["action"], each["value"]) for each in answer["findings"]] == [
        ("spike", "exclude", 1e9),
        ("negative", "exclude", -2.0),
    ]
    assert answer["findings"][0]["start_utc"] == "2024-02-10T00:00:00Z"
    assert answer["findings"][0]["end_utc"] == "2024-02-10T01:00:00Z"
    assert set(answer["findings"][0]) >= {"rule", "start_utc", "end_utc", "meter", "value", "action"}


def test_a_reading_beyond_any_meter_is_named_with_its_value(tmp_path: Path) -> None:
    values = office(60)
    values[24 * 40] = 5e12
    path = csv(tmp_path / "a.csv", {"m1_kwh": values, "m2_kwh": office(60, seed=2)})
    code, out, _ = run("quality", "--energy", str(path), "--json")
    (only,) = json.loads(out)["findings"]
    assert (code, only["rule"], only["meter"], only["value"]) == (0, "spike", "m1_kwh", 5e12)


def test_a_big_building_in_whole_kwh_is_judged_and_not_refused(tmp_path: Path) -> None:
    values = np.round(office(40) * 50)
    code, out, _ = run("quality", "--energy", str(csv(tmp_path / "a.csv", {"kwh": values})), "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_people_get_a_table_and_a_sentence(tmp_path: Path) -> None:
    values = office(60)
    values[24 * 40 : 24 * 40 + 8] = 0.0
    path = csv(tmp_path / "a.csv", {"kwh": values})
    code, out, _ = run("quality", "--energy", str(path), "--tz", "Europe/Berlin")
    assert code == 0
    assert "zero for 3 h or longer" in out
    assert "2024-02-10 01:00" in out
    assert "1 finding" in out


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", {"kwh": office(40)})
    path.write_text(path.read_text() + "2024-02-10T00:00:00Z,broken\n")
    _, out, _ = run("quality", "--energy", str(path), "--json")
    assert json.loads(out)["rejected_rows"] == {"not_a_number": 1}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give --energy FILE or --site SITE"),
        (("--site", "a", "--energy", "b.csv"), "give --energy FILE or --site SITE"),
        (("--energy", "b.csv", "--from", "2024-01-01"), "--from and --to go with --site"),
        (("--site", "a", "--tz", "UTC"), "a site file has its own"),
        (("--energy", "nothing.csv"), "no such file"),
    ],
)
def test_a_wrong_request_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    code, out, error = run("quality", *words)
    assert (code, out) == (2, "")
    assert sentence in error


def test_a_site_is_judged_from_its_lake(tmp_path: Path) -> None:
    project = str(tmp_path / "p")
    run("init", project)
    code, out, error = run("quality", "--site", "my_site", "--project", project, "--json")
    assert (code, json.loads(out)["score"]) == (0, None), error
    values = office(60)
    values[24 * 40] = 500.0
    path = csv(tmp_path / "main.csv", {"main": values})
    code, _, error = run("ingest", str(path), "--site", "my_site", "--project", project)
    assert code == 0, error
    code, out, error = run("quality", "--site", "my_site", "--project", project, "--json")
    answer = json.loads(out)
    assert [each["rule"] for each in answer["findings"]] == ["spike"], (error, out)
    words = ("--from", "2024-01-05", "--to", "2024-02-01")
    _, out, _ = run("quality", "--site", "my_site", "--project", project, *words, "--json")
    assert json.loads(out)["findings"] == []
    code, _, error = run("quality", "--site", "my_site", "--project", project, "--from", "x")
    assert (code, "2025-03-30" in error) == (2, True)
