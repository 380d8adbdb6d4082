"""Release: by mode, by window, once."""

import threading
from datetime import timedelta

import pytest

from assets.stores.schema.tables_control import command_events, ledger_identity
from assets.stores.transactions import Store, connect_store, open_store, site_transaction
from controls.ledger.approvals import Kind, Outcome, plan_class, record
from controls.ledger.chain import verify_chain
from controls.ledger.modes import set_mode
from controls.ledger.outbox import ReleaseReport, ledger_id, release, slot_run_key, wait_for_results
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command, push, state_of

STEP = timedelta(minutes=15)


def _partial(store: Store) -> None:
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))


def _allow(_command: Command, _mode: Mode) -> None:
    return None


def _release(store: Store, plan_id: str = "p1", **kwargs: object) -> ReleaseReport:
    options: dict[str, object] = {"clock": FixedClock(NOW), "check": _allow, **kwargs}
    return release(store, "home", plan_id, **options)  # type: ignore[arg-type]


def _next() -> Command:
    return command("c2", valid_from_utc=NOW + STEP, valid_until_utc=NOW + 2 * STEP)


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_below_partial_a_current_command_is_only_advised(store: Store, mode: Mode) -> None:
    if mode:
        set_mode(store, "home", mode=mode, person=CARLA, reason="test", clock=FixedClock(NOW))
    add_plan(store, command(), _next())
    report = _release(store)
    assert (report.advised, report.waiting, report.released, report.mode) == (("c1",), ("c2",), (), mode)
    assert state_of(store) is S.ADVISED


def test_in_partial_the_current_command_is_released_and_the_next_one_waits(store: Store) -> None:
    _partial(store)
    add_plan(store, command(), _next())
    report = _release(store)
    assert (report.released, report.waiting) == (("c1",), ("c2",))
    assert _release(store, lead_s=900.0).released == ("c2",)


def test_a_device_held_lower_is_advised_while_the_others_are_released(store: Store) -> None:
    _partial(store)
    set_mode(store, "home", mode=Mode.ADVISORY, person=CARLA, reason="", clock=FixedClock(NOW), device_id="pv")
    add_plan(store, command(), command("c2", device_id="pv"))
    report = _release(store)
    assert (report.released, report.advised) == (("c1",), ("c2",))


def test_a_refused_command_is_blocked_with_the_guards_sentence(store: Store) -> None:
    _partial(store)
    add_plan(store, command())
    report = _release(store, check=lambda _c, _m: "I01: too much")
    assert report.blocked == ("c1",)
    assert store.rows(command_events.select())[-1]["reason"] == "I01: too much"


def test_a_window_that_ended_is_expired_never_released(store: Store) -> None:
    _partial(store)
    add_plan(store, command(), _next())
    report = _release(store, clock=FixedClock(NOW + STEP))
    assert (report.expired, report.released) == (("c1",), ("c2",))


def test_a_newer_plan_supersedes_the_same_device_and_time_only(store: Store) -> None:
    _partial(store)
    late = command("late", valid_from_utc=NOW + 5 * STEP, valid_until_utc=NOW + 6 * STEP)
    add_plan(store, command("old"), command("old-pv", device_id="pv"), late)
    _release(store)
    add_plan(store, command("new", plan_id="p2"), plan_id="p2", version=2)
    report = _release(store, "p2")
    assert (report.superseded, report.released) == (("old",), ("new",))
    assert state_of(store, "old-pv") is S.RELEASED
    assert state_of(store, "late") is S.PROPOSED


def test_an_older_plan_that_is_released_late_sends_nothing_a_newer_plan_covers(store: Store) -> None:
    _partial(store)
    add_plan(store, command("old"))
    add_plan(store, command("new", plan_id="p2"), plan_id="p2", version=2)
    report = _release(store, "p1")
    assert (report.superseded, report.released) == (("old",), ())


def test_what_a_newer_plan_has_sent_already_supersedes_an_older_plan(store: Store) -> None:
    _partial(store)
    add_plan(store, command("new", plan_id="p2"), plan_id="p2", version=2)
    push(store, "new", S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED)
    add_plan(store, command("old"))
    assert _release(store, "p1").superseded == ("old",)


def test_only_the_slot_that_was_asked_for_is_released(store: Store) -> None:
    _partial(store)
    add_plan(store, command(), _next())
    assert _release(store, only_slot=NOW + STEP).released == ()
    assert _release(store, only_slot=NOW).released == ("c1",)


def test_releasing_twice_changes_nothing(store: Store) -> None:
    _partial(store)
    add_plan(store, command())
    assert _release(store).released == ("c1",)
    assert _release(store).released == ()
    assert len(store.rows(command_events.select())) == 2


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_releases_at_once_release_once(engine: str, tmp_path: object, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/twice.db"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    first = open_store(url)
    _partial(first)
    add_plan(first, command(), command("c2", device_id="pv"))
    reports: list[ReleaseReport] = []
    start = threading.Barrier(4)

    def run() -> None:
        mine = connect_store(url)
        start.wait()
        reports.append(_release(mine))
        mine.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for report in reports for name in report.released) == ["c1", "c2"]
    assert verify_chain(first, "home") == []
    first.close()


def test_the_run_key_changes_with_plan_slot_and_ledger(store: Store, tmp_path: object) -> None:
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    keys = {
        slot_run_key(plan, start, name)
        for plan in ("p1", "p2")
        for start in (NOW, NOW + STEP)
        for name in (ledger_id(store), ledger_id(other))
    }
    other.close()
    assert len(keys) == 8
    assert ledger_id(store) == ledger_id(store)
    assert len(store.rows(ledger_identity.select())) == 1


def test_waiting_ends_with_proof_or_with_the_time(store: Store) -> None:
    add_plan(store, command(), command("c2", device_id="pv"))
    push(store, "c1", S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED)
    push(store, "c2", S.RELEASED)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            push(store, "c2", S.EXPIRED)

    states = wait_for_results(
        store, "home", ["c1", "c2"], timeout_s=10.0, monotonic=lambda: float(len(slept)), sleep=sleep
    )
    assert states == {"c1": S.VERIFIED, "c2": S.EXPIRED}
    assert len(slept) == 2
    add_plan(store, command("c3", plan_id="p2"), plan_id="p2", version=2)
    slept.clear()
    states = wait_for_results(store, "home", ["c3"], timeout_s=3.0, monotonic=lambda: len(slept), sleep=slept.append)
    assert states == {"c3": S.PROPOSED}
    assert len(slept) == 3


def test_where_classes_of_plans_are_approved_the_others_wait_and_lapse(store: Store) -> None:
    _partial(store)
    add_plan(store, command(), command("c2", device_id="pv"))

    def say(outcome: Outcome, subject: str) -> None:
        fields = {"person": CARLA, "reason": "seen", "at_utc": NOW}
        with site_transaction(store, "home") as connection:
            record(connection, "home", Kind.PLAN_CLASS, subject, outcome, **fields)  # type: ignore[arg-type]

    say(Outcome.APPROVED, plan_class("battery", "set_charge_power_kw"))
    report = _release(store)
    assert (report.released, report.unapproved) == (("c1",), ("c2",))
    assert state_of(store, "c2") is S.PROPOSED
    say(Outcome.APPROVED, plan_class("pv", "set_charge_power_kw"))
    say(Outcome.REVOKED, plan_class("pv", "set_charge_power_kw"))
    assert _release(store).unapproved == ("c2",)
    assert "c2" in _release(store, clock=FixedClock(NOW + STEP)).expired, "K4: it lapses at its deadline"
