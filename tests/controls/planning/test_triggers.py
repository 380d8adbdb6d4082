"""A new plan is requested when something changed, not too often, and for one cause only once."""

from datetime import timedelta

import pytest

from controls.planning.triggers import Decision, Since, Trigger, first_due, plan_window, planned_states, replan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from tests.controls.planning.examples import NOW, device, plan

LATER = NOW + timedelta(minutes=20)


@pytest.fixture(scope="module")
def last() -> Plan:
    return plan()


def decide(last: Plan | None, **changes: object) -> Decision:
    """The decision where nothing changed, with some changes."""
    same = {
        "site_id": "home",
        "forecast_id": last.request.forecast_id if last else "fc-house",
        "price_digest": last.request.inputs["prices"] if last else "p",
        "mode": Mode.PARTIAL,
        "now_utc": LATER,
    }
    return replan(last, **(same | changes))


def test_without_a_plan_there_is_one_to_make() -> None:
    decision = decide(None)
    assert decision.should_plan
    assert decision.reason == "there is no plan yet"
    assert decision.run_key.startswith("home:2026-01-01T10:15Z:")


def test_nothing_changed_means_no_plan(last: Plan) -> None:
    assert decide(last) == Decision(should_plan=False, reason="the last plan still holds")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"forecast_id": "fc-new"}, "the load forecast changed"),
        ({"other_forecasts": {"pv": "fc-new"}}, "the pv forecast changed"),
        ({"price_digest": "new"}, "the prices changed"),
        ({"mode": Mode.ADVISORY}, "the mode changed"),
        ({"now_utc": NOW + timedelta(minutes=61)}, "the last plan is older than 60 min"),
        ({"states": {"battery": 0.5}}, "kWh off the plan"),
    ],
)
def test_every_change_is_a_reason(last: Plan, changes: dict, reason: str) -> None:
    decision = decide(last, **changes)
    assert decision.should_plan
    assert reason in decision.reason


def test_a_forecast_that_the_plan_did_not_rest_on_is_no_reason(last: Plan) -> None:
    same = {"pv": last.request.inputs["pv_forecast"], "price": "fc-of-hours-that-are-published"}
    assert not decide(last, other_forecasts=same).should_plan


def test_a_change_right_after_a_plan_waits(last: Plan) -> None:
    early = decide(last, forecast_id="fc-new", now_utc=NOW + timedelta(minutes=4))
    assert not early.should_plan
    assert early.reason == "the load forecast changed, but the last plan is 4.0 min old (at least 5)"
    assert decide(last, forecast_id="fc-new", now_utc=NOW + timedelta(minutes=5)).should_plan


def test_the_same_cause_in_the_same_quarter_hour_is_one_run(last: Plan) -> None:
    first = decide(last, forecast_id="fc-new")
    second = decide(last, forecast_id="fc-new", now_utc=LATER + timedelta(minutes=2))
    other = decide(last, forecast_id="fc-newer")
    next_slot = decide(last, forecast_id="fc-new", now_utc=LATER + timedelta(minutes=15))
    assert first.run_key == second.run_key
    assert len({first.run_key, other.run_key, next_slot.run_key}) == 3


def test_a_charge_near_the_plan_is_no_reason(last: Plan) -> None:
    expected, _ = planned_states(last, LATER)["battery"]
    assert not decide(last, states={"battery": expected + 0.5}).should_plan
    assert decide(last, states={"battery": expected + 0.51}).should_plan


def test_the_planned_charge_runs_straight_between_its_points(last: Plan) -> None:
    start, end = plan_window(last)
    soc_init_kwh = device(last.request, "battery").soc_init_kwh
    assert planned_states(last, start)["battery"][0] == soc_init_kwh
    middle, _ = planned_states(last, start + timedelta(minutes=7, seconds=30))["battery"]
    assert middle == pytest.approx((soc_init_kwh + last.steps[0].total("soc_end_kwh")) / 2)
    assert planned_states(last, end) == {}
    assert planned_states(last, start - timedelta(seconds=1)) == {}


@pytest.mark.parametrize(
    ("share", "reason"), [(0.75, "pv gave 3.00 kW lately where the plan counted on 4.00 kW"), (0.85, ""), (1.25, "pv")]
)
def test_a_sun_off_the_plan_by_more_than_a_fifth_asks_and_not_before_the_plan_is_half_an_hour_old(
    last: Plan, share: float, reason: str
) -> None:
    since = Since(sun_kw={"pv": (4.0, 4.0 * share)})
    decision = decide(last, since=since, now_utc=NOW + timedelta(minutes=30))
    assert (decision.should_plan, reason in decision.reason) == (bool(reason), True)
    held = decide(last, since=since, now_utc=NOW + timedelta(minutes=29))
    assert not held.should_plan
    assert ("but the last plan is 29.0 min old (at least 30)" in held.reason) is bool(reason)
    # A fifth of next to nothing is nothing.
    assert not decide(last, since=Since(sun_kw={"pv": (0.2, 0.5)}), now_utc=NOW + timedelta(minutes=40)).should_plan


def test_a_device_that_a_person_has_taken_asks_for_a_plan(last: Plan) -> None:
    decision = decide(last, since=Since(by_hand=frozenset({"battery"})))
    assert (decision.should_plan, decision.reason) == (True, "battery was taken by hand")


def test_what_need_not_wait_comes_before_what_must() -> None:
    slow, soon = Trigger("the sun", after=timedelta(minutes=30)), Trigger("an override")
    assert first_due([slow, soon], timedelta(minutes=10)) == soon
    assert first_due([slow, soon], timedelta(minutes=30)) == slow
    assert first_due([slow], timedelta(minutes=10)) == slow
    assert first_due([], None) is None
