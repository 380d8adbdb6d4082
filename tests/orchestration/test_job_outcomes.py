"""Failures inside of jobs and live sources are findings for people, until they work again."""

import html
import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo
from typer.testing import CliRunner

import assets.sites
from assets.stores.ledgers.job_outcomes import JobOutcome, failed_jobs, record_outcomes
from assets.stores.live.live_store import LiveStore
from assets.stores.schema.tables_findings import job_outcomes as rows
from assets.stores.transactions import Store, open_store
from data_quality.contracts.finding import Finding
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.cli.main import build_app
from orchestration.partitions import RANGE_END, RANGE_START, SITES, SITES_TAG
from orchestration.resources import ProjectResource
from orchestration.sensors.job_outcomes import job_outcomes, parts_of_run, sites_of_run
from orchestration.views.finding_sources import dead_sources, what_of
from tests.controls.planning.examples import NOW
from tests.orchestration.test_plan_sensor import Bed
from tests.web.asking import PAGE
from tests.web.marts_world import Asking

pytestmark = pytest.mark.filterwarnings("ignore")
FACTORY = Path(assets.sites.__file__).parent / "demo" / "factory.yaml"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own, whose runs outlive the process that made them."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as made:
        made.add_dynamic_partitions(SITES.name or "", ["home"])
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def look(project: ProjectResource, instance: dg.DagsterInstance, cursor: str | None = None) -> str | None:
    """A look of the sensor; what it goes on from at the next."""
    resources: dict[str, Any] = {"project": ProjectResource(root=project.root), "clock": SystemClock()}
    with dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context:
        (skipped,) = list(job_outcomes(context))  # type: ignore[arg-type]
        assert isinstance(skipped, dg.SkipReason)
        return context.cursor


def run_plan(project: ProjectResource, instance: dg.DagsterInstance, minutes: int) -> dg.ExecuteInProcessResult:
    """The job plan as the daemon runs it."""
    from orchestration.build import build_defs

    resources = {"project": ProjectResource(root=project.root), "clock": FixedClock(NOW + timedelta(minutes=minutes))}
    job = build_defs(resources).resolve_job_def("plan")
    return job.execute_in_process(instance=instance, partition_key="home", raise_on_error=False)


