"""A project of an earlier revision opens with the present code and says what it said then; see tests/old/README.md."""

import json
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.ledgers.plans import PlanStore
from assets.stores.published.publications import DRAFT, PublicationStore
from controls.ledger.device_faults import open_faults
from controls.ledger.modes import current_mode, mode_history
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.replay.replay_plan import replay_plan
from controls.planning.triggers import planned_states
from data_quality.contracts.model import plain
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.cli.main import build_app
from orchestration.operations.baselines.baseline_line import line
from orchestration.resources import ProjectResource
from orchestration.views.ledger_view import commands_of_store
from reports.figures.trace import trace_figure
from reports.make_report import ReportRequest, make_report
from reports.recompute.figure_sources import Sources
from tests.controls.planning.examples import published
from tests.definitions import verify_pack

ARCHIVES = sorted((Path(__file__).parents[1] / "old").glob("*.tar.xz"))
LATER = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))


@dataclass
class Old:
    """An unpacked project that the present code has opened, and what its own revision printed."""

    project: ProjectResource
    printed: dict[str, Any]

    def sources(self) -> Sources:
        return self.project.sources()


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.split(".")[0])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    """Each archive, unpacked once; what writes to it stands last."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    project = ProjectResource(root=str(folder))
    printed = json.loads(request.param.with_name(f"{request.param.name.split('.')[0]}.json").read_text())
    yield Old(project, printed)
    project.close()


def test_there_is_a_project_to_open_and_none_is_large() -> None:
    assert ARCHIVES
    assert [path.name for path in ARCHIVES if path.stat().st_size > 300_000] == []


def test_every_printed_figure_traces_to_the_value_that_was_printed(old: Old) -> None:
    sources, reports = old.sources(), old.project.reports
    assert len(old.printed["figures"]) > 50
    for figure_id, value in old.printed["figures"].items():
        found = trace_figure(figure_id, reports=reports, sources=sources)
        assert (figure_id, found.is_equal, str(found.figure.value)) == (figure_id, True, value or "None")
    for figure_id, value in old.printed["kpis"].items():
        kept = reports.figure(figure_id)
        assert kept is not None
        assert plain(kept.value) == value


def _without_nulls(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: each for name, each in row.items() if each is not None} for row in rows]


def _highest_grades(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Commands with the first proof alone, and of it what every revision prints: 320e130 printed no more."""
    later = ("says", "is_proof", "at_utc", "by")
    return [
        {**command, "evidence": [{name: each for name, each in proof.items() if name not in later}]}
        for command in commands
        for proof in command["evidence"][:1] or [{}]
    ]


def test_statuses_approvals_modes_and_commands_are_those_of_then(old: Old) -> None:
    project, printed = old.project, old.printed
    statuses = PublicationStore(project.store).statuses()
    assert {
        f"{each.report_id}@{each.revision}": statuses.get((each.report_id, each.revision), DRAFT)
        for each in project.reports.revisions(with_content=False)
    } == {each["id"]: each["status"] for each in printed["reports"]["reports"]}
    assert plain([line(each) for each in project.baselines.versions()]) == printed["baselines"]["baselines"]
    assert current_mode(project.store, "home").name == printed["mode"]["mode"]
    history = plain(mode_history(project.store, "home"))
    # What came with revision 0006 is null in what was written before it, and was not printed.
    assert _without_nulls(history) == _without_nulls(printed["mode"]["history"])
    found = plain(commands_of_store(project.store, "home"))
    assert _highest_grades(found) == _highest_grades(printed["ledger"]["commands"])
    assert [fault.device_id for fault in open_faults(project.store, "home")] == ["battery"]


def test_the_plan_of_then_is_read_and_costs_what_it_cost(old: Old) -> None:
    plan = PlanStore(old.project.store).latest("home")
    assert plan is not None
    assert published(plan) == plan
    assert planned_states(plan, plan.steps[1].start_utc)["battery"][0] == plan.steps[0].total("soc_end_kwh")
    second = solve(plan.request)
    assert isinstance(second, Solution)
    assert second.objective == pytest.approx(plan.objective, abs=1e-9)


def test_the_plan_of_then_fits_its_hash_and_where_the_solver_takes_another_of_its_cost_that_is_told(old: Old) -> None:
    plans = PlanStore(old.project.store)
    newest = plans.latest("home")
    assert newest is not None
    day = timedelta(days=1)
    (stored,) = plans.begun("home", newest.request.start_utc, newest.request.start_utc + day)
    found = replay_plan(stored)
    assert found.is_whole
    assert found.replayed_cost == pytest.approx(found.cost, abs=1e-9)
    assert found.is_same or "it costs the same" in found.sentence


def test_every_chain_holds(old: Old) -> None:
    words = ["dispatch", "verify", "--site", "home", "--json", "--project", str(old.project.project.root)]
    done = CliRunner().invoke(build_app(("dispatch",)), words)
    assert (done.exit_code, done.stderr) == (0, "")
    assert {name: json.loads(done.stdout)[name] for name in ("verified", "problems")} == {
        name: old.printed["verify"][name] for name in ("verified", "problems")
    }
    assert old.project.reports.broken_link("works") is None


def test_the_known_file_changes_nothing(old: Old) -> None:
    for path in sorted((old.project.project.root / "known").iterdir()):
        report = ingest_file(
            path, site=old.project.site("works"), lake=old.project.lake, quarantine=old.project.quarantine, clock=LATER
        )
        assert (report.verdict, report.new_rows, report.corrected_rows) == ("accept", 0, 0)


def test_a_new_report_is_made_and_holds_the_figures_of_the_old_one(old: Old, tmp_path: Path) -> None:
    project = old.project
    site = project.site("works")
    made = [
        make_report(
            "enpi_quarter",
            site,
            parse_period(label, site.time_zone),
            ReportRequest(
                sources=old.sources(),
                reports=project.reports,
                clock=LATER,
                out_dir=tmp_path,
                formats=["json"],
                maker="ben",
            ),
        ).content
        for label in ("2025-Q1", "2025-03")
    ]
    assert [len(each.figures) > 20 for each in made] == [True, True]
    then = project.reports.figures(made[0].report_id, 1)
    now = {figure.path: figure.value for figure in made[0].figures}
    assert {figure.path: now.get(figure.path) for figure in then} == {figure.path: figure.value for figure in then}


PACKS = sorted((Path(__file__).parents[1] / "old").glob("*.pack.zip.xz"))


@pytest.mark.parametrize("packed", PACKS, ids=lambda path: path.name.partition(".")[0])
def test_a_pack_of_an_earlier_revision_is_verified_and_accused_of_nothing(packed: Path, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_bytes(lzma.decompress(packed.read_bytes()))
    verdict = verify_pack(pack)
    assert (verdict.verified, verdict.problems, verdict.recomputed) == (True, (), 20)
    # Its files were laid out by other code, which is told.
    assert sum("was rendered by other code" in each for each in verdict.findings) == 3
