"""Reports of an organisation that rest on a changed file become findings, and notices where a rule asks for it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.notice import Contact, NoticeChoices
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.time import FixedClock
from orchestration.notices.choices import choose
from orchestration.notices.rounds import look
from orchestration.open_project import OpenProject
from orchestration.views.open_findings import FindingsQuery, open_findings
from orchestration.views.pack_subjects import groups_of, make_pack, pack_sources
from reports.texts.locales import page_word
from tests.orchestration.test_yearly_packs import ORGANISATION, PACK
from tests.web.marts_world import make_project, plant_of_the_web

CLOCK = FixedClock(datetime(2026, 1, 6, 9, tzinfo=UTC))
RULE = {"rule_id": "old", "kind": "stale_report"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[OpenProject]:
    """A project whose organisation has a pack of 2025, and a rule for stale reports at its site."""
    folder = tmp_path / "project"
    make_project(folder, plant_of_the_web(floor_area_m2=4000, alert_rules=[RULE])).close()
    (folder / "organisation.yaml").write_text(ORGANISATION)
    project = OpenProject(str(folder))
    make_pack(
        project, groups_of(project)["group"], PACK, 2025, CLOCK, known=pack_sources(project, CLOCK), maker="ben",
        answers=(), formats=("json",),
    )  # fmt: skip
    yield project
    project.close()


def of_group(project: OpenProject, *, sees_all: bool = True) -> list[OpenFinding]:
    asked = FindingsQuery(project, project.site("plant"), CLOCK.now_utc(), with_every_site=sees_all)
    found = open_findings(asked)
    assert "alert rules" not in dict(found.silent)
    return [each.finding for each in found.standing if each.finding.rule_kind == "stale_report"]


def test_a_changed_file_of_the_organisation_is_a_finding_for_who_sees_every_site(made: OpenProject) -> None:
    assert of_group(made) == []
    made.project.organisation_file.write_text(ORGANISATION.replace("share_percent: 60", "share_percent: 70"))
    [told] = of_group(made)
    assert told.cause == f"stale {PACK}/group/2025"
    assert page_word(told.what, "en") == "gri 2016 of Gruppe, 2025: the file of the organisation changed"
    assert page_word(told.what, "de").endswith("von Gruppe, 2025: die Datei der Organisation hat sich geändert")
    assert of_group(made, sees_all=False) == []
    # Recomputed it holds again.
    make_pack(
        made, groups_of(made)["group"], PACK, 2025, CLOCK, known=pack_sources(made, CLOCK), maker="ben", answers=(),
        formats=("json",),
    )  # fmt: skip
    assert of_group(made) == []


@pytest.mark.parametrize("other", [None, ORGANISATION.replace("group", "firm")])
def test_an_organisation_that_no_file_has_any_more_is_a_finding(made: OpenProject, other: str | None) -> None:
    file = made.project.organisation_file
    file.unlink() if other is None else file.write_text(other)
    [told] = of_group(made)
    assert page_word(told.what, "en") == "gri 2016 of group, 2025: no file names this organisation any more"
    assert page_word(told.what, "de").endswith("von group, 2025: keine Datei nennt diese Organisation mehr")
    assert of_group(made, sees_all=False) == []


def test_it_is_a_notice_to_who_chose_one_and_sees_every_site(made: OpenProject) -> None:
    people = [
        {"person_id": "ann", "name": "Ann", "roles": [Role.OPERATOR]},
        {"person_id": "eve", "name": "Eve", "roles": [Role.OPERATOR], "sites": ["plant"]},
    ]
    made.project.people_file.write_text(json.dumps({"people": people}))
    project = OpenProject(str(made.project.root))
    for each in people:
        ways = (Contact(channel="folder", address=str(each["person_id"])),)
        choose(project.store, Person.model_validate(each), NoticeChoices(ways=ways), project.project.settings)
    look(project, CLOCK)
    project.project.organisation_file.write_text(ORGANISATION.replace("Gruppe", "Konzern"))
    told = [(each.person_id, each.text) for each in look(project, CLOCK)]
    assert [name for name, text in told if "the file of the organisation changed" in text] == ["ann"]
    assert not [text for name, text in told if name == "eve" and "organisation" in text]
    assert look(project, CLOCK) == []
    project.close()


def test_without_the_rule_nobody_looks(made: OpenProject) -> None:
    made.project.organisation_file.write_text(ORGANISATION.replace("Gruppe", "Konzern"))
    path = made.project.sites_dir / "plant.yaml"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "alert_rules"}))
    again = OpenProject(str(made.project.root))
    assert of_group(again) == []
    again.close()
