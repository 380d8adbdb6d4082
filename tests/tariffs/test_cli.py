"""`meterloom tariff` and `meterloom bill` as users script against them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app

FLAT = "tariff_id: flat\ncurrency: EUR\nperiods: [{period_id: all, price_per_kwh: 0.2}]\n"


def run(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(build_app(("tariff", "bill")), [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def answer(*words: object, code: int = 0) -> Any:
    return json.loads(run(*words, "--json", code=code).stdout)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    path = tmp_path / "flat.yaml"
    path.write_text(FLAT)
    return path


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    path = tmp_path / "load.csv"
    rows = [f"2025-01-{day:02d}T{hour:02d}:00:00+01:00,2.0" for day in range(1, 32) for hour in range(24)]
    path.write_text("\n".join(["timestamp,kw", *rows, ""]))
    return path


def test_a_bill_has_the_keys_of_the_contract(flat: Path, hours: Path) -> None:
    found = answer("bill", "--tariff", flat, "--load", hours, "--tz", "Europe/Berlin")
    assert {"currency", "periods", "total", "coverage"} <= set(found)
    (period,) = found["periods"]
    assert (period["start"], period["end"], period["total"]) == ("2025-01-01", "2025-02-01", 297.6)
    (line,) = period["lines"]
    assert {"id", "kind", "description", "quantity", "unit", "rate", "amount"} <= set(line)
    assert (line["id"], line["kind"], line["quantity"], line["amount"]) == (
        "energy.all",
        "energy_usage_fee",
        1488.0,
        297.6,
    )
    assert (found["currency"], found["total"], found["coverage"]) == ("EUR", 297.6, 1.0)


def test_without_a_zone_the_offset_of_the_file_decides_and_it_is_said(flat: Path, hours: Path) -> None:
    result = run("bill", "--tariff", flat, "--load", hours, "--json")
    assert json.loads(result.stdout)["time_zone"] == "Etc/GMT-1"
    assert "days and months are those of Etc/GMT-1" in result.stderr


def test_from_and_to_make_one_bill(flat: Path, hours: Path) -> None:
    found = answer("bill", "--tariff", flat, "--load", hours, "--from", "2025-01-10", "--to", "2025-01-20")
    assert [(period["start"], period["end"]) for period in found["periods"]] == [("2025-01-10", "2025-01-20")]


def test_a_bill_over_a_gap_says_its_coverage(flat: Path, hours: Path) -> None:
    lines = hours.read_text().splitlines()
    hours.write_text("\n".join([*lines[:101], *lines[201:], ""]))
    result = run("bill", "--tariff", flat, "--load", hours, "--tz", "Europe/Berlin", "--json")
    assert json.loads(result.stdout)["coverage"] == pytest.approx(644 / 744)
    assert "the load has 644 of 744 intervals" in result.stderr


def test_generation_is_netted(flat: Path, hours: Path, tmp_path: Path) -> None:
    sun = tmp_path / "sun.csv"
    sun.write_text(hours.read_text().replace(",2.0", ",0.5"))
    found = answer("bill", "--tariff", flat, "--load", hours, "--generation", sun, "--tz", "Europe/Berlin")
    assert found["total"] == 223.2


def test_prices_are_taken_from_their_file(hours: Path, tmp_path: Path) -> None:
    tariff, prices = tmp_path / "spot.yaml", tmp_path / "prices.csv"
    tariff.write_text("tariff_id: spot\ncurrency: EUR\nenergy: [{charge_id: spot, series: {series: day_ahead}}]\n")
    prices.write_text(hours.read_text().replace("kw\n", "eur_per_mwh\n").replace(",2.0", ",-50"))
    found = answer("bill", "--tariff", tariff, "--load", hours, "--prices", prices, "--tz", "Europe/Berlin")
    assert found["total"] == -74.4
    assert "none was given" in run("bill", "--tariff", tariff, "--load", hours, code=2).stderr


def test_register_reads_stand_for_a_load(shared_data: Path) -> None:
    bills = shared_data / "bills"
    found = answer("bill", "--tariff", bills / "tariffs.json", "--reads", bills / "meter_reads.csv", "--meter", "M1")
    assert [period["total"] for period in found["periods"]][:2] == [867.11, 835.81]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a bill needs --tariff FILE"),
        (["--tariff", "FLAT"], "a bill needs --load or --reads"),
        (["--tariff", "FLAT", "--load", "LOAD", "--reads", "LOAD"], "not both"),
        (["--tariff", "FLAT", "--load", "LOAD", "--from", "1.1.2025", "--to", "2025-02-01"], "--from: expected a date"),
        (["--tariff", "FLAT", "--load", "LOAD", "--rounding", "up"], "--rounding: expected line or none"),
        (["--tariff", "FLAT", "--load", "LOAD", "--tz", "Mars/One"], "unknown time zone 'Mars/One'"),
        (["--tariff", "FLAT", "--load", "none.csv"], "cannot be read"),
        (["--tariff", "FLAT", "--load", "none.csv", "--tz", "Europe/Berlin"], "none.csv: no such file"),
        (["--tariff", "FLAT", "--load", "LOAD", "--prices", "none.csv"], "none.csv: no such file"),
        (["--tariff", "FLAT", "--load", "LOAD", "--currency", "GBP"], "tariff flat is in EUR, expected GBP"),
        (["--tariff", "FLAT", "--reads", "LOAD"], "lacks the column read_date"),
    ],
)
def test_a_wrong_request_is_one_sentence(flat: Path, hours: Path, words: list[str], message: str) -> None:
    given = {"FLAT": str(flat), "LOAD": str(hours)}
    result = run("bill", *[given.get(word, word) for word in words], code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_tariffs_are_compared_and_ranked(flat: Path, hours: Path, tmp_path: Path) -> None:
    dear = tmp_path / "dear.yaml"
    dear.write_text(FLAT.replace("flat", "dear").replace("0.2", "0.3"))
    for words in (["--tariff", dear, "--tariff", flat], ["--tariff", dear, flat]):
        found = answer("bill", "compare", *words, "--load", hours, "--tz", "Europe/Berlin")
        assert [(row["name"], row["total"]) for row in found["tariffs"]] == [("flat", 297.6), ("dear", 446.4)]


def test_two_tariffs_of_one_name_are_told_apart_by_their_file(flat: Path, hours: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin.yaml"
    twin.write_text(FLAT)
    found = answer("bill", "compare", "--tariff", flat, "--tariff", twin, "--load", hours, "--tz", "UTC")
    assert len({row["name"] for row in found["tariffs"]}) == 2


def test_a_tariff_is_shown_in_words_and_as_a_picture(flat: Path, tmp_path: Path) -> None:
    picture = tmp_path / "week.png"
    result = run("tariff", "show", flat, "--picture", picture)
    assert "energy     energy" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert answer("tariff", "show", flat)["tariff"]["periods"] == [{"period_id": "all", "price_per_kwh": 0.2}]


def test_a_check_lists_every_mistake_and_ends_with_two(tmp_path: Path, flat: Path) -> None:
    assert answer("tariff", "check", flat)["valid"] is True
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("tariff_id: t\nperiods: [{period_id: a, price_per_kwh: x}]\nfixt: []\n")
    found = answer("tariff", "check", wrong, code=2)
    assert found["valid"] is False
    assert len(found["errors"]) == 2
    assert "line 3, column 1: unknown key 'fixt'" in found["errors"][1]


def test_an_imported_rate_bills_as_the_rate_itself(shared_data: Path, tmp_path: Path, hours: Path) -> None:
    urdb, own = shared_data / "tariffs" / "urdb" / "sce_gs2_tou_b.json", tmp_path / "own.json"
    answer("tariff", "import", urdb, "--out", own)
    first, second = (answer("bill", "--tariff", path, "--load", hours, "--tz", "Europe/Berlin") for path in (urdb, own))
    assert first["periods"] == second["periods"]
