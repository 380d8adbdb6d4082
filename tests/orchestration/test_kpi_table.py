"""KPI values as a table of months: rounded alike, the whole before its parts, every code explained in words."""

import csv
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli.frame import show
from orchestration.operations.answer import Answer, Table
from orchestration.operations.reports.kpis import EXPLAINED, kpi_tables
from reports.texts.locales import format_alike

SEED = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds" / "kpi_catalogue.csv"
MONTHS = [date(2025, month, 1) for month in range(1, 13)] + [date(2026, 1, 1)]


def row(kpi: str, month: int, value: float | None, unit: str = "kwh", **more: Any) -> dict[str, Any]:
    """A row of `kpis --json`."""
    given = {"scope": "site:works", "findings": [], "finding": "", "coverage": 1.0, "hour_start_utc": ""} | more
    return {"kpi": kpi, "start": MONTHS[month - 1], "end": MONTHS[month], "value": value, "unit": unit, **given}


def lines(rows: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], grain: str = "month") -> list[str]:
    """Printed lines of the tables."""
    show(Answer({}, kpi_tables(rows, grain=grain, time_zone="Europe/Berlin")), is_json=False)
    return capsys.readouterr().out.splitlines()


def test_months_are_columns_and_codes_are_footnotes_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    no_price = {"finding": "no_price", "findings": ["no_price"]}
    rows = [
        row("consumption_kwh", 1, 5.5, scope="meter:pump"),
        row("consumption_kwh", 1, 25543.9355), row("consumption_kwh", 2, 9000.5),
        row("cost", 1, 4741.903, "EUR"), row("cost", 2, None, "EUR", **no_price),
        row("load_factor", 1, 0.66412, "ratio", coverage=0.97), row("load_factor", 2, 0.5, "ratio"),
    ]  # fmt: skip
    assert lines(rows, capsys) == [
        "               unit     2025-01  2025-02",
        "site:works",
        "  Consumption  kWh     25,544    9,001",
        "  Load factor           0.664 a  0.500",
        "  Energy cost  €     4,741.90        – b",
        "",
        "meter:pump",
        "  Consumption  kWh       5.50",
        "",
        "a  not all of the period was read; the value is of what was",
        "b  some or all of the energy has no price: the site's price stream, or else its tariffs, have none then",
    ]


def test_what_does_not_fit_the_terminal_stands_by_month_and_twelve_months_with_their_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [row("consumption_kwh", month, 1234.5 + month) for month in range(1, 13)]
    rows.append(row("eui_rolling12_kwh_per_m2", 12, 101.5, "kwh/m2", start=date(2025, 1, 1)))
    found = lines(rows, capsys)
    assert found[0] == "site:works"
    assert [line.split()[0] for line in found if line.startswith("2025-")] == [f"2025-{n:02d}" for n in range(1, 13)]
    [last] = [line for line in found if line.startswith("2025-12")]
    assert last.split() == ["2025-12", "1,246.5", "101.5"]


def test_a_cost_of_each_currency_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("cost", 1, money, unit, scope="portfolio") for money, unit in ((21709.9, "EUR"), (1321.3, "CZK"))]
    printed = [line.split() for line in lines(rows, capsys)[2:]]
    assert [each for each in printed if each] == [
        ["Energy", "cost", "CZK", "1,321.30"],
        ["Energy", "cost", "€", "21,710"],
    ]


def test_hours_are_told_in_local_time(capsys: pytest.CaptureFixture[str]) -> None:
    hours = [row("consumption_kwh", 1, 1.0, hour_start_utc=f"2025-01-05T{hour:02d}:00Z") for hour in range(12)]
    assert lines(hours, capsys, "hour")[2].split() == ["01-05", "01:00", "1"]


def test_every_code_of_the_catalogue_is_explained() -> None:
    with SEED.open(encoding="utf-8") as file:
        named = {code for each in csv.DictReader(file) for code in re.findall(r"(?:^|; )([a-z_]+)", each["warning"])}
    assert len(named) > 25
    assert named - set(EXPLAINED) == set()


@pytest.mark.parametrize(
    ("values", "unit", "texts"),
    [
        ([25543.9355, 5.0, None], "kwh", ["25,544", "5", "–"]),
        ([120.25, 5.0], "kwh", ["120.3", "5.0"]),
        ([6200.0, 6100.0], "m2", ["6,200", "6,100"]),
        ([0.66412], "ratio", ["0.664"]),
        ([-3.1249], "percent", ["-3.1"]),
        ([7819.877], "EUR", ["7,819.88"]),
        ([0.0123456], "kwh/unit", ["0.0123"]),
        ([None], "kwh", ["–"]),
    ],
)
def test_values_of_one_row_are_rounded_alike(values: list[float | None], unit: str, texts: list[str]) -> None:
    assert format_alike(values, unit) == texts


def test_a_program_that_takes_the_json_has_no_table_made(capsys: pytest.CaptureFixture[str]) -> None:
    made = list[str]()

    def tables() -> list[Table | str]:
        made.append("table")
        return ["a line for people"]

    for is_json in (True, False):
        show(Answer({"rows": []}, tables), is_json=is_json)
    assert capsys.readouterr().out == '{"rows": []}\na line for people\n'
    assert made == ["table"]


def test_an_hour_with_local_midnight_inside_begins_at_midnight_on_its_second_day(
    capsys: pytest.CaptureFixture[str],
) -> None:
    days = (date(2024, 2, 9), date(2024, 2, 10), date(2024, 2, 11))
    hour = {"hour_start_utc": "2024-02-09T18:00Z"}
    rows = [
        row("consumption_kwh", 1, float(place), start=start, end=end, **hour)
        for place, (start, end) in enumerate(pairwise(days))
    ]
    show(Answer({}, kpi_tables(rows, grain="hour", time_zone="Asia/Kathmandu")), is_json=False)
    found = capsys.readouterr().out
    assert "02-09 23:45" in found
    assert "02-10 00:00" in found