def json_of(project: ProjectResource, *words: str) -> Any:
    """The JSON of a command."""
    done = CliRunner().invoke(build_app((words[0],)), [*words, "--project", project.root, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return json.loads(done.stdout)


def test_a_plan_that_fails_is_a_finding_in_the_shell_until_the_job_succeeds_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    bed = Bed(tmp_path / "p")
    bed.server.stop()
    assert not run_plan(bed.project, instance, 20).success
    cursor = look(bed.project, instance)
    (found,) = failed_jobs(bed.project.store, ["home"])
    assert found.message.startswith("job plan: the state of charge is not known: Modbus device 127.0.0.1")
    assert str(found.facts["mend"]).split("; ") == [
        "meterloom devices test DEVICE --site home",
        "start the simulated devices: meterloom up",
        "or, from assumptions and without commands: meterloom plan --site home --for tomorrow",
    ]
    assert "Traceback" not in found.message
    assert datetime.fromisoformat(str(found.facts["since_utc"])) <= SystemClock().now_utc()
    told = json_of(bed.project, "next", "--site", "home")
    assert Finding.model_validate(told["findings"][0]) == found
    (line,) = [each for each in json_of(bed.project, "doctor")["checks"] if each["name"] == "home/plan"]
    assert (line["status"], line["detail"], line["mend"]) == ("warn", what_of(found), found.facts["mend"])
    words = CliRunner().invoke(build_app(("next",)), ["next", "--project", bed.project.root]).stdout
    assert f"not working:\n    home: {what_of(found)}\n" in words
    # The device is back, and so is the plan.
    again = Bed(tmp_path / "q")
    (Path(bed.project.root) / "meterloom.yaml").write_text((Path(again.project.root) / "meterloom.yaml").read_text())
    assert run_plan(bed.project, instance, 35).success
    look(bed.project, instance, cursor)
    assert failed_jobs(bed.project.store, ["home"]) == []
    assert json_of(bed.project, "next", "--site", "home")["findings"] == []
    bed.close()
    again.close()


def test_a_bug_of_ours_is_told_as_one_with_its_run_and_a_run_that_took_too_long_in_dagsters_words(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    @dg.op
    def divide() -> None:
        """A bug."""
        _ = 1 / 0

    @dg.job(tags={"dagster/partition": "2025-01-01|plant"})
    def kpi() -> None:
        """A job with one."""
        divide()

    (tmp_path / "meterloom.yaml").write_text("{}")
    project = ProjectResource(root=str(tmp_path))
    run_id = kpi.execute_in_process(instance=instance, raise_on_error=False).run_id
    late = dg.DagsterRun(job_name="pull", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "plant"})
    instance.add_run(late)
    instance.report_run_failed(late, "Exceeded maximum runtime of 3600 seconds.")
    look(project, instance)
    messages = [each.message for each in failed_jobs(project.store, ["plant"])]
    assert messages == [
        f"job kpi of 2025-01: a fault of the program, see run {run_id[:8]} in Dagster "
        "(ZeroDivisionError: division by zero)",
        "job pull: Exceeded maximum runtime of 3600 seconds.",
    ]
    project.close()


def outcome(minute: int, sentence: str = "", **fields: Any) -> JobOutcome:
    """One of job pull at site plant."""
    ended_utc, kind = NOW + timedelta(minutes=minute), "failed" if sentence else "succeeded"
    made: dict[str, Any] = {"site_id": "plant", "job": "pull", "outcome": kind, "sentence": sentence}
    return JobOutcome.model_validate({**made, "run_id": f"r{minute}", "ended_utc": ended_utc, **fields})


def test_a_failure_is_kept_once_with_when_it_began_and_an_older_run_changes_nothing(store: Store) -> None:
    clock = FixedClock(NOW)
    kept = [outcome(1), outcome(2, "no answer"), outcome(3, "no answer"), outcome(5, "no such bucket"), outcome(4)]
    kept += [outcome(6, "other", site_id="hall"), outcome(6, "other", job="weather")]
    assert [bool(record_outcomes(store, [each], clock)) for each in kept] == [
        False,
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    pull, weather = failed_jobs(store, ["plant"])
    assert (pull.message, pull.facts["run_id"]) == ("job pull: no such bucket", "r5")
    assert pull.facts["since_utc"] == (NOW + timedelta(minutes=2)).isoformat()
    assert weather.message == "job weather: other"
    assert record_outcomes(store, [outcome(7)], clock)
    assert [each.facts["job"] for each in failed_jobs(store, ["plant", "hall"])] == ["pull", "weather"]
    assert len(store.rows(rows.select())) == 5


def test_a_later_success_of_another_month_hides_no_failure(store: Store) -> None:
    clock = FixedClock(NOW)
    months = [outcome(1, "no factor", part=part) for part in ("2025-01", "2025-02", "2025-03")]
    assert record_outcomes(store, months, clock) == 3
    assert record_outcomes(store, [outcome(2, part="2025-03"), outcome(2, part="2025-04")], clock) == 1
    (found,) = failed_jobs(store, ["plant"])
    assert found.message == "job pull of 2025-01 and 1 more month: no factor"
    assert record_outcomes(store, [outcome(3, part="2025-01"), outcome(3, part="2025-02")], clock) == 2
    assert failed_jobs(store, ["plant"]) == []


def test_a_failure_from_before_months_were_kept_ends_with_the_next_success(store: Store) -> None:
    clock = FixedClock(NOW)
    assert record_outcomes(store, [outcome(1, "no factor")], clock) == 1
    assert record_outcomes(store, [outcome(2, part="2025-03")], clock) == 1
    assert failed_jobs(store, ["plant"]) == []


def test_the_months_of_a_run_are_those_of_its_key_or_range() -> None:
    def months(**tags: str) -> list[str | None]:
        return parts_of_run(dg.DagsterRun(job_name="j", tags=tags))

    assert months(**{"dagster/partition": "2025-01-01|plant"}) == ["2025-01"]
    assert months(**{RANGE_START: "2025-01-01|plant", RANGE_END: "2025-03-01|plant"}) == [
        "2025-01",
        "2025-02",
        "2025-03",
    ]
    assert months(**{"dagster/partition": "home"}) == months() == [None]


def test_a_job_of_no_site_that_failed_is_told_by_next(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "sites").mkdir()
    shutil.copy(FACTORY, tmp_path / "sites")
    shutil.copy(FACTORY.with_name("people.yaml"), tmp_path)
    project = ProjectResource(root=str(tmp_path))
    made = outcome(1, "a.csv has no header", site_id="", job="ingest")
    assert record_outcomes(project.store, [made], FixedClock(NOW)) == 1
    (found,) = json_of(project, "next")["findings"]
    assert found["message"] == "job ingest: a.csv has no header"
    words = CliRunner().invoke(build_app(("next",)), ["next", "--project", project.root]).stdout
    assert "    project: job ingest: a.csv has no header" in words
    project.close()


def test_the_sites_of_a_run_are_those_of_its_key_or_its_config_or_those_that_it_names() -> None:
    def sites(config: dict[str, Any] | None = None, **tags: str) -> list[str]:
        """Of a run with that config and those tags."""
        run_config = {"ops": {"raw_landing__15min_readings": {"config": config}}} if config else {}
        return sites_of_run(dg.DagsterRun(job_name="j", tags=tags, run_config=run_config))

    assert sites(**{"dagster/partition": "home"}) == ["home"]
    assert sites(**{"dagster/partition": "2025-01-01|plant"}) == ["plant"]
    assert sites(**{RANGE_START: "2025-01-01|plant", RANGE_END: "2025-03-01|plant"}) == ["plant"]
    assert sites(**{"dagster/partition": "2025-01-01|017", SITES_TAG: "a,b"}) == ["a", "b"]
    assert sites({"site": "hall", "files": ["a.csv"]}) == ["hall"]
    assert sites() == [""]


def test_a_dead_source_is_a_finding_with_its_sentence_until_it_delivers_again(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "sites").mkdir()
    shutil.copy(FACTORY, tmp_path / "sites")
    project = ProjectResource(root=str(tmp_path))
    site, board = project.site("factory"), LiveStore(project.project.live_dir)
    source = next(each.source_id for each in site.sources if isinstance(each, Streaming))
    name = site.source_name(source)

    def found(state: Any, sentence: str = "", seconds: int = 0) -> list[Finding]:
        """Findings so many seconds after the collector wrote that state."""
        told = SourceState(source_id=source, kind="mqtt", state=state, sentence=sentence, last_utc=NOW)
        board.put_states("factory", [told], now_utc=NOW)
        return list(dead_sources(project, site, NOW + timedelta(seconds=seconds)))

    assert list(dead_sources(project, site, NOW)) == []
    assert found("live") == []
    (dead,) = found("silent", "broker 127.0.0.1:1883 does not answer")
    assert what_of(dead) == f"source {name}: broker 127.0.0.1:1883 does not answer (since {NOW:%Y-%m-%d %H:%M}Z)"
    assert dead.facts["mend"] == f"meterloom sources test {source} --site factory shows what it answers"
    (ended,) = found("live", seconds=60)
    assert ended.message == f"source {name}: no collector runs"
    assert found("live") == []
    board.close()
    project.close()


def test_when_nothing_runs_any_more_each_place_says_since_when_until_it_runs_again(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = Bed(tmp_path / "p")
    look(bed.project, instance)
    looked_utc = SystemClock().now_utc()

    def findings(minutes: int) -> dict[str, str]:
        """Text of each place so long after the look."""
        now_utc = looked_utc + timedelta(minutes=minutes)
        monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: FixedClock(now_utc))
        olga = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR,))
        page = Asking(bed.project, FixedClock(now_utc), olga).get("/board/ops", [PAGE], site="home")
        places = (("doctor",), ("next", "--site", "home"), ("next",), ("dispatch", "status", "--site", "home"))
        return {"board": html.unescape(page.text)} | {
            " ".join(each): str(json_of(bed.project, *each)) for each in places
        }

    for place, words in findings(2).items():
        assert "overdue" not in words, place
    for place, words in findings(7).items():
        assert "Dagster's daemon does not run" in words, place
        assert "start it: meterloom up" in words, place
    monkeypatch.undo()
    look(bed.project, instance)
    for place, words in findings(2).items():
        assert "overdue" not in words, place
    bed.close()


def test_a_schedule_that_fails_or_is_switched_off_is_a_finding_until_it_works(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    project = ProjectResource(root=str(tmp_path))
    kind, running, hourly = InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 * * * *")
    place = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="x.py"), "x")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(place, "y"), "hourly_forecasts")
    state = instance.add_instigator_state(InstigatorState(origin, kind, running, hourly))
    at_s = SystemClock().now_utc().timestamp() - 60

    def messages(status: TickStatus, seconds: float, error: SerializableErrorInfo | None = None) -> list[str]:
        """Messages after a tick that ended so."""
        told = TickData(
            state.instigator_origin_id, state.name, kind, status, at_s + seconds, error=error,
            selector_id=state.selector_id, run_ids=[],
        )  # fmt: skip
        instance.create_tick(told)
        look(project, instance)
        return [each.message for each in failed_jobs(project.store, [""])]

    assert messages(TickStatus.SKIPPED, 0) == []
    cause = SerializableErrorInfo("ZeroDivisionError: division by zero\n", [], "ZeroDivisionError")
    wrapped = SerializableErrorInfo("ScheduleExecutionError: y\n", [], "ScheduleExecutionError", cause)
    failed = ["job hourly_forecasts: its last look failed: ZeroDivisionError: division by zero"]
    assert messages(TickStatus.FAILURE, 1, wrapped) == failed
    assert messages(TickStatus.STARTED, 2) == failed
    assert messages(TickStatus.SUCCESS, 3) == []
    instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    look(project, instance)
    (found,) = failed_jobs(project.store, [""])
    assert found.facts["mend"] == "switch it on under Automation in Dagster"
    instance.update_instigator_state(state)
    assert messages(TickStatus.SUCCESS, 180) == []
    project.close()
