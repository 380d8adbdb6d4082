"""Roles changed in the browser: into the people file as it was written; nobody's own, and an admin is always left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.sites.edit_people import expect_admin, with_words
from assets.sites.edit_site import text_tag, text_versions
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.time import FixedClock
from tests.reports import plant
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_signed_acts import code
from tests.web.why_world import posted

PEOPLE = """\
# Who may do what; ask Ada.
people:
  - {person_id: ada, name: Ada, roles: [admin]}  # the boss
  - person_id: vera
    name: "Vera <b>"
    roles:
      - viewer
      - analyst
    sites: [plant]
  - {roles: [operator], person_id: otto, name: Otto}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    (project.project.root / "people.yaml").write_text(PEOPLE)
    yield Asking(project, FixedClock(plant.NOON), project.people.known("ada"))
    project.close()


def change(asking: Asking, person: str, change: str, role: str, seen: str = "") -> Answer:
    seen = seen or text_tag(asking.project.project.people_file)
    roles = {f"role.{each}": "on" for each in role.split()}
    return posted(asking, "/people/roles", form={"person": person, "change": change, "seen": seen} | roles)


def test_a_role_is_given_and_taken_away_and_the_rest_of_the_file_stays(asking: Asking) -> None:
    file = asking.project.project.people_file
    assert change(asking, "otto", "give", "engineer").status == 303
    assert file.read_text() == PEOPLE.replace("[operator]", "[operator, engineer]")
    assert change(asking, "otto", "take", "engineer").status == 303
    assert file.read_text() == PEOPLE
    assert change(asking, "otto", "give", "engineer reviewer").status == 303
    assert file.read_text() == PEOPLE.replace("[operator]", "[operator, engineer, reviewer]")
    assert change(asking, "otto", "take", "engineer reviewer").status == 303
    assert change(asking, "vera", "take", "viewer").status == 303
    assert file.read_text() == PEOPLE.replace("roles:\n      - viewer\n      - analyst\n", "roles: [analyst]\n")
    # The text before each of the five, though all this is of one instant.
    assert len(text_versions(asking.project.project.data_dir / "people_texts")) == 5
    said = [each["subject"] for each in newest_events(asking.project.store) if each["route"] == "/people/roles"]
    both = ["otto −engineer −reviewer", "otto +engineer +reviewer"]
    assert said == ["vera −viewer", *both, "otto −engineer", "otto +engineer"]


def test_nobody_changes_their_own_roles_and_the_last_admin_of_all_sites_stays(asking: Asking) -> None:
    file = asking.project.project.people_file
    assert code(change(asking, "ada", "give", "engineer")) == (403, "own_work")
    assert change(asking, "vera", "give", "admin").status == 303
    text = file.read_text()
    vera = Asking(asking.project, asking.clock, asking.project.people.known("vera"))
    # Vera lets in people of her site alone: Ada is nobody to her.
    assert code(change(vera, "ada", "take", "admin")) == (404, "unknown_person")
    file.write_text(text.replace("    sites: [plant]\n", "").replace("[admin]", "[admin, viewer]"))
    everywhere = Asking(asking.project, asking.clock, asking.project.people.known("vera"))
    assert change(everywhere, "ada", "take", "admin").status == 303
    # Ada's page is older than that.
    assert code(change(asking, "vera", "take", "admin")) == (403, "missing_role")
    assert code(change(everywhere, "vera", "take", "admin")) == (403, "own_work")


def test_what_is_no_role_or_of_an_older_file_changes_nothing(asking: Asking) -> None:
    file = asking.project.project.people_file
    assert code(change(asking, "otto", "give", "king")) == (400, "bad_request")
    assert code(change(asking, "otto", "give", "")) == (400, "bad_request")
    assert code(change(asking, "otto", "swap", "viewer")) == (400, "bad_request")
    assert code(change(asking, "otto", "give", "tenant")) == (422, "bad_roles")
    assert code(change(asking, "otto", "give", "viewer", seen="0" * 32)) == (412, "changed_since")
    assert code(change(asking, "nobody", "give", "viewer")) == (404, "unknown_person")
    otto = Asking(asking.project, asking.clock, asking.project.people.known("otto"))
    assert code(change(otto, "vera", "give", "admin")) == (403, "missing_role")
    assert file.read_text() == PEOPLE
    assert [each.name for each in file.parent.glob(".*.part")] == []
    assert "Change roles" in asking.get("/people", [PAGE]).text


@pytest.mark.parametrize("roles", ["&r [viewer]", "[viewer, # main\n    analyst]", "\n      - viewer  # main"])
def test_roles_with_comments_or_anchors_are_left_to_a_person(roles: str) -> None:
    text = f"people:\n  - person_id: vera\n    name: Vera\n    roles: {roles}\n"
    with pytest.raises(BadInput, match="by hand"):
        with_words(text, "vera", "roles", (Role.ADMIN,))


def test_an_admin_of_some_sites_does_not_stand_for_the_last_of_all() -> None:
    ada = Person(person_id="ada", name="Ada", roles=(Role.ADMIN,))
    some = Person(person_id="sam", name="Sam", roles=(Role.ADMIN,), sites=("plant",))
    with pytest.raises(BadInput, match="last admin of all sites"):
        expect_admin(People(people=(ada, some)), ada.model_copy(update={"roles": ()}))
    expect_admin(People(people=(ada, some)), some.model_copy(update={"roles": ()}))
