"""Versions of the organisation's file: reports of an instant, and figures recomputed, read the one that stood then."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from assets.stores.published.report_ledger import keep_organisation_version, organisation_version
from data_quality.contracts.organisation import Organisation
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.recompute.figure import recompute
from tests.orchestration.test_yearly_packs import ORGANISATION, PACK
from tests.reports.peers_world import ORGANISATION as PEERS
from tests.reports.peers_world import PACK as RANKED
from tests.reports.peers_world import YEAR, Peers
from tests.web.marts_world import make_project, plant_of_the_web

LATER = ORGANISATION.replace("share_percent: 60", "share_percent: 70")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    folder = tmp_path / "project"
    make_project(folder, plant_of_the_web(floor_area_m2=4000)).close()
    (folder / "organisation.yaml").write_text(ORGANISATION)
    opened = OpenProject(str(folder))
    yield opened
    opened.close()


def reported(project: OpenProject, *more: str) -> dict[str, Any]:
    words = ["report", PACK, "--organisation", "group", "--period", "2025", "--format", "json", "--json"]
    answer = CliRunner().invoke(build_app(), [*words, *more, "--project", str(project.project.root)])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def shares(project: OpenProject, made: dict[str, Any]) -> set[str]:
    found = project.reports.figures(made["report_id"], made["revision"])
    return {each.trace.parameters["share"] for each in found if each.trace.computation == "group_share"}


def test_a_report_as_of_then_reads_the_organisation_of_then_and_what_was_made_comes_again(
    project: OpenProject,
) -> None:
    made = reported(project)
    first = project.reports.get(made["report_id"], made["revision"])
    project.project.organisation_file.write_text(LATER)
    changed = reported(project)
    assert (shares(project, made), shares(project, changed)) == ({"0.6"}, {"0.7"})
    again = reported(project, "--as-of", first.as_of_utc.isoformat())
    assert shares(project, again) == {"0.6"}
    values = [[(each["label"], each["value"]) for each in one["figures"]] for one in (made, again)]
    assert values[0] == values[1]
    assert "organisation_not_kept" not in [each["code"] for each in again["findings"]]
    # And what was published is recomputed of its own traces.
    figures = {each.figure_id: each for each in project.reports.figures(made["report_id"], made["revision"])}
    sources = project.sources(keeps=False)
    for each in figures.values():
        assert recompute(each, sources=sources, lookup=figures.get) == each.value, each.path


def test_an_instant_before_the_file_was_first_kept_is_said(project: OpenProject) -> None:
    made = reported(project)
    first = project.reports.get(made["report_id"], made["revision"])
    before = first.as_of_utc - timedelta(hours=1)
    told = reported(project, "--as-of", before.isoformat())["findings"]
    [said] = [each["message"] for each in told if each["code"] == "organisation_not_kept"]
    assert said.startswith("The file of the organisation was first kept on ")


def test_a_file_that_is_put_back_is_kept_again_and_an_equal_one_is_not(tmp_path: Path) -> None:
    made = Peers(tmp_path)
    one, other = (Organisation.model_validate(PEERS | {"name": name}) for name in ("G", "H"))
    kept = []
    for each in (one, one, other, one):
        made.clock.advance(timedelta(minutes=1))
        kept.append(keep_organisation_version(made.store, each, made.clock))
    assert kept == [True, False, True, True]
    then = organisation_version(made.store, made.clock.now_utc() - timedelta(minutes=1))
    assert then is not None
    assert then.document == other
    # Sources of then know what then was, also for the peers of a site's report.
    sources = made.sources(made.file)
    organisation = sources.organisation()
    assert organisation is not None
    assert organisation.name == "G"
    made.store.close()


def with_file(made: Peers, document: Any) -> list[tuple[str, str]]:
    made.file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    content = made.content("west", made.sources(made.file))
    data = {each.key: each for each in content.data}
    told = [(each.code, each.message) for each in content.findings if each.code == "organisation_faulty"]
    return [("reason", data["ES-2.5/peers"].reason), *told]


def test_a_faulty_file_and_days_without_an_approach_are_said_as_what_they_are(tmp_path: Path) -> None:
    made = Peers(tmp_path)
    late = [{"approach": "operational_control", "valid_from": "2024-03-01"}]
    assert with_file(made, PEERS | {"approaches": late}) == [
        ("reason", "The file of the organisation states no approach of consolidation on days of the period.")
    ]
    reason, fault = with_file(made, yaml.safe_dump(PEERS | {"currency": "euro"}))
    assert reason[1] == "The file of the organisation is not in order, and so no peers are known."
    line = 1 + made.file.read_text().splitlines().index("currency: euro")
    assert fault[1].startswith(f"organisation.yaml, line {line}: currency")
    made.store.close()


def test_a_sites_report_of_an_instant_before_the_file_was_kept_says_so_too(tmp_path: Path) -> None:
    made = Peers(tmp_path)
    sources, before = made.sources(made.file), made.as_of_utc

    def finding_codes() -> list[str]:
        site = sources.site("west")
        given = ReportInput(site=site, period=YEAR, as_of_utc=before, sources=sources, versions={})
        return [each.code for each in template_report(load_template(RANKED), given).findings]

    assert "organisation_not_kept" not in finding_codes()
    made.clock.advance(timedelta(days=1))
    keep_organisation_version(made.store, Organisation.model_validate(PEERS), made.clock)
    assert finding_codes().count("organisation_not_kept") == 1
    made.store.close()
