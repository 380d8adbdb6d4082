"""docs/ems/carbon_accounting.md says what the commands print and what the data give."""

from pathlib import Path

import pytest

from tests.carbon.doc_page import PAGE, filled
from tests.carbon.test_hourly import gb_2023


def test_every_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("$ meterloom ") >= 5
    assert filled(page, tmp_path) == page


def test_a_changed_figure_on_the_page_is_noticed(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8").replace("21,732.492", "21,732.493")
    assert page != PAGE.read_text(encoding="utf-8")
    assert filled(page, tmp_path) != page


@pytest.mark.parametrize("shift", [False, True])
def test_the_hours_of_2023_on_the_page_are_those_of_the_data(tmp_path: Path, shared_data: Path, shift: bool) -> None:
    found = gb_2023(tmp_path, shared_data, shift=shift)
    keys = ("location_annual_kgco2e", "location_hourly_kgco2e", "location_level_kgco2e", "location_shape_kgco2e")
    cells = " | ".join(f"{found[key]:,.1f}" for key in keys)
    assert f"| {cells} |" in PAGE.read_text(encoding="utf-8")
