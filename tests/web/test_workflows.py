"""Workflows of a project: seen, held, done once whatever is killed, approved by another, timed by the site's clock."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkflowInstances, WorkOrders
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from data_quality.contracts.workflow import Daily, Instance, MonthClosed
from orchestration.cli.main import build_app
from orchestration.notices.rounds import drain_of
from orchestration.resources import ProjectResource
from orchestration.sensors.workflow_steps import workflow_triggers, workflows
from orchestration.workflows.run import advance, decide, due, look, workflow_named, workflows_of
from orchestration.workflows.steps import compared_kwh, digest_of
from orchestration.workflows.triggers import At, closed_month, due_days
from tests.reports import plant
from tests.web.marts_world import Asking
from tests.web.test_alert_rules import event, ruled
from tests.web.test_findings_pages import act
from tests.web.test_notices import run as notices
from tests.web.why_world import ANNE, LATER

DEAR = {"rule_id": "dear", "kind": "anomaly", "limit": 50, "unit": "EUR", "severity": 1}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def waiting(acted: Asking) -> Asking:
    """The plant with a critical anomaly and somebody who chose a channel."""
    ruled(acted, DEAR)
    notices(acted, "choose", "--folder", "anne", "--source", "workflows", "--as", "anne")
    return acted


def done_at(asking: Asking, at_utc: datetime, name: str = "anomaly_response") -> list[Instance]:
    """Instances of a workflow after a look and the steps that are due then."""
    clock = FixedClock(at_utc)
    for at, instance in list(due(asking.project, clock)):
        advance(at, instance)
    return WorkflowInstances(asking.project.store).current(workflow=name)


def own(asking: Asking, name: str, text: str) -> None:
    folder = asking.project.project.root / "workflows"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)


def workflow_notices(asking: Asking) -> list[Any]:
    return [each for each in Outbox(asking.project.store).notices() if each.kind == "workflow"]


def test_an_anomaly_that_is_open_for_half_an_hour_is_an_order_and_a_notice_once(waiting: Asking) -> None:
    found = event(waiting, 60.0)
    [one] = done_at(waiting, LATER)
    assert (one.state, one.subject) == ("watching", found)
    assert [each.state for each in done_at(waiting, LATER + 29 * MINUTE)] == ["watching"]
    for minutes in (31, 32, 60 * 30):
        [one] = done_at(waiting, LATER + minutes * MINUTE)
        assert (one.state, [each.state for each in one.steps]) == ("done", ["done", "done"])
    [order] = WorkOrders(waiting.project.store).current("plant")
    assert (order.order_id, order.priority, order.source_id, order.state) == (one.order_id, "P3", found, "open")
    assert order.title.startswith(("Verschwendung abstellen: ", "Stop the waste: "))
    [notice] = [each for each in workflow_notices(waiting) if "anomaly_response" in each.cause]
    assert (notice.person_id, notice.severity, notice.finding_id) == ("anne", 1, one.instance_id)
    assert "Anomaly response: " in notice.text


def test_an_anomaly_that_somebody_took_in_time_sets_nothing_off(waiting: Asking) -> None:
    found = event(waiting, 60.0)
    done_at(waiting, LATER)
    assert act(waiting, found, "acknowledge", reason="on my way") == 303
    assert [each.state for each in done_at(waiting, LATER + 40 * MINUTE)] == ["lapsed"]
    assert WorkOrders(waiting.project.store).current() == []


def test_an_anomaly_of_weeks_ago_sets_nothing_off_unless_somebody_runs_it(waiting: Asking) -> None:
    found = event(waiting, 60.0, days=9)
    assert done_at(waiting, LATER) == []
    at = At(
        waiting.project,
        workflow_named(waiting.project, "anomaly_response"),
        waiting.project.site("plant"),
        FixedClock(LATER),
    )
    assert [each.subject for each in look(at, by=ANNE)] == [found]


KILLED = """
import sys
from datetime import datetime
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.workflows.run import advance, due
project, clock = OpenProject(sys.argv[1]), FixedClock(datetime.fromisoformat(sys.argv[2]))
project.store
print("ready", flush=True)
for at, instance in due(project, clock):
    advance(at, instance)
