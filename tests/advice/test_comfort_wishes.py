"""Suggested comfort bounds of a real project: shown by a person, forgotten by a person, and nothing else moved."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.transactions import site_transaction
from controls.ledger.device_holds import set_hold
from data_quality.contracts.people import Person, Role
from orchestration.open_project import OpenProject
from tests.orchestration.test_cli import run

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
SITE = """
site_id: house
name: House
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: main}]
drivers: [{driver_id: hall_degc, unit: degc, aggregation: mean}]
assets:
  - {asset_id: hall, kind: room, state_meter: hall_degc, params: {heater_kw: 2, r_k_per_kw: 40, c_kwh_per_k: 0.6, low_degc: 20, high_degc: 24}}
"""  # noqa: E501
ANN = Person(person_id="ann", name="Ann", roles=(Role.OPERATOR,))


def test_rooms_that_hands_heat_again_and_again_suggest_a_bound_until_it_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "house.yaml").write_text(SITE)
    folder = tmp_path / "p"
    assert run("init", str(folder), "--site", str(tmp_path / "house.yaml"))[0] == 0
    (folder / "people.yaml").write_text(
        json.dumps({"people": [{"person_id": "ann", "name": "Ann", "roles": [Role.OPERATOR]}]})
    )
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    days = [now - timedelta(days=n) for n in (1, 2, 3)]
    lines = [f"hall_degc,{(at - timedelta(minutes=30)).isoformat()},20.7" for at in days]
    (tmp_path / "degc.csv").write_text("\n".join(["meter,timestamp,degc", *lines]) + "\n")
    code, out, error = run("ingest", str(tmp_path / "degc.csv"), "--site", "house", folder=folder)
    assert code == 0, out + error
    project = OpenProject(str(folder))
    for at in days:
        with project.store.together(), site_transaction(project.store, "house") as connection:
            set_hold(
                connection, "house", "hall", "set_switch_state", until_utc=at + timedelta(hours=2), value=1.0,
                reason="cold", command_id=None, person=ANN, at_utc=at,
            )  # fmt: skip
    project.close()
    before = (folder / "sites" / "house.yaml").read_bytes()

    def preferences(*words: str) -> dict[str, Any]:
        code, out, error = run("advise", "preferences", "--as", "ann", "--json", *words, folder=folder)
        assert code == 0, error
        found: dict[str, Any] = json.loads(out)
        return found

    [bound] = preferences()["bounds"]
    assert (bound["site"], bound["device_id"], bound["edge"], bound["degc"], bound["present_degc"]) == (
        "house", "hall", "low", 21.0, 20.0,
    )  # fmt: skip
    assert (bound["on_days"], bound["of_days"]) == (3, 28)
    assert "hall" in run("advise", "preferences", "--as", "ann", folder=folder)[1]
    assert preferences("--forget", "comfort:hall", "--reason", "it was a guest")["bounds"] == []
    assert preferences()["bounds"] == []
    code, _, error = run(
        "advise", "preferences", "--as", "ann", "--forget", "comfort:hall", "--reason", "x", folder=folder
    )
    assert (code != 0, "no preference" in error) == (True, True)
    assert (folder / "sites" / "house.yaml").read_bytes() == before
