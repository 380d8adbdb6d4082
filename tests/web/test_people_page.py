"""People in the browser: who is known, invitations by link shown once, sign-ins ended; nobody of other sites."""

import html
import re
from pathlib import Path

import pytest

from assets.stores.web.audit_events import newest_events
from assets.stores.web.credentials import CredentialStore
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web
from tests.web.test_signed_acts import code
from tests.web.why_world import posted

ADA = Person(person_id="ada", name="Ada", roles=(Role.ADMIN,))
PEOPLE = """\
people:
  - {person_id: ada, name: Ada, roles: [admin]}
  - {person_id: vera, name: "Vera <b>", roles: [viewer]}
  - {person_id: otto, name: Otto, roles: [operator], sites: [plant]}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    project: OpenProject = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    (project.project.root / "people.yaml").write_text(PEOPLE)
    return Asking(project, FixedClock(plant.NOON), ADA)


def test_everybody_is_listed_and_an_invitation_is_shown_once_and_names_who_made_it(asking: Asking) -> None:
    shown = asking.get("/people", [PAGE]).text
    assert "Vera &lt;b&gt; (vera)" in shown
    assert "no password yet" in shown
    answer = posted(asking, "/people/invite", form={"person": "vera"}, accept="text/html")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    [token] = re.findall(r"/invitation/([\w-]+)", html.unescape(answer.text))
    assert CredentialStore(asking.project.store).invited(token, asking.clock) == "vera"
    assert token not in asking.get("/people", [PAGE]).text
    event = newest_events(asking.project.store)[1]
    assert (event["person_id"], event["route"], event["subject"]) == ("ada", "web invite", "vera")
    assert token not in str(newest_events(asking.project.store))


def test_who_is_no_admin_and_who_is_one_of_other_sites_lets_nobody_in(asking: Asking) -> None:
    vera = Asking(asking.project, asking.clock, VERA)
    assert vera.get("/people", [PAGE]).status == 403
    assert code(posted(vera, "/people/invite", form={"person": "ada"})) == (403, "missing_role")
    limited = Asking(asking.project, asking.clock, ADA.model_copy(update={"sites": ("plant",)}))
    shown = limited.get("/people", [PAGE]).text
    assert "Otto (otto)" in shown
    assert "vera" not in shown
    for wanted in ("vera", "nobody", ""):
        refused = posted(limited, "/people/invite", form={"person": wanted})
        assert code(refused) == (404, "unknown_person")
        assert code(posted(limited, "/people/out", form={"person": wanted})) == (404, "unknown_person")
    assert posted(asking, "/people/out", form={"person": "vera"}).status == 303
    assert newest_events(asking.project.store)[0]["subject"] == "vera"
