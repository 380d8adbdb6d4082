"""The agent under load: seconds from a released command to the device's own read-back, CPU and memory of the agent.

Run: `.venv/bin/python -m tests.bench.agent_bench --devices 500 --seconds 60`. Devices are real MQTT clients in other
processes behind a real Mosquitto, the ledger is SQLite, and the agent's process is held to one core. Each device gets
one set-point every ten seconds, spread over them, or all at the same moment with --burst.
"""

import argparse
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from assets.stores.event_chain import append_events
from assets.stores.schema.tables_control import command_events, commands, plans
from assets.stores.seals import append, append_row
from assets.stores.transactions import Store, open_store, site_transaction
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.site_values import SiteValues
from controls.gateways.broker import start_broker
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.ledger.modes import set_mode
from controls.ledger.rows import Moves, select_commands, transition
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Command, CommandState, Mode
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from data_quality.contracts.yaml_file import load_model
from tests.controls.agent.plant import Plant, PlantDevice, Time
from tests.controls.ledger.rows_of import CARLA

ROOT = Path(__file__).parents[2]
EVERY_S = 10
# A little past the next set-point, so that the one before is followed and not ended.
WINDOW_S = 14
# Until every device was read once after a start.
SETTLE_S = 15
WANTED_S = 2.0
# The renewals of a lease and of a set-point still fit between two cycles.
DAY_STEP_S = 4
WHOLE_DAY_H = 24
DAY_KEPT = Path(__file__).parents[1] / "control_faults" / "day.json"
# Each client has three handles, and its library waits with select(), which knows 1,024.
PER_PROCESS = 250
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def serve(address: BrokerAddress, first: int, last: int, silent: int) -> None:
    """One process of devices: until it is ended."""
    template = load_template("sim_pv_inverter")
    for number in range(first, last):
        device = MqttServedDevice(
            template, address=address, site_id="home", device_id=f"pv{number}", measure=lambda: {"read_power_kw": 1.0},
            clock=SystemClock(), monotonic=time.monotonic, tick_s=3600.0,
        )  # fmt: skip
        device.start()
        device.fault = "silent" if number < silent else "none"
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.pause()


def project_folder(folder: Path, count: int) -> None:
    """A project with one site of that many inverters."""
    assets = [{"asset_id": f"pv{number}", "kind": "pv", "template": "sim_pv_inverter"} for number in range(count)]
    site = {
        "site_id": "home", "name": "Bench", "time_zone": "Europe/Prague", "currency": "CZK", "country": "CZ",
        "meters": [{"meter_id": "grid"}], "assets": assets,
    }  # fmt: skip
    (folder / "sites").mkdir(parents=True)
    (folder / "sites" / "home.yaml").write_text(yaml.safe_dump(site))


def send(
    store: Store, version: int, devices: Sequence[int], at: datetime, window_s: float = WINDOW_S
) -> dict[str, datetime]:
    """A plan with one command for each of these devices, released in the transaction that stores it; when it stood."""
    plan_id, value = f"p{version}", 6.0 + version % 7 / 4
    until = at + timedelta(seconds=window_s)
    items = [
        Command(
            command_id=f"{plan_id}-{number}",
            idempotency_key=f"{plan_id}-{number}",
            plan_id=plan_id,
            plan_hash="h",
            site_id="home",
            device_id=f"pv{number}",
            capability="set_power_limit_kw",
            value=value,
            unit="kw",
            seq=0,
            epoch=0,
            valid_from_utc=at,
            valid_until_utc=until,
            ttl_s=45.0,
        )
        for number in devices
    ]
    with site_transaction(store, "home") as connection:
        made = {"created_at_utc": at.isoformat()}
        append_row(
            connection, plans, plan_id=plan_id, site_id="home", version=version, plan_hash="h", input_digest="d",
            plan=made, recorded_at_utc=at,
        )  # fmt: skip
        others = {"state": "PROPOSED", "facts": {}, "recorded_at_utc": at}
        append(connection, commands, [each.model_dump() | others for each in items])
        events: list[dict[str, Any]] = [
            {
                "site_id": "home", "command_id": each.command_id, "from_state": None, "to_state": "PROPOSED",
                "reason": "planned", "facts": {"epoch": 0, "seq": 0}, "at_utc": at,
            }
            for each in items
        ]  # fmt: skip
        append_events(connection, "home", events)
        moves = Moves()
        for row in select_commands(connection, "home", command_ids=[each.command_id for each in items]):
            transition(connection, row, CommandState.RELEASED, at_utc=at, reason="released", together=moves)
        assert moves.write(connection, "home")
    return dict.fromkeys((each.command_id for each in items), SystemClock().now_utc())


def latencies(store: Store, released: dict[str, datetime], silent: int) -> tuple[list[float], int]:
    """Seconds from the released command to VERIFIED, sorted; and how many never got there. Without silent devices."""
    verified: dict[str, datetime] = {}
    for row in store.rows(command_events.select().where(command_events.c.to_state == "VERIFIED")):
        verified.setdefault(row["command_id"], row["at_utc"])
    wanted = {name: at for name, at in released.items() if int(name.rpartition("-")[2]) >= silent}
    found = sorted((verified[name] - at).total_seconds() for name, at in wanted.items() if name in verified)
    return found, len(wanted) - len(found)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / _TICK


