"""`meterloom experiment`: days drawn and stored before they begin, shown, stopped; refusals in one sentence each."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.test_cli import run

pytestmark = pytest.mark.slow
BATTERY = """
assets:
  - asset_id: battery
    kind: battery
    params: {capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5, soc_min: 0.1, soc_max: 0.95}
"""
TARIFF = """
tariffs:
  - {tariff_id: flat, valid_from: 2025-01-01, valid_to: 2035-01-01, periods: [{period_id: all, price_per_kwh: 0.3}]}
"""
SITE = """
site_id: house
name: House
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: grid, connected_load_kw: 17}]
"""


def project(folder: Path, site: str) -> Path:
    """A project of one house, whose engineer is Eve."""
    (folder / "house.yaml").write_text(site)
    assert run("init", str(folder / "p"), "--site", str(folder / "house.yaml"))[0] == 0
    people = [{"person_id": n, "name": n, "roles": [role]} for n, role in (("eve", "engineer"), ("dan", "viewer"))]
    (folder / "p" / "people.yaml").write_text(json.dumps({"people": people}))
    return folder / "p"


def experiment(folder: Path, act: str, *more: str, who: str = "eve") -> tuple[int, dict[str, Any], str]:
    named = () if act == "status" else ("--as", who, "--reason", "what does it save?")
    code, out, error = run("experiment", act, "--site", "house", *named, *more, "--json", folder=folder)
    return code, json.loads(out) if out.strip().startswith("{") else {}, error


def test_days_are_stored_before_they_begin_and_shown_until_the_experiment_is_stopped(tmp_path: Path) -> None:
    folder = project(tmp_path, SITE + BATTERY + TARIFF)
    code, made, error = experiment(folder, "start", "--days", "40", "--seed", "7", "--share", "0.25")
    assert code == 0, error
    drawn = made["experiment"]
    assert (drawn["seed"], drawn["share"], drawn["currency"], drawn["verdict"]) == (7, 0.25, "EUR", "insufficient")
    assert (drawn["saving"], drawn["interval"]) == (None, None)
    assert [day["arm"] for day in drawn["days"]].count("habit") == 10
    assert [one["code"] for one in made["findings"]] == ["insufficient"]
    code, _, error = experiment(folder, "start")
    assert (code != 0, "one at a time" in error) == (True, True)
    assert experiment(folder, "status")[1]["experiment"] == drawn
    assert experiment(folder, "stop")[0] == 0
    code, _, error = experiment(folder, "stop")
    assert (code != 0, "no experiment runs at house" in error) == (True, True)
    code, text, _ = run("experiment", "status", "--site", "house", folder=folder)
    assert (code, "stopped" in text) == (0, True)


@pytest.mark.parametrize(
    ("site", "more", "who", "said"),
    [
        (SITE + BATTERY + TARIFF, ("--share", "0.4"), "eve", "at most 0.3"),
        (SITE + BATTERY + TARIFF, ("--days", "10"), "eve", "14 to 365"),
        (SITE + BATTERY + TARIFF, ("--from", "2026-01-01"), "eve", "has begun"),
        (SITE + BATTERY + TARIFF, ("--seed", "-1"), "eve", "start: --seed: "),
        (SITE + BATTERY + TARIFF, (), "dan", "may not do this"),
        (SITE + TARIFF, (), "eve", "no former habit"),
        (SITE + BATTERY, (), "eve", "no tariff"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, site: str, more: tuple[str, ...], who: str, said: str
) -> None:
    code, _, error = experiment(project(tmp_path, site), "start", *more, who=who)
    assert code != 0
    assert said in error


def test_a_site_without_an_experiment_says_how_one_is_started(tmp_path: Path) -> None:
    code, _, error = experiment(project(tmp_path, SITE), "status")
    assert code != 0
    assert "experiment start" in error
