"""Parts of a real installation as processes that can be killed: `python -m tests.control_faults.real_parts PART`.

`devices` serves a battery on Modbus and an inverter on MQTT for each site and logs what they hold, sampled ten times a
second; `daemon` releases plans, as the dispatch run does; `agent` is the product's own, which dies at the point of its
work that TEST_KILL_AT names.
"""

import argparse
import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

from assets.stores.transactions import connect_store
from controls.agent import main as agent_main
from controls.agent.context import AgentContext
from controls.agent.planned import planned_check
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.serve_modbus import ModbusServer, ModbusUnit
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.time import SystemClock

SAMPLE_S = 0.1
SAFE = {"battery": 0.0, "pv": 8.0}
CAPABILITY = {"battery": "set_charge_power_kw", "pv": "set_power_limit_kw"}
KILL_AT = "TEST_KILL_AT"


def site_name(number: int) -> str:
    """Sites are numbered from 1, as their units are."""
    return f"s{number}"


def devices(sites: int, modbus_port: int, address: BrokerAddress, log: Path) -> None:
    """Serve until killed. A line of the log: when (monotonic, one clock for all processes), which device, its value."""
    templates = {"battery": load_template("sim_battery_10kwh"), "pv": load_template("sim_pv_inverter")}
    measured = {"read_soc_percent": 50.0, "read_power_kw": 0.0}
    now = time.monotonic
    units = [
        ModbusUnit(templates["battery"], measure=lambda: measured, monotonic=now, unit_id=number)
        for number in range(1, sites + 1)
    ]
    ModbusServer(units, port=modbus_port).start()
    inverters = [
        MqttServedDevice(
            templates["pv"],
            address=address,
            site_id=site_name(number),
            device_id="pv",
            measure=lambda: {"read_power_kw": 1.0},
            clock=SystemClock(),
            monotonic=now,
        ).start()
        for number in range(1, sites + 1)
    ]
    held: dict[str, float] = {}
    with log.open("a", encoding="utf-8", buffering=1) as file:
        while True:
            for number, (unit, inverter) in enumerate(zip(units, inverters, strict=True), start=1):
                for name, served in (("battery", unit), ("pv", inverter)):
                    device, value = f"{site_name(number)}/{name}", served.leases[CAPABILITY[name]].state(now()).value
                    if held.get(device) != value:
                        held[device] = value
                        kind = "home" if value == SAFE[name] else "applied"
                        line = {"at_s": now(), "kind": kind, "device": device, "value": value}
                        file.write(json.dumps(line) + "\n")
            time.sleep(SAMPLE_S)


def daemon(root: Path, sites: int) -> None:
    """Release whatever is planned, over and over, and outlive a store that is away."""
    project = load_project(root, os.environ)
    store, clock = connect_store(project.store_url), SystemClock()
    names = [site_name(number) for number in range(1, sites + 1)]
    checks = {name: planned_check(find_site(project, name)) for name in names}
    while True:
        try:
            for name in names:
                rows = read_commands(store, name, states=[CommandState.PROPOSED])
                for plan_id in dict.fromkeys(row.command.plan_id for row in rows):
                    release(store, name, plan_id, clock=clock, check=checks[name])
        except WorldFault:
            pass
        time.sleep(0.5)


def agent(arguments: list[str]) -> int:
    """The agent's own command line; killed by itself at the point that the environment names."""
    point = os.environ.get(KILL_AT, "")

    def hook(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    if point:
        agent_main.AgentContext = functools.partial(AgentContext, hook=hook)  # type: ignore[misc, assignment]
    return agent_main.main(arguments)


def main() -> int:
    """One part, by its name."""
    part, *rest = sys.argv[1:]
    if part == "agent":
        return agent(rest)
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--sites", type=int, required=True)
    parser.add_argument("--modbus-port", type=int, default=0)
    chosen = parser.parse_args(rest)
    if part == "daemon":
        daemon(chosen.root, chosen.sites)
    mqtt = load_project(chosen.root, os.environ).settings.mqtt
    address = BrokerAddress(host=mqtt.host, port=mqtt.port, username=mqtt.username, password=mqtt.password)
    devices(chosen.sites, chosen.modbus_port, address, chosen.root / "devices.jsonl")
    return 0


if __name__ == "__main__":
    sys.exit(main())
