"""The life of an event: acts, yeses, the clock; and 1,000 random histories of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from controls.demand_response.curtailment import Event, Library, Ready, plan_curtailment
from controls.demand_response.event_commands import (
    MOST_REBOUND,
    EventObservation,
    check_rebound,
    commands_of,
    staggered,
    tripped,
)
from controls.demand_response.event_life import (
    APPROVAL_LASTS,
    CLASS_LASTS,
    approved,
    approved_by_class,
    armed,
    by_clock,
    due,
    ended_early,
    fault_of,
    moved,
    proposed,
)
from controls.demand_response.load_programmes import programme_named, programmes_of
from controls.safety.limits import DeviceLimits
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.control.dr_event import ClassVote, DrEvent, EventCommand, digest_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
START, HOUR, MINUTE = NOW + timedelta(hours=6), timedelta(hours=1), timedelta(minutes=1)
KEYS = {"ann": "a", "bob": "b", "cyd": "c"}


def site_of(shares: list[float], kw: float = 10.0) -> Site:
    loads = [
        {"load_id": f"l{n}", "asset": f"l{n}", "max_shed_kw": kw, "max_minutes": 240, "rebound_share": share}
        for n, share in enumerate(shares)
    ]
    assets = [{"asset_id": f"l{n}", "kind": "sheddable_load", "meter": "main"} for n in range(len(shares))]
    return Site.model_validate(
        {"site_id": "plant", "name": "Plant", "time_zone": "UTC", "currency": "EUR", "country": "DE",
         "meters": [{"meter_id": "main"}], "assets": assets, "sheddable_loads": loads}
    )  # fmt: skip


LIMITS = {
    (f"l{n}", "set_power_limit_kw"): DeviceLimits(
        device_id=f"l{n}", capability="set_power_limit_kw", unit="kw", min_value=0, max_value=20, safe_default=20,
        is_limit=True, kw_per_unit=1.0,
    )
    for n in range(60)
}  # fmt: skip


def planned(site: Site, target_kw: float, hours: float = 1.0) -> CurtailmentPlan:
    dr_event = Event(START, START + hours * HOUR, target_kw)
    ready = tuple(Ready(load, (load.highest_kw,) * len(dr_event.steps())) for load in site.sheddable_loads)
    found = plan_curtailment(site, dr_event, Library(ready, ()), preference="order")
    assert isinstance(found, CurtailmentPlan)
    return found


def created(hours: float = 1.0, **changes: Any) -> DrEvent:
    return DrEvent(event_id="e1", site_id="plant", programme="own_peak", state="created", start_utc=START,
                   end_utc=START + hours * HOUR, target_kw=15, told_utc=NOW, **changes)  # fmt: skip


SITE = site_of([0.2, 0.0])
PLAN = planned(SITE, 15)
COMMANDS = commands_of(PLAN, SITE.sheddable_loads, LIMITS, {})


def proposed_event(**changes: Any) -> DrEvent:
    return proposed(created(**changes), PLAN, COMMANDS, person_id="ann", reason="called", now_utc=NOW)


def yes(event: DrEvent, person: str = "bob", at: datetime = NOW, digest: str = "") -> DrEvent:
    fields: dict[str, Any] = {"public_key": KEYS[person], "reason": "seen", "now_utc": at}
    return approved(event, digest=digest or event.digest, person_id=person, **fields)


def ready_to_go() -> DrEvent:
    return armed(yes(proposed_event()), KEYS, person_id="cyd", reason="go", now_utc=NOW)


def test_ten_programmes_ship_and_their_terms_refuse_what_they_do_not_allow(tmp_path: Path) -> None:
    assert len(programmes_of(tmp_path)) == 10
    terms = programme_named(tmp_path, "pge_capacity_bidding")
    fields: dict[str, Any] = {"told_utc": START - timedelta(days=1), "time_zone": "UTC", "calls": 0}
    assert terms.fault_of(START, START + HOUR, **fields) == ""
    assert "notice" in terms.fault_of(START, START + HOUR, **fields | {"told_utc": NOW})
    assert "at most" in terms.fault_of(START, START + 5 * HOUR, **fields)
    assert "at that time" in terms.fault_of(START - 4 * HOUR, START - 3 * HOUR, **fields)
    assert "30 times" in terms.fault_of(START, START + HOUR, **fields | {"calls": 30})
    (tmp_path / "programmes").mkdir()
    (tmp_path / "programmes" / "mine.yaml").write_text("name: mine\ntitle: Mine\nbaseline: last-week\n")
    assert "mine" in programmes_of(tmp_path)
    with pytest.raises(BadInput, match="there is no programme"):
        programme_named(tmp_path, "theirs")


def test_a_limit_is_what_is_usually_drawn_less_the_shed_and_a_rebounding_load_waits() -> None:
    assert [(each.device_id, each.value, each.kw) for each in COMMANDS] == [("l0", 10.0, 10.0), ("l1", 15.0, 5.0)]
    rebounding, other = (each.until_utc - PLAN.end_utc for each in COMMANDS)
    assert timedelta(0) <= rebounding < timedelta(minutes=10)
    assert other == timedelta(0)


def test_an_event_lives_from_its_call_to_its_end() -> None:
    event = by_clock(ready_to_go(), KEYS, START)
    assert (event.state, due(event, KEYS, START)) == ("active", [0, 1])
    assert by_clock(event, KEYS, START + HOUR).state == "restore"
    assert due(by_clock(event, KEYS, START + HOUR), KEYS, START + HOUR) == []


@pytest.mark.parametrize("state", ["created", "proposed", "approved"])
def test_an_event_that_nobody_approved_or_armed_in_time_lapses(state: str) -> None:
    event = {"created": created(), "proposed": proposed_event(), "approved": yes(proposed_event())}[state]
    assert by_clock(event, KEYS, START - timedelta(seconds=1)).state == state
    assert by_clock(event, KEYS, START).state == "lapsed"
    with pytest.raises(BadInput) as error:
        moved(by_clock(event, KEYS, START), "armed")
    assert error.value.reason == "wrong_state"


def test_fault_f79_what_is_no_yes_of_a_second_person_to_this_list_is_refused() -> None:
    event = proposed_event()
    refused: tuple[tuple[Callable[[], DrEvent], str], ...] = (
        (lambda: yes(event, "ann"), "same_person"),
        (lambda: yes(event, digest="0" * 64), "altered_plan"),
        (lambda: yes(event.model_copy(update={"commands": COMMANDS[:1]})), "altered_plan"),
        (lambda: yes(yes(event)), "wrong_state"),
        (lambda: yes(event, at=START), "event_past"),
        (lambda: armed(event, KEYS, person_id="cyd", reason="go", now_utc=NOW), "wrong_state"),
    )
    for make, reason in refused:
        with pytest.raises(BadInput) as error:
            make()
        assert error.value.reason == reason
    given = yes(event)
    for changed, keys, at, reason in (
        (given.model_copy(update={"commands": COMMANDS[:1]}), KEYS, NOW, "altered_plan"),
        (given.model_copy(update={"target_kw": 16.0}), KEYS, NOW, "altered_plan"),
        (given, KEYS | {"bob": "new"}, NOW, "key_revoked"),
        (given, {"ann": "a"}, NOW, "key_revoked"),
        (given.model_copy(update={"start_utc": START + HOUR, "end_utc": START + 99 * HOUR}), KEYS, NOW, "altered_plan"),
    ):
        with pytest.raises(BadInput) as error:
            armed(changed, keys, person_id="cyd", reason="go", now_utc=at)
        assert error.value.reason == reason
    late = yes(proposed_event(), at=NOW - APPROVAL_LASTS)
    assert fault_of(late, KEYS, NOW) == ("approval_expired", "its approval has expired")


def test_another_plan_voids_every_yes_and_a_revoked_key_stops_an_armed_event() -> None:
    second = proposed(ready_to_go(), PLAN, COMMANDS[:1], person_id="ann", reason="less", now_utc=NOW)
    assert (second.state, second.approvals, second.armed_by) == ("proposed", (), "")
    assert by_clock(ready_to_go(), KEYS | {"bob": "new"}, START).state == "lapsed"
    assert by_clock(ready_to_go(), KEYS, START + HOUR).state == "lapsed", "past its end it never begins"


def vote(person: str, at: datetime, *, is_yes: bool = True, kw: float = 20) -> ClassVote:
    return ClassVote(site_id="plant", programme="own_peak", max_kw=kw, max_minutes=60, is_yes=is_yes, person_id=person,
                     public_key=KEYS[person], reason="small", recorded_at_utc=at)  # fmt: skip


def test_a_class_of_two_people_is_the_second_person_for_ninety_days() -> None:
    votes = [vote("bob", NOW - timedelta(days=80)), vote("cyd", NOW - timedelta(days=1))]
    assert approved_by_class(proposed_event(), votes, KEYS, NOW).state == "approved"
    for fewer in (
        votes[:1], [vote("bob", NOW), vote("bob", NOW)], [vote("bob", NOW - CLASS_LASTS), votes[1]],
        [*votes, vote("ann", NOW, is_yes=False)], [vote("bob", NOW, kw=5), vote("cyd", NOW, kw=5)],
    ):  # fmt: skip
        assert approved_by_class(proposed_event(), fewer, KEYS, NOW).state == "proposed"
    assert approved_by_class(proposed_event(), votes, KEYS | {"bob": "new"}, NOW).state == "proposed"


def test_the_circuit_breaker_names_what_ended_the_event() -> None:
    event = by_clock(ready_to_go(), KEYS, START)
    late = START + timedelta(minutes=6)
    well = dict.fromkeys((0, 1), (CommandState.VERIFIED, ""))
    assert tripped(event, EventObservation(late, well, 14, 15, 10)) == ""
    assert "taken by hand" in tripped(event, EventObservation(late, well | {1: (CommandState.OVERRIDDEN, "")}))
    assert "I07" in tripped(event, EventObservation(late, well | {0: (CommandState.REVERTED, "I07: 27 degC")}))
    assert "does not follow its command" in tripped(
        event, EventObservation(late, well | {0: (CommandState.UNVERIFIED, "")})
    )
    assert "silent" in tripped(event, EventObservation(late, well, 14, 15, 301))
    assert "promised" in tripped(event, EventObservation(late, well, 7, 15, 10))
    assert tripped(event, EventObservation(START + MINUTE, well, 0, 15, 10)) == "", "devices have five minutes"


def _draw(event: DrEvent, at: datetime, *, surge_s: float) -> float:
    """Power of the loads of an event that draw 20 kW each and twice that for some seconds when they come back."""
    total = 0.0
    for each in event.commands:
        since = (at - each.ends_utc).total_seconds()
        total += each.value if since < 0 else 40.0 if since < surge_s else 20.0
    return total


def test_fault_f81_fifty_loads_of_an_event_come_back_with_a_tenth_more_at_most() -> None:
    site = site_of([0.05] * 50)
    plan = planned(site, 500)
    event = proposed(created(), plan, commands_of(plan, site.sheddable_loads, LIMITS, {}), person_id="ann",
                     reason="x", now_utc=NOW)  # fmt: skip
    sent = event.model_copy(
        update={"state": "active", "commands": tuple(each.model_copy(update={"sent": "c"}) for each in event.commands)}
    )
    trip = START + timedelta(minutes=20)
    for over in (sent, ended_early(sent, back_utc=staggered(sent, trip), reason="trip")):
        ends = sorted({each.ends_utc for each in over.commands})
        assert len(ends) == 50
        assert ends[-1] - ends[0] < timedelta(minutes=10)
        assert max(_draw(over, at, surge_s=10) for at in ends) / (50 * 20) <= MOST_REBOUND
    at_once = ended_early(sent, back_utc=dict.fromkeys(range(50), trip), reason="trip")
    assert _draw(at_once, trip, surge_s=10) / 1000 == 2.0, "without it they come back all at once"


FITS = {"created": "propose", "proposed": "approve", "approved": "arm"}
ACTS = ["propose", "approve", "arm", "alter", "key", "trip"]


@cache
def _plans(shares: tuple[float, ...]) -> tuple[tuple[CurtailmentPlan, tuple[EventCommand, ...]], ...]:
    site = site_of(list(shares))
    found = [planned(site, kw) for kw in (5, 10 * len(shares))]
    return tuple((plan, commands_of(plan, site.sheddable_loads, LIMITS, {})) for plan in found)


def _history(chance: Random) -> tuple[DrEvent, list[tuple[datetime, DrEvent, list[int]]], float]:
    """An event through random acts, most of them out of turn, by random people at random times; what was sent when."""
    plans = list(_plans(tuple(chance.choice((0.0, 0.1, 0.3, 1.0)) for _ in range(chance.randint(1, 3)))))
    before_kw = chance.choice((30.0, 100.0, 400.0))
    event, sent = created(), []
    now, keys = NOW, dict(KEYS)
    for _ in range(chance.randint(4, 30)):
        now += timedelta(minutes=chance.choice((0, 1, 5, 60, 200)))
        person, act = chance.choice(["ann", "bob", "cyd"]), chance.choice(ACTS)
        # Half of the time the act that fits, or few histories would get far.
        act = FITS.get(event.state, act) if chance.random() < 0.5 else act
        try:
            if act == "propose":
                plan, commands = chance.choice(plans)
                check_rebound(plan, before_kw)
                event = proposed(event, plan, commands, person_id=person, reason="x", now_utc=now)
            elif act == "approve":
                fields: dict[str, Any] = {"public_key": keys[person], "reason": "x", "now_utc": now}
                event = approved(event, digest=event.digest, person_id=person, **fields)
            elif act == "arm":
                event = armed(event, keys, person_id=person, reason="x", now_utc=now)
            elif act == "alter" and chance.random() < 0.2 and event.commands:
                wrong = event.commands[0].model_copy(update={"value": 0.0})
                event = event.model_copy(update={"commands": (wrong, *event.commands[1:])})
            elif act == "key" and chance.random() < 0.2:
                keys[person] = "new"
            elif act == "trip" and event.state == "active" and chance.random() < 0.3:
                event = ended_early(event, back_utc=staggered(event, now), reason="x")
        except BadInput:
            pass
        was, event = event.state, by_clock(event, keys, now)
        if event.state == "active" and was != "active":
            assert fault_of(event, keys, now) is None
        todo = due(event, keys, now)
        if todo:
            sent.append((now, event, todo))
        kept = [each.model_copy(update={"sent": "c"}) if n in todo else each for n, each in enumerate(event.commands)]
        event = event.model_copy(update={"commands": tuple(kept)})
    return event, sent, before_kw


def test_in_a_thousand_histories_no_event_is_active_without_a_valid_yes_past_its_end_or_with_a_high_rebound() -> None:
    active = 0
    for seed in range(1000):
        event, sent, before_kw = _history(Random(seed))
        for now, at, todo in sent:
            assert at.plan is not None
            fields = {each.digest for each in at.approvals}
            assert fields == {at.digest}
            assert at.digest == digest_of(at, at.plan, at.commands)
            assert {each.person_id for each in at.approvals} - {at.proposed_by}
            assert at.start_utc <= now < at.end_utc
            assert all(at.commands[n].until_utc < at.end_utc + timedelta(minutes=10) for n in todo)
        if sent and event.plan is not None:
            active += 1
            back_kw = sum(each.rebound_kwh for each in event.plan.returns) / 1.0
            assert (before_kw + back_kw) / before_kw <= MOST_REBOUND
    assert active > 100, "histories that never get there prove nothing"
