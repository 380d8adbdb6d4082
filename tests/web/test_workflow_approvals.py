"""Approvals of workflows on the pages and over the API: who may approve, who may not, and the answer given once."""

import html
from datetime import UTC, date, datetime, timedelta

import pytest

from assets.stores.ledgers.work_orders import WorkflowInstances
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.workflows.run import advance, look, workflow_named
from orchestration.workflows.steps import digest_of
from orchestration.workflows.triggers import At
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_alert_rules import event
from tests.web.test_workflows import GUARDED, LATER, MINUTE, done_at, own, waiting
from tests.web.why_world import posted

__all__ = ["waiting"]
pytestmark = pytest.mark.slow


def page(asking: Asking, path: str) -> str:
    return html.unescape(asking.get(path, headers=[PAGE], site="plant").text)


def test_an_approval_is_answered_under_tasks_by_whoever_has_the_role_and_once(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    [one] = done_at(waiting, LATER, "guarded")
    clock = FixedClock(LATER + MINUTE)
    dirk = Asking(waiting.project, clock, Person(person_id="dirk", name="Dirk", roles=(Role.APPROVER,)))
    anne = Asking(waiting.project, clock, Person(person_id="anne", name="Anne", roles=(Role.ENGINEER,)))
    path, form = f"/tasks/approvals/{one.instance_id}?site=plant", {"answer": "approve", "reason": "seen"}
    assert "It waits for the role approver." in page(anne, "/tasks")
    assert "Asked for the role approver. No answer counts as a refusal." in page(dirk, "/tasks")
    assert "waits for the role approver" in page(dirk, "/board/ops")
    assert posted(anne, path, form=form).said["code"] == "missing_role"
    assert posted(dirk, path.replace(one.instance_id, "none"), form=form).status == 404
    refused = posted(dirk, path, form=form | {"reason": " "})
    assert (refused.said["code"], refused.said["mend"]) == ("no_reason", "Go back and write a reason.")
    assert [posted(dirk, path, form=form).status for _ in range(2)] == [303, 303]
    [one] = WorkflowInstances(waiting.project.store).current(workflow="guarded")
    assert (one.state, one.person_id, bool(one.order_id)) == ("done", "dirk", True)
    assert "No answer counts as a refusal" not in page(dirk, "/tasks")
    assert anne.get("/tasks/none", headers=[PAGE], site="plant").status == 404


API = "/api/v1/ems/workflows/instances"


def test_a_program_answers_as_the_page_does_and_is_refused_by_status(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    people = "people: [{person_id: anne, name: Anne, roles: [analyst]}, {person_id: dirk, name: D, roles: [approver]}]"
    (waiting.project.project.root / "people.yaml").write_text(people)
    [one] = done_at(waiting, LATER, "guarded")
    dirk = Asking(waiting.project, FixedClock(LATER), Person(person_id="dirk", name="D", roles=(Role.APPROVER,)))
    anne = Asking(waiting.project, FixedClock(LATER), Person(person_id="anne", name="A", roles=(Role.ANALYST,)))

    def sent(asking: Asking, name: str = one.instance_id, **body: object) -> tuple[int, str]:
        found = posted(asking, f"{API}/{name}/approve?site=plant", {"reason": "seen"} | body)
        return found.status, str(found.said.get("code", "")) if found.status != 200 else found.said["instances"][0][
            "state"
        ]

    assert sent(dirk, "none") == (404, "no_instance")
    assert sent(anne) == (403, "missing_role")
    assert sent(dirk, reason=" ") == (422, "no_reason")
    assert sent(dirk, person="anne") == (422, "wrong_shape"), "nobody speaks for another"
    assert sent(dirk) == (200, "done")
    before = WorkflowInstances(waiting.project.store).history(one.instance_id)
    assert sent(dirk) == (200, "done"), "the same person twice is once"
    assert sent(dirk, refuse=True) == (409, "not_asked"), "and does not change their mind"
    assert sent(anne) == (409, "not_asked")
    assert WorkflowInstances(waiting.project.store).history(one.instance_id) == before


def test_a_program_is_refused_its_own_run_and_what_expired(waiting: Asking) -> None:
    event(waiting, 60.0)
    own(waiting, "guarded", GUARDED)
    both = Person(person_id="anne", name="Anne", roles=(Role.ANALYST, Role.APPROVER))
    people = "people: [{person_id: anne, name: Anne, roles: [analyst, approver]}]"
    (waiting.project.project.root / "people.yaml").write_text(people)
    at = At(
        waiting.project, workflow_named(waiting.project, "guarded"), waiting.project.site("plant"), FixedClock(LATER)
    )
    [one] = [advance(at, each) for each in look(at, by=both)]
    path = f"{API}/{one.instance_id}/approve?site=plant"
    run = posted(Asking(waiting.project, FixedClock(LATER), both), path, {"reason": "seen"})
    assert (run.status, run.said["code"]) == (403, "own_work")
    other = Person(person_id="dirk", name="D", roles=(Role.APPROVER,))
    late = Asking(waiting.project, FixedClock(LATER + timedelta(hours=3)), other)
    found = posted(late, path, {"reason": "seen"})
    assert (found.status, found.said["code"]) == (409, "not_asked")
    assert WorkflowInstances(waiting.project.store).named(one.instance_id).state == "refused"


def test_the_newest_daily_digest_stands_on_the_operations_board_and_leads_to_why(waiting: Asking) -> None:
    assert "Daily digest" not in page(waiting, "/board/ops")
    done_at(waiting, datetime(2025, 3, 31, 5, tzinfo=UTC), "daily_digest")
    shown = page(Asking(waiting.project, FixedClock(LATER), waiting.person), "/board/ops")
    site = waiting.project.site("plant")
    text = digest_of(waiting.project, site, date(2025, 3, 30), "en", LATER)
    assert "Daily digest" in shown
    assert text.partition(";")[0] in shown.replace("\u202f", " ").replace("\xa0", " ")
    assert "kpi=consumption_kwh" in shown.partition("Daily digest")[0].rpartition("<a ")[2]
