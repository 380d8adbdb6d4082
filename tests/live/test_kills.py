"""Nothing acknowledged is lost and nothing appears twice, whoever is killed: counted by the device, read by other code.

TEST_LIVE_S (seconds), TEST_LIVE_HZ (samples a second of all meters) and TEST_LIVE_SEED make it longer;
TEST_LIVE_TOLD names a file that the outcome is appended to.
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
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self

import pytest

from assets.stores.live.live_store import FILE
from tests.live.live_sites import mqtt_site_of, project_of, site_of
from tests.live.mqtt_tap import Broker, Meters, Tap
from tests.live.numbered import Device
from tests.live.test_spool import lines_of_project
from tests.test_layers import ROOT

LENGTH_S = float(os.environ.get("TEST_LIVE_S", "15"))
RATE_HZ = float(os.environ.get("TEST_LIVE_HZ", "500"))
SEED = int(os.environ.get("TEST_LIVE_SEED", "20"))
METERS = 500


class Plant:
    """The collector as a process that is started again whenever it ends, and what may be done to it."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder, self._command = folder, command
        self.live = folder / "var" / "live"
        self.starts = 0
        self.peak_mb: list[float] = []
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", *self._command], cwd=ROOT, stderr=log)

    @property
    def acts(self) -> "list[Act]":
        """Acts that may happen to it, the worst twice."""
        return [self.kill_collector, self.kill_collector, self.stop_collector, self.fill_disk, self.break_store]

    @property
    def spool(self) -> Path:
        """Folder of what it acknowledged."""
        return self.live / "spool" / "plant"

    def counts(self) -> dict[str, Any]:
        """Its part of the outcome."""
        return {"starts": self.starts, "rss_mb": [round(self.peak_mb[0]), round(max(self.peak_mb))]}

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

    def wait_for(self, is_there: Callable[[], bool], *, within_s: float = 30) -> None:
        """Until the first sample is acknowledged; else what the collector said."""
        until_s = time.monotonic() + within_s
        while not is_there():
            assert time.monotonic() < until_s, (self.folder / "log").read_text()[-3000:]
            self.look()
            time.sleep(0.2)

    def between(self, acts: "list[Act]", chance: random.Random, *, until_s: float) -> Counter[str]:
        """One act after the other, with a while of peace after each."""
        done = Counter[str]()
        while time.monotonic() < until_s:
            act = chance.choice(acts)
            done[act.__name__] += 1
            act(chance)
            peace_s = time.monotonic() + min(LENGTH_S / 8, chance.uniform(1.0, 10.0))
            while time.monotonic() < peace_s:
                self.look()
                time.sleep(0.2)
        self.look()
        return done


Act = Callable[[random.Random], None]


def keep_outcome(**reported: Any) -> dict[str, Any]:
    """The outcome, kept where the environment names a file."""
    if path := os.environ.get("TEST_LIVE_TOLD"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"seed": SEED, **reported}) + "\n")
    return reported


@pytest.mark.real
@pytest.mark.timeout(LENGTH_S + 180)
def test_fault_f31_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    points = [each.point for each in site_of(METERS).sources[0].points]
    project_of(tmp_path, site_of(METERS))
    with Device(points, per_s=RATE_HZ) as device:

        def cut_wire(_: random.Random) -> None:
            device.drop()

        command = ["tests.live.collector_under_test", str(tmp_path), str(device.port)]
        with Plant(tmp_path, *command) as plant:
            plant.wait_for(lambda: bool(device.acknowledged))
            began_s = time.monotonic()
            done = plant.between([*plant.acts, cut_wire], chance, until_s=began_s + LENGTH_S)
            is_all_told = device.rest(60)
    numbers = [int(fields[6]) for fields in lines_of_project(tmp_path)]
    kept, lost = set(numbers), device.acknowledged - set(numbers)
    size = keep_outcome(
        wire="socket", seconds=round(time.monotonic() - began_s), sent=device.sent,
        acknowledged=len(device.acknowledged), lost=len(lost), never_sent=len(kept - set(range(1, device.sent + 1))),
        kept_again_for_the_drain=len(numbers) - len(kept), resent=device.resent, acts=dict(done), **plant.counts(),
    )  # fmt: skip
    assert lost == set(), size
    assert is_all_told, size
    assert kept == set(range(1, device.sent + 1)), size


@pytest.mark.real
@pytest.mark.timeout(LENGTH_S + 180)
def test_fault_f31_f38_nothing_acknowledged_to_a_broker_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    chance, broker = random.Random(SEED), Broker(tmp_path)
    tap, meters = Tap(broker.port), Meters(METERS, per_s=RATE_HZ, port=broker.port)
    project_of(tmp_path, mqtt_site_of(METERS, port=tap.port))

    def kill_broker(chance: random.Random) -> None:
        broker.kill()
        time.sleep(chance.uniform(0, 1))
        broker.start()

    try:
        with Plant(tmp_path, "controls.collector.main", "--project", str(tmp_path)) as plant:
            plant.wait_for(lambda: bool(tap.acknowledged))
            # What was sent before the broker knew of the collector is kept for nobody, whether or not one is killed.
            unheard, began_s = list(meters.sent), time.monotonic()
            done = plant.between([*plant.acts, kill_broker, kill_broker], chance, until_s=began_s + LENGTH_S)
            meters.rest()
            before = -1
            while len(tap.acknowledged) != before:
                before = len(tap.acknowledged)
                time.sleep(8)
    finally:
        meters.rest()
        tap.close()
        broker.kill()
    rows = [(f"plant/{each[1].partition('.')[0]}", int(each[6])) for each in lines_of_project(tmp_path)]
    kept, sent = set(rows), {(f"plant/m{n}", seq + 1) for n, last in enumerate(meters.sent) for seq in range(last)}
    lost = tap.acknowledged - kept
    size = keep_outcome(
        wire="mqtt", seconds=round(time.monotonic() - began_s), sent=len(sent), acknowledged=len(tap.acknowledged),
        lost=len(lost), never_sent=len(kept - sent), kept_again_for_the_drain=len(rows) - len(kept),
        never_acknowledged=len(sent - tap.acknowledged), acts=dict(done), **plant.counts(),
    )  # fmt: skip
    assert lost == set(), size
    assert kept <= sent, size
    # A broker that is killed forgets what it had promised to pass on; nothing else is missing.
    since = {(f"plant/m{n}", seq) for n, last in enumerate(meters.sent) for seq in range(unheard[n] + 1, last + 1)}
    assert done["kill_broker"] or kept >= since, size
