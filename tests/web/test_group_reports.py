"""Reports of an organisation in the library: as those of sites, for who may see all of its sites."""

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.views.pack_subjects import make_pack, pack_sources, subjects_of
from reports.figures.trace import graph, stale_revisions, trace_figure
from tests.orchestration.test_yearly_packs import ORGANISATION
from tests.reports import small_packs
from tests.reports.small_packs import pack_text
from tests.web.asking import PAGE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.why_world import posted

NOW = datetime(2026, 2, 1, 9, tzinfo=UTC)
HOUSE = pack_text(
    "house",
    'id: H-1, labels: Electricity, value: "footprint.energy_kwh[carrier:electricity]", unit: MWh',
    "id: H-2, labels: Boundary, kind: text",
    "id: H-3, labels: Fuel of vehicles, unit: GJ, required: false",
    framework=f"{small_packs.HOUSE}, checked: {{on: 2026-01-05, source: our own list}}",
)
PEOPLE = """people:
  - {person_id: anna, name: Anna, roles: [reviewer]}
  - {person_id: ben, name: Ben, roles: [analyst]}
  - {person_id: dirk, name: Dirk, roles: [publisher]}
  - {person_id: vera, name: Vera, roles: [viewer]}
  - {person_id: elsa, name: Elsa, roles: [viewer], sites: [plant]}
  - {person_id: otto, name: Otto, roles: [analyst], sites: [other]}
"""
ANSWERS = """answers:
  - {pack: house, id: H-2, site: group, year: 2025, text: All of it, author: ben, at: 2026-01-10}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    """The plant, a shed without readings that is the organisation's too, and a pack of its own."""
    folder = tmp_path / "project"
    make_project(folder, plant_of_the_web()).close()
    owned = ORGANISATION.replace("subsector: industrial", "valid_to: 2025-04-01")
    for name, text in {
        "organisation.yaml": owned, "people.yaml": PEOPLE, "disclosure.yaml": ANSWERS,
        "reports/templates/packs/house.yaml": HOUSE,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    project = OpenProject(str(folder))
    yield Asking(project, FixedClock(NOW), project.people.known("anna"))
    project.close()


def of(asking: Asking, person_id: str) -> Asking:
    return Asking(asking.project, asking.clock, asking.project.people.known(person_id))


def shown(asking: Asking, path: str = "/reports", **query: str) -> str:
    answer = asking.get(path, [PAGE], **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def made(asking: Asking, clock: FixedClock) -> str:
    """The organisation's pack of 2025, as the job makes it."""
    from orchestration.views.pack_subjects import answers_of

    content = make_pack(
        asking.project, subjects_of(asking.project)["group"], "house", 2025, clock, maker="run",
        known=pack_sources(asking.project, clock), answers=answers_of(asking.project), formats=("pdf", "json"),
    ).content  # fmt: skip
    return f"{content.report_id}@{content.revision}"


@pytest.mark.slow
def test_a_groups_pack_is_shown_reviewed_published_and_handed_out(asking: Asking) -> None:
    name = made(asking, FixedClock(NOW))
    assert name == "house/group/2025@1"
    page = shown(asking, report=name)
    assert "Gruppe · 2025 · r1" in page
    assert "Approve review of 2025?" in page
    assert posted(asking, f"/reports/{name}/review", form={"reason": "read", "seen": "draft"}).status == 303
    dirk = of(asking, "dirk")
    out = posted(dirk, f"/reports/{name}/publish", form={"reason": "fine", "seen": "reviewed"})
    assert out.status == 303, out.text
    assert "Published" in shown(dirk, site="group")
    assert "Electricity" in shown(dirk, f"/reports/{name}")
    assert dirk.get(f"/reports/{name}/files/pdf").body.startswith(b"%PDF")
    assert "published House 2025 of Gruppe" in shown(of_auditor(asking), "/audit")


@pytest.mark.slow
def test_another_organisation_file_makes_its_report_stale(asking: Asking) -> None:
    name, path = made(asking, FixedClock(NOW)), Path(asking.project.root) / "organisation.yaml"
    key = (name.partition("@")[0], 1)

    def changed() -> list[tuple[str, str]]:
        found = stale_revisions(asking.project.reports, asking.project.sources(), only=[key])[key]
        return [(each.name, each.id) for each in found]

    assert changed() == []
    # A remark is no change.
    path.write_text(f"# ours\n{path.read_text()}")
    assert changed() == []
    path.write_text(path.read_text().replace("share_percent: 60", "share_percent: 61"))
    assert changed() == [("organisation group", "group")]
    # A draft too.
    assert "1 outdated" in shown(asking)
    path.write_text("organisation: [")
    assert changed() == [("organisation group", "group")]


@pytest.mark.slow
def test_a_groups_figure_is_walked_back_with_each_figure_read_once(asking: Asking) -> None:
    made(asking, FixedClock(NOW))
    reports, read = asking.project.reports, list[str]()
    [datum] = [
        each
        for each in reports.figures("house/group/2025", 1)
        if each.path.endswith("carrier:electricity/2025/energy_kwh/mwh")
    ]
    nodes = list(graph(datum, reports))
    assert len(nodes) > 4
    # What was advised is read for the one figure that somebody names, not for each that it is made of.
    sa.event.listen(asking.project.store.engine, "before_cursor_execute", lambda *told: read.append(told[2]))
    trace_figure(datum.figure_id, reports=reports, sources=asking.project.sources())
    assert sum("FROM recommendations" in " ".join(each.split()) for each in read) <= 4
    assert sum("FROM figures" in " ".join(each.split()) for each in read) <= 3 * len(nodes)


def of_auditor(asking: Asking) -> Asking:
    return Asking(asking.project, asking.clock, Person(person_id="vera", name="Vera", roles=(Role.AUDITOR,)))


@pytest.mark.slow
def test_only_who_sees_all_of_its_sites_sees_it(asking: Asking) -> None:
    name = made(asking, FixedClock(NOW))
    for person_id in ("vera", "elsa"):
        assert "Gruppe · 2025" in shown(of(asking, person_id))
    otto = of(asking, "otto")
    assert "Gruppe" not in shown(otto)
    for path in (f"/reports/{name}", f"/reports/{name}/files/pdf"):
        refused = otto.get(path, [PAGE])
        assert (refused.status, "no revision 1 of report" in html.unescape(refused.text)) == (404, True)
    assert otto.get("/reports", [PAGE], site="group").status == 404


def test_a_faulty_organisation_file_hides_its_reports_and_no_others(asking: Asking) -> None:
    (Path(asking.project.root) / "organisation.yaml").write_text("organisation: [")
    page = shown(asking)
    assert "Energy performance report" in page
    assert "Gruppe" not in page


def test_what_is_stated_and_not_made_is_due(asking: Asking) -> None:
    (Path(asking.project.root) / "meterloom.yaml").write_text("report: {packs: {group: [house]}}\n")
    again = Asking(OpenProject(asking.project.root), asking.clock, asking.person)
    assert "Gruppe · 2025" in shown(again, site="group", state="todo")
    assert shown(again, site="group", state="todo").count(">Due<") == 1
