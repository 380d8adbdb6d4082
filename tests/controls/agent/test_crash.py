"""The agent is killed at every point of dispatch.md B.8, comes back early or after the window, and nothing goes wrong.

The same checker over the history of the wire is shown to notice a naive agent.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store, connect_store, open_store
from controls.agent import transitions
from controls.ledger.chain import verify_chain
from controls.ledger.rows import read_commands
from controls.ledger.states import is_settled
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from tests.controls.agent.plant import Crash, World
from tests.controls.ledger.rows_of import NOW, add_plan, command, state_of

WINDOW = timedelta(minutes=15)
POINTS = {
    "K5 picked": "picked",
    "K7 issued": "issued",
    "K8 K9 written": "written",
    "K10 acked": "acked",
    "K11 read back": "read_back",
    "K12 verified": "verified",
    "K12 refreshed": "refreshed",
}


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    made = World(store)
    made.set_mode(Mode.PARTIAL)
    add_plan(store, command())
    made.release()
    yield made
    assert verify_chain(store, "home") == []


def wire_faults(writes: list[tuple[datetime, float, str, str]], ends: dict[str, datetime]) -> list[str]:
    """Faults on the wire: a write after its window, a value outside the envelope, one applied anew
    after it was replaced.
    """
    found, applied = [], []
    for at, value, name, outcome in writes:
        if name.startswith("revert-"):
            continue
        if at >= ends[name]:
            found.append(f"{name} was written after its window")
        if abs(value) > 1.5:
            found.append(f"{name} left the envelope")
        if outcome in ("applied", "repeated") and (not applied or applied[-1] != name):
            if name in applied:
                found.append(f"{name} came back")
            applied.append(name)
    return found


def _kill(world: World, point: str) -> None:
    world.crash_at = point
    with pytest.raises(Crash):
        world.run(30)


@pytest.mark.parametrize("point", POINTS.values(), ids=list(POINTS))
def test_after_an_early_restart_the_command_stands_and_was_decided_by_reading(world: World, point: str) -> None:
    _kill(world, point)
    world.time.pass_(0.2)
    world.new_agent()
    while state_of(world.store) is not S.VERIFIED or world.agent.context.lease is None:
        world.run(0.5)
        assert world.time.wall < NOW + timedelta(minutes=1)
    sent = [name for _, _, name, _ in world.plant.battery.writes if name == "c1"]
    assert len(sent) == (2 if point == "refreshed" else 1)
    assert world.plant.battery.value == 1.2
    reasons = [row["reason"] for row in world.store.rows(command_events.select()) if row["to_state"] == "VERIFIED"]
    assert point in ("verified", "refreshed", "picked") or reasons[-1].startswith("after-recovery")
    assert wire_faults(world.plant.battery.writes, {"c1": NOW + WINDOW}) == []


@pytest.mark.parametrize("point", POINTS.values(), ids=list(POINTS))
def test_after_a_late_restart_nothing_is_sent_and_the_device_is_at_its_safe_default(world: World, point: str) -> None:
    _kill(world, point)
    writes = len(world.plant.battery.writes)
    world.time.pass_(46)
    assert world.plant.battery.value == 0.0, "the device's own timer has ended it"
    world.time.pass_(900)
    world.new_agent()
    world.run(20)
    expected = S.REVERTED if point in ("verified", "refreshed") else S.EXPIRED
    assert state_of(world.store) is expected
    assert len(world.plant.battery.writes) == writes
    assert world.plant.battery.value == 0.0


def test_a_crash_inside_the_issuing_transaction_leaves_the_row_pending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K6."""

    def die(*_: object) -> None:
        raise Crash("inside")

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "transition", lambda *a, **k: die() if a[2] is S.ISSUED else transition(*a, **k))
        from controls.ledger.rows import transition

        with pytest.raises(Crash):
            world.run(5)
    assert state_of(world.store) is S.PENDING
    assert world.plant.battery.writes == []
    world.new_agent()
    world.run(20)
    assert state_of(world.store) is S.VERIFIED


def test_the_revert_is_repeated_at_the_start_when_the_agent_died_in_it(world: World) -> None:
    """K13: the safe default could not be written, the agent dies, the device still holds a value of its own."""
    world.run(3)
    world.plant.battery.is_silent = True
    world.set_mode(Mode.SIMULATION)
    world.agent.cycle()
    assert state_of(world.store) is S.REVERTED
    world.plant.battery.is_silent = False
    world.set_mode(Mode.PARTIAL)
    assert world.plant.battery.value == 1.2
    world.new_agent()
    world.run(18)
    assert world.plant.battery.value == 0.0


def test_a_command_verified_before_the_mode_was_lowered_in_our_absence_ends_by_the_device_s_timer(world: World) -> None:
    _kill(world, "verified")
    world.set_mode(Mode.SIMULATION)
    writes = len(world.plant.battery.writes)
    world.new_agent()
    world.run(60)
    assert state_of(world.store) is S.REVERTED
    assert len(world.plant.battery.writes) == writes


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from([1.0, 5.0, 20.0])),
        st.tuples(st.just("pass"), st.sampled_from([0.2, 3.0, 12.0, 30.0, 200.0])),
        st.tuples(st.just("kill"), st.sampled_from(sorted(set(POINTS.values())))),
        st.tuples(st.just("plan"), st.sampled_from([-1.5, -0.4, 0.0, 0.7, 1.5, 2.5])),
        st.tuples(st.just("mode"), st.sampled_from([Mode.SIMULATION, Mode.PARTIAL])),
        st.tuples(st.just("fault"), st.sampled_from(["is_silent", "is_deaf", "loses_ack", "refuses"])),
        st.tuples(st.just("clock"), st.sampled_from([-3.0, -0.5, 0.5, 3.0])),
        st.tuples(st.just("restart"), st.just(0.0)),
    ),
    min_size=3,
    max_size=10,
)


