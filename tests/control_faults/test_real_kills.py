"""The real agent killed at points of its work or stopped, on a real broker and a real Modbus server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controls.ledger.chain import verify_chain
from data_quality.contracts.control.command import CommandState as S
from tests.control_faults.real_parts import KILL_AT
from tests.controls.agent.plant import HOME
from tests.controls.conftest import need_mosquitto
from tests.real.test_agent_devices import ROOT, TTL_S, Bed, _until

pytestmark = [pytest.mark.real, pytest.mark.slow]


def plain_bed(folder: Path, store_url: str = "") -> Bed:
    """Broker, Modbus server, ledger and two devices, on a site that has nothing else."""
    need_mosquitto()
    bed = Bed(folder, store_url)
    (folder / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_defaults=True)))
    return bed


@pytest.fixture
def bed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bed]:
    on_server = getattr(request, "param", "sqlite") == "postgresql"
    made = plain_bed(tmp_path, request.getfixturevalue("postgres_url") if on_server else "")
    made.raise_mode()
    yield made
    assert verify_chain(made.store, "home") == []
    made.close()


def _agent(bed: Bed, kill_at: str = "") -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tests.control_faults.real_parts", "agent", "--project", str(bed.project.root)]
    environment = {**os.environ, **bed.env, KILL_AT: kill_at}
    return subprocess.Popen([*line, "--site", "home"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


# Every point on both stores is killed in process (test_crash_points.py); here processes die for good.
@pytest.mark.parametrize(
    ("bed", "point"),
    [("sqlite", "issued"), ("postgresql", "written"), ("postgresql", "verified")],
    indirect=["bed"],
)
def test_fault_f30_f66_a_process_killed_at_a_point_is_followed_by_one_that_reads_first(bed: Bed, point: str) -> None:
    bed.plan(window_s=120.0)
    bed.release()
    killed = _agent(bed, point)
    assert killed.wait(60) == -signal.SIGKILL
    assert _until(lambda: (bed.battery_kw, bed.limit_kw) == (0.0, 8.0), TTL_S + 1), "their own timers end it"
    reads = bed.battery.reads
    follower = _agent(bed)
    try:
        assert _until(lambda: bed.battery.reads > reads + 1, 60), "it reads first"
        settled = {S.VERIFIED, S.REVERTED, S.EXPIRED, S.COMPLETED}
        assert _until(lambda: set(bed.results(0.0).values()) <= settled, 60), "\n".join(bed.story())
    finally:
        follower.terminate()
        assert follower.wait(30) == 0
    assert (bed.battery_kw, bed.limit_kw) == (0.0, 8.0)


def test_fault_f66_an_agent_that_is_stopped_holds_nothing_and_touches_nothing_when_it_goes_on(bed: Bed) -> None:
    bed.plan(window_s=600.0)
    bed.release()
    process = _agent(bed)
    try:
        assert _until(lambda: set(bed.results(0.0).values()) == {S.VERIFIED}, 60), "\n".join(bed.story())
        stopped_s = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        assert _until(lambda: (bed.battery_kw, bed.limit_kw) == (0.0, 8.0), TTL_S + 1)
        assert time.monotonic() - stopped_s <= TTL_S + 2
        # Past its lease of the site: it must find out before it writes.
        time.sleep(max(0.0, 16.0 - (time.monotonic() - stopped_s)))
        before = bed.battery.writes
        process.send_signal(signal.SIGCONT)
        assert _until(lambda: set(bed.results(0.0).values()) <= {S.REVERTED, S.UNVERIFIED}, 30)
        assert (bed.battery_kw, bed.limit_kw) == (0.0, 8.0)
        assert bed.battery.writes - before <= 2, "the way home at most"
    finally:
        process.kill()
        process.wait()
