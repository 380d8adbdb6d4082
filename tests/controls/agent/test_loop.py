"""The agent's way with a command, in simulated time, on devices that keep the device contract."""

from datetime import timedelta

import pytest

from assets.stores.schema.tables_control import device_leases
from controls.agent.context import devices_of
from controls.agent.wire import fits
from controls.gateways.capabilities import ReadBack
from controls.gateways.lease import leases_of
from data_quality.contracts.control.command import Command, EvidenceGrade, Mode
from data_quality.contracts.control.command import CommandState as S
from tests.controls.agent.plant import HOME, World
from tests.controls.ledger.rows_of import NOW, add_plan, command, state_of

STEP = timedelta(minutes=15)


def _pv(name: str = "pv1", **changes: object) -> Command:
    return command(name, device_id="pv", capability="set_power_limit_kw", **{"value": 6.0, **changes})


def test_released_commands_are_proven_on_both_devices(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command(), _pv())
    assert world.release().released == ("c1", "pv1")
    world.run(3)
    assert (state_of(world.store), state_of(world.store, "pv1")) == (S.VERIFIED, S.VERIFIED)
    assert (world.plant.battery.value, world.plant.pv.value) == (1.2, 6.0)
    row = world.row()
    assert row.evidence_grade is EvidenceGrade.READ_BACK
    assert (row.mode_at_issue, row.command.epoch, row.facts["readback_value"]) == ("PARTIAL", 1, 1.2)
    assert row.facts["soc"] == 0.5
    assert world.states_of() == ["PROPOSED", "RELEASED", "PENDING", "ISSUED", "ACKED", "VERIFIED"]


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_below_partial_no_object_that_can_write_is_even_made(world: World, mode: Mode) -> None:
    if mode:
        world.set_mode(mode)
    add_plan(world.store, command(), _pv())
    assert world.release().advised == ("c1", "pv1")
    world.run(60)
    assert world.plant.writers_opened == 0
    assert world.plant.battery.writes == world.plant.pv.writes == []
    assert all(not hasattr(device.hand, "write") for device in world.agent.devices)


