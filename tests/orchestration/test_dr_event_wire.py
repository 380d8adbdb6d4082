"""F83 at the socket: an event from its signal to its settlement over real Modbus devices, below PARTIAL and in it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.grid_signals import GridSignals
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.gateways.open import Gateways
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.programmes.listener import Listener
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from orchestration.demand_response.acts import create_event
from orchestration.demand_response.settle import settle_event
from tests.control_faults.socket_audit import audited
from tests.controls.devices import measured
from tests.controls.programmes.test_openadr3 import NAME, SECRET, source
from tests.controls.programmes.test_openadr3 import event as published
from tests.orchestration.test_dr_events import BOB, CYD, SITE, SPAN, START, Here, made  # noqa: F401 - a fixture

_watched: list[list[tuple[str, Any]]] = []


def _note(name: str, arguments: tuple[Any, ...]) -> None:
    # A hook stays for the life of the process: outside a watch it does nothing.
    if _watched and name in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        _watched[-1].append((name, arguments[1] if len(arguments) > 1 else None))


sys.addaudithook(_note)


@contextmanager
def sockets() -> Iterator[list[tuple[str, Any]]]:
    """Connections of this process, and what it sends without one, as the interpreter itself reports them."""
    _watched.append([])
    yield _watched[-1]
    _watched.pop()


class Wired(Here):
    """The same project; its two loads are Modbus servers on the loopback, and the agent speaks to them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        template = load_template("sim_sheddable_load")
        self.units = {
            name: ModbusUnit(template, measure=lambda: measured(template), monotonic=self.time.monotonic, unit_id=unit)
            for unit, name in enumerate(("fans", "light"), 1)
        }
        self.server = ModbusServer(list(self.units.values())).start()
        file, text = folder / "sites" / "plant.yaml", SITE
        for name, unit in self.units.items():
            address = f'address: "127.0.0.1:{self.server.port}/{unit.unit_id}"'
            text = text.replace(f"asset_id: {name},", f"asset_id: {name}, {address},")
        file.write_text(text)
        found = self.project
        found.close()
        self.project = type(found)(str(folder))
        self.gateways = Gateways("plant", self.project.project.settings, self.time)
        context = AgentContext(
            store=self.project.store, site_id="plant", holder="agent", clock=self.time, monotonic=self.time.monotonic,
            transports=self.gateways,
        )  # fmt: skip
        self.agent = Agent(context, devices_of(self.project.site("plant")))

    def close(self) -> None:
        self.agent.stop()
        self.server.stop()
        self.project.close()


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY, Mode.PARTIAL])
def test_fault_f83_from_signal_to_settlement_nothing_that_moves_a_device_leaves_below_partial(
    made: Path, tmp_path: Path, mode: Mode  # noqa: F811 - a fixture
) -> None:  # fmt: skip
    shutil.copytree(made, tmp_path / "p")
    here = Wired(tmp_path / "p")
    here.mode(mode)
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn, audited() as frames, sockets() as seen:
        heard = Listener("plant", VtnClient(source(vtn.url), SECRET), GridSignals(here.project.store), here.time)
        vtn.publish(published("SIMPLE", 1, start=START))
        (signal,) = heard.poll().new
        event, _ = create_event(
            here.project, "plant", "own_peak", SPAN, 7, clock=here.time, source=f"openadr:dso:{signal.event_id}"
        )
        event = here.arm(here.approve(here.approve(here.propose(event, None)), CYD), CYD)
        here.begin()
        assert here.now(event).state in ("active", "restore")
        here.run(3600, step_s=30)
        here.run(1200, step_s=30)
        after, settled = settle_event(here.project, event.event_id, clock=here.time, person=CYD)
        assert (after.state, settled.version) == ("settled", 1)
        ports = {name: {address[1] for kind, address in seen if kind == name} for name in ("socket.connect",)}
    here.close()
    known = {int(vtn.url.rpartition(":")[2]), here.server.port}
    assert ports["socket.connect"] == known, "the server of the signal and the devices, and nobody else"
    assert [each for each in seen if each[0] != "socket.connect"] == []
    writes = {name: unit.writes for name, unit in here.units.items()}
    if mode is Mode.PARTIAL:
        assert frames != []
        assert min(writes.values()) > 0, "the audit sees what is written"
    else:
        assert frames == []
        assert writes == {"fans": 0, "light": 0}
        assert min(unit.reads for unit in here.units.values()) > 0
