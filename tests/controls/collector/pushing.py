"""A project with the real door: its process on a free port, and keys made by the command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from typer.testing import CliRunner

from controls.gateways.ports import free_port
from orchestration.cli.main import build_app

SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
meters:
  - {meter_id: m1}
  - {meter_id: m2, registers: [{register_id: import, kind: cumulative}]}
  - {meter_id: m3}
drivers: [{driver_id: pieces, unit: count, aggregation: sum}]
sources:
  - source_id: gateway
    kind: push
    points:
      - {point: m1, stream: m1, what: interval, interval_minutes: 15, unit: kwh}
      - {point: m2, stream: m2, what: register, unit: kwh}
      - {point: pieces, stream: pieces, what: interval, interval_minutes: 15, unit: count}
"""
PEOPLE = """\
people:
  - {person_id: erik, name: Erik, roles: [engineer]}
  - {person_id: anna, name: Anna, roles: [analyst]}
"""


def make_project(folder: Path) -> Path:
    """Two sites of the same meters; Erik is an engineer."""
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "sites" / "works.yaml").write_text(SITE)
    (folder / "sites" / "other.yaml").write_text(SITE.replace("works", "other"))
    return folder


def call(project: Path, *words: str, code: int = 0) -> Any:
    """A command's JSON, or its sentence where it is to fail with a code."""
    done = CliRunner().invoke(build_app((words[0],)), [*words, "--project", str(project), "--json"])
    assert done.exit_code == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def new_key(project: Path, *more: str) -> str:
    """A key of Erik's for the site works."""
    return str(call(project, "keys", "issue", "gateway", "--site", "works", "--as", "erik", *more)["key"])


class Opened(NamedTuple):
    """The door's address, and its process."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def door(project: Path) -> Iterator[Opened]:
    """The process on a free port; ended as `meterloom up` ends it."""
    port = free_port()
    words = [sys.executable, "-m", "controls.collector.receive_main", "--project", str(project)]
    process = subprocess.Popen(words, env={**os.environ, "METERLOOM_PUSH__PORT": str(port)}, stderr=subprocess.PIPE)
    try:
        # The port is taken before the rest is there: only an answer says that the door is open.
        for _ in range(1200):
            if process.poll() is not None:
                raise AssertionError((process.stderr.read() if process.stderr else b"").decode())
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=60)
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the door does not open")
        yield Opened(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def reading(minute: int = 0, **other: Any) -> dict[str, Any]:
    """A quarter hour of m1 on the first day of 2026, so many minutes after midnight UTC."""
    start = f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00Z"
    return {"meter": "m1", "start": start, "minutes": 15, "value": "0.25", "unit": "kwh", **other}


def push(url: str, key: str, rows: Sequence[Any], site: str = "works", **headers: str) -> httpx.Response:
    """A body of rows."""
    body = json.dumps({"site": site, "readings": list(rows)}).encode()
    return send(url, key, body, **headers)


def send(url: str, key: str, body: bytes, **headers: str) -> httpx.Response:
    """Any body."""
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{url}/api/v1/readings", content=body, headers=fields, timeout=30, trust_env=False)
