"""Tests of loads that people accept: plans use the tested value, with who and when, until the site file changes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.dr_events import AcceptedLoads
from controls.demand_response.curtailment import Event
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.site_file.accepted_load import with_accepted
from data_quality.contracts.site_file.sheddable_load import SheddableLoad
from orchestration.open_project import OpenProject
from orchestration.views.usual_load import proposed_curtailment
from tests.orchestration.test_cli import run

pytestmark = pytest.mark.slow
HOUR = timedelta(hours=1)
START = datetime(2026, 6, 30, 14, tzinfo=UTC)
SPAN = f"{START.isoformat()}/{(START + 2 * HOUR).isoformat()}"
SITE = """
site_id: plant
name: Plant
time_zone: UTC
currency: EUR
country: DE
weekly_rest: []
meters: [{meter_id: main}, {meter_id: fans, parent: main}]
sheddable_loads:
  - {load_id: fans, meter: fans, max_shed_kw: 9, max_minutes: 120, cost_per_kwh: 0.1}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """Fans at about 20 kW for twenty weeks, 6 kW less in the test."""
    (tmp_path / "plant.yaml").write_text(SITE)
    assert run("init", str(tmp_path / "p"), "--site", str(tmp_path / "plant.yaml"))[0] == 0
    first = (START - timedelta(days=140)).replace(hour=0)
    rows = ["meter,timestamp,kwh"]
    for n in range(141 * 24):
        at = first + n * HOUR
        kw = 20 + (n * 37 % 11) / 10 - (6 if START <= at < START + 2 * HOUR else 0)
        rows += [f"fans,{at.isoformat()},{kw}", f"main,{at.isoformat()},{kw + 80}"]
    (tmp_path / "energy.csv").write_text("\n".join(rows) + "\n")
    assert run("ingest", str(tmp_path / "energy.csv"), "--site", "plant", folder=tmp_path / "p")[0] == 0
    people = [
        {"person_id": name, "name": name, "roles": [role]} for name, role in (("eve", "engineer"), ("dan", "viewer"))
    ]
    (tmp_path / "p" / "people.yaml").write_text(json.dumps({"people": people}))
    return tmp_path / "p"


def accepts(plant: Path, *more: str, who: str = "eve") -> tuple[int, dict[str, Any], str]:
    words = ("--site", "plant", "--load", "fans", "--event", SPAN, "--as", who, "--reason", "an ordinary day", "--json")
    code, out, error = run("dr", "loads", "accept", *words, *more, folder=plant)
    return code, json.loads(out) if out.strip() else {}, error


def planned(project: OpenProject) -> CurtailmentPlan:
    day = START + timedelta(days=1)
    event, now_utc = Event(day, day + 2 * HOUR, 4.0), START + 8 * HOUR
    found = proposed_curtailment(project, project.site("plant"), event, now_utc, preference="cost").plan
    assert isinstance(found, CurtailmentPlan), found
    return found


def test_a_plan_uses_what_a_person_accepted_and_the_site_file_again_once_it_was_changed(plant: Path) -> None:
    project = OpenProject(str(plant))
    before = planned(project)
    code, said, error = accepts(plant)
    assert code == 0, error
    made = said["accepted"]
    assert 5.0 < made["max_shed_kw"] < 7.0
    assert (made["person_id"], made["evidence"]["basis"], made["replaces"]["max_shed_kw"]) == ("eve", "tested", 9.0)
    assert made["recorded_at_utc"]
    after = planned(project)
    assert after.digest != before.digest
    # ± 50 % of a nameplate before, the interval of the test now.
    assert after.interval_kwh[0] > before.interval_kwh[0]
    _, out, _ = run("dr", "loads", "list", "--site", "plant", "--json", folder=plant)
    (listed,) = json.loads(out)["loads"]
    assert (listed["evidence"]["basis"], listed["accepted"]) == ("tested", made)
    assert f"eve, {made['recorded_at_utc'][:10]}" in run("dr", "loads", "list", "--site", "plant", folder=plant)[1]
    assert accepts(plant)[1]["accepted"]["recorded_at_utc"] == made["recorded_at_utc"]
    assert len(AcceptedLoads(project.store).of("plant")) == 1
    assert not bad_rows(project.store)
    site = plant / "sites" / "plant.yaml"
    site.write_text(site.read_text().replace("max_shed_kw: 9", "max_shed_kw: 8"))
    _, out, _ = run("dr", "loads", "list", "--site", "plant", "--json", folder=plant)
    (listed,) = json.loads(out)["loads"]
    assert (listed["evidence"]["basis"], listed["max_shed_kw"], listed["accepted"]) == ("nameplate", 8, None)
    project.close()


def test_who_may_not_change_loads_and_a_test_that_proves_nothing_are_refused(plant: Path) -> None:
    code, _, error = accepts(plant, who="dan")
    assert code == 2
    assert "engineer" in error
    quiet = f"{(START - 2 * HOUR).isoformat()}/{START.isoformat()}"
    words = ("--site", "plant", "--load", "fans", "--event", quiet, "--as", "eve", "--reason", "x", "--json")
    code, out, _ = run("dr", "loads", "accept", *words, folder=plant)
    assert (code, json.loads(out)["accepted"]) == (1, None)
    project = OpenProject(str(plant))
    assert AcceptedLoads(project.store).of("plant") == []
    project.close()


def test_a_load_that_nobody_tested_stays_as_the_site_file_has_it() -> None:
    load = SheddableLoad(load_id="fans", meter="fans", max_shed_kw=9, max_minutes=60)
    assert with_accepted([load], []) == (load,)
