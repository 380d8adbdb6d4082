"""Execution of a plan: hand-sized quarter hours, a re-plan that cannot flap, and questions instead of learning."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controls.ledger.rows import LedgerRow
from controls.planning.execution import OFF_PLAN_KWH, Executed, executed, off_plan, off_plan_since
from controls.planning.frozen_plan import commands_of
from controls.planning.replay.day_scenario import Readings, Slot
from controls.planning.suggestions import Override, overrides_of, suggestions
from controls.planning.triggers import MAX_AGE, OFF_PLAN_INTERVAL, Decision, Since, replan
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade, Mode
from data_quality.contracts.control.plan import Plan
from tests.controls.planning.examples import HOME, NOW, plan

PLAN = plan(mode=Mode.FULL)
START = PLAN.steps[0].start_utc
QUARTER = timedelta(minutes=15)
# The battery's own plan, kW, charging positive: the oracle reads the steps themselves.
BATTERY_KW = [
    step.devices["battery"]["battery_charge_kw"] - step.devices["battery"]["battery_discharge_kw"]
    for step in PLAN.steps
]


def rows(state: S = S.COMPLETED, *, device: str = "battery", reads: Sequence[float] | None = None) -> list[LedgerRow]:
    """The ledger of the plan's first four quarter hours, each as far as `state`; reads: what the device said."""
    orders = [each for each in commands_of(PLAN, HOME, epoch=0) if each.device_id == device][:4]
    is_sent = state not in (S.PROPOSED, S.ADVISED, S.BLOCKED, S.EXPIRED, S.REJECTED)
    grade = EvidenceGrade.READ_BACK if state in (S.VERIFIED, S.COMPLETED) else EvidenceGrade.DEVICE_ACKNOWLEDGED
    return [
        LedgerRow(
            command=order,
            state=state,
            mode_at_issue="FULL" if is_sent else None,
            evidence_grade=grade if is_sent else None,
            facts={"readback_value": order.value if reads is None else reads[n]} if is_sent else {},
            recorded_at_utc=order.valid_until_utc,
        )
        for n, order in enumerate(orders)
    ]


def slots(count: int = 4) -> list[Slot]:
    """The plan's first quarter hours."""
    return [Slot(START + n * QUARTER, PLAN, n) for n in range(count)]


def of_battery(found: Sequence[Executed]) -> list[Executed]:
    return [each for each in found if each.device_id == "battery"]


def test_a_plan_that_was_read_back_was_executed_as_planned() -> None:
    found = of_battery(executed(slots(), rows()))
    assert [each.planned_kwh for each in found] == pytest.approx([kw / 4 for kw in BATTERY_KW[:4]])
    assert [each.executed_kwh for each in found] == pytest.approx([each.planned_kwh for each in found])
    assert {(each.shown_by, each.is_released, each.is_issued, each.evidence) for each in found} == {
        ("read-back", True, True, EvidenceGrade.READ_BACK)
    }
    assert off_plan(found) == {}


def test_the_meter_is_believed_before_the_device() -> None:
    # The device reads back what was asked for; its meter counts half a kW all the same.
    metered = {"battery": {"battery_charge_kw": {START: 0.5}, "battery_discharge_kw": {START: 0.0}}}
    first, second, *_ = of_battery(executed(slots(), rows(), Readings(load_kw={}, import_price={}, done_kw=metered)))
    assert first.executed_kwh == pytest.approx(0.125)
    assert first.shown_by == "meter"
    assert first.deviation_kwh == pytest.approx(0.125 - BATTERY_KW[0] / 4)
    assert second.shown_by == "read-back"


def test_another_value_read_back_is_the_one_that_was_executed() -> None:
    found = of_battery(executed(slots(), rows(reads=[-1.0, -1.0, -1.0, -1.0])))
    assert [each.executed_kwh for each in found] == pytest.approx([-0.25] * 4)


@pytest.mark.parametrize("state", [S.BLOCKED, S.EXPIRED, S.UNVERIFIED, S.REVERTED, S.OVERRIDDEN])
def test_what_failed_lacks_all_that_was_planned_and_claims_nothing(state: S) -> None:
    found = of_battery(executed(slots(), rows(state)))
    assert {each.executed_kwh for each in found} == {None}
    assert {each.shown_by for each in found} == {"nothing"}
    lacking = -sum(BATTERY_KW[:4]) / 4
    assert abs(lacking) > OFF_PLAN_KWH
    assert off_plan(found) == {"battery": pytest.approx(lacking)}


@pytest.mark.parametrize("state", [S.PROPOSED, S.ADVISED])
def test_what_was_only_advice_is_no_deviation(state: S) -> None:
    found = of_battery(executed(slots(), rows(state)))
    assert {(each.is_released, each.is_issued, each.evidence) for each in found} == {(False, False, None)}
    assert off_plan(found) == {}


def test_the_sun_is_told_by_its_meter_and_asks_for_no_plan() -> None:
    readings = Readings(load_kw={}, import_price={}, generated_kw={"pv": {START: 4.0}})
    first = next(each for each in executed(slots(), [], readings) if each.device_id == "pv")
    assert first.executed_kwh == pytest.approx(-1.0)
    assert (first.is_weather, first.shown_by) == (True, "meter")
    assert off_plan([first]) == {}


