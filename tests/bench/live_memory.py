"""Memory of the collector over a day that passes in minutes: `python -m tests.bench.live_memory --hours 24`.

Real Mosquitto, real MQTT adapter, the product's process and drain; only its clock, and that of the meters, runs faster.
A line a simulated hour: MB resident, samples kept, files landed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from assets.stores.live.live_store import LiveReader
from tests.bench.live_bench import cost_of
from tests.live.fast_clock import FastClock
from tests.live.live_sites import mqtt_site_of, project_of
from tests.live.mqtt_tap import Broker, Meters
from tests.test_layers import ROOT

FIRST = datetime(2026, 3, 4, tzinfo=UTC)
METERS, EVERY_S = 10, 10.0


def measure(*, hours: int, speed: float) -> dict[str, object]:
    """One run. grown_mb: from the end of the second hour, when everything has been done once, to the last."""
    with tempfile.TemporaryDirectory() as name:
        folder, rss_mb = Path(name), list[float]()
        broker = Broker(folder)
        project_of(folder, mqtt_site_of(METERS, port=broker.port))
        clock = FastClock.from_now(FIRST, speed=speed)
        command = [sys.executable, "-m", "tests.live.collector_under_test", name, "", str(clock)]
        with (folder / "log").open("wb") as log:
            collector = subprocess.Popen(command, cwd=ROOT, stderr=log)
        meters = Meters(METERS, per_s=METERS * speed / EVERY_S, port=broker.port, clock=clock)
        try:
            for hour in range(1, hours + 1):
                time.sleep(max(0.0, clock.began_s + hour * 3600 / speed - time.time()))
                rss_mb.append(round(cost_of(collector.pid)[1], 1))
                kept = sum(each.accepted for _, each in LiveReader(folder / "var" / "live").states("plant"))
                files = len(list((folder / "landing").glob("*/*.gz")))
                sys.stdout.write(f"hour {hour:>3}: {rss_mb[-1]:>6} MB, {kept:>9,} samples, {files} files\n")
                sys.stdout.flush()
        finally:
            meters.rest()
            collector.send_signal(signal.SIGTERM)
            collector.wait(30)
            broker.kill()
    return {
        "hours": hours, "speed": speed, "samples": kept, "files": files, "rss_mb": [rss_mb[0], rss_mb[-1]],
        "grown_mb": round(rss_mb[-1] - rss_mb[min(1, hours - 1)], 1), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--hours", type=int, default=24)
    options.add_argument("--speed", type=float, default=720.0)
    chosen = options.parse_args()
    sys.stdout.write(json.dumps(measure(hours=chosen.hours, speed=chosen.speed)) + "\n")
