"""A set-point by hand: sent within every guard, kept from the plan, ended by its time, by a person, or by a guard."""

from datetime import timedelta

import pytest

from assets.stores.schema.tables_control import commands as command_rows
from assets.stores.schema.tables_control import hold_events
from assets.stores.seals import append_row
from assets.stores.transactions import Store, site_transaction
from controls.agent.planned import planned_check
from controls.ledger.by_hand import LONGEST, give_back, set_manually
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import open_faults
from controls.ledger.device_holds import manual_settings, open_holds, release_hold, set_hold
from controls.ledger.rows import LedgerRow, read_commands
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from tests.controls.agent.plant import HOME, World
from tests.controls.ledger.rows_of import BEN, NOW, OLAF, add_plan, command
from tests.stores.everything import change

POWER = "set_charge_power_kw"
PLACE = ("home", "battery", POWER)
CHECK = planned_check(HOME)


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.set_mode(Mode.PARTIAL)
    made.run(2)
    return made


def by_hand(world: World, value: float = 1.5, minutes: float = 30, person: Person = OLAF) -> LedgerRow:
    """Set the battery by hand; the command's row."""
    now_utc = world.time.now_utc()
    until = now_utc + timedelta(minutes=minutes)
    fields = {"until_utc": until, "person": person, "reason": "guests", "at_utc": now_utc, "check": CHECK}
    with site_transaction(world.store, "home") as connection:
        row, _ = set_manually(world.store, connection, PLACE, value, "kw", **fields)
    return row


def back(world: World) -> None:
    fields = {"person": OLAF, "reason": "they left", "at_utc": world.time.now_utc(), "check": CHECK}
    with site_transaction(world.store, "home") as connection:
        give_back(world.store, connection, "home", "battery", POWER, **fields)


def now(world: World, row: LedgerRow) -> LedgerRow:
    return world.row(row.command.command_id)


def held(world: World) -> list[str]:
    return [each.sends for each in open_holds(world.store, "home", world.time.now_utc())]


def test_it_stands_within_two_seconds_and_ends_with_its_time(world: World) -> None:
    row = by_hand(world, minutes=5)
    world.run(2)
    assert (now(world, row).state, world.plant.battery.value) == (S.VERIFIED, 1.5)
    world.run(290, step_s=5)
    assert world.plant.battery.value == 1.5
    world.run(10)
    assert (now(world, row).state, world.plant.battery.value, held(world)) == (S.COMPLETED, 0.0, [])
    assert verify_chain(world.store, "home") == []
    assert [value for _, _, _, value in manual_settings(world.store, "home")] == [1.5]


def test_the_plan_waits_meanwhile_and_goes_on_within_two_seconds_of_back_to_plan(world: World) -> None:
    add_plan(
        world.store,
        command("c1", value=0.7),
        command(
            "c2", value=0.9, valid_from_utc=NOW + timedelta(minutes=15), valid_until_utc=NOW + timedelta(minutes=30)
        ),
    )
    world.release()
    world.run(3)
    row = by_hand(world, minutes=40)
    world.run(900, step_s=5)
    world.release()
    world.run(20, step_s=5)
    # Released by the plan in its own quarter hour, and not sent.
    assert (world.row("c1").state, world.row("c2").state) == (S.SUPERSEDED, S.RELEASED)
    assert (now(world, row).state, world.plant.battery.value) == (S.VERIFIED, 1.5)
    back(world)
    world.run(2)
    assert (now(world, row).state, world.row("c2").state) == (S.SUPERSEDED, S.VERIFIED)
    assert world.plant.battery.value == 0.9


def test_in_the_quarter_hour_of_its_begin_the_plan_has_its_command_again(world: World) -> None:
    world.prove(value=0.7)
    row = by_hand(world)
    world.run(2)
    assert world.plant.battery.value == 1.5
    back(world)
    world.run(2)
    assert (now(world, row).state, world.plant.battery.value) == (S.SUPERSEDED, 0.7)
    second = [each for each in read_commands(world.store, "home", plan_id="p1") if each.state is S.VERIFIED]
    assert [each.command.valid_until_utc for each in second] == [NOW + timedelta(minutes=15)]


def test_one_that_ends_within_a_quarter_hour_leaves_the_rest_to_the_plan(world: World) -> None:
    world.prove(value=0.7)
    by_hand(world, minutes=5)
    world.run(310, step_s=5)
    assert world.plant.battery.value == 0.7


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_below_partial_it_is_shown_and_nothing_is_sent_or_held(world: World, mode: Mode) -> None:
    world.set_mode(mode)
    row = by_hand(world)
    world.run(5)
    assert (now(world, row).state, held(world), world.plant.battery.commands()) == (S.ADVISED, [], [])


def test_past_the_envelope_of_partial_it_is_blocked_and_holds_nothing(world: World) -> None:
    row = by_hand(world, value=4.0)
    world.run(2)
    assert (row.state, held(world), world.plant.battery.commands()) == (S.BLOCKED, [], [])


