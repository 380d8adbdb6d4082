"""docs/ems/optimisation.md says what the commands print, names every kind of device, and shows every preset."""

from pathlib import Path

from controls.optimiser.devices.kinds import KINDS
from data_quality.contracts.control.plan import Objective
from tests.controls.optimiser.doc_page import PAGE, filled


def test_every_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("$ meterloom ") >= 2
    assert filled(page, tmp_path) == page


def test_a_changed_figure_on_the_page_is_noticed(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    changed = page.replace("objective 1.871150", "objective 1.871151")
    assert changed != page
    assert filled(changed, tmp_path) == page


def test_every_kind_of_device_has_its_mathematics_on_the_page() -> None:
    words = {"battery": "Battery", "ev_charger": "Car", "tank": "Relays on a tank", "pv": "**PV**"}
    page = PAGE.read_text(encoding="utf-8")
    for kind in KINDS:
        assert words.get(kind, kind.replace("_", " ").capitalize()) in page, kind


def test_the_presets_of_the_page_are_those_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    presets = Objective.model_fields["preset"].annotation.__args__  # type: ignore[union-attr]
    assert all(f"\n| {preset} |" in page for preset in presets)
