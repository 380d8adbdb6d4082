"""Every acknowledged sample is in the lake exactly once, whoever is killed on the way: counted there, by what the
device says that it told.

The meters tell the amount of each minute, and no two minutes of a quarter hour alike: 2^15 kWh and 2^k for the k-th. So
the sum that stands in the lake says how many of them it holds, and which. The clock runs 180 times as fast.
`python -m tests.live.test_lake_count --seconds 600 --seed 3` is the long run.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.open_project import OpenProject
from tests.live.fast_clock import FastClock
from tests.live.live_sites import amounts_site_of, project_of
from tests.live.numbered import Device
from tests.live.test_kills import SEED, Plant

FIRST = datetime(2026, 3, 4, 12, tzinfo=UTC)
SPEED, METERS, MINUTES = 180.0, 200, 15
QUARTER_S = MINUTES * 60 / SPEED
EACH_KWH = 1 << MINUTES
# Nothing new in the lake for so long: nothing more comes.
PATIENCE_S = 45.0
Key = tuple[str, datetime]


class Minutes(Device):
    """Meters that tell the amount of each minute at its end."""

    def __init__(self, *, quarters: int) -> None:
        points = [each.point for each in amounts_site_of(METERS).sources[0].points]
        super().__init__(points, per_s=METERS * SPEED / 60, last=quarters * MINUTES * METERS)

    def sample_of(self, number: int) -> tuple[str, float, int]:
        meter, minute, amount_kwh = minute_of(number)
        return f"{meter}.kwh", float(amount_kwh), round((FIRST + timedelta(minutes=minute + 1)).timestamp() * 1e6)


def minute_of(number: int) -> tuple[str, int, int]:
    """Meter, minute since the first and amount (kWh) of a sample's number, from 1."""
    minute, meter = divmod(number - 1, METERS)
    return f"m{meter}", minute, EACH_KWH + (1 << minute % MINUTES)


def sums_kwh(numbers: Collection[int]) -> dict[Key, int]:
    """Sums of these samples, by meter and quarter hour."""
    found: Counter[Key] = Counter()
    for number in numbers:
        meter, minute, amount_kwh = minute_of(number)
        found[meter, FIRST + timedelta(minutes=minute // MINUTES * MINUTES)] += amount_kwh
    return dict(found)


def in_lake_kwh(folder: Path) -> dict[Key, int]:
    """Values in the lake, by meter and quarter hour."""
    opened = OpenProject(str(folder))
    rows = opened.lake.current("plant").select("meter_id", "interval_start_utc", "value").rows()
    opened.close()
    found = {(meter, at.astimezone(UTC)): round(value) for meter, at, value in rows}
    assert len(found) == len(rows)
    return found


class Ingest(Plant):
    """Ingestion of the landing folder, to be killed too."""

    def kill_ingest(self, chance: random.Random) -> None:
        """At any moment, or while a block of the lake is being written."""
        if chance.random() < 0.6:
            wait_for_any(self.folder / "var", "**/.tmp-*", within_s=1.5 * QUARTER_S)
        else:
            time.sleep(chance.uniform(0, 2))
        self.process.kill()
        self.process.wait()
        self.look()


class Landing(Plant):
    """The collector, which may also die in the middle of a drain."""

    def kill_drain(self, chance: random.Random) -> None:
        """While a file is half written, or when it stands there and its pieces are still in the spool."""
        where = chance.choice([(self.folder / "landing", "*/.*.part"), (self.live / "carry", "*/.*.part")])
        if chance.random() < 0.5:
            landed = len(list((self.folder / "landing").glob("*/*.gz")))
            until_s = time.monotonic() + 1.5 * QUARTER_S
            while len(list((self.folder / "landing").glob("*/*.gz"))) == landed and time.monotonic() < until_s:
                time.sleep(0.001)
        else:
            wait_for_any(*where, within_s=1.5 * QUARTER_S)
        self.process.kill()
        self.process.wait()


def wait_for_any(folder: Path, pattern: str, *, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while next(folder.glob(pattern), None) is None and time.monotonic() < until_s:
        time.sleep(0.001)


def counted(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Kill for so long, let everything come to an end, and count."""
    chance, quarters = random.Random(seed), round(seconds / QUARTER_S)
    project_of(folder, amounts_site_of(METERS))
    with Minutes(quarters=quarters) as device:
        clock = str(FastClock.from_now(FIRST, speed=SPEED))
        command = ["tests.live.collector_under_test", str(folder), str(device.port), clock]
        with (
            Landing(folder, *command) as plant,
            Ingest(folder, "tests.live.ingest_under_test", str(folder), clock) as ingest,
        ):
            began_s = time.monotonic()

            def cut_wire(_: random.Random) -> None:
                device.drop()

            acts = [plant.kill_collector, plant.kill_drain, plant.kill_drain, plant.fill_disk, cut_wire]
            done = plant.between([*acts, ingest.kill_ingest, ingest.kill_ingest], chance, until_s=began_s + seconds)
            while device.sent < quarters * MINUTES * METERS and time.monotonic() < began_s + 2 * seconds:
                time.sleep(0.1)
            is_all_told = device.rest(30)
            wanted, found, until_s = sums_kwh(device.acknowledged), dict[Key, int](), time.monotonic() + PATIENCE_S
            while found != wanted and time.monotonic() < until_s:
                time.sleep(0.5)
                plant.look()
                ingest.look()
                before, found = found, in_lake_kwh(folder)
                # On a busy machine what waits is read late, and nothing is lost as long as more comes.
                until_s = until_s if found == before else time.monotonic() + PATIENCE_S
    counts = {key: found.get(key, 0) // EACH_KWH - reported // EACH_KWH for key, reported in wanted.items()}
    return {
        "seed": seed, "seconds": round(time.monotonic() - began_s), "sent": device.sent,
        "acknowledged": len(device.acknowledged), "is_all_told": is_all_told, "resent": device.resent,
        "lost": -sum(each for each in counts.values() if each < 0),
        "doubled": sum(each for each in counts.values() if each > 0),
        "other": sum(found.get(key) != value for key, value in wanted.items()) + len(found.keys() - wanted.keys()),
        "quarter_hours": len(wanted), "files": len(list((folder / "landing").glob("*/*.gz"))), "acts": dict(done),
        "starts": [plant.starts, ingest.starts], "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(290)
def test_fault_f31_every_acknowledged_sample_is_in_the_lake_once(tmp_path: Path) -> None:
    counts = counted(tmp_path, seconds=20, seed=SEED)
    assert (counts["lost"], counts["doubled"], counts["other"], counts["is_all_told"]) == (0, 0, 0, True), counts
    assert counts["sent"] == counts["acknowledged"] == 4 * MINUTES * METERS, counts


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=600.0)
    options.add_argument("--seed", type=int, default=SEED)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(json.dumps(counted(Path(name), seconds=chosen.seconds, seed=chosen.seed)) + "\n")
