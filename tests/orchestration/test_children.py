"""Children of `meterloom up` are kept up while it lives, and do not outlive it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from data_quality.contracts.errors import Unreachable
from orchestration.supervised.children import LONGEST_PAUSE_S, MOST_ENDS, WINDOW_S, Children
from tests.conftest import ROOT

PYTHON = [sys.executable, "-I", "-S", "-c"]
# Ends with a word when it is asked to, and has a child of its own that is not asked by anybody.
POLITE = """
import signal, subprocess, sys, time
own = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
print(own.pid, flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("home at", time.monotonic(), flush=True)
"""
STUBBORN = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
time.sleep(600)
"""
OWNER = """
import sys, time
from pathlib import Path
from orchestration.supervised.children import Children

folder = Path(sys.argv[1])
with Children(folder) as children:
    for name in ("first", "second"):
        children.start(name, [*sys.argv[3:], (folder / "polite.py").read_text()], environment={})
    stubborn = children.start("stubborn", [*sys.argv[3:], (folder / "stubborn.py").read_text()], environment={})
    (folder / "pids").write_text(" ".join(str(child.process.pid) for child in children._all))
    time.sleep(600 if sys.argv[2] == "stay" else 1)
"""


def until(happened: Callable[[], object], within_s: float = 40.0) -> bool:
    """True once it did."""
    deadline_s = time.monotonic() + within_s
    while not (seen := happened()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return bool(seen)


def is_running(pid: int) -> bool:
    """False for a process that ended and waits to be buried too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def home_s(log: Path) -> float:
    return float(log.read_text().rsplit("home at", 1)[1])


@pytest.mark.parametrize("way", ["killed", "leaves"])
def test_nothing_outlives_its_owner_and_the_last_begun_ends_first(tmp_path: Path, way: str) -> None:
    (tmp_path / "polite.py").write_text(POLITE)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    words = [sys.executable, "-c", OWNER, str(tmp_path), "stay" if way == "killed" else "go", *PYTHON]
    owner = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    logs = [tmp_path / f"{name}.log" for name in ("first", "second")]
    assert until(lambda: (tmp_path / "pids").exists() and all(each.exists() and each.read_text() for each in logs))
    pids = [int(each) for each in (tmp_path / "pids").read_text().split()]
    pids += [int(each.read_text().split()[0]) for each in logs]
    if way == "killed":
        assert all(is_running(pid) for pid in pids)
        os.kill(owner.pid, signal.SIGKILL)
    assert owner.wait(60) == (-signal.SIGKILL if way == "killed" else 0)
    assert until(lambda: not any(is_running(pid) for pid in pids)), [pid for pid in pids if is_running(pid)]
    assert home_s(logs[1]) < home_s(logs[0])


def test_what_ends_is_started_again_and_left_where_it_ends_again_and_again(tmp_path: Path) -> None:
    said: list[str] = []
    with Children(tmp_path) as children:
        steady = children.start("agent", [*PYTHON, "import time; time.sleep(600)"], environment={}).process.pid
        broken = children.start("web", [*PYTHON, "raise SystemExit(3)"], environment={}, is_needed=False)
        now_s, pauses_s = 0.0, list[float]()
        while not broken.is_left and now_s < WINDOW_S:
            assert until(lambda: broken.process.poll() is not None)
            children.need_all()
            children.keep_up(said.append, now_s)
            if broken.due_s is not None:
                pauses_s.append(broken.due_s - now_s)
                children.keep_up(said.append, broken.due_s - 0.01)
                assert broken.due_s is not None, "not before its pause is over"
                now_s = broken.due_s
                children.keep_up(said.append, now_s)
        assert pauses_s == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
        assert len(said) == MOST_ENDS
        assert said[0] == f"web ended with code 3 and is started again in 1 s; see {tmp_path / 'web.log'}"
        assert "10 times in 10 minutes" in said[-1]
        children.keep_up(said.append, now_s + 1e6)
        assert (len(said), is_running(steady)) == (MOST_ENDS, True)


@pytest.mark.parametrize("way", ["left", "waits"])
def test_the_number_of_what_ended_is_nobodys_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A program that is given the number later lives on: neither we nor the process beside us know it any more."""
    told: list[str] = []
    ended: list[int] = []
    monkeypatch.setattr(Children, "_tell", lambda _self, line: told.append(line))
    orphan = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True)"
    with Children(tmp_path) as children:
        words = [*PYTHON, orphan, *PYTHON, "import time; time.sleep(600)"]
        broken = children.start("web", words, environment={}, is_needed=False)
        assert until(lambda: broken.process.poll() is not None)
        broken.ends_s = [0.0] * (MOST_ENDS - 1 if way == "left" else 0)
        children.keep_up(lambda _: None, 0.0)
        assert broken.is_left == (way == "left")
        assert not is_running(int(broken.log.read_text())), "what it left behind"
        monkeypatch.setattr(os, "killpg", lambda group, _: ended.append(group))
    assert (told, ended) == ([f"+{broken.process.pid}", f"-{broken.process.pid}", "done"], [])


def test_ends_far_apart_are_not_counted_together(tmp_path: Path) -> None:
    said: list[str] = []
    with Children(tmp_path) as children:
        broken = children.start("web", [*PYTHON, "raise SystemExit(3)"], environment={}, is_needed=False)
        for number in range(MOST_ENDS + 2):
            assert until(lambda: broken.process.poll() is not None)
            for at_s in (number * WINDOW_S, number * WINDOW_S + 1.0):
                children.keep_up(said.append, at_s)
        assert not broken.is_left
        assert all("again in 1 s" in each for each in said)


def test_one_that_all_need_and_that_does_not_come_up_is_an_answer(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        broken = children.start("mlflow", [*PYTHON, "raise SystemExit(3)"], environment={})
        assert until(lambda: broken.process.poll() is not None)
        with pytest.raises(Unreachable, match="mlflow ended with code 3; see "):
            children.need_all()


def test_an_end_by_a_terminal_reaches_us_and_not_the_broker(tmp_path: Path) -> None:
    from controls.gateways.broker import start_broker
    from tests.controls.conftest import need_mosquitto

    need_mosquitto()
    with start_broker(tmp_path) as broker:
        assert os.getpgid(broker.pid) == broker.pid != os.getpgid(0)
        os.kill(broker.pid, signal.SIGKILL)
        assert until(lambda: not broker.is_running)
        broker.restart()
        assert broker.is_running
