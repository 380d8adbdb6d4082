"""Processes of this machine: whichever dies, and whenever, the answers stay; nobody is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import WorkSettings
from orchestration.workers import fan_out as pool
from orchestration.workers.fan_out import fan_out
from tests.fan_out import jobs as given
from tests.fan_out.jobs import jobs

ROOT = Path(__file__).resolve().parents[2]
POOL = WorkSettings(backend="pool", workers=2)
MOMENTS = 20


def children_of(pid: int) -> set[int]:
    """Processes whose parent is that one, as Linux tells."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.add(int(folder.name))
    return found


def workers_of(parent: int) -> set[int]:
    """Its workers; the tracker of resources that Python starts beside them is none."""
    found = set()
    for pid in children_of(parent):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def workers_here() -> set[int]:
    """Those of this process."""
    return workers_of(os.getpid())


def kill_one_after(seconds: float, before: set[int]) -> threading.Thread:
    """A worker that was not there before is killed so many seconds after the first one appeared."""

    def kill() -> None:
        deadline_s = time.monotonic() + 30
        while not (made := workers_here() - before) and time.monotonic() < deadline_s:
            time.sleep(0.01)
        time.sleep(seconds)
        for pid in sorted((workers_here() - before) or made)[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_worker_killed_at_any_moment_changes_nothing(moment: int) -> None:
    tasks = jobs(12, for_s=0.1)
    thread = kill_one_after(1.6 * moment / MOMENTS, workers_here())
    found = [each.answer for each in fan_out(given.square, tasks, settings=POOL)]
    thread.join()
    assert found == [number**2 for number in range(12)]


def test_a_task_that_kills_whoever_does_it_is_a_finding_and_no_neighbour_is_blamed() -> None:
    found = [each.answer for each in fan_out(given.kills_itself, jobs(7), settings=POOL)]
    assert [each for each in found if not isinstance(each, Finding)] == [0, 1, 2, 4, 5, 6]
    assert isinstance(found[3], Finding)
    assert found[3].code == "worker_killed"


def test_processes_are_made_anew_before_they_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TASKS_PER_PROCESS", 2)
    found = [each.answer for each in fan_out(given.pid, jobs(8), settings=POOL)]
    assert len(set(found)) >= 2
    assert found[0] not in found[4:]


def test_a_worker_shares_the_cores_with_its_neighbours() -> None:
    expected = str(max(1, (os.cpu_count() or 1) // 2))
    assert {each.answer for each in fan_out(given.threads, jobs(4), settings=POOL)} == {expected}


def test_who_stops_asking_leaves_nobody_behind() -> None:
    before = workers_here()
    results = fan_out(given.square, jobs(8, for_s=0.3), settings=POOL)
    next(results)
    assert workers_here() - before
    results.close()  # type: ignore[attr-defined]
    assert not workers_here() - before


def test_workers_end_with_a_parent_that_was_killed() -> None:
    code = (
        "from tests.fan_out import jobs as g\n"
        "from orchestration.workers.fan_out import fan_out\n"
        "from data_quality.contracts.settings import WorkSettings\n"
        "if __name__ == '__main__':\n"
        "    for each in fan_out(g.pid, g.jobs(4, for_s=60), settings=WorkSettings(backend='pool', workers=2)):\n"
        "        pass\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline_s = time.monotonic() + 60
    while len(children_of(parent.pid)) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    children = children_of(parent.pid)
    time.sleep(2)
    parent.kill()
    parent.wait()
    deadline_s = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
