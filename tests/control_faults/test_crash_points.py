"""K1 to K13 of dispatch.md B.8, back at once or past the window, on both stores: the checker finds nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from assets.stores.ledgers import plans as plan_ledger
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.ledger.chain import verify_chain
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.planning.frozen_plan import commands_of
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock
from tests.control_faults.conftest import ended
from tests.control_faults.virtual_site import VirtualSite
from tests.controls.agent.plant import Crash
from tests.controls.planning.examples import HOME, NOW, plan

WINDOW_S = 60.0
# Where the agent dies; K13 is in the way home.
POINTS = {
    "K5": "picked",
    "K6": "inside",
    "K7": "issued",
    "K7 not sent": "before",
    "K8": "after",
    "K9": "written",
    "K10": "acked",
    "K11": "read_back",
    "K12": "verified",
    "K12 refreshed": "refreshed",
    "K13": "before",
    "K13 sent": "after",
}


def _arm(site: VirtualSite, point: str) -> None:
    """The next agent that comes by dies there."""
    if point == "inside":

        def die_at_commit(name: str) -> None:
            if name == "picked":
                site.store.fault = "dies"

        site.on_hook = die_at_commit
    elif point in ("before", "after"):
        site.devices["battery"].crash = point
    else:
        site.crash_at = point


# The same on both stores, as two tests: `make test` wants one of them whatever it takes (tests/parts.py).
_at_any_point = pytest.mark.parametrize("name", POINTS)
_early_and_late = pytest.mark.parametrize("away_s", [0.2, WINDOW_S + 15.0], ids=["early", "late"])


@_early_and_late
@_at_any_point
@pytest.mark.parametrize("either", ["sqlite"], indirect=True)
def test_fault_f30_f66_a_kill_at_any_point_breaks_no_promise(
    either: Store, name: str, away_s: float, tmp_path: Path
) -> None:
    _killed_at(either, name, away_s, tmp_path)


@_early_and_late
@_at_any_point
@pytest.mark.parametrize("either", ["postgresql"], indirect=True)
def test_fault_f30_f66_a_kill_at_any_point_breaks_no_promise_on_a_server(
    either: Store, name: str, away_s: float, tmp_path: Path
) -> None:
    _killed_at(either, name, away_s, tmp_path)


def _killed_at(either: Store, name: str, away_s: float, tmp_path: Path) -> None:
    """The agent dies at the point, comes back at once or past the window, and the checker looks."""
    site = VirtualSite(either)
    site.start()
    if name.startswith("K13"):
        site.plan("battery", 1.2, window_s=WINDOW_S)
        site.run(4.0)
        site.set_mode(Mode.SIMULATION)
        _arm(site, POINTS[name])
    else:
        _arm(site, POINTS[name])
        site.plan("battery", 1.2, window_s=WINDOW_S)
    site.run(30.0)
    assert site.agents == [], "the agent was killed"
    site.on_hook = lambda _: None
    site.time.true_s += away_s
    assert ended(site, tmp_path) == []


@contextmanager
def killed_in_the_plan(point: str) -> Iterator[None]:
    """The planner dies before its transaction, inside it, or after its commit."""
    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        if point == "K2":
            whole = plan_ledger.append_events

            def half(*args: object, **kwargs: object) -> object:
                whole(*args, **kwargs)
                raise Crash("inside the plan's transaction")

            patch.setattr(plan_ledger, "append_events", half)
        yield


@pytest.mark.parametrize("point", ["K1", "K2", "K3", "K4"])
def test_fault_f30_f42_a_planner_killed_anywhere_leaves_all_or_nothing_and_a_retry_adds_nothing(
    either: Store, point: str
) -> None:
    made, clock, plans = plan(), FixedClock(NOW), PlanStore(either)
    wanted = commands_of(made, HOME, epoch=0)
    with killed_in_the_plan(point):
        if point != "K1":
            plans.add_with_commands(made, wanted, clock)
        if point == "K4":
            release(either, "home", made.plan_id, clock=clock, check=lambda *_: None)
    before = read_commands(either, "home")
    assert len(before) == (0 if point in ("K1", "K2") else len(wanted))
    # A run that failed is repeated, and a second daemon may repeat it too.
    for _ in range(2):
        plans.add_with_commands(made, wanted, clock)
        release(either, "home", made.plan_id, clock=clock, check=lambda *_: None)
    rows = read_commands(either, "home")
    keys = [row.command.idempotency_key for row in rows]
    assert len(keys) == len(set(keys)) == len(wanted)
    assert {str(row.state) for row in rows} == {"PROPOSED", "ADVISED"}, "in SIMULATION the first slot is shown only"
    assert verify_chain(either, "home") == []
