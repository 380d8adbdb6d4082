"""Work orders: made of a finding or of nothing, done by people with reasons, notified, and the same by every door."""

import html
import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.stores.audit import bad_rows
from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.notices.rounds import drain_of, look
from orchestration.views.work_orders import orders_csv
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_alert_rules import event
from tests.web.test_findings_pages import VERA, act, listed
from tests.web.test_notices import run as notices
from tests.web.why_world import posted, tenant

FORM = {"title": "Look at the fan", "priority": "P2", "reason": "it runs at night", "due": "", "assignee": ""}


def run(asking: Asking, *words: str) -> tuple[int, Any, str]:
    at = ["--project", str(asking.project.project.root), "--json"]
    result = CliRunner().invoke(build_app(("orders",)), ["orders", *words, *at])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def page(asking: Asking, path: str, **query: str) -> str:
    return html.unescape(asking.get(path, headers=[PAGE], site="plant", **query).text)


def made(asking: Asking, finding_id: str, **form: str) -> str:
    """The id of an order that the form of a finding made."""
    assert act(asking, finding_id, "task", **FORM | form) == 303
    [*_, last] = sorted(WorkOrders(asking.project.store).current("plant"), key=lambda each: str(each.recorded_at_utc))
    return last.order_id


def test_a_task_of_an_anomaly_shows_its_picture_and_stands_at_the_finding_and_on_the_board(acted: Asking) -> None:
    found = event(acted, 60.0)
    before = page(acted, f"/findings/{found}")
    assert "Create task" in before
    assert 'value="Stop the waste: ' in before
    assert 'id="tasks"' not in page(acted, "/board/ops")
    order = made(acted, found, title="Stop the fan <b>now</b>", assignee="anne", due="2025-06-01")
    for shown in (page(acted, f"/findings/{found}"), page(acted, "/tasks"), page(acted, "/board/ops")):
        assert f"/tasks/{order}" in shown
        assert "Stop the fan <b>now</b>" in shown
    assert ">High<" in page(acted, "/tasks")
    assert ">Hoch<" in page(acted, "/tasks", locale="de")
    assert ">P2<" not in page(acted, "/tasks")
    one = page(acted, f"/tasks/{order}")
    assert all(word in one for word in ("Measured and usual", "Likely cause", "Anne", "due 1 Jun 2025", "it runs at"))
    assert "2025-06-01" not in one.partition("<form")[0]
    raw = acted.get(f"/tasks/{order}", headers=[PAGE], site="plant").text
    assert "<b>now</b>" not in raw
    assert "Aufgabe abschließen" in page(acted, f"/tasks/{order}", locale="de")


def test_a_form_sent_twice_makes_one_task_and_after_its_end_another(acted: Asking) -> None:
    found = str(listed(acted)[0]["finding_id"])
    first = made(acted, found)
    assert made(acted, found) == first
    assert run(acted, "close", first, "--as", "anne", "--reason", "done")[0] == 0
    second = made(acted, found)
    assert second != first
    assert {each.order_id: each.state for each in WorkOrders(acted.project.store).current("plant")} == {
        first: "done", second: "open",
    }  # fmt: skip


def test_command_api_and_page_say_the_same_of_an_order_and_its_history(acted: Asking) -> None:
    form = {"title": "Read the meter", "priority": "p1", "reason": "silent"}
    assert posted(acted, "/tasks?site=plant", form=form).status == 303
    code, said, error = run(acted, "list")
    assert (code, error) == (0, "")
    [order] = said["orders"]
    assert {each: order[each] for each in ("priority", "state", "title", "figure_ids")} == {
        "priority": "P1", "state": "open", "title": "Read the meter", "figure_ids": [],
    }  # fmt: skip
    between = acted.clock.now_utc() + timedelta(minutes=1)
    later = Asking(acted.project, FixedClock(between + timedelta(minutes=1)), acted.person)
    form = {"assignee": "anne", "reason": "on my way", "due": "2025-06-01"}
    seen = page(later, f"/tasks/{order['id']}").partition('name="seen" value="')[2].partition('"')[0]
    assert posted(later, f"/tasks/{order['id']}/assign?site=plant", form=form | {"seen": seen}).status == 303
    assert posted(later, f"/tasks/{order['id']}/close?site=plant", form={"reason": "x", "seen": seen}).status == 412
    told = later.json(f"/orders/{order['id']}", site="plant")
    assert run(acted, "show", order["id"][:6])[1] == told
    assert [(each["state"], each["assignee"], each["reason"]) for each in told["history"]] == [
        ("open", "", "silent"), ("assigned", "anne", "on my way"),
    ]  # fmt: skip
    then = later.json("/orders", site="plant", as_of=between.isoformat().replace("+00:00", "Z"))["orders"]
    assert [(each["state"], each["due"]) for each in then] == [("open", None)]
    assert run(acted, "list", "--site", "plant")[1]["orders"] == told["orders"]
    assert [each for each in bad_rows(acted.project.store) if each.table == "work_orders"] == []