def rss_mib(pid: int) -> float:
    """Memory of a process that is in use, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def bench(count: int, seconds: int, *, is_burst: bool = False, silent: int = 0) -> None:
    """One line. Wanted: p95 of two seconds, and as much memory at the end as at the start."""
    with tempfile.TemporaryDirectory(prefix="mlb") as name, ExitStack() as stack:
        folder = Path(name)
        project_folder(folder, count)
        broker = stack.enter_context(start_broker(folder / "b"))
        address = broker.address
        served = []
        for first in range(0, count, PER_PROCESS):
            document = json.dumps([address.model_dump(), first, min(count, first + PER_PROCESS), silent])
            serving = [sys.executable, "-m", "tests.bench.agent_bench", "--serve", document]
            served.append(subprocess.Popen(serving, cwd=ROOT, stdout=subprocess.PIPE))
            stack.callback(served[-1].kill)
        names = {"USERNAME": address.username, "PASSWORD": address.password, "PORT": str(address.port)}
        env = {f"METERLOOM_MQTT__{name}": document for name, document in names.items()}
        store = open_store(load_project(folder, env).store_url)
        stack.callback(store.close)
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="bench", clock=SystemClock())
        for devices in served:
            assert devices.stdout is not None
            assert devices.stdout.readline() == b"ready\n"
        agent = subprocess.Popen(
            [sys.executable, "-m", "controls.agent.main", "--project", str(folder), "--site", "home"],
            cwd=ROOT, env={**os.environ, **env}, stderr=(folder / "agent.log").open("wb"),
        )  # fmt: skip
        stack.callback(agent.kill)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(agent.pid, {max(os.sched_getaffinity(0))})
        while "agent of" not in (folder / "agent.log").read_text():
            time.sleep(0.2)
        time.sleep(SETTLE_S)
        released: dict[str, datetime] = {}
        cpu, memory, wall = cpu_s(agent.pid), rss_mib(agent.pid), time.monotonic()
        for second in range(seconds):
            time.sleep(max(0.0, wall + second - time.monotonic()))
            due = range(count) if is_burst else range(second % EVERY_S, count, EVERY_S)
            if not is_burst or second % EVERY_S == 0:
                released |= send(store, second + 1, due, SystemClock().now_utc())
        time.sleep(EVERY_S)
        share = (cpu_s(agent.pid) - cpu) / (time.monotonic() - wall)
        found, lost = latencies(store, released, silent)
        if not found:
            sys.exit((folder / "agent.log").read_text() or "nothing was proven")
        at = {share: found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.95, 1.0)}
        sys.stdout.write(
            f"agent, {count} devices ({silent} silent), {'all at once' if is_burst else 'spread'}, each every "
            f"{EVERY_S} s for {seconds} s: {len(found)} proven, {lost} not; released to read back p50 {at[0.5]:.2f} s, "
            f"p95 {at[0.95]:.2f} s (wanted {WANTED_S:g}), max {at[1.0]:.2f} s; {share:.0%} of a core; "
            f"{memory:.0f} -> {rss_mib(agent.pid):.0f} MiB\n"
        )
        agent.terminate()
        agent.wait(20)


def day(count: int, hours: int) -> None:
    """A day of simulated time with a set-point each five minutes: one line of memory an hour. Wanted: a flat line.

    What a whole day came to stands in tests/control_faults/day.json, which docs/ems/faults.md prints.
    """
    taken_mib, began_s = list[float](), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlb") as name:
        project_folder(Path(name), count)
        store, hand = open_store(f"sqlite:///{Path(name) / 'store.db'}"), Time()
        site = load_model(Path(name) / "sites" / "home.yaml", Site)
        load = functools.cache(load_template)
        plant = Plant(hand)
        plant.devices = {each.asset_id: PlantDevice(load(each.template), hand) for each in site.assets}
        for device in plant.devices.values():
            # The test's own record of every write would be all that grows.
            device.writes = deque(maxlen=10)  # type: ignore[assignment]
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="bench", clock=hand)
        bench = AgentContext(
            store=store, site_id="home", holder="day", clock=hand, monotonic=hand.monotonic, transports=plant,
            site=SiteValues(site, load),
        )  # fmt: skip
        agent = Agent(bench, devices_of(site, load))
        for second in range(0, hours * 3600, DAY_STEP_S):
            if second % 300 == 60:
                send(store, second, range(count), hand.wall, window_s=290)
            agent.cycle()
            hand.pass_(DAY_STEP_S)
            if second % 3600 == 3600 - DAY_STEP_S:
                gc.collect()
                done = bench.counts["state", "VERIFIED"]
                taken_mib.append(round(rss_mib(os.getpid()), 1))
                sys.stdout.write(f"agent, hour {len(taken_mib)}: {taken_mib[-1]} MiB, {done} proven\n")
                sys.stdout.flush()
        store.close()
    if hours >= WHOLE_DAY_H:
        record = {
            "on": datetime.now(tz=UTC).date().isoformat(), "hours": hours, "devices": count, "proven": done,
            "first_mib": taken_mib[0], "most_mib": max(taken_mib), "last_mib": taken_mib[-1],
            "seconds": round(time.monotonic() - began_s, 1),
        }  # fmt: skip
        DAY_KEPT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """The bench's command line."""
    options = argparse.ArgumentParser(description="Released command to read-back, CPU and memory of the agent.")
    options.add_argument("--devices", type=int, default=500)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--silent", type=int, default=0, help="so many of them never answer")
    options.add_argument("--burst", action="store_true", help="all set-points at the same moment")
    options.add_argument("--day", type=int, default=0, metavar="HOURS", help="so many hours of simulated time instead")
    options.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = options.parse_args(arguments)
    if chosen.serve:
        address, *numbers = json.loads(chosen.serve)
        serve(BrokerAddress(**address), *numbers)
    elif chosen.day:
        day(chosen.devices, chosen.day)
    else:
        bench(chosen.devices, chosen.seconds, is_burst=chosen.burst, silent=chosen.silent)


if __name__ == "__main__":
    main(sys.argv[1:])