def test_only_quarter_hours_that_are_over_count() -> None:
    failed = rows(S.BLOCKED)
    assert off_plan_since(PLAN, failed, START + 3 * QUARTER - timedelta(seconds=1)) == {}
    for n in (3, 4):
        lacking = off_plan_since(PLAN, failed, START + n * QUARTER)
        assert lacking == {"battery": pytest.approx(-sum(BATTERY_KW[:n]) / 4)}


def test_a_little_is_an_inverters_loss() -> None:
    def slot(lacking: float, planned: float) -> Executed:
        return Executed(
            plan_id="p",
            device_id="b",
            start_utc=START,
            set_points={},
            planned_kwh=planned,
            executed_kwh=planned + lacking,
        )

    assert off_plan([slot(0.25, 0.5)]) == {}
    assert off_plan([slot(0.26, 0.5)]) == {"b": pytest.approx(0.26)}
    # A fifth of much is as little.
    assert off_plan([slot(0.9, 5.0)]) == {}
    # To and fro is no lasting difference.
    assert off_plan([slot(0.5, 1.0), slot(-0.5, 1.0)]) == {}


def decide(last: Plan, at_utc: datetime, kwh: float, **changes: Any) -> Decision:
    """The decision where nothing but the execution changed."""
    same: dict[str, Any] = {
        "forecast_id": last.request.forecast_id,
        "price_digest": last.request.inputs["prices"],
        "mode": Mode.FULL,
    }
    since = Since(off_plan_kwh={"battery": kwh} if kwh else {})
    return replan(last, site_id="home", now_utc=at_utc, since=since, **(same | changes))


def test_a_deviation_asks_for_a_plan_and_says_by_how_much() -> None:
    decision = decide(PLAN, NOW + OFF_PLAN_INTERVAL, -0.75)
    assert (decision.should_plan, decision.reason) == (True, "battery is -0.75 kWh off its plan")
    held = decide(PLAN, NOW + OFF_PLAN_INTERVAL - timedelta(seconds=1), -0.75)
    assert not held.should_plan
    assert "battery is -0.75 kWh off its plan, but the last plan is 30.0 min old (at least 30)" in held.reason
    # Whatever else asks for a plan waits no longer than before.
    assert decide(PLAN, NOW + timedelta(minutes=6), -0.75, price_digest="other").should_plan


def test_a_device_that_never_follows_is_planned_twice_an_hour_and_no_more() -> None:
    last, made = PLAN, 0
    for minute in range(24 * 60):
        now = NOW + timedelta(minutes=minute)
        # Flaps from look to look, as noise around the threshold does.
        if decide(last, now, 1.0 if minute % 2 else 0.0).should_plan:
            made += 1
            last = last.model_copy(update={"created_at_utc": now})
    assert 24 <= made <= 48
    assert OFF_PLAN_INTERVAL < MAX_AGE


def evenings(*days: int, value: float = 2.0, hour: int = 19) -> list[Override]:
    """Somebody set the battery on these January days."""
    at = [datetime(2026, 1, day, hour, 30, tzinfo=UTC) for day in days]
    return [Override(device_id="battery", capability="set_charge_power_kw", at_utc=each, value=value) for each in at]


def test_what_came_back_on_many_evenings_is_asked_about() -> None:
    now = datetime(2026, 1, 12, 23, tzinfo=UTC)
    (suggestion,) = suggestions(evenings(4, 6, 6, 8, 10, 12), time_zone="UTC", now_utc=now)
    assert suggestion.sentence == (
        "on 5 of the last 10 evenings somebody set charge_power_kw of battery to 2: shall the wish be changed?"
    )
    assert (suggestion.on_days, suggestion.of_days, suggestion.value) == (5, 10, 2.0)


@pytest.mark.parametrize(
    "given",
    [
        evenings(11, 12),
        # The tenth day before is too long ago.
        evenings(1, 2, 12),
        [*evenings(10, value=1.0), *evenings(11, value=2.0), *evenings(12, value=3.0)],
        [*evenings(10), *evenings(11, hour=8), *evenings(12, hour=3)],
    ],
)
def test_what_did_not_come_back_the_same_way_is_not(given: list[Override]) -> None:
    assert suggestions(given, time_zone="UTC", now_utc=datetime(2026, 1, 12, 23, tzinfo=UTC)) == ()


def test_an_evening_is_one_by_the_sites_own_clock() -> None:
    now = datetime(2026, 1, 12, 23, tzinfo=UTC)
    (suggestion,) = suggestions(evenings(9, 10, 11, hour=17), time_zone="Europe/Prague", now_utc=now)
    assert suggestion.part_of_day == "evenings"


def test_the_ledger_tells_who_was_overridden_and_nothing_changes_by_itself() -> None:
    overrides = overrides_of([*rows(S.OVERRIDDEN, reads=[3.0] * 4), *rows(S.COMPLETED)])
    assert [(each.device_id, each.value) for each in overrides] == [("battery", 3.0)] * 4
    before = HOME.model_dump_json()
    suggestions(overrides, time_zone="UTC", now_utc=NOW, least_days=1)
    assert HOME.model_dump_json() == before
