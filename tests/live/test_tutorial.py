"""The tutorial of live meters is followed to the letter: its files, its commands, a real broker and a whole `up`."""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controls.gateways.broker import find_mosquitto
from controls.gateways.ports import free_port
from tests.controls.conftest import need_mosquitto
from tests.e2e.dagster_ui import everything_up
from tests.orchestration.test_cli import run

pytestmark = pytest.mark.real
PAGE = Path(__file__).resolve().parents[2] / "docs" / "ems" / "tutorial_live_meters.md"
FILES = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\$ meterloom (.+)$", re.MULTILINE)
# Landing, a run that reads, a run that validates: two minutes on a machine that does nothing else.
FIGURE_WITHIN_S = 420.0
STATE_WITHIN_S = 60.0


@contextmanager
def mosquitto(port: int) -> Iterator[None]:
    """The broker as the page starts it."""
    with subprocess.Popen([str(find_mosquitto()), "-p", str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def meter(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The page's meter, which waits for its Enter."""
    with subprocess.Popen([sys.executable, "meter.py"], cwd=folder, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def shown_source(words: str, name: str, expected: str) -> None:
    """Waits until the command lists the one source so: the collector writes its state down about once a second."""
    deadline, value = time.monotonic() + STATE_WITHIN_S, ""
    # By its end: "not connected yet" is the state before, "no data received for 40 s; connected" that of a slow start.
    while value.rpartition("; ")[2] != expected:
        assert time.monotonic() < deadline, f"the source's {name} is {value!r}, not {expected!r}"
        [source] = json.loads(run(*shlex.split(words), "--json")[1])["sources"]
        value = source[name]
        time.sleep(0.2)


def test_the_tutorial_of_live_meters_ends_with_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_mosquitto()
    port = free_port()
    page = PAGE.read_text(encoding="utf-8").replace("1883", str(port))
    month = f"{datetime.now(UTC).astimezone(ZoneInfo('Europe/Berlin')) - timedelta(minutes=40):%Y-%m}"
    init, check, up, *looks, kpis = COMMANDS.findall(page.replace("$(date +%Y-%m)", month))
    assert up == "up --project shop"
    monkeypatch.chdir(tmp_path)
    assert run(*shlex.split(init))[0] == 0
    for name, text in FILES.findall(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert json.loads(run(*shlex.split(check), "--json")[1])["problems"] == []
    with mosquitto(port), meter(tmp_path) as sending, everything_up(tmp_path / "shop"):
        test, listed, tail = looks
        assert sending.stdin is not None
        shown_source(listed, "sentence", "connected")
        sending.stdin.write("\n")
        sending.stdin.flush()
        tested = json.loads(run(*shlex.split(test), "--json")[1])
        assert {each["point"] for each in tested["samples"]} == {"energy", "power"}
        shown_source(listed, "state", "live")
        tailed = json.loads(run(*shlex.split(tail), "--json")[1])
        assert {each["point"] for each in tailed["samples"]} == {"energy", "power"}
    # As the page says to whom does not want to wait for the next quarter of the clock.
    with everything_up(tmp_path / "shop"):
        energy_kwh, deadline = 0.0, time.monotonic() + FIGURE_WITHIN_S
        while energy_kwh < 9 and time.monotonic() < deadline:
            code, printed, _ = run(*shlex.split(kpis), "--json")
            figures = json.loads(printed)["rows"] if code == 0 else []
            values = [row["value"] or 0 for row in figures if row["kpi"] == "consumption_kwh"]
            energy_kwh = max(values, default=0)
            time.sleep(2)
        assert energy_kwh >= 9
