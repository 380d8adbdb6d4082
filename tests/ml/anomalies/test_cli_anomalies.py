"""`meterloom anomalies` on a plain file: keys of the contract, and one sentence for what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.ml.anomalies.office import START, load
from tests.ml.forecasts.test_file_case import table


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("anomalies",)), ["anomalies", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = load(80)
    values[60 * 24 : 60 * 24 + 20] = 0
    return table(tmp_path_factory.mktemp("energy") / "e.csv", "kwh", values.tolist(), start=START)


def test_an_event_has_the_keys_of_the_contract(file: Path) -> None:
    code, out, _ = run("--energy", file, "--tz", "Europe/London", "--json")
    (event,) = json.loads(out)["events"]
    assert code == 0
    assert {"start_utc", "end_utc", "kind", "cause", "confidence", "score", "evidence"} <= event.keys()
    assert (event["kind"], event["cause"], event["confidence"]) == ("dead", "sensor_fault", 0.99)
    assert {each["name"] for each in event["evidence"]} > {"measured", "expected", "median_ratio", "zero"}


def test_people_see_a_table_and_a_sentence(file: Path) -> None:
    _, out, _ = run("--energy", file, "--tz", "Europe/London")
    assert "sensor fault" in out
    assert "1 event on 52 days" in out


def test_a_short_file_is_a_finding_and_no_failure(tmp_path: Path) -> None:
    short = table(tmp_path / "e.csv", "kwh", np.round(load(10), 2).tolist(), start=START)
    code, out, _ = run("--energy", short, "--tz", "Europe/London", "--json")
    found = json.loads(out)
    assert (code, found["events"]) == (0, [])
    assert "too_few_days" in {each["code"] for each in found["findings"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [((), "expected an energy file"), (("--energy", "{file}", "--sensitivity", "1.2"), "expected 0 to 1")],
)
def test_what_is_wrong_is_one_sentence(file: Path, words: tuple[str, ...], message: str) -> None:
    code, out, err = run(*(word.format(file=file) for word in words))
    assert (code, out) == (2, "")
    assert message in err
