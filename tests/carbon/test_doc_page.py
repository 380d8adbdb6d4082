"""docs/ems/carbon_accounting.md says what the commands print and what the data give."""

import re
from pathlib import Path

import pytest

from tests.carbon.cases import answer, written
from tests.carbon.doc_page import PAGE, filled
from tests.carbon.doc_tables import FINDINGS, codes_in_use, filled_tables, tables
from tests.carbon.test_hourly import gb_2023


def test_every_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("$ meterloom ") >= 5
    assert filled(page, tmp_path) == page


def test_a_changed_figure_on_the_page_is_noticed(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8").replace("21,732.5 kg", "21,732.6 kg")
    assert page != PAGE.read_text(encoding="utf-8")
    assert filled(page, tmp_path) != page


def test_every_finding_that_the_code_gives_is_explained_and_no_other() -> None:
    assert codes_in_use() == set(FINDINGS)


def test_answers_have_the_keys_that_the_page_lists(tmp_path: Path) -> None:
    activity = written(tmp_path / "a.csv", "id,activity,quantity,unit,year", "x,gas,1,kWh,2024")
    factors = written(tmp_path / "f.csv", "scope,activity,unit,kg_co2e_per_unit,year", "1,gas,kWh,0.2,2024")
    found = answer("carbon", "--activity", activity, "--factors", factors)
    listed = tables()["json"]
    for row, keys in (("`carbon --activity`", found), ("… `lines[]`", found["lines"][0])):
        line = next(line for line in listed.splitlines() if line.startswith(f"| {row} |"))
        assert {key.split("[")[0] for key in re.findall(r"`([^`]+)`", line)[1:]} == set(keys)


def test_a_changed_table_is_noticed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled_tables(page) == page
    changed = page.replace("| R-410A | 2087.5 |", "| R-410A | 2088 |")
    assert changed != page
    assert filled_tables(changed) == page


@pytest.mark.parametrize("shift", [False, True])
def test_the_hours_of_2023_on_the_page_are_those_of_the_data(tmp_path: Path, shared_data: Path, shift: bool) -> None:
    found = gb_2023(tmp_path, shared_data, shift=shift)
    keys = ("location_annual_kgco2e", "location_hourly_kgco2e", "location_level_kgco2e", "location_shape_kgco2e")
    cells = " | ".join(f"{found[key]:,.1f}" for key in keys)
    assert f"| {cells} |" in PAGE.read_text(encoding="utf-8")
