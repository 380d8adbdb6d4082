"""From the button to the car and back to the plan: a real agent at a charger that speaks Modbus, by the clock."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import open_store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.site_values import SiteValues
from controls.gateways.open import Gateways
from controls.gateways.serve_modbus import ModbusServer
from controls.ledger.modes import set_mode
from controls.ledger.rows import read_commands
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject
from tests.web.asking import PAGE
from tests.web.devices_world import CARLA, OTTO, PEOPLE
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_device_acts import act, on_page, seen

pytestmark = [pytest.mark.real, pytest.mark.slow]
# The figures that are promised: proven in the ledger, and back at what the plan has for it.
PROVEN_WITHIN_S, BACK_WITHIN_S = 2.0, 10.0
CYCLE_S = 0.25


@contextmanager
def at_work(agent: Agent) -> Iterator[None]:
    """While this is open the agent cycles in a thread, as its process does."""
    is_over = threading.Event()

    def cycles() -> None:
        while not is_over.is_set():
            agent.cycle()
            is_over.wait(CYCLE_S)
        agent.stop()

    thread = threading.Thread(target=cycles)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(20)


def _until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.02)


def _proven_at(project: OpenProject, command_id: str) -> datetime:
    """Time of the ledger's first event that it is in force."""
    query = command_events.select().where(command_events.c.command_id == command_id)
    at_utc: datetime = next(row["at_utc"] for row in project.store.rows(query) if row["to_state"] == "VERIFIED")
    return at_utc


@contextmanager
def charging(tmp_path: Path, site_of: Callable[[Asset], Site] | None = None) -> Iterator[tuple[Asking, ModbusServer]]:
    """An operator in PARTIAL, a charger that speaks Modbus, and an agent at work that has read it. site_of: the site of
    the charger, which then has its readings.
    """
    clock, template = SystemClock(), load_template("sim_ev_charger")
    unit = simulated_unit(template, monotonic=time.monotonic)
    server = ModbusServer([unit]).start()
    car = Asset(asset_id="car", name="Car", kind="ev_charger", template="sim_ev_charger", params={"max_kw": 7.4},
                address=f"127.0.0.1:{server.port}/{template.unit_id}")  # fmt: skip
    site = site_of(car) if site_of else plant_of_the_web(assets=(car,))
    folder = tmp_path / "project"
    make_project(folder, site, has_marts=False, has_readings=site_of is not None).close()
    (folder / "people.yaml").write_text(PEOPLE)
    project = OpenProject(str(folder))
    store = open_store(project.project.store_url, project.store.public_keys)
    context = AgentContext(
        store=store, site_id=site.site_id, holder="agent-1", clock=clock, monotonic=time.monotonic,
        transports=Gateways(site.site_id, Settings(), clock), site=SiteValues(site),
    )  # fmt: skip
    set_mode(project.store, site.site_id, mode=Mode.PARTIAL, person=CARLA, reason="commissioned", clock=clock)
    with at_work(Agent(context, devices_of(site))):
        _until(lambda: unit.reads > 2)
        yield Asking(project, clock, OTTO), server
    server.stop()
    project.close()
    store.close()


def test_a_car_is_charged_within_two_seconds_and_back_at_the_plan_within_ten(tmp_path: Path) -> None:
    with charging(tmp_path) as (asking, _):
        store = asking.project.store
        began_s = time.monotonic()
        answer = on_page(asking, "car/set", value="2.2", reason="leaving early", **{"for": "1h"})
        took_s = time.monotonic() - began_s
        [row] = read_commands(store, "plant")
        assert (answer.status, row.state) == (303, CommandState.VERIFIED)
        shown = asking.get("/devices/car", [PAGE], site="plant").text
        assert re.search("Command: in force, (read back|meter moved)", shown)
        # The way back is offered at once, to who did it.
        assert re.search('class="toast" role="status"><span>Set to 2.*?action="/devices/car/release', shown, re.DOTALL)
        asked_s = (_proven_at(asking.project, row.command.command_id) - row.recorded_at_utc).total_seconds()
        began_s = time.monotonic()
        assert on_page(asking, "car/release", reason="stays").status == 303
        _until(lambda: read_commands(store, "plant")[0].state is CommandState.REVERTED)
        back_s = time.monotonic() - began_s
    assert asked_s <= PROVEN_WITHIN_S, (asked_s, took_s)
    assert back_s <= BACK_WITHIN_S, (back_s, asked_s, took_s)


def test_an_act_on_a_device_that_does_not_answer_is_not_proven_and_is_sent_no_second_time(tmp_path: Path) -> None:
    with charging(tmp_path) as (asking, server):
        store = asking.project.store
        form = {"value": "2.2", "reason": "leaving early", "for": "1h", "seen": seen(asking, "/devices/car")}
        server.stop()
        assert [act(asking, "car/set", **form).status for _ in range(2)] == [303, 303]
        time.sleep(4 * CYCLE_S)
        [row] = read_commands(store, "plant")
        shown = asking.get("/devices/car", [PAGE], site="plant").text
        query = command_events.select().where(command_events.c.command_id == row.command.command_id)
        states = [each["to_state"] for each in store.rows(query)]
    # No state twice: it went out once.
    assert (states[-1], len(set(states))) == ("UNKNOWN", len(states)), states
    assert "Command: outcome unknown, being read, sent, not proven" in shown
