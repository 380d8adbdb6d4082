"""Packs and the benchmark of a year: due by local days, made by their jobs as drafts, and not made twice."""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call
from orchestration.operations.project.check import configuration_problems
from orchestration.resources import ProjectResource
from orchestration.schedules import yearly_benchmarks, yearly_disclosures
from orchestration.views.benchmarks import stored_benchmark
from orchestration.views.pack_subjects import make_pack, pack_sources, subjects_of, yearly_packs
from reports.evidence.lifecycle import revision_state_at
from tests.web.marts_world import make_project, plant_of_the_web

ORGANISATION = """organisation: group
name: Gruppe
currency: EUR
approaches: [{approach: equity_share}]
entities: [{entity: works, name: Works, owners: [{owner: group, share_percent: 60}]}]
sites: [{site: plant, entity: works, subsector: industrial}]
"""
PACK = "gri_2016"
# 06:00 in Berlin on the fifth day of the year.
DUE = datetime(2026, 1, 5, 5, 45, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    folder = tmp_path / "project"
    made = make_project(folder, plant_of_the_web(floor_area_m2=4000))
    (folder / "meterloom.yaml").write_text(f"report: {{packs: {{plant: [{PACK}], group: [{PACK}, gri_2025]}}}}\n")
    (folder / "organisation.yaml").write_text(ORGANISATION)
    made.close()
    again = OpenProject(str(folder))
    yield again
    again.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def tick_requests(
    project: OpenProject, instance: dg.DagsterInstance, now_utc: datetime, schedule: dg.ScheduleDefinition
) -> list[tuple[str | None, str]]:
    """Year and names of what a tick asks for."""
    resource = ProjectResource(root=project.root)
    with dg.build_schedule_context(
        instance=instance, resources={"project": resource}, scheduled_execution_time=now_utc
    ) as context:
        found = [each for each in schedule(context) if isinstance(each, dg.RunRequest)]
    return [(each.partition_key, each.tags["meterloom/sites"]) for each in found]


def run(project: OpenProject, instance: dg.DagsterInstance, job: str, names: str = "") -> dg.ExecuteInProcessResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's own beta notices
        from orchestration.build import build_defs
    resources = {"project": ProjectResource(root=project.root), "clock": FixedClock(DUE)}
    return build_defs(resources).resolve_job_def(job).execute_in_process(
        instance=instance, partition_key="2025-01-01", tags={"meterloom/sites": names} if names else {},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )  # fmt: skip


def test_a_year_is_due_at_the_sites_own_six_oclock_of_its_fifth_day(
    project: OpenProject, instance: dg.DagsterInstance
) -> None:
    before = DUE.replace(hour=4)
    for schedule, names in ((yearly_disclosures, "plant,group"), (yearly_benchmarks, "group")):
        assert tick_requests(project, instance, before, schedule) == []
        assert tick_requests(project, instance, DUE, schedule) == [("2025-01-01", names)]
        # Missed for months: it is made up.
        assert tick_requests(project, instance, DUE.replace(month=9), schedule) == [("2025-01-01", names)]


@pytest.mark.slow
def test_the_job_makes_drafts_of_sites_and_organisations_and_asks_for_nothing_more(
    project: OpenProject, instance: dg.DagsterInstance
) -> None:
    assert run(project, instance, "disclosure").success
    made = {each.report_id for each in project.reports.revisions(with_content=False)}
    # The edition of 2025 is not for a period of 2025.
    assert made == {f"{PACK}/plant/2025", f"{PACK}/group/2025"}
    # All of a run tell what was known at one instant, and so their readings are read once.
    assert len({each.content["as_of_utc"] for each in project.reports.revisions()}) == 1
    store = PublicationStore(project.store)
    assert {revision_state_at(store, each, 1, {}).status for each in made} == {"draft"}
    assert store.maker(f"{PACK}/group/2025", 1) == "run"
    assert tick_requests(project, instance, DUE.replace(month=9), yearly_disclosures) == []
    # Once more on the day itself, in case that readings came late.
    assert run(project, instance, "disclosure", "group").success
    assert {each.revision for each in project.reports.revisions(with_content=False)} == {1}


@pytest.mark.slow
def test_the_benchmark_of_a_year_is_kept(project: OpenProject, instance: dg.DagsterInstance) -> None:
    assert run(project, instance, "benchmark").success
    kept = stored_benchmark(project, "group", 2025)
    assert kept is not None
    [row] = kept.found.rows
    assert (row.site, row.reason) == ("plant", "too_few_peers")
    # The pack of the site says the same number.
    clock = FixedClock(DUE)
    made = make_pack(
        project, subjects_of(project)["plant"], "energy_summary", 2025, clock, known=pack_sources(project, clock),
        maker="ben", answers=(), formats=("json",),
    )  # fmt: skip
    said = {each.key: each.value for each in made.content.data}
    assert row.value is not None
    assert float(said["ES-2.5/value"] or 0) == pytest.approx(row.value, abs=1e-6)
    assert said["ES-2.5/peers"] == row.peers
    assert tick_requests(project, instance, DUE.replace(month=9), yearly_benchmarks) == []


@pytest.mark.parametrize(
    ("packs", "words"),
    [("{plnt: [gri_2016]}", "unknown site or organisation 'plnt'"), ("{plant: [gri]}", "unknown pack 'gri'")],
)
def test_what_is_not_there_is_refused_by_name(project: OpenProject, packs: str, words: str) -> None:
    (Path(project.root) / "meterloom.yaml").write_text(f"report: {{packs: {packs}}}\n")
    (Path(project.root) / "people.yaml").write_text("people: [{person_id: ben, name: Ben, roles: [analyst]}]\n")
    [problem] = configuration_problems(Call(Path(project.root)))
    assert words in problem.message
    assert (problem.line, Path(problem.file).name) == (1, "meterloom.yaml")


def test_a_project_that_states_none_makes_none(project: OpenProject, instance: dg.DagsterInstance) -> None:
    (Path(project.root) / "meterloom.yaml").write_text("{}\n")
    assert yearly_packs(OpenProject(project.root)) == []
    assert tick_requests(project, instance, DUE, yearly_disclosures) == []
