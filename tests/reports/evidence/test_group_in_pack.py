"""A group's evidence pack holds whose the sites are: its shares and figures come again from the pack alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import Signer, new_key
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.time import parse_period
from reports.evidence.archive import read_archive
from reports.evidence.group_shares import share_problems
from reports.evidence.manifest import CONTENT, ORGANISATION
from reports.evidence.pack import PackMaker
from reports.evidence.pack_inputs import readable_json
from reports.make_group_report import make_group_report
from reports.make_report import ReportRequest
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS, verify_pack
from tests.reports import plant, year_world
from tests.reports.evidence.test_pack import members_of, resealed, written
from tests.reports.test_group_report import GROUP


@dataclass
class GroupPack:
    """A sealed pack of a group that was bought in parts and sold in mid-year."""

    path: Path
    content: ReportContent
    signer: Signer


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GroupPack]:
    folder = tmp_path_factory.mktemp("group_pack")
    year = year_world.make_year(folder / "world")
    reports, clock = year.world.reports, year.world.clock
    made = make_group_report(
        "gri_2016",
        GROUP,
        parse_period("2025", plant.ZONE),
        ReportRequest(sources=year.sources(), reports=reports, clock=clock, out_dir=folder / "out", formats=("json",)),
    )
    maker = PackMaker(
        reports=reports, publications=PublicationStore(year.world.lake.store), lake=year.world.lake,
        definitions=DEFINITIONS,
    )  # fmt: skip
    [revision] = [each for each in reports.revisions() if each.report_id == made.content.report_id]
    signer = new_key(folder / "keys", "project")
    path = folder / "pack.zip"
    maker.make(revision, path, signer=signer, signer_name="project", policy="full", clock=clock)
    yield GroupPack(path, made.content, signer)
    year_world.close(year)


def test_every_figure_of_a_group_is_made_again_from_its_pack_alone(pack: GroupPack) -> None:
    verdict = verify_pack(pack.path, sample=None)
    assert (verdict.verified, verdict.problems) == (True, ())
    assert verdict.figures == verdict.recomputed == len(pack.content.figures)
    held = Organisation.model_validate_json(members_of(pack.path)[ORGANISATION])
    assert held == GROUP
    pinned = {each.sha256 for one in pack.content.figures for each in one.trace.inputs if each.role == "organisation"}
    assert pinned == {held.sha256}


def test_another_organisation_in_the_pack_is_found(pack: GroupPack, tmp_path: Path) -> None:
    members = members_of(pack.path)
    members[ORGANISATION] = members[ORGANISATION].replace(b'"60"', b'"61"')
    assert members[ORGANISATION] != members_of(pack.path)[ORGANISATION]
    forged = written(tmp_path / "forged.zip", resealed(members, pack.signer))
    assert [(each.file, each.problem) for each in verify_pack(forged).problems] == [
        (ORGANISATION, "is not the organisation that the report says")
    ]


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ('"60"', '"61"', "is not the file that figure"),
        ("2025-10-11", "2025-10-12", "is not the file that figure"),
    ],
)
def test_a_report_whose_shares_are_not_of_its_organisation_is_found(
    pack: GroupPack, tmp_path: Path, was: str, now: str, problem: str
) -> None:
    members = members_of(pack.path)
    content = json.loads(members[CONTENT])
    content["organisation"] = json.loads(json.dumps(content["organisation"]).replace(was, now))
    members[ORGANISATION] = readable_json(content["organisation"])
    archive = read_archive(written(tmp_path / "forged.zip", members))
    found = [each.problem for each in share_problems(archive, content, pack.content.figures)]
    assert found
    assert all(problem in each for each in found)


@pytest.mark.parametrize(("was", "now"), [("share", "0.61"), ("rate", "0.9"), ("rate", "106/365")])
def test_a_share_that_the_file_does_not_give_is_found(pack: GroupPack, was: str, now: str) -> None:
    archive, content = read_archive(pack.path), json.loads(members_of(pack.path)[CONTENT])
    share = next(each for each in pack.content.figures if each.kpi == "group_share" and "/" not in each.path[-4:])
    changed = share.trace.model_copy(update={"parameters": share.trace.parameters | {was: now}})
    assert list(share_problems(archive, content, [share])) == []
    [found] = share_problems(archive, content, [share.model_copy(update={"trace": changed})])
    assert found.problem.startswith("gives another share of site:plant from 2025-01-01 on")
