"""Pages of demand-response events: what people read of one, and how they end it."""

import html
from datetime import timedelta
from typing import Any

import pytest

from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.control.curtailment import CurtailmentPlan, ShedReturn, ShedStep
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.finding import Finding
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_findings_pages import VERA
from tests.web.why_world import posted, tenant

pytestmark = pytest.mark.slow


def page(asking: Asking, path: str, **query: str) -> str:
    return html.unescape(asking.get(path, headers=[PAGE], site="plant", **query).text)


def called(asking: Asking, **changes: Any) -> DrEvent:
    """An event of the plant that begins in an hour."""
    now = asking.clock.now_utc().replace(minute=0, second=0, microsecond=0)
    start, end = now + timedelta(hours=1), now + timedelta(hours=3)
    plan = CurtailmentPlan.sealed(
        site="plant", start_utc=start, end_utc=end, target_kw=4.0, preference="cost", expected_kwh=8.0,
        interval_kwh=(5.0, 11.0), rebound_kwh=1.0, cost=0.8, currency="EUR", limits=("Rooms stay warm",),
        steps=(ShedStep(load="fan <b>one</b>", start_utc=start, end_utc=end, kw=4.0),),
        returns=(ShedReturn(load="fan <b>one</b>", at_utc=end, rebound_kwh=1.0),),
    )  # fmt: skip
    event = DrEvent(
        event_id="d1", site_id="plant", programme="own_peak", state="proposed", start_utc=start, end_utc=end,
        target_kw=4.0, told_utc=now, digest="ab" * 32, plan=plan, person_id="anne", reason="peak day",
    )  # fmt: skip
    return DrEvents(asking.project.store).create(event.model_copy(update=changes), asking.clock)[0]


def state(asking: Asking) -> str:
    return DrEvents(asking.project.store).named("d1").state


def test_an_event_shows_its_target_its_course_its_steps_and_the_next_act(acted: Asking) -> None:
    called(acted)
    shown = page(acted, "/demand-response")
    assert "waits for approval" in shown
    assert "/demand-response/d1" in shown
    one = page(acted, "/demand-response/d1")
    for words in ("Peak shaving by the site's own demand charge", "Time until begin", "Usual less target",
                  "switched by hand", "Expected shed 8 kWh (90 %: 5 to 11)", "peak day", "Anne",
                  "This plan waits for an approver."):  # fmt: skip
        assert words in one
    raw = acted.get("/demand-response/d1", headers=[PAGE], site="plant").text
    assert "<b>one</b>" not in raw
    assert "wartet auf Freigabe" in page(acted, "/demand-response/d1", locale="de")
    assert acted.get("/demand-response/d2", headers=[PAGE], site="plant").status == 404


def test_a_call_without_a_plan_shows_why_and_a_plan_how_far_it_may_be_from_the_best(acted: Asking) -> None:
    why = Finding(code="target_above_library", message="the loads give 3.0 kW", severity="blocking", scope="site:plant")
    called(acted, state="created", plan=None, digest="", unplanned=why)
    assert "the loads give 3.0 kW" in page(acted, "/demand-response/d1")
    planned = called(acted, event_id="d2").plan
    assert planned is not None
    near = CurtailmentPlan.sealed(**planned.model_dump(exclude={"id", "digest"}), gap=0.031)
    called(acted, event_id="d3", plan=near)
    assert "by up to 4 %" in page(acted, "/demand-response/d3")
    assert "bis zu 4 %" in page(acted, "/demand-response/d3", locale="de")
    assert "by up to" not in page(acted, "/demand-response/d2")


def test_before_it_begins_a_person_opts_out_and_afterwards_stops_and_two_clicks_are_one(acted: Asking) -> None:
    event = called(acted)
    form = {"reason": "rooms are cold"}
    assert posted(acted, "/demand-response/d1/stop?site=plant", form={"reason": " "}).status == 422
    assert state(acted) == "proposed"
    assert [posted(acted, "/demand-response/d1/stop?site=plant", form=form).status for _ in range(2)] == [303, 303]
    assert state(acted) == "opted_out"
    assert len(DrEvents(acted.project.store).history(event)) == 2
    assert "Opt out" not in page(acted, "/demand-response/d1")


def test_an_active_event_is_stopped_by_its_button(acted: Asking) -> None:
    called(acted, state="active")
    assert "Stop event" in page(acted, "/demand-response/d1")
    assert posted(acted, "/demand-response/d1/stop?site=plant", form={"reason": "enough"}).status == 303
    assert state(acted) == "stopped"


def test_who_only_reads_has_no_button_and_a_tenant_sees_no_event(acted: Asking) -> None:
    called(acted)
    vera = Asking(acted.project, acted.clock, VERA)
    assert "Operators and engineers stop events." in page(vera, "/demand-response/d1")
    assert posted(vera, "/demand-response/d1/stop?site=plant", form={"reason": "x"}).status == 403
    assert tenant(acted).get("/demand-response", headers=[PAGE], site="plant").status in (403, 404)
    assert state(acted) == "proposed"
