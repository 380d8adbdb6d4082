"""People, keys and settings over the API: what their pages show, to whom they show it, and no secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.stores.api_keys import ApiKeyStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.effective_settings import MASKED
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from tests.reports import plant
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web
from tests.web.test_people_page import ADA, PEOPLE
from tests.web.test_settings_page import written

ED = Person(person_id="ed", name="Ed", roles=(Role.ENGINEER,))
EMS = "/api/v1/ems"


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    (project.project.root / "people.yaml").write_text(f"{PEOPLE}  - {{person_id: ed, name: Ed, roles: [engineer]}}\n")
    yield Asking(project, FixedClock(plant.NOON), ADA)
    project.close()


def as_of(asking: Asking, person: Person) -> Asking:
    return Asking(asking.project, asking.clock, person)


def test_people_are_those_whom_one_may_let_in(asking: Asking) -> None:
    said = asking.json("/people")["people"]
    assert [each["person_id"] for each in said] == ["ada", "vera", "otto", "ed"]
    assert said[2] == {
        "person_id": "otto", "name": "Otto", "roles": ["operator"], "sites": ["plant"], "tenants": [],
        "fingerprint": "", "has_password": False, "sign_ins": 0,
    }  # fmt: skip
    limited = as_of(asking, ADA.model_copy(update={"sites": ("plant",)}))
    assert [each["person_id"] for each in limited.json("/people")["people"]] == ["otto"]
    assert as_of(asking, VERA).get(f"{EMS}/people").status == 403
    assert asking.get(f"{EMS}/people").headers["cache-control"] == "no-store"


def test_keys_are_one_s_own_and_an_engineer_sees_those_of_their_sites(asking: Asking) -> None:
    store = ApiKeyStore(asking.project.store)
    scopes, texts = [Permission.READ], []
    for person, site in (("vera", "plant"), ("ed", "plant"), ("ed", "other")):
        made, text = store.issue(person, name=f"of {person}", sites=[site], scopes=scopes, days=9, clock=asking.clock)
        texts.append(text)
    store.revoke(made.key_id, person_id="ed", reason="lost", clock=asking.clock)
    vera, ed = as_of(asking, VERA), as_of(asking, ED)
    [mine] = vera.json("/keys")["keys"]
    assert (mine["name"], mine["owner"], mine["state"], mine["last_used_utc"]) == (
        "of vera", "Vera <b>", "good", None,
    )  # fmt: skip
    assert [each["state"] for each in ed.json("/keys")["keys"]] == ["revoked", "good", "good"]
    told = ed.get(f"{EMS}/keys").text + vera.get(f"{EMS}/keys").text
    assert not [text for text in texts if text.split("_", 2)[2] in told]


def test_settings_are_told_to_an_admin_of_all_sites_without_secrets(asking: Asking) -> None:
    written(asking.project.project.root)
    answer = asking.get(f"{EMS}/settings")
    said = {each["name"]: each for each in answer.said["settings"]}
    assert said["mqtt.password"]["value"] == MASKED
    assert said["mqtt.port"] | {"about": ""} == {"name": "mqtt.port", "value": "1883", "origin": "default", "about": ""}
    assert answer.said["is_changed"] is True
    assert answer.said["sites"] == []
    assert "hunter" not in answer.text
    assert as_of(asking, ED).json("/settings") == {
        "settings": None, "is_changed": False, "sites": [{"site": "plant", "name": "Musterwerk Süd"}],
    }  # fmt: skip
    assert as_of(asking, ADA.model_copy(update={"sites": ("plant",)})).json("/settings")["settings"] is None
    assert as_of(asking, VERA).get(f"{EMS}/settings").status == 403
