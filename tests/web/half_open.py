"""Connections that keep a server waiting, and how long an honest reader waits beside them.

By hand: `python -m tests.web.half_open` prints the figures of the pages and of the door for machines beside 300
connections of each kind: from one address, from 250, and from that of the reader.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path

import httpx

from assets.stores.web.credentials import CredentialStore
from controls.gateways.ports import free_port
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject
from orchestration.web.draw import static_address
from orchestration.web.people.sign_in import SignIn
from tests.controls.collector.pushing import Opened, door, make_project, new_key, push, reading
from tests.web.served import PASSWORD, SITE, people_text

HOW_MANY, PATIENCE_S = 300, 2.0
HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
FORM = (
    "Origin: http://127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
)
PUSHED = "Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
# The door takes five bodies a second of one key.
PAUSE_S = 0.3
# What is sent, and then nothing; what is answered is not read.
PAGES = {
    "nothing": "",
    "half a head": HEAD.format(method="GET", path="/login", port="{port}"),
    "no body": HEAD.format(method="POST", path="/login", port="{port}") + FORM,
    "no reader": HEAD.format(method="GET", path=static_address("echarts.custom.min.js"), port="{port}") + "\r\n",
}
READINGS = "/api/v1/readings"
DOOR = {
    "nothing": "",
    "half a head": HEAD.format(method="POST", path=READINGS, port="{port}"),
    "no body": HEAD.format(method="POST", path=READINGS, port="{port}") + PUSHED,
    "no reader": HEAD.format(method="GET", path=READINGS, port="{port}") + "\r\n",
}
ONE = ("127.0.0.9",)
MANY = tuple(f"127.0.1.{number}" for number in range(1, 251))


@contextmanager
def held(port: int, sent: str, addresses: Sequence[str], number: int = HOW_MANY) -> Iterator[list[socket.socket]]:
    """So many connections from these addresses in turn, each having sent that."""
    with ExitStack() as stack:
        made = []
        for each in range(number):
            wire = stack.enter_context(socket.socket())
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(10)
            wire.bind((addresses[each % len(addresses)], 0))
            wire.connect(("127.0.0.1", port))
            # One may be ended already, for another that came later.
            with suppress(ConnectionError):
                wire.sendall(sent.encode())
            made.append(wire)
        yield made


def ended_within(wire: socket.socket, within_s: float) -> bytes | None:
    """Bytes received before the server ended the connection; None where it has not."""
    wire.settimeout(within_s)
    found = b""
    try:
        while part := wire.recv(65536):
            found += part
    except TimeoutError:
        return None
    except ConnectionError:
        pass
    return found


@contextmanager
def pages(folder: Path, patience_s: float = PATIENCE_S) -> Iterator[tuple[int, str]]:
    """The real process over a small project: its port, and the cookie of somebody who is signed in."""
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text(people_text())
    (folder / "sites" / "works.yaml").write_text(SITE)
    project, clock, port = OpenProject(str(folder)), SystemClock(), free_port()
    sign_in = SignIn(project, clock)
    token = sign_in.accept(CredentialStore(project.store).invite("engineer", clock), PASSWORD)
    project.close()
    own = {"METERLOOM_SERVER__WEB_PORT": str(port), "METERLOOM_SERVER__PATIENCE_S": str(patience_s)}
    words = [sys.executable, "-m", "orchestration.web.serve", "--project", str(folder)]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(words, env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60, trust_env=False)
                break
            except httpx.ConnectError:
                assert process.poll() is None, (folder / "web.log").read_text()
                time.sleep(0.05)
        yield port, f"meterloom={token}"
    finally:
        process.kill()
        process.wait()


def read_s(port: int, path: str, cookie: str = "") -> float:
    """Seconds that a new browser waits for a page. Raises AssertionError for another answer than the page."""
    began_s = time.monotonic()
    headers = {"cookie": cookie} if cookie else {}
    answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=20, trust_env=False)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began_s


def pushed_s(opened: Opened, key: str, minute: int) -> float:
    """Seconds that a machine waits until its reading is kept."""
    time.sleep(PAUSE_S)
    began_s = time.monotonic()
    answer = push(opened.url, key, [reading(15 * minute)])
    assert answer.status_code in (200, 202), answer.text
    return time.monotonic() - began_s


def main() -> None:
    """Print the longest of five waits, in seconds."""
    words = sys.stdout.write
    words(f"{HOW_MANY} connections, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    froms = {"one address": ONE, "250 addresses": MANY, "the reader's": ("127.0.0.1",)}
    with tempfile.TemporaryDirectory() as folder, pages(Path(folder)) as (port, cookie):
        read_s(port, "/profile", cookie)
        words(f"pages  {'alone':12} {'':14} {_waits(port, cookie)}\n")
        for (kind, sent), (said, addresses) in product(PAGES.items(), froms.items()):
            with held(port, sent.format(port=port), addresses):
                words(f"pages  {kind:12} {said:14} {_waits(port, cookie)}\n")
    with tempfile.TemporaryDirectory() as folder:
        key = new_key(project := make_project(Path(folder)))
        with door(project) as opened:
            port = int(opened.url.rpartition(":")[2])
            pushed_s(opened, key, 0)
            words(f"door   {'alone':12} {'':14} pushed {max(pushed_s(opened, key, each) for each in range(5)):.3f} s\n")
            for (kind, sent), (said, addresses) in product(DOOR.items(), froms.items()):
                with held(port, sent.format(port=port, key="mlk_x_y"), addresses):
                    waited = max(pushed_s(opened, key, minute) for minute in range(5))
                words(f"door   {kind:12} {said:14} pushed {waited:.3f} s\n")


def _waits(port: int, cookie: str) -> str:
    both = [(read_s(port, "/login"), read_s(port, "/profile", cookie)) for _ in range(5)]
    stranger, known = (max(each) for each in zip(*both, strict=True))
    return f"stranger {stranger:.3f} s  signed in {known:.3f} s"


if __name__ == "__main__":
    main()