"""


def test_a_kill_at_any_moment_neither_loses_nor_doubles(waiting: Asking) -> None:
    found = {event(waiting, 60.0 + day, days=day) for day in range(1, 8)}
    root, at_utc = str(waiting.project.project.root), LATER + timedelta(hours=1)
    done_at(waiting, LATER)
    command = [sys.executable, "-c", KILLED, root, at_utc.isoformat()]
    draw = random.Random(43)
    for _ in range(6):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    instances = done_at(waiting, at_utc)
    assert {each.subject for each in instances} == found
    assert {each.state for each in instances} == {"done"}
    orders = WorkOrders(waiting.project.store).current("plant")
    assert sorted(each.source_id for each in orders) == sorted(found)
    sent = [each.finding_id for each in workflow_notices(waiting) if "anomaly_response" in each.cause]
    assert sorted(sent) == sorted(each.instance_id for each in instances)


@pytest.mark.parametrize("first", [date(2025, 3, 29), date(2025, 10, 25), date(2025, 6, 1)])
@pytest.mark.parametrize("at", [clock_time(7), clock_time(2, 30)])
def test_a_daily_time_comes_once_a_local_day_on_days_of_23_and_25_hours_too(first: date, at: clock_time) -> None:
    trigger, seen = Daily(kind="daily", at=at, made_up_days=0), dict[date, datetime]()
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    for minute in range(0, 3 * 1440, 10):
        now_utc = start + timedelta(minutes=minute)
        for day in due_days(trigger, "Europe/Berlin", now_utc):
            seen.setdefault(day, now_utc)
    days = [first + timedelta(days=each) for each in range(3)]
    assert [each for each in seen if each in days] == days
    if at == clock_time(7):
        hours = {"2025-03-29": (6, 5, 5), "2025-10-25": (5, 6, 6), "2025-06-01": (5, 5, 5)}[str(first)]
        assert tuple(seen[each].hour for each in days) == hours


def test_the_digest_of_a_day_of_23_hours_says_what_the_marts_have_and_of_a_day_without_readings_that(
    acted: Asking,
) -> None:
    site = acted.project.site("plant")
    kpis = acted.json("/kpis", site="plant", range="2025-03-30", grain="day")["rows"]
    kwh = next(each["value"] for each in kpis if each["kpi"] == "consumption_kwh" and each["scope"] == "site:plant")
    text = digest_of(acted.project, site, date(2025, 3, 30), "en", LATER)
    assert text.startswith("30 March 2025: ")
    assert f"{float(kwh):,.0f}"[:3] in text
    assert all(unit in text for unit in ("kWh", "€")), text
    known = {each["kpi"] for each in kpis if each["scope"] == "site:plant" and each["value"] is not None}
    assert ("Carbon: not known" in text) == ("emission_kgco2e" not in known), text
    assert digest_of(acted.project, site, date(2035, 3, 30), "en", LATER) == "30 March 2035: no readings yet"


def test_a_digest_adds_compared_uses_of_approved_baselines_and_counts_no_energy_twice(acted: Asking) -> None:
    site = acted.project.site("plant")
    first, second, third = site.seus[:3]
    whole = third.model_copy(update={"is_aggregate": True})
    site = site.model_copy(update={"seus": (first, second, whole)})
    rows = pl.DataFrame(
        {
            "seu_id": [first.seu_id, second.seu_id, whole.seu_id], "baseline_id": ["a", "b", "c"],
            "is_compared": [True] * 3, "actual_kwh": [10.0, 20.0, 30.0], "expected_kwh": [11.0, 22.0, 33.0],
        }
    )  # fmt: skip
    assert compared_kwh(rows, site, {"a", "b", "c"}) == (30.0, 33.0)
    assert compared_kwh(rows, site, {"b"}) == (20.0, 22.0)
    assert compared_kwh(rows.with_columns(is_compared=False), site, {"a", "b"}) is None
    assert compared_kwh(pl.DataFrame(), site, {"a"}) is None


def test_a_digest_is_told_once_a_day_and_a_missed_day_is_made_up(waiting: Asking) -> None:
    seven = datetime(2025, 6, 2, 5, tzinfo=UTC)
    assert [each.subject for each in done_at(waiting, seven, "daily_digest")] == ["2025-06-02"]
    done_at(waiting, seven + timedelta(hours=5), "daily_digest")
    assert len([each for each in workflow_notices(waiting) if "daily_digest" in each.cause]) == 1
    found = done_at(waiting, seven + timedelta(days=2, hours=1), "daily_digest")
    assert [(each.subject, each.state) for each in found] == [
        ("2025-06-02", "done"), ("2025-06-03", "done"), ("2025-06-04", "done"),
    ]  # fmt: skip
    asked = "consumption_kwh@site:plant@2025-06-03/2025-06-04"
    assert found[-1].steps[0].figures[0] == asked
    assert drain_of(waiting.project, FixedClock(seven + timedelta(days=3))).run() > 0
    kept = (waiting.project.project.data_dir / "notices" / "anne").iterdir()
    sent = [one for path in kept for one in json.loads(path.read_text())["notices"]]
    assert [each["figures"][0] for each in sent if each["workflow"] == found[-1].instance_id] == [asked]


GUARDED = """
name: guarded
title: Guarded
trigger: {kind: anomaly_open, severities: [1], minutes: 0}
steps:
  - {step: order, name: task, after: [ask]}
  - {step: approval, name: ask, role: approver, within_hours: 2}
