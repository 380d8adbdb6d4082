"""`meterloom what-if`: stored, listed, traced, drawn; what it cannot do it says in a sentence."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.open_project import OpenProject
from tests.controls.planning.lived_year import DEMO, home, live
from tests.orchestration.test_cli import run

TARIFF = """
tariff_id: day_and_night
currency: CZK
valid_from: 2020-01-01
valid_to: 2020-02-01
export_price_per_kwh: 0.6
periods:
  - {period_id: day, price_per_kwh: 2.5, start: "06:00", end: "22:00"}
  - {period_id: night, price_per_kwh: 1.5, start: "22:00", end: "06:00"}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without devices that plans move, with a year of readings."""
    folder = tmp_path_factory.mktemp("what_if")
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}")
    (folder / "people.yaml").write_text("people: []\n")
    site = yaml.safe_load(DEMO.read_text())
    site |= {"assets": [], "sources": []}
    (folder / "sites" / "home.yaml").write_text(yaml.safe_dump(site))
    (folder / "tou.yaml").write_text(TARIFF)
    opened = OpenProject(str(folder))
    live(opened.lake, home(), date(2024, 12, 20), date(2026, 1, 1))
    opened.close()
    return folder


def json_of(project: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The JSON of a command."""
    done, out, error = run(*words, "--json", folder=project)
    assert done == code, error
    return dict(json.loads(out))


def test_a_tariff_is_tried_stored_listed_traced_and_drawn(project: Path, tmp_path: Path) -> None:
    picture = tmp_path / "months.png"
    words = ("what-if", "--site", "home", "--tariff", str(project / "tou.yaml"), "--cost", "100")
    found = json_of(project, *words, "--picture", str(picture))
    (variant,) = found["variants"]
    assert {"name", "cost", "without", "saving", "interval", "kgco2e", "payback_years", "figure_ids"} <= variant.keys()
    assert variant["saving"] == pytest.approx(variant["without"] - variant["cost"])
    assert variant["interval"][0] < variant["saving"] < variant["interval"][1]
    # Nothing moves, so the year replayed is the bill of what was metered, and no import changes.
    assert found["without"] == pytest.approx(found["billed"], abs=0.05)
    assert variant["saving_kgco2e"] == pytest.approx(0)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [each["code"] for each in found["findings"]] == ["synthetic_readings"]
    # The same again is the same, under the same ids.
    assert json_of(project, *words)["result_id"] == found["result_id"]
    stored = json_of(project, "what-ifs", "list", "--site", "home")["what_ifs"]
    assert [each["result_id"] for each in stored] == [found["result_id"]]
    for figure in variant["figure_ids"]:
        traced = json_of(project, "trace", figure)
        assert traced["is_equal"] is True
        assert traced["figure"]["is_synthetic"] is True
    assert float(traced["recomputed"]) == pytest.approx(variant["payback_years"])


COLOURS = """
tariff_id: colours
currency: CZK
valid_from: 2025-01-01
valid_to: 2025-03-01
calendar: {seasons: [{season_id: red, dates: [2025-01-10]}, {season_id: rest, other_than: [red]}]}
periods:
  - {period_id: red, price_per_kwh: 9, seasons: [red]}
  - {period_id: rest, price_per_kwh: 1, seasons: [rest]}
"""
FLAT = """
tariffs:
  - {tariff_id: a, valid_from: 2024-01-01, valid_to: 2025-03-01, periods: [{period_id: all, price_per_kwh: 1}]}
  - {tariff_id: b, valid_from: 2025-04-01, periods: [{period_id: all, price_per_kwh: 1}]}
"""


@pytest.mark.parametrize("tariffs", [COLOURS, FLAT], ids=["published_days", "a_month_between_two"])
def test_months_without_a_tariff_or_without_published_days_are_not_free_ones(project: Path, tariffs: str) -> None:
    path = project / "holes.yaml"
    path.write_text(tariffs)
    code, out, error = run("what-if", "--site", "home", "--tariff", str(path), folder=project)
    assert (code, "no tariff is in force on 2025-03-01" in error) == (2, True), out + error