def test_csv_has_every_order_and_no_cell_that_a_spreadsheet_computes(acted: Asking) -> None:
    out = acted.project.project.root / "orders.csv"
    words = ("--site", "plant", "--as", "anne", "--reason", "a, b")
    assert run(acted, "create", '=HYPERLINK("x")', *words)[0] == 0
    assert run(acted, "export", "--csv", str(out))[0] == 0
    text = out.read_text()
    assert text.splitlines()[0].startswith("id,site,priority,state,title,due,assignee")
    assert '"\'=HYPERLINK(""x"")"' in text
    assert '"a, b"' in text
    assert acted.get("/tasks.csv", site="plant").text.splitlines() == text.splitlines()
    assert orders_csv([]).count("\n") == 1


@pytest.mark.parametrize(
    ("form", "status"),
    [({"reason": " "}, 422), ({"title": ""}, 422), ({"title": "x" * 201}, 422), ({"priority": "P5"}, 400),
     ({"due": "soon"}, 400), ({"assignee": "nobody"}, 404)],
)  # fmt: skip
def test_a_wrong_task_is_refused_and_nothing_is_written(acted: Asking, form: dict[str, str], status: int) -> None:
    found = listed(acted)[0]["finding_id"]
    assert act(acted, found, "task", **FORM | form) == status
    assert WorkOrders(acted.project.store).current() == []


def test_who_only_reads_makes_no_task_and_sees_them_and_a_tenant_sees_none(acted: Asking) -> None:
    found = str(listed(acted)[0]["finding_id"])
    order = made(acted, found)
    vera = Asking(acted.project, acted.clock, VERA)
    assert "Create task" not in page(vera, f"/findings/{found}")
    assert "Close task" not in page(vera, f"/tasks/{order}")
    assert act(vera, found, "task", **FORM) == 403
    assert posted(vera, f"/tasks/{order}/close?site=plant", form={"reason": "x"}).status == 403
    assert tenant(acted).get("/tasks", headers=[PAGE], site="plant").status in (403, 404)
    assert posted(acted, f"/tasks/{order}/burn?site=plant", form={"reason": "x"}).status == 400
    assert posted(acted, f"/tasks/{order}/assign?site=plant", form={"reason": "x"}).status == 422
    code, _, error = run(acted, "close", "ffff", "--as", "anne", "--reason", "x")
    assert (code, error.count("\n")) == (2, 1)


def test_an_order_is_told_once_a_state_and_a_waiting_notice_of_a_closed_one_is_withdrawn(acted: Asking) -> None:
    order = made(acted, str(listed(acted)[0]["finding_id"]))
    notices(acted, "choose", "--folder", "anne", "--source", "tasks", "--as", "anne")
    [asked] = look(acted.project, acted.clock)
    assert (asked.kind, asked.finding_id) == ("order", order)
    assert asked.text.endswith(": Task P2: Look at the fan")
    assert look(acted.project, acted.clock) == []
    assert drain_of(acted.project, acted.clock).run() == 1
    [kept] = (acted.project.project.data_dir / "notices" / "anne").iterdir()
    [told] = json.loads(kept.read_text())["notices"]
    assert (told["kind"], told["order"], told["site"]) == ("order", order, "plant")
    assert run(acted, "assign", order, "--to", "anne", "--as", "anne", "--reason", "mine")[0] == 0
    notices(
        acted, "choose", "--folder", "anne", "--source", "tasks", "--quiet", "00:00-23:59", "--as", "anne"
    )  # fmt: skip
    [held] = look(acted.project, acted.clock)
    assert run(acted, "close", order, "--as", "anne", "--reason", "done")[0] == 0
    assert look(acted.project, acted.clock) == []
    [gone] = Outbox(acted.project.store).notices(states=("obsolete",))
    assert (gone.notice_id, gone.reason) == (held.notice_id, "the order is closed")