"""


def test_a_workflow_of_the_projects_own_needs_no_code_and_waits_for_another_person(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    [one] = done_at(waiting, LATER, "guarded")
    steps = [(each.name, each.state) for each in one.steps]
    assert (one.state, steps) == (
        "asked",
        [("ask", "asked"), ("task", "open")],
    )
    anne = Person(person_id="anne", name="Anne", roles=(Role.ENGINEER,))
    dirk = Person(person_id="dirk", name="Dirk", roles=(Role.APPROVER,))
    clock = FixedClock(LATER + MINUTE)
    for person, reason, why in ((anne, "x", "missing_role"), (dirk, " ", "no_reason")):
        with pytest.raises(BadInput) as fault:
            decide(waiting.project, one, clock, person=person, reason=reason, is_approved=True)
        assert fault.value.reason == why
    made = decide(waiting.project, one, clock, person=dirk, reason="seen", is_approved=True)
    assert (made.state, made.person_id, bool(made.order_id)) == ("done", "dirk", True)
    with pytest.raises(BadInput, match="asks nobody"):
        decide(waiting.project, made, clock, person=dirk, reason="again", is_approved=True)


def test_silence_for_too_long_means_no(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    done_at(waiting, LATER, "guarded")
    [one] = done_at(waiting, LATER + timedelta(hours=3), "guarded")
    assert (one.state, one.steps[0].told, one.order_id) == ("refused", "nobody answered in 2 h", "")


def test_silence_asks_the_next_role_and_of_the_last_it_means_no(waiting: Asking) -> None:
    event(waiting, 60.0)
    people = "people: [{person_id: anne, name: Anne, roles: [analyst, engineer]}]\n"
    (waiting.project.project.root / "people.yaml").write_text(people.replace("analyst, engineer", "publisher"))
    own(waiting, "guarded", GUARDED.replace("within_hours: 2", "within_hours: 2, escalation: [publisher]"))
    [one] = done_at(waiting, LATER, "guarded")
    dirk = Person(person_id="dirk", name="Dirk", roles=(Role.PUBLISHER,))
    with pytest.raises(BadInput, match="has not the role 'approver'"):
        decide(waiting.project, one, FixedClock(LATER), person=dirk, reason="seen", is_approved=True)
    assert [each for each in workflow_notices(waiting) if "guarded" in each.cause] == []
    [one] = done_at(waiting, LATER + timedelta(hours=3), "guarded")
    assert (one.state, one.steps[0].told) == ("asked", "asks for the role publisher")
    [notice] = [each for each in workflow_notices(waiting) if "guarded" in each.cause]
    assert "waits for an approval" in notice.text
    assert [each.state for each in done_at(waiting, LATER + timedelta(hours=4), "guarded")] == ["asked"]
    [one] = done_at(waiting, LATER + timedelta(hours=6), "guarded")
    assert (one.state, one.steps[0].told, one.order_id) == ("refused", "nobody answered in 4 h", "")


LATE = """
name: late
title: Late
trigger: {kind: anomaly_open, severities: [1], minutes: 0}
steps:
  - {step: order, name: task, priority: P3}
  - {step: escalate, name: remind, after: [task], hours: 24, roles: [engineer], priority: P1}
