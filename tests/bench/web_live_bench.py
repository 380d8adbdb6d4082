"""A live value from the meter to its viewers: seconds, with real broker, collector and web process.

Run: `.venv/bin/python -m tests.bench.web_live_bench --viewers 50 --seconds 60`. Five hundred meters publish at 1 Hz
with QoS 1 over a real Mosquitto from a process of their own, the collector and the web server are processes, and the
viewers read server-sent events over TCP in one process more. Each value carries the instant at which it was made. The
server is the product's application under uvicorn, which gives DuckDB's work away as `meterloom web` does; who a viewer
is, a header says, because a person has four streams.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from assets.stores.live.live_store import FILE
from controls.gateways.ports import free_port, is_listening
from data_quality.contracts.yaml_file import yaml_text
from tests.bench.live_bench import METERS, SETTLE_S, cost_of
from tests.live.live_sites import mqtt_site_of
from tests.live.mqtt_tap import Broker
from tests.test_layers import ROOT

A_PERSON = 4
_VALUE = re.compile(rb'"point":"([^"]+)","value":[^}]*?"at":"([^"]+)"')


def serve(folder: str, port: int) -> None:
    """The web process: until it is ended."""
    import uvicorn

    from assets.readings.readers.child import apart
    from data_quality.contracts.people import Person, Role
    from data_quality.contracts.time import SystemClock
    from data_quality.contracts.work.offload import offload_to
    from orchestration.open_project import OpenProject
    from orchestration.web.app import make_app

    def signed_in(request: object) -> tuple[Person, str]:
        name = request.headers.get("x-viewer", "nobody")  # type: ignore[attr-defined]
        return Person(person_id=name, name=name, roles=(Role.VIEWER,)), "token"

    # As serve.py: what is large runs beside this process, whose memory is measured.
    project = OpenProject(folder)
    project.offload_to(apart)
    offload_to(apart)
    app = make_app(project, clock=SystemClock(), signed_in=signed_in)
    uvicorn.run(app, port=port, log_level="warning", timeout_graceful_shutdown=5)


class Viewer:
    """One stream, read as a browser reads it."""

    def __init__(self, number: int) -> None:
        self.person = f"viewer{number // A_PERSON}"
        self.ages_s: list[float] = []
        self.newest: dict[bytes, float] = {}
        self.out_of_order = self.events = 0

    async def read(self, port: int, until_s: float) -> None:
        """Until the time is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        head = (
            f"GET /api/v1/ems/live/stream?site=plant HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Viewer: {self.person}\r\n"
        )
        writer.write(f"{head}Accept: text/event-stream\r\n\r\n".encode())
        settled_s, rest = time.monotonic() + SETTLE_S, b""
        try:
            while (left_s := until_s - time.monotonic()) > 0:
                piece = await asyncio.wait_for(reader.read(2**18), left_s)
                if not piece:
                    raise ConnectionError("the stream ended")
                whole, _, rest = (rest + piece).rpartition(b"\n\n")
                self._take(whole, is_settled=time.monotonic() > settled_s)
        except TimeoutError:
            pass
        finally:
            writer.close()

    def _take(self, whole: bytes, *, is_settled: bool) -> None:
        # A browser each has a core of its own to read with; fifty in one process read no more than they must.
        now_s = time.time()
        for point, at in _VALUE.findall(whole):
            at_s = _instant(at)
            self.out_of_order += at_s < self.newest.get(point, 0.0)
            self.newest[point] = at_s
            self.events += 1
            if is_settled:
                self.ages_s.append(now_s - at_s)


@lru_cache(maxsize=2**16)
def _instant(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()


async def look(port: int, viewers: int, seconds: float) -> list[Viewer]:
    """All of them at once."""
    found = [Viewer(number) for number in range(viewers)]
    await asyncio.gather(*(each.read(port, time.monotonic() + seconds) for each in found))
    return found


def measure(*, viewers: int, seconds: float) -> dict[str, object]:
    """One run."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        broker = Broker(folder)
        (folder / "sites").mkdir()
        document = mqtt_site_of(METERS, port=broker.port).model_dump(mode="json", exclude_unset=True)
        (folder / "sites" / "plant.yaml").write_text(yaml_text(document))
        python = [sys.executable, "-m"]
        publish = ["tests.bench.live_bench", "--publish", str(broker.port), "--hz", str(METERS)]
        commands = (
            ["controls.collector.main", "--project", name],
            publish,
            ["tests.bench.web_live_bench", "--serve", name, "--port", str(port)],
        )
        children = []
        try:
            with (folder / "log").open("wb") as log:
                children = [subprocess.Popen([*python, *each], cwd=ROOT, stderr=log) for each in commands]
            while not ((folder / "var" / "live" / FILE).exists() and is_listening(port)):
                time.sleep(0.1)
            before = cost_of(children[2].pid)
            found = asyncio.run(look(port, viewers, seconds))
            after = cost_of(children[2].pid)
        finally:
            for child in reversed(children):
                child.send_signal(signal.SIGTERM)
                child.wait(30)
            broker.kill()
    ages = sorted(age for each in found for age in each.ages_s)
    return {
        "meters": METERS, "viewers": viewers, "seconds": seconds, "events": sum(each.events for each in found),
        "p50_s": round(ages[len(ages) // 2], 3), "p95_s": round(ages[int(len(ages) * 0.95)], 3),
        "max_s": round(ages[-1], 3), "out_of_order": sum(each.out_of_order for each in found),
        "least_points": min(len(each.newest) for each in found),
        "server_cpu_share": round((after[0] - before[0]) / seconds, 2),
        "server_mb": [round(before[1]), round(after[1])], "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def bench(seconds: float = 600.0) -> None:
    """A line for 50 viewers."""
    found = measure(viewers=50, seconds=seconds)
    sys.stdout.write(
        f"web     {found['viewers']} viewers of {found['meters']} meters at 1 Hz, {seconds:.0f} s: meter to viewer p95 "
        f"{found['p95_s']} s, longest {found['max_s']} s, {found['out_of_order']} out of order, server "
        f"{found['server_cpu_share']} of a core and {found['server_mb']} MB (begin, end), load {found['load']}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--serve", help="project folder; used by the bench itself")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
        return
    sys.stdout.write(json.dumps(measure(viewers=options.viewers, seconds=options.seconds)) + "\n")


if __name__ == "__main__":
    main()
