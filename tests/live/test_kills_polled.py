"""The collector killed while a smart meter and a BACnet controller speak, which acknowledge nothing and keep nothing.

What counts as told is what stood on the live board, where a value comes only once it is on disk: each of those must be
in the spool or the landing folder afterwards, once, and nothing that the devices did not say.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from assets.stores.live.live_store import LiveReader
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.sample_line import micros
from data_quality.contracts.yaml_file import yaml_text
from tests.live.kinds import BacnetController, P1Device
from tests.live.test_kills import LENGTH_S, SEED, Plant, keep_outcome
from tests.live.test_spool import lines_of_project

Seen = tuple[str, str, int, float]
KINDS = {"p1_tcp": (P1Device, "main"), "bacnet": (BacnetController, "second")}


class Onlooker:
    """Remembers every register that stood on the board: source, point, microsecond, value."""

    def __init__(self, folder: Path) -> None:
        self._reader, self._end = LiveReader(folder), threading.Event()
        self.seen: set[Seen] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            # The store is broken on purpose too.
            with suppress(Unreachable, ValueError, TypeError):
                shown = self._reader.values("plant")
                self.seen |= {(x.source_id, x.point, micros(x.at_utc), x.value) for x in shown if x.what == "register"}

    def close(self) -> None:
        self._end.set()
        self._thread.join()


@contextmanager
def devices_of(folder: Path) -> Iterator[None]:
    """Both devices, and the project whose site listens to them."""
    made = {kind: (device(folder), stream) for kind, (device, stream) in KINDS.items()}
    sources = [
        each.source() | {"source_id": kind, "points": [point | {"stream": stream} for point in each.source()["points"]]}
        for kind, (each, stream) in made.items()
    ]
    meters = [{"meter_id": stream, "registers": [{"kind": "cumulative"}]} for _, stream in made.values()]
    site = {"site_id": "plant", "name": "Plant", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
    (folder / "sites").mkdir()
    (folder / "sites" / "plant.yaml").write_text(yaml_text(site | {"meters": meters, "sources": sources}))
    (folder / "meterloom.yaml").write_text("live: {keep_free_mb: 0}\n")
    for each, _ in made.values():
        each.appear()
    try:
        yield
    finally:
        for each, _ in made.values():
            each.vanish()


@pytest.mark.real
@pytest.mark.timeout(LENGTH_S + 180)
def test_fault_f31_what_stood_on_the_live_board_is_kept_whoever_is_killed(tmp_path: Path) -> None:
    chance, command = random.Random(SEED), ["controls.collector.main", "--project", str(tmp_path)]
    with devices_of(tmp_path), Plant(tmp_path, *command) as plant:
        onlooker = Onlooker(plant.live)
        try:
            plant.wait_for(lambda: {each[0] for each in onlooker.seen} == set(KINDS))
            began_s = time.monotonic()
            done = plant.between(plant.acts, chance, until_s=began_s + LENGTH_S)
            before = {kind: sum(each[0] == kind for each in onlooker.seen) for kind in KINDS}
            # They are heard again after whatever came last.
            plant.wait_for(lambda: all(sum(each[0] == kind for each in onlooker.seen) > before[kind] for kind in KINDS))
        finally:
            onlooker.close()
    # A landed file names its source in its head.
    rows = [
        (fields[0].removeprefix("source="), fields[1], int(fields[2]), float(fields[3]))
        for fields in lines_of_project(tmp_path)
    ]
    kept = {row for row in rows if row[1] == "in"}
    lost = onlooker.seen - kept
    size = keep_outcome(
        wire="p1_tcp and bacnet", seconds=round(time.monotonic() - began_s), seen=len(onlooker.seen), lost=len(lost),
        kept={kind: sum(each[0] == kind for each in kept) for kind in KINDS}, acts=dict(done), **plant.counts(),
    )  # fmt: skip
    assert lost == set(), size
    for kind in KINDS:
        mine = sorted((at_us, value) for source, _, at_us, value in kept if source == kind)
        # A counter that only rises, told once an instant: nothing doubled, nothing made up.
        assert len({at_us for at_us, _ in mine}) == len(mine), size
        assert [value for _, value in mine] == sorted(value for _, value in mine), size