def test_after_a_start_the_devices_are_read_before_anything_is_written(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.plant.battery.is_silent = True
    world.run(5)
    assert world.plant.writers_opened == 1  # the inverter's
    assert state_of(world.store) is S.RELEASED
    world.plant.battery.is_silent = False
    world.run(5)
    assert state_of(world.store) is S.VERIFIED


def test_a_lease_of_the_device_is_refreshed_until_the_window_ends_and_then_it_is_completed(world: World) -> None:
    end = NOW + timedelta(seconds=200)
    world.prove(valid_until_utc=end)
    world.run(194, step_s=1.0)
    assert (state_of(world.store), world.plant.battery.value) == (S.VERIFIED, 1.2)
    refreshes = [value for _, value, name, _ in world.plant.battery.writes if name == "c1"]
    assert 12 <= len(refreshes) <= 16
    world.run(5)
    assert (state_of(world.store), world.plant.battery.value) == (S.COMPLETED, 0.0)
    assert all(at < end for at, _, name, _ in world.plant.battery.writes if name == "c1")
    assert world.plant.battery.writes[-1][2].startswith("revert-"), "not left to the device's timer alone"


def test_a_device_without_a_timer_is_written_once_and_brought_home_by_our_hand(world: World) -> None:
    """Nothing there to renew: a frame each fifteen seconds would only wear out its memory (dispatch.md A9)."""
    _without_timer(world)
    world.prove(valid_until_utc=NOW + timedelta(seconds=200))
    world.run(194, step_s=1.0)
    assert (state_of(world.store), world.plant.battery.value) == (S.VERIFIED, 1.2)
    assert [name for _, _, name, _ in world.plant.battery.writes] == ["c1"]
    world.run(5)
    assert (state_of(world.store), world.plant.battery.value) == (S.COMPLETED, 0.0)
    assert world.plant.battery.writes[-1][2].startswith("revert-")


@pytest.mark.parametrize("why", ["charge", "silence", "store"])
def test_our_own_lease_on_a_device_without_a_timer_ends_within_its_time_to_live(world: World, why: str) -> None:
    """Guards that refuse it, a device that says nothing, a ledger that is gone: each ends in a safe default."""
    _without_timer(world)
    world.prove()
    if why == "charge":
        world.plant.battery.soc_percent = 96.0
    elif why == "silence":
        world.plant.battery.is_silent = True
    else:
        world.agent.context.renewed_s -= 11
    world.run(47, step_s=1.0)
    world.plant.battery.is_silent = False
    world.run(2, step_s=1.0)
    assert world.plant.battery.value == 0.0
    assert state_of(world.store) is {"charge": S.REVERTED, "silence": S.UNVERIFIED, "store": S.REVERTED}[why]


def test_what_no_timer_ends_is_brought_home_in_a_lowered_mode_once_the_device_answers_again(world: World) -> None:
    _without_timer(world)
    world.prove()
    world.plant.battery.is_silent = True
    world.run(60, step_s=1.0)
    world.set_mode(Mode.SIMULATION)
    world.run(30, step_s=1.0)
    assert (world.row().state, world.plant.battery.value) == (S.UNVERIFIED, 1.2)
    world.plant.battery.is_silent = False
    world.run(3, step_s=1.0)
    assert world.plant.battery.value == 0.0
    written = len(world.plant.battery.writes)
    world.run(60, step_s=1.0)
    assert len(world.plant.battery.writes) == written
    assert all(not hasattr(device.hand, "write") for device in world.agent.devices)


def _without_timer(world: World) -> None:
    template = world.plant.battery.template.model_copy(update={"has_device_ttl": False})
    world.plant.battery.template, world.plant.battery.leases = template, leases_of(template)
    for device in world.agent.devices:
        if device.device_id == "battery":
            device.template = template


@pytest.mark.parametrize("window_s", [20.3, 20.7, 21.0, 21.4])
def test_a_device_that_is_home_within_the_last_second_completes_its_command(world: World, window_s: float) -> None:
    """Times to live are whole seconds, so the device's timer ends up to a second before the window."""
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command(valid_until_utc=NOW + timedelta(seconds=window_s), ttl_s=6.0))
    world.release()
    world.run(window_s + 2, step_s=0.25)
    assert state_of(world.store) is S.COMPLETED