def test_a_guard_ends_it_and_the_plan_has_the_device_again(world: World) -> None:
    row = by_hand(world)
    world.run(2)
    world.plant.battery.soc_percent = 95
    world.run(20)
    assert (now(world, row).state, world.plant.battery.value, held(world)) == (S.REVERTED, 0.0, [])
    assert "REVERTED: I06" in str(world.store.rows(hold_events.select().order_by(hold_events.c.id))[-1]["reason"])


def test_a_lowered_mode_ends_it(world: World) -> None:
    row = by_hand(world)
    world.run(2)
    world.set_mode(Mode.SIMULATION)
    world.run(2)
    assert (now(world, row).state, world.plant.battery.value, held(world)) == (S.REVERTED, 0.0, [])


def test_a_second_one_replaces_the_first_and_ends_with_its_own_time(world: World) -> None:
    first = by_hand(world, minutes=60)
    world.run(2)
    second = by_hand(world, value=-1.0, minutes=5)
    world.run(2)
    assert (now(world, first).state, now(world, second).state) == (S.SUPERSEDED, S.VERIFIED)
    assert held(world) == [second.command.command_id]
    world.run(305, step_s=5)
    assert (now(world, second).state, held(world)) == (S.COMPLETED, [])


def test_a_device_that_does_not_answer_is_latched_and_holds_nothing(world: World) -> None:
    world.plant.battery.is_deaf = True
    row = by_hand(world)
    world.run(60)
    assert (now(world, row).state, held(world)) == (S.UNVERIFIED, [])
    assert [each.device_id for each in open_faults(world.store, "home")] == ["battery"]
    after = by_hand(world)
    world.run(2)
    assert (now(world, after).state, held(world)) == (S.BLOCKED, [])


def test_without_an_agent_it_expires_and_never_begins_later(world: World) -> None:
    world.agent.stop()
    row = by_hand(world)
    world.time.pass_(90)
    world.new_agent()
    world.run(5)
    assert (now(world, row).state, held(world), world.plant.battery.commands()) == (S.EXPIRED, [], [])


def test_given_back_before_it_was_sent_it_never_is(world: World) -> None:
    row = by_hand(world)
    back(world)
    world.run(5)
    assert (now(world, row).state, world.plant.battery.commands()) == (S.SUPERSEDED, [])
    # A hold that ends between the look and the issue: the guard has the last word.
    second = by_hand(world)
    with site_transaction(world.store, "home") as connection:
        fields = {"person": OLAF, "reason": "x", "at_utc": world.time.now_utc()}
        release_hold(world.store, connection, "home", "battery", POWER, **fields)
    world.run(2)
    assert (now(world, second).state, world.plant.battery.commands()) == (S.BLOCKED, [])


def test_a_hand_at_the_device_wins_over_the_hand_at_the_page(world: World) -> None:
    row = by_hand(world)
    world.run(2)
    world.plant.battery.forced = 3.0
    world.run(20)
    assert now(world, row).state is S.OVERRIDDEN
    [hold] = open_holds(world.store, "home", world.time.now_utc())
    assert (hold.sends, hold.value) == ("", 3.0)


def test_a_killed_agent_goes_on_with_it_after_its_start(world: World) -> None:
    row = by_hand(world)
    world.run(2)
    world.new_agent()
    world.time.pass_(16)
    world.run(5)
    assert (now(world, row).state, world.plant.battery.value) == (S.VERIFIED, 1.5)


def test_what_somebody_writes_past_the_program_is_not_sent(world: World) -> None:
    row = by_hand(world)
    change(world.store, command_rows, command_rows.c.command_id == row.command.command_id, value=1.2)
    world.run(5)
    assert world.plant.battery.commands() == []
    assert now(world, row).state is S.BLOCKED


def test_what_nobody_may_set_is_refused_with_a_reason(world: World) -> None:
    with site_transaction(world.store, "home") as connection:
        until = NOW + timedelta(hours=3)
        set_hold(connection, *PLACE, until_utc=until, reason="service", person=OLAF, at_utc=world.time.now_utc())
    for minutes, person, reason in ((30.0, OLAF, "is_held"), (0.5, OLAF, "end_has_passed"), (481, OLAF, "end_too_far")):
        with pytest.raises(BadInput) as refused:
            by_hand(world, minutes=minutes, person=person)
        assert refused.value.reason == reason
    assert timedelta(hours=8) == LONGEST
    back(world)
    with pytest.raises(BadInput, match="role"):
        by_hand(world, person=BEN)
    assert read_commands(world.store, "home") == []


def test_where_people_are_known_the_end_of_one_is_no_act_of_nobody(world: World) -> None:
    world.store.public_keys = {"olaf": "", "carla": ""}
    by_hand(world, minutes=2)
    world.run(130, step_s=5)
    assert open_holds(world.store, "home", world.time.now_utc()) == []
    # Ended by nobody under another command's name: it stands.
    row = by_hand(world)
    with site_transaction(world.store, "home") as connection:
        words = {"site_id": "home", "device_id": "battery", "capability": POWER, "is_set": False, "reason": "x"}
        append_row(connection, hold_events, **words, command_id="another", recorded_at_utc=world.time.now_utc())
    assert held(world) == [row.command.command_id]
