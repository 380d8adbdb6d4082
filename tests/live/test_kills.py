"""Nothing acknowledged is lost and nothing stands twice, whoever is killed: counted by the device, read by other code.

METERLOOM_LIVE_S (seconds), METERLOOM_LIVE_HZ (samples a second of all meters) and METERLOOM_LIVE_SEED make it longer;
METERLOOM_LIVE_TOLD names a file that the outcome is appended to.
"""

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from assets.stores.live.live_store import FILE
from tests.live.live_sites import site_of
from tests.live.numbered import Device
from tests.live.test_spool import kept_in
from tests.test_layers import ROOT

LENGTH_S = float(os.environ.get("METERLOOM_LIVE_S", "15"))
RATE_HZ = float(os.environ.get("METERLOOM_LIVE_HZ", "500"))
SEED = int(os.environ.get("METERLOOM_LIVE_SEED", "20"))
METERS = 500


class Plant:
    """The collector as a process that is started again whenever it ends, and what may be done to it."""

    def __init__(self, folder: Path, device: Device) -> None:
        self.folder, self.device = folder, device
        self.live = folder / "var" / "live"
        self.starts = 0
        self.peak_mb: list[float] = []
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        with (self.folder / "log").open("ab") as log:
            arguments = [str(self.folder), str(self.device.port), str(METERS)]
            return subprocess.Popen(
                [sys.executable, "-m", "tests.live.collector_under_test", *arguments], cwd=ROOT, stderr=log
            )

    def look(self) -> None:
        """Bring it back where it has ended, and note its memory."""
        if self.process.poll() is not None:
            self.process = self._started()
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            self.peak_mb.append(int(next(x for x in status.splitlines() if "VmRSS" in x).split()[1]) / 1024)

    def kill_collector(self, _: random.Random) -> None:
        self.process.kill()
        self.process.wait()

    def stop_collector(self, _: random.Random) -> None:
        self.process.terminate()
        self.process.wait(20)

    def kill_wire(self, _: random.Random) -> None:
        self.device.drop()

    def fill_disk(self, chance: random.Random) -> None:
        """No file of the process may grow any more, then it may again: what a full disk looks like to it."""
        soft, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        with suppress(ProcessLookupError):
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (chance.randrange(1, 200_000), hard))
            time.sleep(chance.uniform(0.3, 1.5))
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def break_store(self, chance: random.Random) -> None:
        """The live store is overwritten, removed, or held by another for longer than the collector waits."""
        file = self.live / FILE
        match chance.randrange(3):
            case 0:
                file.write_bytes(bytes(chance.randrange(256) for _ in range(5000)))
            case 1:
                file.unlink(missing_ok=True)
            case 2:
                with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=1)) as db:
                    db.execute("begin exclusive")
                    time.sleep(2.5)


@contextmanager
def plant_in(folder: Path, device: Device) -> Iterator[Plant]:
    plant = Plant(folder, device)
    try:
        yield plant
    finally:
        plant.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            plant.process.wait(20)
        plant.process.kill()
        plant.process.wait()


@pytest.mark.real
@pytest.mark.timeout(LENGTH_S + 180)
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    chance, done = random.Random(SEED), Counter[str]()
    points = [each.point for each in site_of(METERS).sources[0].points]
    began_s = time.monotonic()
    with Device(points, per_s=RATE_HZ) as device, plant_in(tmp_path, device) as plant:
        acts = [plant.kill_collector, plant.kill_collector, plant.kill_wire, plant.fill_disk, plant.break_store]
        acts += [plant.stop_collector]
        while not device.acknowledged:
            plant.look()
            time.sleep(0.2)
        while time.monotonic() - began_s < LENGTH_S:
            act = chance.choice(acts)
            done[act.__name__] += 1
            act(chance)
            until_s = time.monotonic() + min(LENGTH_S / 8, chance.uniform(1.0, 10.0))
            while time.monotonic() < until_s:
                plant.look()
                time.sleep(0.2)
        plant.look()
        is_all_told = device.rest(60)
    spool = plant.live / "spool" / "plant"
    numbers = kept_in(spool)
    kept, times = set(numbers), Counter(numbers)
    lost = device.acknowledged - kept
    told = {
        "seed": SEED, "seconds": round(time.monotonic() - began_s), "sent": device.sent,
        "acknowledged": len(device.acknowledged), "lost": len(lost),
        "unasked": len(kept - set(range(1, device.sent + 1))),
        "at_least_once_doubles": sum(times.values()) - len(times), "resent": device.resent,
        "starts": plant.starts, "acts": dict(done), "rss_mb": [round(plant.peak_mb[0]), round(max(plant.peak_mb))],
    }  # fmt: skip
    if path := os.environ.get("METERLOOM_LIVE_TOLD"):
        with Path(path).open("a") as file:
            file.write(json.dumps(told) + "\n")
    assert lost == set(), told
    assert is_all_told, told
    assert kept == set(range(1, device.sent + 1)), told