"""


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_task_that_is_not_done_in_time_is_more_urgent_and_told_once(waiting: Asking, *, is_closed: bool) -> None:
    event(waiting, 60.0)
    own(waiting, "late", LATE)
    [one] = done_at(waiting, LATER, "late")
    orders = WorkOrders(waiting.project.store)
    if is_closed:
        orders.move(
            orders.named(one.order_id), "done", person_id="anne", reason="done", clock=FixedClock(LATER + MINUTE)
        )
    hours = [(one.state, one.steps[1].state)]
    for after in (23, 25, 26):
        [one] = done_at(waiting, LATER + timedelta(hours=after), "late")
        hours.append((one.state, one.steps[1].state))
    notices = [each.text for each in workflow_notices(waiting) if each.cause.endswith(" late")]
    if is_closed:
        assert hours == [("running", "waiting"), *[("done", "done")] * 3]
        assert (notices, one.steps[1].told) == ([], "the task is done")
    else:
        assert hours == [("running", "waiting"), ("running", "waiting"), *[("done", "done")] * 2]
        assert orders.named(one.order_id).priority == "P1"
        assert len(notices) == 1
        assert "the task is not done after 24 h" in notices[0]


def test_a_month_closes_once_by_the_sites_clock() -> None:
    trigger = MonthClosed(kind="month_closed", day=5, at=clock_time(6))
    for at_utc, month in (
        (datetime(2025, 4, 5, 3, 59, tzinfo=UTC), "2025-02"), (datetime(2025, 4, 5, 4, tzinfo=UTC), "2025-03"),
        (datetime(2025, 1, 5, 5, tzinfo=UTC), "2024-12"), (datetime(2025, 1, 2, tzinfo=UTC), "2024-11"),
    ):  # fmt: skip
        assert closed_month(trigger, "Europe/Berlin", at_utc) == month


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("step: order", "step: ordre"), "line 6"),
        (("after: [ask]", "after: [aks]"), "'aks', which is none of the steps"),
        (("role: approver,", "role: approver, after: [task],"), "steps wait for each other"),
        (("name: task", "name: ask"), "two steps are called 'ask'"),
        (("minutes: 0", "minuets: 0"), "minuets"),
        (("name: guarded", "name: guarder"), "guarder"),
        (("title: Guarded", "title: Guarded\nsites: [plnat]"), "site 'plnat'"),
        (("{kind: anomaly_open, severities: [1], minutes: 0}", "{kind: order_open, sources: [workflow]}"), "never end"),
        (("step: order, name: task", "step: curtail, name: task"), "needs the trigger peak_forecast, not anomaly_open"),
        (("step: order, name: task", "step: report, templates: [x], name: task"), "needs the trigger month_closed"),
        (("step: order, name: task", "step: escalate, roles: [approver], name: task"), "no task to escalate"),
        (("{kind: anomaly_open, severities: [1], minutes: 0}", '{kind: daily, at: "07:00"}'), "time of day"),
    ],
)
def test_a_typo_or_a_loop_is_one_sentence(acted: Asking, wrong: tuple[str, str], said: str) -> None:
    own(acted, "guarded", GUARDED.replace(*wrong))
    words = ["workflows", "list", "--project", str(acted.project.project.root)]
    result = CliRunner().invoke(build_app(("workflows",)), words)
    assert (result.exit_code, result.stderr.strip().count("\n")) == (2, 0), result.stderr
    assert said in result.stderr
    assert "guarded.yaml" in result.stderr


def test_commands_list_run_and_show_and_nothing_runs_twice(waiting: Asking) -> None:
    found = event(waiting, 60.0)

    def run(*words: str) -> tuple[int, str, str]:
        at = ["--project", str(waiting.project.project.root)]
        result = CliRunner().invoke(build_app(("workflows",)), ["workflows", *words, *at])
        return result.exit_code, result.stdout, result.stderr

    assert "daily at 07:00 of the site's clock" in run("list")[1]
    by_anne = ("--site", "plant", "--as", "anne")
    assert found in run("run", "anomaly_response", *by_anne)[1]
    assert "nothing meets its trigger" in " ".join(map(str, run("run", "anomaly_response", *by_anne)))
    assert "task done, tell done" in run("show", "anomaly_response")[1]
    code, _, error = run("run", "anomaly_respons", *by_anne)
    assert (code, "did you mean 'anomaly_response'?" in error) == (2, True)


def test_the_sensor_asks_for_a_run_and_the_run_does_the_steps(waiting: Asking) -> None:
    event(waiting, 60.0)
    done_at(waiting, LATER)
    root, clock = waiting.project.project.root, FixedClock(LATER + 31 * MINUTE)
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"project": ProjectResource(root=str(root)), "clock": clock}
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            [asked] = workflow_triggers.evaluate_tick(context).run_requests
            assert workflows.execute_in_process(instance=instance, resources=resources).success
            again = workflow_triggers.evaluate_tick(context)
            assert (asked.run_key[:10], again.run_requests) == ("workflows:", [])
    assert len(WorkOrders(waiting.project.store).current("plant")) == 1


def test_what_is_shipped_is_sound(acted: Asking) -> None:
    assert list(workflows_of(acted.project)) == [
        "anomaly_response", "bill_reconciliation", "daily_digest", "monthly_esg", "peak_prediction",
        "recommendation_accepted",
    ]  # fmt: skip
    assert workflow_named(acted.project, "daily_digest").enabled
    assert plant.NOON < LATER