def test_the_next_slot_follows_without_a_stop_at_the_safe_default(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    change = NOW + timedelta(seconds=60)
    following = command("c2", value=-1.0, valid_from_utc=change, valid_until_utc=NOW + STEP)
    add_plan(world.store, command(valid_until_utc=change), following)
    world.release()
    world.run(60)
    world.release()
    world.run(3)
    assert (state_of(world.store), state_of(world.store, "c2")) == (S.COMPLETED, S.VERIFIED)
    assert [name for _, _, name, _ in world.plant.battery.writes if name.startswith("revert-")] == []


def test_a_newer_plan_takes_over_inside_the_window(world: World) -> None:
    world.prove()
    add_plan(world.store, command("c2", plan_id="p2", value=-1.0), plan_id="p2", version=2)
    world.release("p2")
    world.run(3)
    assert (state_of(world.store), state_of(world.store, "c2")) == (S.SUPERSEDED, S.VERIFIED)
    assert world.plant.battery.value == -1.0


def test_a_lowered_mode_reverts_within_a_cycle_and_takes_the_writer_away(world: World) -> None:
    world.prove()
    world.set_mode(Mode.ADVISORY)
    world.run(1.5)
    assert (state_of(world.store), world.plant.battery.value) == (S.REVERTED, 0.0)
    assert all(not hasattr(device.hand, "write") for device in world.agent.devices)


def test_a_mode_lowered_after_release_blocks_before_the_wire(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.set_mode(Mode.SIMULATION)
    world.run(3)
    assert state_of(world.store) is S.BLOCKED
    assert world.plant.battery.writes == []


def test_a_mode_lowered_between_pick_and_issue_wins(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()

    def lower(point: str) -> None:
        if point == "picked":
            world.set_mode(Mode.SIMULATION)

    world.agent.context.hook = lower
    world.run(3)
    row = world.row()
    assert (row.state, row.facts["guard"]) == (S.BLOCKED, "MODE")
    assert world.plant.battery.commands() == []


def test_a_guard_with_live_values_blocks_with_the_value_that_blocked(world: World) -> None:
    world.plant.battery.soc_percent = 95.0
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(3)
    row = world.row()
    assert (row.state, row.facts["guard"], row.facts["soc"]) == (S.BLOCKED, "I06", 0.95)
    assert world.plant.battery.writes == []


def test_a_guard_that_turns_while_the_value_stands_reverts_it(world: World) -> None:
    world.prove()
    world.plant.battery.soc_percent = 96.0
    world.run(25)
    row = world.row()
    assert (row.state, row.facts["guard"], world.plant.battery.value) == (S.REVERTED, "I06", 0.0)


def test_a_clean_stop_reverts_and_frees_the_site_at_once(world: World) -> None:
    world.prove()
    world.agent.stop()
    assert (state_of(world.store), world.plant.battery.value) == (S.REVERTED, 0.0)
    world.new_agent()
    world.agent.cycle()
    assert world.agent.context.lease is not None
    assert world.agent.context.lease.epoch == 2


def test_a_released_command_that_nobody_took_expires(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.time.pass_(900)
    world.run(3)
    assert state_of(world.store) is S.EXPIRED
    assert world.plant.battery.writes == []


def test_the_last_second_of_a_window_is_not_used(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.time.pass_(899.2)
    world.run(2, step_s=0.25)
    assert state_of(world.store) is S.EXPIRED
    assert world.plant.battery.commands() == []


def test_the_last_second_but_one_is_issued_and_sent_with_one_second_to_live(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.time.pass_(898.25)
    world.run(1.25, step_s=0.25)
    assert world.plant.battery.commands() == ["c1"]
    assert world.row().facts["ttl_s"] == 1


def test_a_time_to_live_that_the_device_does_not_offer_is_blocked_before_the_wire(world: World) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command(ttl_s=90.0))
    world.release()
    world.run(3)
    row = world.row()
    assert row.state is S.BLOCKED
    assert world.plant.battery.writes == []


@pytest.mark.parametrize(
    ("value", "epoch", "seq", "remaining_s", "is_proof"),
    [
        (1.2, 2, 5, 30.0, True),
        (1.29, 2, 5, 30.0, True),
        (1.31, 2, 5, 30.0, False),
        (1.2, 2, 6, 30.0, True),
        (1.2, 3, 1, 30.0, True),
        (1.2, 2, 4, 30.0, False),
        (1.2, 1, 9, 30.0, False),
        (1.2, 2, 5, 0.0, False),
        (1.2, None, None, None, True),
    ],
)
def test_a_read_is_proof_only_with_our_value_by_our_order_and_a_running_timer(
    value: float, epoch: int | None, seq: int | None, remaining_s: float | None, is_proof: bool
) -> None:
    slot = devices_of(HOME)[0].slots[0]
    read = ReadBack(value=value, raw="", at_utc=NOW, revert_remaining_s=remaining_s, epoch=epoch, seq=seq)
    assert fits(read, command(epoch=2, seq=5), slot) is is_proof


def test_at_the_safe_default_no_timer_needs_to_run() -> None:
    slot = devices_of(HOME)[0].slots[0]
    read = ReadBack(value=0.0, raw="", at_utc=NOW, revert_remaining_s=0.0, epoch=2, seq=5)
    assert fits(read, command(value=0.0, epoch=2, seq=5), slot)


def test_a_lease_that_has_run_out_in_the_store_sends_nothing_though_nobody_took_the_site(world: World) -> None:
    """The agent's own timer may run late: what the store says at the moment of issue decides."""
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()

    def run_out(point: str) -> None:
        if point == "picked":
            with world.store.begin() as connection:
                connection.execute(device_leases.update().values(expires_utc=world.time.now_utc()))

    world.agent.context.hook = run_out
    world.run(2)
    assert world.states_of() == ["PROPOSED", "RELEASED", "PENDING"]
    assert world.plant.battery.commands() == []
