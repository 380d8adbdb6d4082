"""Approvals of workflows on the pages: who is asked, who is not, and the answer that is given once."""

import html

import pytest

from assets.stores.ledgers.workflow_instances import WorkflowInstances
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
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
    assert "Asked for the role approver. Silence is a no." in page(dirk, "/tasks")
    assert "waits for the role approver" in page(dirk, "/board/ops")
    assert posted(anne, path, form=form).said["code"] == "missing_role"
    assert posted(dirk, path.replace(one.instance_id, "none"), form=form).status == 404
    refused = posted(dirk, path, form=form | {"reason": " "})
    assert (refused.said["code"], refused.said["mend"]) == ("no_reason", "Go back and write a reason.")
    assert [posted(dirk, path, form=form).status for _ in range(2)] == [303, 303]
    [one] = WorkflowInstances(waiting.project.store).standing(workflow="guarded")
    assert (one.state, one.person_id, bool(one.order_id)) == ("done", "dirk", True)
    assert "Silence is a no" not in page(dirk, "/tasks")
    assert anne.get("/tasks/none", headers=[PAGE], site="plant").status == 404