def _act(world: World, kind: str, what: object, plans: list[str], ends: dict[str, datetime]) -> None:
    battery = world.plant.battery
    if kind in ("run", "kill"):
        world.crash_at = str(what) if kind == "kill" else ""
        try:
            world.run(what if isinstance(what, float) else 20.0, step_s=1.0)
        except Crash:
            world.new_agent()
        world.crash_at = ""
    elif kind == "pass":
        world.time.pass_(float(str(what)))
    elif kind == "plan":
        name = f"x{len(plans)}"
        start = world.time.wall
        item = command(
            name, plan_id=name, value=what, valid_from_utc=start, valid_until_utc=start + timedelta(seconds=100)
        )
        plans.append(name)
        ends[name] = item.valid_until_utc
        add_plan(world.store, item, plan_id=name, version=len(plans) + 1, at=start)
        world.release(name)
    elif kind == "mode":
        try:
            world.set_mode(Mode(what))
        except BadInput:
            world.set_mode(Mode.SIMULATION)
    elif kind == "fault":
        setattr(battery, str(what), not getattr(battery, str(what)))
    elif kind == "clock":
        world.time.wall += timedelta(seconds=float(str(what)))
    else:
        world.new_agent()


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables, to be copied: making the tables takes longer than a schedule."""
    path = tmp_path_factory.mktemp("ledger") / "store.db"
    open_store(f"sqlite:///{path}").close()
    return path


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_no_schedule_of_kills_faults_and_clocks_breaks_a_promise(
    empty_ledger: Path, actions: list[tuple[str, object]]
) -> None:
    with TemporaryDirectory() as folder:
        shutil.copy(empty_ledger, Path(folder) / "store.db")
        store = connect_store(f"sqlite:///{Path(folder) / 'store.db'}")
        world = World(store)
        world.set_mode(Mode.PARTIAL)
        ends = {"c1": NOW + WINDOW}
        add_plan(store, command())
        world.release()
        plans: list[str] = []
        for kind, what in actions:
            _act(world, kind, what, plans, ends)
        battery = world.plant.battery
        battery.is_silent = battery.is_deaf = battery.loses_ack = battery.refuses = False
        world.time.pass_(1000)
        world.new_agent()
        world.run(80, step_s=1.0)
        assert wire_faults(battery.writes, ends) == []
        assert battery.value == 0.0
        assert all(is_settled(row.state) or row.state is S.PROPOSED for row in read_commands(store, "home"))
        assert verify_chain(store, "home") == []
        store.close()


def test_the_checker_notices_what_a_naive_agent_does() -> None:
    """Blind resend, no expiry, an old command after a new one: each is found."""
    ends = {"a": NOW + WINDOW, "b": NOW + WINDOW}
    late = NOW + WINDOW
    assert wire_faults([(late, 1.0, "a", "applied")], ends) == ["a was written after its window"]
    assert wire_faults([(NOW, 4.0, "a", "applied")], ends) == ["a left the envelope"]
    replay = [(NOW, 1.0, "a", "applied"), (NOW, 1.2, "b", "applied"), (NOW, 1.0, "a", "applied")]
    assert wire_faults(replay, ends) == ["a came back"]


def test_a_picked_command_whose_mode_was_lowered_in_our_absence_is_blocked(world: World) -> None:
    _kill(world, "picked")
    world.set_mode(Mode.SIMULATION)
    world.new_agent()
    world.run(20)
    assert state_of(world.store) is S.BLOCKED
    assert world.plant.battery.writes == []


def test_a_picked_command_whose_window_ended_in_our_absence_expires(world: World) -> None:
    _kill(world, "picked")
    world.time.pass_(1000)
    world.new_agent()
    world.run(5)
    assert state_of(world.store) is S.EXPIRED


@pytest.mark.parametrize(("point", "mode"), [("verified", Mode.PARTIAL), ("verified", Mode.SIMULATION)])
def test_a_device_that_stays_silent_after_our_absence_is_a_fault(world: World, point: str, mode: Mode) -> None:
    _kill(world, point)
    world.set_mode(mode)
    world.time.pass_(1000)
    world.plant.battery.is_silent = True
    world.new_agent()
    world.run(60)
    assert state_of(world.store) is S.UNVERIFIED


def test_a_device_that_never_returned_by_itself_is_put_back_after_our_absence(world: World) -> None:
    _kill(world, "verified")
    world.time.pass_(1000)
    world.plant.battery.forced = 1.2
    world.new_agent()
    while state_of(world.store) is S.VERIFIED:
        world.run(0.5)
    assert state_of(world.store) is S.REVERTED
    assert world.plant.battery.writes[-1][2].startswith("revert-")


def test_a_command_in_doubt_is_not_sent_again_after_the_mode_was_lowered(world: World) -> None:
    _kill(world, "issued")
    world.set_mode(Mode.SIMULATION)
    world.new_agent()
    world.run(90)
    assert state_of(world.store) is S.UNVERIFIED
    assert world.plant.battery.writes == []
