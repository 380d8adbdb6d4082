"""Live readings under load: seconds from a meter's message to the live store, CPU and memory of the collector.

Run: `.venv/bin/python -m tests.bench.live_bench --hz 500 --seconds 60`. Five hundred meters publish with QoS 1 from a
process of their own over a real Mosquitto; the collector is the product's process, held to one core with --one-core.
Each value carries the instant at which it was made, and is looked for in the live store forty times a second.
"""

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from assets.stores.live.live_store import FILE, LiveReader
from tests.bench.live_replay import bench as replay
from tests.live.live_sites import mqtt_site_of, project_of
from tests.live.mqtt_tap import Broker, Meters
from tests.test_layers import ROOT

METERS = 500
LOOK_S = 0.025
# Until the collector has connected and both ends run evenly.
SETTLE_S = 10.0


def publish(port: int, per_s: float) -> None:
    """The meters' process: until it is ended."""
    meters = Meters(METERS, per_s=per_s, port=port)
    signal.sigwait({signal.SIGTERM})
    meters.rest()


def latencies_s(file: Path, *, until_s: float) -> list[float]:
    """Age of each newest value at the moment when it is first seen in the store."""
    seen: dict[str, float] = {}
    found: list[float] = []
    settled_s = time.monotonic() + SETTLE_S
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        while time.monotonic() < until_s:
            rows, now_s = db.execute("select point, at_utc from points").fetchall(), time.time()
            fresh = [(point, at_s) for point, at_s in rows if seen.get(point) != at_s]
            seen |= dict(fresh)
            if time.monotonic() > settled_s:
                found += [now_s - at_s for _, at_s in fresh]
            time.sleep(LOOK_S)
    return found


def cost_of(process: int) -> tuple[float, float]:
    """CPU seconds so far, and MB in memory now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    resident = Path(f"/proc/{process}/statm").read_text().split()[1]
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(resident) * 4096 / 2**20


def kept_in(folder: Path) -> int:
    """Samples that the collector says are durable."""
    return sum(each.accepted for _, each in LiveReader(folder).states("plant"))


def measure(
    *, per_s: float, seconds: float, is_one_core: bool,
    environment: Mapping[str, str] = {}, beside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Any]:  # fmt: skip
    """One run. environment: of the collector besides; beside: what goes on as long as it is measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder)
        project_of(folder, mqtt_site_of(METERS, port=broker.port))
        command = [sys.executable, "-m", "controls.collector.main", "--project", name]
        publisher = [sys.executable, "-m", "tests.bench.live_bench", "--publish", str(broker.port), "--hz", str(per_s)]
        with (folder / "log").open("wb") as log:
            collector = subprocess.Popen(command, cwd=ROOT, stderr=log, env=os.environ | dict(environment))
        meters = subprocess.Popen(publisher, cwd=ROOT)
        try:
            if is_one_core:
                os.sched_setaffinity(collector.pid, {0})
            file = folder / "var" / "live" / FILE
            while not file.exists():
                time.sleep(0.1)
            time.sleep(1)
            began_s, before, kept_before = time.monotonic(), cost_of(collector.pid), kept_in(file.parent)
            with beside():
                found = sorted(latencies_s(file, until_s=began_s + seconds))
            after, took_s, kept = cost_of(collector.pid), time.monotonic() - began_s, kept_in(file.parent)
        finally:
            for child in (meters, collector):
                child.send_signal(signal.SIGTERM)
                child.wait(30)
            broker.kill()
    return {
        "hz": per_s, "seconds": round(took_s), "values_seen": len(found),
        "p50_s": round(statistics.median(found), 3), "p95_s": round(found[int(len(found) * 0.95)], 3),
        "max_s": round(found[-1], 3), "cpu_share": round((after[0] - before[0]) / took_s, 2),
        # Of CPU, which a busy neighbour hardly changes: what it costs to receive, keep, show and acknowledge one.
        "cpu_s": round(after[0] - before[0], 2),
        "cpu_us": round((after[0] - before[0]) / max(1, kept - kept_before) * 1e6),
        "rss_mb": [round(before[1]), round(after[1])], "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def bench(seconds: float = 60.0) -> None:
    """A line for 500 and one for 5,000 messages a second."""
    for per_s in (500.0, 5000.0):
        found = measure(per_s=per_s, seconds=seconds, is_one_core=True)
        sys.stdout.write(
            f"live    {per_s:>6.0f} messages a second: p95 {found['p95_s']} s to the live store, "
            f"{found['cpu_share']} of a core, {found['cpu_us']} us a message, {found['rss_mb']} MB before and after\n"
        )
    replay(900)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hz", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("--publish", type=int, help="port; used by the bench itself")
    options = parser.parse_args()
    if options.publish:
        publish(options.publish, options.hz)
        return
    reported = measure(per_s=options.hz, seconds=options.seconds, is_one_core=options.one_core)
    sys.stdout.write(json.dumps(reported) + "\n")


if __name__ == "__main__":
    main()
