"""Silence, refusal, other hands, jumping clocks, lost stores and rival agents: every one ends in the safe default."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import command_events, device_leases
from controls.agent.command_steps import HOME_AGAIN
from controls.ledger.device_faults import acknowledge_fault, open_faults
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from tests.controls.agent.plant import World
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command, state_of

STEP = timedelta(minutes=15)


def test_a_lost_acknowledgement_is_settled_by_reading_and_not_written_twice(world: World) -> None:
    world.plant.battery.loses_ack = True
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(3)
    assert world.states_of()[-2:] == ["UNKNOWN", "VERIFIED"]
    assert len(world.plant.battery.writes) == 1


def test_an_acknowledgement_alone_is_never_success(world: World) -> None:
    """The device says yes and does nothing: three attempts, then the latch, and nothing is sent until a person came."""
    world.plant.battery.is_deaf = True
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(45)
    row = world.row()
    assert (row.state, row.facts["attempts"]) == (S.UNVERIFIED, 3)
    assert "VERIFIED" not in world.states_of()
    assert [fault.device_id for fault in open_faults(world.store, "home")] == ["battery"]
    world.plant.battery.is_deaf = False
    add_plan(world.store, command("c2", plan_id="p2"), plan_id="p2", version=2)
    world.release("p2")
    world.run(3)
    assert world.row("c2").facts["guard"] == "I13"
    acknowledge_fault(world.store, "home", "battery", person=CARLA, reason="replaced", clock=world.time)
    add_plan(world.store, command("c3", plan_id="p3"), plan_id="p3", version=3)
    world.release("p3")
    world.run(3)
    assert state_of(world.store, "c3") is S.VERIFIED


def test_a_refusal_is_doubt_because_the_device_may_have_obeyed(world: World) -> None:
    world.plant.battery.refuses = True
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(3)
    assert world.states_of()[-2:] == ["UNKNOWN", "VERIFIED"]


def test_a_silent_device_ends_unverified_never_verified_and_reverts_by_itself(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()

    def cut(point: str) -> None:
        if point == "acked":
            world.plant.battery.is_silent = True

    world.agent.context.hook = cut
    world.run(30)
    assert state_of(world.store) is S.UNVERIFIED
    assert "VERIFIED" not in world.states_of()
    world.run(20)
    assert world.plant.battery.value == 0.0


def test_silence_after_proof_ends_unverified_once_the_device_s_timer_has_run_out(world: World) -> None:
    world.prove()
    world.plant.battery.is_silent = True
    world.run(30)
    assert state_of(world.store) is S.VERIFIED
    world.run(30)
    assert (state_of(world.store), world.plant.battery.value) == (S.UNVERIFIED, 0.0)


def test_a_silent_device_has_a_second_more_than_its_timer_before_it_is_given_up(world: World) -> None:
    world.prove()
    world.plant.battery.is_silent = True
    while world.plant.battery.value:
        world.run(0.25, step_s=0.25)
    world.run(0.5, step_s=0.25)
    assert state_of(world.store) is S.VERIFIED
    world.run(1, step_s=0.25)
    assert state_of(world.store) is S.UNVERIFIED


def test_a_device_that_fell_back_by_itself_is_reverted_not_a_fault(world: World) -> None:
    world.prove()
    world.plant.battery.forced = 0.0
    world.run(10)
    assert state_of(world.store) is S.REVERTED
    assert open_faults(world.store, "home") == []


def test_a_value_somebody_else_set_is_not_fought(world: World) -> None:
    world.prove()
    world.plant.battery.forced = 3.0
    writes = len(world.plant.battery.writes)
    world.run(60)
    assert world.states_of()[-2:] == ["DRIFTED", "OVERRIDDEN"]
    assert len(world.plant.battery.writes) == writes
    assert open_faults(world.store, "home") == []
    (hold,) = open_holds(world.store, "home", world.time.wall)
    assert (hold.device_id, hold.value, hold.reason) == ("battery", 3.0, "somebody else set 3")


def test_a_glitch_of_one_read_is_no_override(world: World) -> None:
    world.prove()
    world.run(4)
    world.plant.battery.forced = 3.0
    while state_of(world.store) is S.VERIFIED:
        world.run(0.5)
    world.plant.battery.forced = None
    world.run(2)
    assert world.states_of()[-2:] == ["DRIFTED", "VERIFIED"]


def test_of_two_agents_one_works(world: World) -> None:
    world.prove()
    first = world.agent
    second = world.new_agent()
    second.cycle()
    assert second.trouble == "another agent holds the lease of this site"
    assert second.context.lease is None
    first.cycle()
    assert state_of(world.store) is S.VERIFIED


def test_an_agent_that_slept_past_its_lease_touches_nothing_and_starts_anew(world: World) -> None:
    world.prove()
    sleeper = world.agent
    world.time.pass_(20)
    world.new_agent()
    world.run(2)
    writes = len(world.plant.battery.writes)
    sleeper.cycle()
    assert "lease was not renewed" in sleeper.trouble
    assert len(world.plant.battery.writes) == writes
    sleeper.cycle()
    assert "another agent" in sleeper.trouble


def last_reason(world: World) -> str:
    return str(world.store.rows(command_events.select().order_by(command_events.c.position))[-1]["reason"])


def test_a_wall_clock_that_steps_reverts_everything(world: World) -> None:
    world.prove()
    world.time.wall += timedelta(seconds=2)
    world.agent.cycle()
    assert "clock stepped" in world.agent.trouble
    assert world.plant.battery.value == 0.0
    world.run(8)
    assert state_of(world.store) is S.REVERTED
    text = "the agent brought it to its safe default: the wall clock stepped by 2.0 s"
    assert last_reason(world) == text


@pytest.mark.parametrize("is_restarted", [False, True])
def test_who_brought_a_device_home_is_said_only_where_it_is_known(world: World, is_restarted: bool) -> None:
    world.prove()
    if is_restarted:
        world.agent.safe_default()
        world.time.pass_(20)
        world.new_agent()
    else:
        world.plant.battery.leases["set_charge_power_kw"].release()
    world.run(8)
    alone = "the device returned to its safe default by itself"
    assert last_reason(world) == (HOME_AGAIN if is_restarted else alone)


def test_a_clock_set_back_cannot_prolong_a_command(world: World) -> None:
    """Set back by less than the step limit, again and again: two seconds behind its own start, guard I10 ends it."""
    end = NOW + timedelta(seconds=60)
    world.prove(valid_until_utc=end)
    for _ in range(130):
        world.agent.cycle()
        world.time.pass_(0.5)
        world.time.wall -= timedelta(seconds=0.4)
    assert world.time.wall < end
    assert (state_of(world.store), world.row().facts["guard"]) == (S.REVERTED, "I10")
    assert world.plant.battery.value == 0.0


def test_a_store_that_is_gone_ends_in_the_safe_default_within_sixty_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.prove()
    with monkeypatch.context() as patch:

        def gone(*_: object, **__: object) -> None:
            raise sa.exc.OperationalError("select", {}, Exception("disk I/O error"))

        patch.setattr(world.store, "rows", gone)
        patch.setattr(world.store, "begin", gone)
        world.run(12)
        assert world.plant.battery.value == 0.0
        assert "store does not answer" in world.agent.trouble
        world.agent.stop()
    world.new_agent()
    world.time.pass_(20)
    world.run(5)
    assert state_of(world.store) is S.REVERTED


def test_a_released_command_for_a_device_that_stays_silent_is_blocked_by_freshness(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    world.run(2)
    world.plant.battery.is_silent = True
    world.run(6)
    add_plan(world.store, command())
    world.release()
    world.run(15)
    row = world.row()
    assert (row.state, row.facts["guard"]) == (S.BLOCKED, "I09")


def test_what_an_agent_left_standing_without_a_command_is_reverted_at_the_start(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    lease = world.plant.battery.leases["set_charge_power_kw"]
    lease.offer(value=2.0, ttl_s=60, epoch=0, seq=1, now_s=world.time.mono)
    world.run(2)
    assert world.plant.battery.value == 0.0


def test_an_unverified_command_forbids_raising_the_mode(world: World) -> None:
    world.plant.battery.is_deaf = True
    _unproven = command()
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, _unproven)
    world.release()
    world.run(45)
    world.set_mode(Mode.SIMULATION)
    with pytest.raises(BadInput, match="latched"):
        world.set_mode(Mode.PARTIAL)
    assert current_mode(world.store, "home") is Mode.SIMULATION


def test_before_it_is_sent_again_every_guard_is_asked_again(world: World) -> None:
    world.plant.battery.is_deaf = True
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(3)
    world.plant.battery.soc_percent = 96.0
    world.run(12)
    assert state_of(world.store) is S.UNVERIFIED
    assert len([name for _, _, name, _ in world.plant.battery.writes if name == "c1"]) == 1
    last = world.store.rows(command_events.select())[-1]
    assert last["reason"].startswith("not sent again: I06")


def test_an_agent_whose_site_was_taken_over_in_the_middle_sends_nothing(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()

    def take_over(point: str) -> None:
        if point == "picked":
            with world.store.begin() as connection:
                connection.execute(device_leases.update().values(holder="other", epoch=9))

    world.agent.context.hook = take_over
    world.run(3)
    assert state_of(world.store) is S.PENDING
    assert world.plant.battery.writes == []


def test_a_drift_followed_by_silence_is_given_up_after_the_device_s_timer(world: World) -> None:
    world.prove()
    world.plant.battery.forced = 3.0
    while state_of(world.store) is S.VERIFIED:
        world.run(0.5)
    world.plant.battery.is_silent = True
    world.run(60)
    assert world.states_of()[-2:] == ["DRIFTED", "UNVERIFIED"]


def test_a_store_that_goes_while_the_agent_is_stopped_does_not_keep_a_device_from_its_safe_default(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.prove()
    with monkeypatch.context() as patch:

        def gone(*_: object) -> None:
            raise sa.exc.OperationalError("begin", {}, Exception("gone"))

        patch.setattr(world.store, "begin", gone)
        world.agent.stop()
    assert "store does not answer" in world.agent.trouble
    assert world.plant.battery.value == 0.0


def test_a_refresh_whose_answer_is_lost_is_judged_by_the_next_look(world: World) -> None:
    world.prove()
    world.plant.battery.loses_ack = True
    world.run(60)
    assert (state_of(world.store), world.plant.battery.value) == (S.VERIFIED, 1.2)


@pytest.mark.parametrize("message", ["database or disk is full", "disk I/O error"])
def test_a_disk_that_is_full_or_broken_ends_every_set_point_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    world.prove()

    def fails(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("update", {}, Exception(message))

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "rows", fails)
        patch.setattr(world.store, "begin", fails)
        world.agent.cycle()
        assert world.plant.battery.value == 0.0
        assert message in world.agent.trouble
        writes = len(world.plant.battery.writes)
        world.run(20)
        assert len(world.plant.battery.writes) == writes


def test_after_an_outage_devices_take_turns_before_they_are_commanded_again(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    world.run(3)
    world.plant.battery.is_silent = world.plant.pv.is_silent = True
    world.run(70)
    add_plan(world.store, command(), command("pv1", device_id="pv", capability="set_power_limit_kw", value=6.0))
    world.release()
    world.plant.battery.is_silent = world.plant.pv.is_silent = False
    world.run(10)
    assert [state_of(world.store, name) for name in ("c1", "pv1")].count(S.VERIFIED) == 1
    world.run(30)
    assert [state_of(world.store, name) for name in ("c1", "pv1")].count(S.VERIFIED) == 2
