"""`meterloom dr baseline` on a plain file: keys of the contract, and one sentence for what is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.forecasts.test_file_case import table

START = datetime(2025, 1, 6, tzinfo=UTC)
EVENT = "2025-05-06T16:00/2025-05-06T19:00"


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("dr",)), ["dr", "baseline", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hours = np.arange(150 * 24)
    load = np.where((hours % 24 >= 7) & (hours % 24 < 20), 80.0, 20.0)
    load = load * (1 + 0.05 * np.random.default_rng(2).standard_normal(len(hours)))
    return table(tmp_path_factory.mktemp("energy") / "e.csv", "kwh", load.round(2).tolist(), start=START)


def test_events_and_methods_have_the_keys_of_the_contract(file: Path) -> None:
    code, out, _ = run("--energy", file, "--event", EVENT, "--tz", "Europe/London", "--country", "GB", "--json")
    found = json.loads(out)
    assert code == 0
    assert len(found["events"]) == len(found["methods"]) == 10
    assert sum(each["chosen"] for each in found["methods"]) == 1
    for event in found["events"]:
        assert (event["start_utc"], event["end_utc"]) == ("2025-05-06T15:00:00Z", "2025-05-06T18:00:00Z")
        assert event["shed_kwh"] == pytest.approx(event["baseline_kwh"] - event["actual_kwh"])
        assert event["interval_kwh"][0] < event["shed_kwh"] < event["interval_kwh"][1]
        assert event["significant"] == (event["interval_kwh"][0] > 0 or event["interval_kwh"][1] < 0)
        assert len(event["intervals"]) == 3
        assert sum(each["actual_kwh"] for each in event["intervals"]) == pytest.approx(event["actual_kwh"])
    assert {"name", "eligible", "n_days", "bias", "mae", "rrmse", "chosen"} <= found["methods"][0].keys()


def test_one_method_is_settled_and_all_are_measured(file: Path) -> None:
    _, out, _ = run("--energy", file, "--event", EVENT, "--method", "10-in-10", "--tz", "Europe/London", "--json")
    found = json.loads(out)
    assert [each["method"] for each in found["events"]] == ["10-in-10"]
    assert len(found["methods"]) == 10
    assert "no_holidays" in {each["code"] for each in found["findings"]}


def test_people_see_events_and_errors(file: Path) -> None:
    _, out, _ = run("--energy", file, "--event", EVENT, "--tz", "Europe/London", "--country", "GB", "--placebo")
    assert "high-5-of-10-adj20" in out
    assert "RRMSE" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected an event"),
        (("--event", "2025-05-06T22:00/2025-05-07T02:00"), "crosses midnight"),
        (("--event", "2025-03-30T00:00/2025-03-30T04:00", "--adjust", "00:00/00:00"), "end before it"),
        (("--event", "2025-03-30T04:00/2025-03-30T06:00"), "clocks change"),
        (("--event", "2027-05-06T16:00/2027-05-06T19:00"), "outside the file"),
        (("--event", EVENT, "--event", "2025-05-06T18:00/2025-05-06T20:00"), "events overlap"),
        (("--event", EVENT, "--method", "best"), "expected one of 10-in-10"),
        (("--event", EVENT, "--adjust", "15:00/17:00"), "end before it"),
        (("--event", EVENT, "--adjust", "noon"), "expected HH:MM/HH:MM"),
        (("--event", "2025-05-06T16:00"), "expected START/END"),
        (("--event", EVENT, "--placebo-period", "2030-01-01/2030-02-01"), "no day of the file counts"),
        (("--event", "2025-05-06T19:00/2025-05-06T16:00"), "expected an end after the start"),
        (("--event", "2025-05-06T16:30/2025-05-06T19:00"), "expected whole steps of 60 minutes"),
        (("--event", EVENT, "--country", "ZZ"), "no public-holiday calendar"),
    ],
)
def test_a_refusal_is_one_sentence(file: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = run("--energy", file, "--tz", "Europe/London", *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("line", "message"),
    [("2025-13-01", "line 2: expected a date"), ("2025-04-05/2025-04-01", "line 2: expected a date")],
)
def test_a_bad_line_of_excluded_days_is_named(file: Path, tmp_path: Path, line: str, message: str) -> None:
    days = tmp_path / "days.txt"
    days.write_text(f"2025-04-01  # works\n{line}\n", encoding="utf-8")
    code, out, err = run("--energy", file, "--tz", "Europe/London", "--event", EVENT, "--exclude", days)
    assert (code, out) == (2, "")
    assert message in err


def test_missing_adjustment_hours_and_few_days_are_labelled(tmp_path: Path) -> None:
    load = np.full(12 * 24, 50.0)
    load[10 * 24 + 12 : 10 * 24 + 15] = 0
    short = table(tmp_path / "e.csv", "kwh", load.tolist(), start=START)
    code, out, _ = run("--energy", short, "--event", "2025-01-16T16:00/2025-01-16T18:00", "--tz", "UTC", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"few_days", "adjustment_missing", "no_interval", "not_eligible"} <= {f["code"] for f in found["findings"]}
    assert not next(each for each in found["methods"] if each["name"] == "10-in-10-adj20")["eligible"]


def test_hours_at_half_past_by_the_local_clock_are_those_of_the_event_or_none(file: Path) -> None:
    words = ("--energy", file, "--tz", "Asia/Kolkata", "--country", "IN", "--method", "10-in-10", "--json")
    code, _, err = run(*words, "--event", "2025-05-06T14:00/2025-05-06T16:00")
    assert (code, "expected whole steps of 60 minutes, as the file has from 00:00Z on" in err) == (2, True)
    [event] = json.loads(run(*words, "--event", "2025-05-06T14:30/2025-05-06T16:30")[1])["events"]
    at = [line for line in file.read_text().splitlines() if line.startswith(("2025-05-06T09", "2025-05-06T10"))]
    assert event["actual_kwh"] == pytest.approx(sum(float(line.split(",")[1]) for line in at))
