"""The page of what became of a plan: rows, picture, a check that warns, and questions."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stores.transactions import site_transaction
from controls.defs import core_site__execution, plans_are_followed, plans_are_renewed
from controls.ledger.device_holds import set_hold
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.planning.frozen_plan import commands_of
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock
from orchestration.resources import ProjectResource
from orchestration.schedules import hourly_execution
from tests.controls.ledger.rows_of import CARLA
from tests.controls.planning.examples import HOME, NOW, plan

pytestmark = pytest.mark.filterwarnings("ignore")
# All of it is over, and the plan of the next day has not begun.
LATER = NOW + timedelta(hours=6)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectResource]:
    """The small home with a plan whose commands every guard refused."""
    (tmp_path / "sites").mkdir()
    content = HOME.model_dump(mode="json", exclude_unset=True) | {"forecast_targets": ["house"]}
    (tmp_path / "sites" / "home.yaml").write_text(json.dumps(content))
    made = ProjectResource(root=str(tmp_path))
    planned, clock = plan(mode=Mode.FULL), FixedClock(NOW)
    made.plans.add_with_commands(planned, commands_of(planned, HOME, epoch=0), clock)
    set_mode(made.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=clock)
    for quarter in range(8):
        at = FixedClock(planned.steps[quarter].start_utc)
        release(made.store, "home", planned.plan_id, clock=at, check=lambda _command, _mode: "I01: too much")
    yield made
    made.close()


def test_what_was_blocked_is_told_drawn_and_warned_of(project: ProjectResource, tmp_path: Path) -> None:
    for days in range(3):
        at = LATER - timedelta(days=days)
        said: dict[str, Any] = {
            "until_utc": at + timedelta(hours=2),
            "value": 2.0,
            "reason": "guests",
            "at_utc": at,
            "person": CARLA,
        }
        with site_transaction(project.store, "home") as connection:
            set_hold(connection, "home", "battery", "set_charge_power_kw", **said)
    resources = {"project": ProjectResource(root=project.root), "clock": FixedClock(LATER)}
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        given: dict[str, Any] = {"scheduled_execution_time": LATER, "resources": resources}
        with dg.build_schedule_context(instance, **given) as context:
            asked: Any = hourly_execution(context)
            (run,) = asked
        assert (run.partition_key, run.run_key) == ("home", "execution:home:2026-01-01T16")
        done = dg.materialize(
            [core_site__execution, plans_are_followed, plans_are_renewed],
            partition_key="home",
            resources=resources,
            instance=instance,
        )
    (made,) = done.asset_materializations_for_node("core_site__execution")
    told = {name: each.value for name, each in made.metadata.items()}
    # 10:00 to 16:00, of which eight quarter hours were blocked.
    assert told["quarter_hours"] == 24
    assert isinstance(told["off_plan_kwh"], dict)
    assert set(told["off_plan_kwh"]) == {"battery"}
    assert "BLOCKED" in str(told["slots"])
    assert str(told["picture"]).startswith("![Planned and executed, Home](data:image/png;base64,")
    assert told["suggestions"] == (
        "on 3 of the last 10 afternoons somebody set charge_power_kw of battery to 2: shall the wish be changed?"
    )
    checks = {each.check_name: each for each in done.get_asset_check_evaluations()}
    assert {each.severity for each in checks.values()} == {dg.AssetCheckSeverity.WARN}
    assert {name: each.passed for name, each in checks.items()} == {
        "plans_are_followed": False,
        "plans_are_renewed": True,
    }


def test_a_device_that_lags_asks_for_a_new_plan_by_the_ledger_of_its_own_project(project: ProjectResource) -> None:
    desk = project.planning_context(project.site("home"), FixedClock(LATER))
    last = project.plans.latest("home")
    assert last is not None
    assert set(desk.read_since(last, LATER).off_plan_kwh) == {"battery"}
    assert desk.read_since(last, NOW).off_plan_kwh == {}
