"""Five thousand samples a second, each acknowledged after the disk has it: counted by the device that sends.

TEST_LIVE_S makes it longer (the figure is ten minutes); TEST_LIVE_TOLD names a file that the outcome is appended to.
"""

import os
import time
from pathlib import Path

import pytest

from tests.live.live_sites import project_of, site_of
from tests.live.numbered import Device
from tests.live.test_kills import LENGTH_S, METERS, Plant, keep_outcome
from tests.live.test_spool import lines_of_project

PER_S = 5_000.0
# A machine with more to do than it has cores says nothing about seconds.
IS_QUIET = os.getloadavg()[0] < (os.cpu_count() or 1)


@pytest.mark.real
@pytest.mark.timeout(LENGTH_S + 180)
def test_fault_f111_five_thousand_a_second_are_acknowledged_after_the_disk_has_them(tmp_path: Path) -> None:
    points = [each.point for each in site_of(METERS).sources[0].points]
    project_of(tmp_path, site_of(METERS))
    with Device(points, per_s=PER_S) as device:
        command = ["tests.live.collector_under_test", str(tmp_path), str(device.port)]
        with Plant(tmp_path, *command) as plant:
            plant.wait_for(lambda: bool(device.acknowledged))
            # What waited for the first connection waited for no disk.
            time.sleep(1)
            device.waits_s.clear()
            began_s, sent_before = time.monotonic(), device.sent
            time.sleep(LENGTH_S)
            a_second = (device.sent - sent_before) / (time.monotonic() - began_s)
            is_all_told = device.rest(60)
            plant.look()
    numbers = sorted(int(fields[6]) for fields in lines_of_project(tmp_path))
    waits_s = sorted(device.waits_s)
    size = keep_outcome(
        wire="socket", seconds=round(LENGTH_S), a_second=round(a_second), sent=device.sent,
        acknowledged=len(device.acknowledged), lost=len(device.acknowledged - set(numbers)), resent=device.resent,
        p50_s=round(waits_s[len(waits_s) // 2], 3), p95_s=round(waits_s[int(len(waits_s) * 0.95)], 3),
        load=round(os.getloadavg()[0], 1), **plant.counts(),
    )  # fmt: skip
    assert is_all_told, size
    assert sorted(set(numbers)) == list(range(1, device.sent + 1)), size
    # What was said before the first connection is said again, and appears twice in the spool for the drain to join.
    assert len(numbers) - len(set(numbers)) <= device.resent, size
    assert plant.starts == 1, size
    if IS_QUIET:
        assert size["p95_s"] <= 1.0, size
        assert a_second > 0.95 * PER_S, size
