"""Settings as an admin sees them: where each comes from, no secret of any, and nothing for who may not know."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_quality.contracts.effective_settings import MASKED, effective_settings
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web

ADA = Person(person_id="ada", name="Ada", roles=(Role.ADMIN,))
SECRETS = {
    "database": {"url": "postgresql://m:hunter1@db/m"},
    "mqtt": {"password": "hunter2", "host": "broker"},
    "delivery": {"webhook_url": "https://bob:hunter3@hooks.example/services/hunter4?t=hunter5",
                 "webhook_secret": "hunter6"},
    "work": {"address": "tls://carl:hunter7@dask:8786"},
}  # fmt: skip


def written(folder: Path) -> Path:
    lines = [f"{section}: {{{', '.join(f'{key}: {value!r}' for key, value in part.items())}}}"
             for section, part in SECRETS.items()]  # fmt: skip
    path = folder / "meterloom.yaml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def test_each_setting_says_where_it_comes_from_and_no_secret_is_told(tmp_path: Path) -> None:
    shown = effective_settings(written(tmp_path), {"METERLOOM_MQTT__HOST": "other", "METERLOOM_MQTT__TLS": "true"})
    found = {each.name: (each.value, each.origin) for each in shown}
    assert found["mqtt.host"] == ("other", "environment")
    assert found["mqtt.tls"] == ("true", "environment")
    assert found["mqtt.port"] == ("1883", "default")
    assert found["mqtt.password"] == (MASKED, "file")
    assert found["database.url"] == (MASKED, "file")
    assert found["database.store_url"] == ("", "default")
    assert found["delivery.webhook_url"] == (f"https://{MASKED}@hooks.example/…", "file")
    assert found["work.address"] == (f"tls://{MASKED}@dask:8786", "file")
    assert "hunter" not in str(shown)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    (project.project.root / "people.yaml").write_text("people: [{person_id: ada, name: Ada, roles: [admin]}]\n")
    yield Asking(project, FixedClock(plant.NOON), ADA)
    project.close()


def test_an_admin_of_all_sites_sees_them_and_is_told_of_a_change_since_the_start(asking: Asking) -> None:
    page = asking.get("/settings", [PAGE]).text
    assert "server.web_port" in page
    assert "A restart applies them." not in page
    (asking.project.project.root / "meterloom.yaml").write_text("server: {web_port: 8601}\n")
    page = asking.get("/settings", [PAGE]).text
    assert "8601" in page
    assert "A restart applies them." in page


def test_nobody_else_is_told_a_setting(asking: Asking) -> None:
    def seen(person: Person) -> tuple[int, bool]:
        answer = Asking(asking.project, asking.clock, person).get("/settings", [PAGE])
        return answer.status, "server.web_port" in answer.text

    assert seen(VERA) == (403, False)
    assert seen(Person(person_id="ed", name="Ed", roles=(Role.ENGINEER,))) == (200, False)
    assert seen(ADA.model_copy(update={"sites": ("plant",)})) == (200, False)


def test_an_admin_without_another_role_is_led_to_people(asking: Asking) -> None:
    assert asking.get("/", [PAGE]).headers["location"] == "/people"
    assert 'href="/settings"' in asking.get("/people", [PAGE]).text
