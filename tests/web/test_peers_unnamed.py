"""A rank names no peer to a person of one site, on no way to its trace; who sees all sees all of it."""

import json
from collections.abc import Iterator

import pytest

from data_quality.contracts.people import Person, Role
from orchestration.open_project import OpenProject
from reports.figures.trace import trace_figure
from reports.make_report import ReportRequest, make_report
from tests.reports.peers_world import LEVELS, PACK, YEAR, Peers
from tests.web.asking import PAGE
from tests.web.marts_world import Asking

OTHERS = sorted({*LEVELS} - {"west"})


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asking, str, str]]:
    """The offices as a project, the rank of one of them in a stored pack, and the pack's JSON file."""
    folder = tmp_path_factory.mktemp("peers")
    made = Peers(folder / "var")
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}\n")
    made.file.rename(folder / "organisation.yaml")
    for name, site in made.sites.items():
        told = json.dumps(site.model_dump(mode="json", exclude_defaults=True))
        (folder / "sites" / f"{name}.yaml").write_text(told)
    made.store.close()
    project = OpenProject(str(folder))
    report = make_report(
        PACK,
        project.site("west"),
        YEAR,
        ReportRequest(
            sources=project.sources(),
            reports=project.reports,
            clock=made.clock,
            out_dir=project.project.reports_dir,
            formats=("json",),
        ),
    )
    [rank] = [each.figure_id for each in report.content.figures if each.kpi == "rank"]
    person = Person(person_id="eve", name="Eve", roles=(Role.VIEWER,), sites=("west",))
    yield Asking(project, made.clock, person), rank, report.files["json"].read_text()
    project.close()


def rank_texts(asking: Asking, rank: str) -> dict[str, str]:
    """All texts about the rank, by address."""
    paths = [f"/api/v1/ems/figures/{rank}", f"/api/v1/ems/figures/{rank}/versions", f"/api/v1/ems/figures/{rank}/rows"]
    found = {path: asking.get(path) for path in paths}
    found["/why"] = asking.get("/why", [PAGE], figure=rank)
    assert {name: each.status for name, each in found.items()} == dict.fromkeys(found, 200), found
    return {name: each.text for name, each in found.items()}


def test_a_person_of_one_site_reads_use_and_number_of_peers_and_no_name(asking: tuple[Asking, str, str]) -> None:
    one, rank, file = asking
    for name, text in {**rank_texts(one, rank), "file": file}.items():
        assert [each for each in OTHERS if f'"{each}' in text or f">{each}" in text or f"/{each}" in text] == [], name
    figure = json.loads(rank_texts(one, rank)[f"/api/v1/ems/figures/{rank}"])
    assert json.loads(figure["parameters"]["peers"]) == {"group": "office", "sites": 5}
    assert (figure["is_equal"], figure["recomputed"]) == (True, 4)
    roles = [(each["role"], each["id"]) for each in figure["inputs"]]
    assert ("site", "west") in roles
    assert ("peers", "peers") in roles


def test_who_sees_every_site_reads_all_peers_and_the_rank_is_made_again(asking: tuple[Asking, str, str]) -> None:
    one, rank, _ = asking
    anna = Asking(one.project, one.clock, Person(person_id="anna", name="Anna", roles=(Role.VIEWER,)))
    figure = json.loads(rank_texts(anna, rank)[f"/api/v1/ems/figures/{rank}"])
    assert set(json.loads(figure["parameters"]["peers"])) == set(LEVELS)
    assert {each["id"] for each in figure["inputs"] if each["role"] == "site"} == set(LEVELS)
    found = trace_figure(rank, reports=one.project.reports, sources=one.project.sources(keeps=False))
    assert (found.is_equal, found.recomputed) == (True, 4)


def test_a_change_at_a_peer_is_told_without_its_name(asking: tuple[Asking, str, str]) -> None:
    one, rank, _ = asking
    path = one.project.project.sites_dir / "east.yaml"
    text = path.read_text()
    path.write_text(json.dumps({**json.loads(text), "floor_area_m2": 900.0}))
    try:
        again = rank_texts(one, rank)[f"/api/v1/ems/figures/{rank}/versions"]
        assert [each["id"] for each in json.loads(again)["changes"]] == ["peers"]
    finally:
        path.write_text(text)
