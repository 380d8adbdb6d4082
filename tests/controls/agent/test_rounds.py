"""Many devices at once: threads for the wire, one transaction a round, and nobody waits for a silent one."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from controls.agent.context import Device, DeviceCall, DeviceThreads, OnLedger, Step, devices_of
from controls.agent.rounds import Rounds
from controls.agent.transitions import move
from controls.gateways.capabilities import DeviceSilent
from controls.ledger.chain import verify_chain
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from tests.controls.agent.plant import HOME, World
from tests.controls.ledger.rows_of import add_plan, command, push, state_of


@pytest.fixture
def lanes(world: World) -> Iterator[DeviceThreads]:
    made = DeviceThreads(ThreadPoolExecutor(4), ThreadPoolExecutor(1))
    world.agent.context.lanes = made
    yield made
    made.close()


def cycle(world: World, seconds: float, *, until: S | None = None, name: str = "c1") -> None:
    """Let the agent cycle in virtual time, and its threads in real time."""
    for _ in range(round(seconds / 0.5)):
        world.agent.cycle()
        world.agent.rounds.rest(0.05)
        if until is not None and state_of(world.store, name) is until:
            return
        world.time.pass_(0.5)


def test_a_silent_device_holds_nobody_up(world: World, lanes: DeviceThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inverter's wire hangs for as long as the test runs; the battery is proven meanwhile."""
    hung, goes_on = threading.Event(), threading.Event()
    world.set_mode(Mode.PARTIAL)
    cycle(world, 3)
    read_back = type(world.agent.devices[1].hand).read_back

    def hang(self: object, capability: str) -> object:
        if capability == "set_power_limit_kw":
            hung.set()
            goes_on.wait(20)
            raise DeviceSilent("no answer")
        return read_back(self, capability)  # type: ignore[arg-type]

    monkeypatch.setattr("tests.controls.agent.plant.Reader.read_back", hang)
    cycle(world, 6)
    assert hung.is_set()
    add_plan(world.store, command())
    world.release()
    cycle(world, 5, until=S.VERIFIED)
    assert state_of(world.store) is S.VERIFIED
    assert world.agent.is_waiting
    goes_on.set()


def test_a_write_that_waited_until_the_lease_was_given_up_never_leaves(world: World, lanes: DeviceThreads) -> None:
    world.set_mode(Mode.PARTIAL)
    cycle(world, 3)
    battery = world.agent.devices[0]
    add_plan(world.store, command())
    world.release()
    # The device's turn is taken: the write waits for it.
    with battery.turn:
        cycle(world, 3)
        assert state_of(world.store) is S.ISSUED
        world.agent.context.lease = None
    time.sleep(0.2)
    assert world.plant.battery.commands() == []


def test_a_stop_waits_for_what_is_under_way_and_tells_the_ledger(world: World, lanes: DeviceThreads) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    cycle(world, 8, until=S.VERIFIED)
    world.agent.stop()
    assert (state_of(world.store), world.plant.battery.value) == (S.REVERTED, 0.0)


def test_what_all_devices_ask_of_the_ledger_in_one_round_is_one_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    begin = world.store.begin
    monkeypatch.setattr(world.store, "begin", lambda: (begun.append(1), begin())[1])
    devices = devices_of(HOME)
    answers: list[object] = []

    def step(device: Device) -> Step[None]:
        answers.append((yield OnLedger(lambda _: device.device_id)))
        answers.append((yield DeviceCall(lambda: len(begun))))
        answers.append((yield OnLedger(lambda _: len(begun))))

    Rounds(world.agent.context).run((device, step(device)) for device in devices)
    assert answers == ["battery", 1, "pv", 1, 2, 2]


def test_where_somebody_was_faster_with_one_command_the_others_of_the_round_move_all_the_same(world: World) -> None:
    """They are written in one statement; it must neither move a row that was taken away nor hold the others up."""
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command(), command("pv1", device_id="pv", capability="set_power_limit_kw", value=6.0))
    world.release()
    context, moved = world.agent.context, []
    rows = {row.command.command_id: row for row in read_commands(world.store, "home")}
    push(world.store, "c1", S.EXPIRED)

    def step(device: Device, name: str) -> Step[None]:
        device.slots[0].row = rows[name]
        moved.append((yield from move(context, device.slots[0], S.PENDING, "picked up")))

    names = {"battery": "c1", "pv": "pv1"}
    Rounds(context).run((device, step(device, names[device.device_id])) for device in world.agent.devices)
    assert moved == [False, True]
    assert (state_of(world.store), state_of(world.store, "pv1")) == (S.EXPIRED, S.PENDING)
    assert world.states_of("pv1") == ["PROPOSED", "RELEASED", "PENDING"]
    assert verify_chain(world.store, "home") == []


def test_a_device_s_fault_is_raised_where_its_step_waits_and_a_fault_of_the_ledger_ends_the_round(world: World) -> None:
    rounds, faults = Rounds(world.agent.context), []

    def silent() -> None:
        raise DeviceSilent("no answer")

    def step() -> Step[None]:
        try:
            yield DeviceCall(silent)
        except DeviceSilent as fault:
            faults.append(str(fault))
        yield OnLedger(lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        rounds.run([(world.agent.devices[0], step())])
    assert faults == ["no answer"]
    assert not rounds.is_busy(world.agent.devices[0])


def test_commands_of_both_devices_are_proven_with_threads_as_without(world: World, lanes: DeviceThreads) -> None:
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command(), command("pv1", device_id="pv", capability="set_power_limit_kw", value=6.0))
    world.release()
    cycle(world, 10, until=S.VERIFIED)
    cycle(world, 2, until=S.VERIFIED, name="pv1")
    assert {row.state for row in read_commands(world.store, "home")} == {S.VERIFIED}