def test_days_on_which_the_sites_own_tariff_has_ended_are_not_free_ones(project: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(project, tmp_path / "copy"))
    site = yaml.safe_load((copied / "sites" / "home.yaml").read_text())
    del site["price_stream"]
    site["tariffs"][0]["valid_to"] = date(2025, 8, 1)
    (copied / "sites" / "home.yaml").write_text(yaml.safe_dump(site))
    code, out, error = run("what-if", "--site", "home", "--tariff", str(project / "tou.yaml"), folder=copied)
    assert (code, "no tariff is in force on 2025-08-01" in error) == (2, True), out + error


def test_made_up_prices_of_a_tried_tariff_are_said(project: Path) -> None:
    path = project / "made_up.yaml"
    path.write_text(TARIFF.replace("day_and_night", "made_up") + "prices: example\n")
    found = json_of(project, "what-if", "--site", "home", "--tariff", str(path))
    assert [each["code"] for each in found["findings"]] == ["synthetic_readings", "example_prices"]


def test_paths_of_prices_give_each_its_payback_and_each_traces(project: Path) -> None:
    words = ("what-if", "--site", "home", "--tariff", str(project / "tou.yaml"), "--cost", "30000")
    [plain] = json_of(project, *words)["variants"]
    assert "paths" not in plain
    [variant] = json_of(project, *words, *("--price-path", "level=0"), "--price-path", "rising=5%")["variants"]
    level, rising = variant["paths"]
    assert level["payback_years"] == pytest.approx(variant["payback_years"])
    assert rising["payback_years"] < level["payback_years"]
    low, high = variant["payback_over_paths"]
    assert (low, high) == (rising["payback_interval"][0], level["payback_interval"][1])
    for path in variant["paths"]:
        traced = json_of(project, "trace", path["figure_id"])
        assert (traced["is_equal"], float(traced["recomputed"])) == (True, pytest.approx(path["payback_years"]))
    assert plain["figure_ids"] != variant["figure_ids"]


def test_a_stored_month_that_was_altered_is_not_traced(project: Path, tmp_path: Path) -> None:

    import sqlalchemy as sa

    copied = tmp_path / "copy"
    shutil.copytree(project, copied)
    found = json_of(copied, "what-if", "--site", "home", "--tariff", str(project / "tou.yaml"))
    opened = OpenProject(str(copied))
    with opened.store.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER what_if_results_no_update"))
        connection.execute(sa.text("UPDATE what_if_results SET result = replace(result, '2025-01-01', '2025-02-01')"))
    opened.close()
    code, _, error = run("trace", found["variants"][0]["figure_ids"][0], folder=copied)
    assert code != 0
    assert "the row is not what was written" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--battery", "10"), "--battery: '10' is no size"),
        (("--pv", "-4kW"), "--pv: '-4kW' is no size"),
        ((), "nothing is to be tried"),
        (("--tariff", "nowhere.yaml"), "nowhere.yaml: no such file"),
        (("--pv", "4kW", "--pv", "8kW", "--cost", "3"), "--cost is of one variant"),
        (("--battery", "10kWh", "--battery", "20kWh", "--together"), "battery_kwh is given twice"),
        (("--battery", "10kWh", "--years", "3"), "12 whole months were read"),
        (("--pv", "4kW", "--price-path", "rising"), "percent a year from -20 to 20"),
        (("--pv", "4kW", "--price-path", "rising=40"), "percent a year from -20 to 20"),
        (("--pv", "4kW", "--price-path", "up=1", "--price-path", "up=2"), "two have one name"),
        (("--heat-pump", "8kW"), "has no readings of an electric heating"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_a_sentence(project: Path, words: tuple[str, ...], said: str) -> None:
    code, _, error = run("what-if", "--site", "home", *words, folder=project)
    assert code == 2
    assert said in error


def test_a_battery_without_a_tariff_is_a_finding(project: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(project, copied)
    site = yaml.safe_load((copied / "sites" / "home.yaml").read_text())
    del site["tariffs"], site["price_stream"]
    (copied / "sites" / "home.yaml").write_text(yaml.safe_dump(site))
    found = json_of(copied, "what-if", "--site", "home", "--battery", "10kWh", code=1)
    assert found["variants"] == []
    assert "has neither a tariff of electricity nor a price_stream" in found["findings"][0]["message"]
