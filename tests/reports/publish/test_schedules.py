"""Ticks of the quarterly schedule on a real instance: what they ask for, and what they do not ask for twice."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.transactions import open_store
from data_quality.contracts.time import FixedClock
from data_quality.contracts.workflow import MonthClosed, Workflow
from orchestration import partitions
from orchestration.advice_asset import advise
from orchestration.jobs import enpi_report
from orchestration.partitions import PARTITION_TAG, SITES
from orchestration.resources import ProjectResource
from orchestration.schedules import monthly_advice, monthly_reports, quarterly_enpi_reports
from orchestration.workflows.triggers import subjects_of
from tests.reports import plant


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sites with a few days in each quarter from 2024-Q4 to 2025-Q2; one in Berlin, one in New York."""
    found = tmp_path_factory.mktemp("project")
    (found / "sites").mkdir()
    (found / "meterloom.yaml").write_text("paths: {}\n", encoding="utf-8")
    for site_id, zone in (("east", "Europe/Berlin"), ("west", "America/New_York")):
        site = plant.plant_site(site_id=site_id, time_zone=zone).model_dump(mode="json", exclude_defaults=True)
        (found / "sites" / f"{site_id}.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    store = open_store(f"sqlite:///{found / 'var' / 'store.db'}")
    lake = Lake(found / "var" / "lake", store)
    for number, first in enumerate((date(2024, 12, 30), date(2025, 3, 30), date(2025, 6, 30))):
        rows = plant.plant_rows(first, first + timedelta(days=1))
        # The day of each by its own clock: that of New York ends on the next one in UTC.
        for site_id, hours in (("east", 0), ("west", 6)):
            info = BatchInfo(
                site_id=site_id,
                source_name=f"{number}.csv",
                source_sha256=f"{number:064d}",
                reader="csv",
                reader_version="1",
                accepted_rows=rows.height,
                rejected_rows=0,
                is_synthetic=False,
            )
            later = pl.col("interval_start_utc") + timedelta(hours=hours)
            changed = rows.with_columns(later, site_id=pl.lit(site_id))
            lake.write_batch(info, changed, unchanged_rows=0, clock=FixedClock(plant.NOON))
    store.close()
    return found


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    # An ephemeral one has no reference, which a schedule's context asks for.
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def requested(
    folder: Path, instance: dg.DagsterInstance, moment: str, schedule: dg.ScheduleDefinition
) -> list[dg.RunRequest]:
    """Run requests of a tick at that instant (UTC)."""
    project = ProjectResource(root=str(folder))
    with dg.build_schedule_context(
        instance=instance,
        resources={"project": project},
        scheduled_execution_time=datetime.fromisoformat(moment).replace(tzinfo=UTC),
    ) as context:
        return [each for each in schedule(context) if isinstance(each, dg.RunRequest)]


def tick(
    folder: Path, instance: dg.DagsterInstance, moment: str, schedule: dg.ScheduleDefinition = quarterly_enpi_reports
) -> list[str]:
    """The partitions of it."""
    requests = requested(folder, instance, moment, schedule)
    kind = "enpi" if schedule is quarterly_enpi_reports else "month"
    assert [each.run_key for each in requests] == [f"{kind}:{each.partition_key}" for each in requests]
    return [str(each.partition_key) for each in requests]


def test_each_site_is_asked_for_at_its_own_six_oclock(folder: Path, instance: dg.DagsterInstance) -> None:
    before = ["2024-10-01|east", "2024-10-01|west"]
    assert tick(folder, instance, "2025-04-05T03:00") == before
    # 06:00 in Berlin is 04:00 UTC in summer; New York follows at 10:00 UTC.
    assert tick(folder, instance, "2025-04-05T04:00") == ["2025-01-01|east", *before]
    assert tick(folder, instance, "2025-04-05T09:00") == ["2025-01-01|east", *before]
    assert tick(folder, instance, "2025-04-05T10:00") == ["2025-01-01|east", "2025-01-01|west", *before]


def test_a_month_is_asked_for_at_each_sites_own_six_oclock(folder: Path, instance: dg.DagsterInstance) -> None:
    def newest(moment: str) -> list[str]:
        return [key for key in tick(folder, instance, moment, monthly_reports) if key.startswith("2025-03")]

    assert newest("2025-04-05T03:20") == []
    assert newest("2025-04-05T04:20") == ["2025-03-01|east"]
    assert newest("2025-04-05T10:20") == ["2025-03-01|east", "2025-03-01|west"]


def test_advice_is_asked_for_once_a_site_and_month_from_the_sites_own_fifth_day_on(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    def run_keys(moment: str) -> list[str | None]:
        return [each.run_key for each in requested(folder, instance, moment, monthly_advice)]

    east, west = "advise:east:2025-07", "advise:west:2025-07"
    assert run_keys("2025-07-04T21:35") == []
    # Midnight in Berlin is 22:00 UTC in summer; New York follows at 04:00 UTC.
    assert run_keys("2025-07-04T22:35") == [east]
    assert run_keys("2025-07-05T03:35") == [east]
    assert run_keys("2025-07-05T04:35") == [east, west]
    # One key a month: an instance runs it once, however many ticks ask.
    assert run_keys("2025-07-31T12:35") == [east, west]
    assert set(instance.get_dynamic_partitions(SITES.name or "")) == {"east", "west"}
    # The readings end with June: of July there is nothing to advise on.
    assert run_keys("2025-08-10T12:35") == []


def test_advice_that_failed_is_asked_for_again_on_the_next_day_until_it_is_made(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    def run_keys(moment: str) -> list[str | None]:
        return [each.run_key for each in requested(folder, instance, moment, monthly_advice)]

    def ran(status: dg.DagsterRunStatus) -> None:
        graph = dg.JobDefinition(graph_def=dg.GraphDefinition(name=advise.name), name=advise.name)
        instance.create_run_for_job(job_def=graph, tags={PARTITION_TAG: "east"}, status=status)

    ran(dg.DagsterRunStatus.FAILURE)
    assert run_keys("2025-07-06T12:35") == ["advise:east:2025-07:2025-07-06", "advise:west:2025-07"]
    assert run_keys("2025-07-06T13:35") == ["advise:east:2025-07:2025-07-06", "advise:west:2025-07"]
    assert run_keys("2025-07-07T12:35")[0] == "advise:east:2025-07:2025-07-07"
    ran(dg.DagsterRunStatus.STARTED)
    assert run_keys("2025-07-07T12:35") == ["advise:west:2025-07"]
    ran(dg.DagsterRunStatus.SUCCESS)
    assert run_keys("2025-07-08T12:35") == ["advise:west:2025-07"]


def test_a_month_without_readings_by_the_sites_clock_sets_off_no_workflow(folder: Path) -> None:
    project = ProjectResource(root=str(folder))
    closed = Workflow.model_construct(trigger=MonthClosed(kind="month_closed"))
    for site_id in ("east", "west"):
        months = [subjects_of(closed, project, project.site(site_id), datetime(2025, month, 20, tzinfo=UTC))
                  for month in (7, 8)]  # fmt: skip
        assert [[each.name for each in found] for found in months] == [["2025-06"], []]


@pytest.mark.parametrize("moment", ["2025-03-30T01:00", "2025-10-26T00:00"])
def test_the_hours_of_a_clock_change_ask_for_what_any_hour_of_the_day_asks(
    folder: Path, instance: dg.DagsterInstance, moment: str
) -> None:
    noon = moment[:10] + "T12:00"
    assert tick(folder, instance, moment) == tick(folder, instance, noon)


def test_after_two_quarters_without_a_tick_all_of_them_are_asked_for(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    found = tick(folder, instance, "2025-07-20T15:00")
    assert [key for key in found if key.endswith("east")] == ["2025-04-01|east", "2025-01-01|east", "2024-10-01|east"]


def active_runs(instance: dg.DagsterInstance, key: str, **tags: str) -> None:
    """A run of a quarter's reports that was started."""
    instance.create_run_for_job(
        job_def=dg.JobDefinition(graph_def=dg.GraphDefinition(name=enpi_report.name), name=enpi_report.name),
        tags={PARTITION_TAG: key, **tags},
        status=dg.DagsterRunStatus.STARTED,
    )


def test_what_is_on_its_way_is_not_asked_for_again(folder: Path, instance: dg.DagsterInstance) -> None:
    moment = "2025-04-05T12:00"
    assert "2025-01-01|east" in tick(folder, instance, moment)
    assert instance.get_dynamic_partitions(SITES.name or "") == ["east", "west"]
    active_runs(instance, "2025-01-01|east")
    assert "2025-01-01|east" not in tick(folder, instance, moment)
    assert "2025-01-01|west" in tick(folder, instance, moment)


def test_sites_of_a_bucket_share_a_run_and_leave_out_the_one_that_is_on_its_way(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "BY_BUCKET", True)
    monkeypatch.setattr(partitions, "bucket_of", lambda _: "017")

    def sites_by_bucket() -> dict[str, str]:
        found = requested(folder, instance, "2025-04-05T12:00", quarterly_enpi_reports)
        return {str(each.partition_key): each.tags[partitions.SITES_TAG] for each in found}

    newest, before = "2025-01-01|017", {"2024-10-01|017": "east,west"}
    assert sites_by_bucket() == {newest: "east,west", **before}
    active_runs(instance, newest, **{partitions.SITES_TAG: "east"})
    assert sites_by_bucket() == {newest: "west", **before}
    active_runs(instance, newest, **{partitions.SITES_TAG: "west"})
    assert sites_by_bucket() == before
