"""Evidence of a rank holds readings and site files of all peers, so that it comes again from the pack alone; it is
handed out to who sees them all.
"""

from pathlib import Path

import pytest

from assets.stores.published.publications import PublicationStore
from assets.stores.published.report_ledger import ReportStore
from assets.stores.sign import new_key
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.people import Person, Role
from orchestration.web.pages.report_pages import may_have_evidence
from reports.evidence.archive import read_archive
from reports.evidence.group_shares import share_problems
from reports.evidence.pack import PackMaker
from reports.make_group_report import make_group_report
from reports.make_report import ReportRequest, make_report
from tests.definitions import DEFINITIONS, verify_pack
from tests.reports.peers_world import LEVELS, ORGANISATION, PACK, YEAR, Peers


@pytest.mark.parametrize("subject", ["west", "g"])
def test_a_rank_is_made_again_from_its_evidence_alone(tmp_path: Path, subject: str) -> None:
    made = Peers(tmp_path)
    reports, sources = ReportStore(made.store), made.sources(made.file)
    shared = {
        "sources": sources, "reports": reports, "clock": made.clock, "out_dir": tmp_path / "out",
        "formats": ("json",),
    }  # fmt: skip
    organisation = Organisation.model_validate(ORGANISATION)
    if subject == "g":
        content = make_group_report("executive_roi", organisation, YEAR, ReportRequest(**shared)).content  # type: ignore[arg-type]
    else:
        content = make_report(PACK, made.sites[subject], YEAR, ReportRequest(**shared)).content
    maker = PackMaker(
        reports=reports, publications=PublicationStore(made.store), lake=made.lake, definitions=DEFINITIONS
    )
    [revision] = reports.revisions()
    path = tmp_path / "pack.zip"
    maker.make(revision, path, signer=new_key(tmp_path / "keys", "p"), signer_name="p", policy="full", clock=made.clock)
    verdict = verify_pack(path, sample=None)
    assert (verdict.verified, verdict.problems) == (True, ())
    for sites, is_theirs in ((("west",), False), (tuple(LEVELS), True), ((), True)):
        person = Person(person_id="eve", name="Eve", roles=(Role.VIEWER,), sites=sites)
        assert may_have_evidence(reports, revision, person) is is_theirs
    ranks = [each for each in content.figures if each.trace.computation == "peer_place"]
    assert ranks
    assert {each.id for each in ranks[0].trace.inputs if each.role == "site"} == set(LEVELS)
    if subject == "g":
        archive, told = read_archive(path), content.model_dump(mode="json")
        assert list(share_problems(archive, told, ranks)) == []
        trace = ranks[0].trace.model_copy(update={"parameters": ranks[0].trace.parameters | {"peers": '{"west": ""}'}})
        [found] = share_problems(archive, told, [ranks[0].model_copy(update={"trace": trace})])
        assert found.problem.startswith("gives other peers than figure")
    made.store.close()
