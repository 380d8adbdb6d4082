"""Connections that keep the pages or the door for machines waiting: they end, and nobody else waits for them."""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.controls.collector.pushing import Opened, door, make_project, new_key
from tests.web.half_open import (
    DOOR,
    FORM,
    HEAD,
    MANY,
    ONE,
    PAGES,
    PATIENCE_S,
    ended_within,
    held,
    pages,
    pushed_s,
    read_s,
)

OWN = ("127.0.0.1",)
LATE_S = PATIENCE_S + 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Port of the pages, and somebody's cookie."""
    with pages(tmp_path_factory.mktemp("pages")) as found:
        yield found


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opened, str]]:
    """The door, and a key of it that has pushed."""
    project = make_project(tmp_path_factory.mktemp("pushed"))
    key = new_key(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METERLOOM_SERVER__PATIENCE_S", str(PATIENCE_S))
        with door(project) as found:
            pushed_s(found, key, 0)
            yield found, key


def port_of(opened: Opened) -> int:
    return int(opened.url.rpartition(":")[2])


@pytest.mark.parametrize("addresses", [ONE, MANY, OWN], ids=["one", "many", "own"])
@pytest.mark.parametrize("kind", PAGES)
def test_beside_300_half_open_connections_a_reader_waits_a_second_at_most(
    served: tuple[int, str], kind: str, addresses: tuple[str, ...]
) -> None:
    port, cookie = served
    with held(port, PAGES[kind].format(port=port), addresses):
        waited = [(read_s(port, "/profile", cookie), read_s(port, "/login")) for _ in range(3)]
    # The best of three: the machine of a test has other things to do.
    assert max(min(each) for each in zip(*waited, strict=True)) <= 1, waited


@pytest.mark.parametrize("kind", DOOR)
def test_beside_300_half_open_connections_a_machine_waits_a_second_at_most(
    opened: tuple[Opened, str], kind: str
) -> None:
    port = port_of(opened[0])
    with held(port, DOOR[kind].format(port=port, key="mlk_x_y"), MANY):
        waited = [pushed_s(*opened, minute) for minute in range(1, 4)]
    assert min(waited) <= 1, waited


def test_bodies_of_one_key_that_never_come_keep_other_keys_waiting_a_second_at_most(tmp_path: Path) -> None:
    """With the patience of every day: the bodies are still waited for when the others are answered."""
    project = make_project(tmp_path)
    slow, mine = new_key(project), new_key(project)
    with door(project) as found:
        pushed_s(found, mine, 0)
        with held(port_of(found), DOOR["no body"].format(port=port_of(found), key=slow), ONE, 30):
            assert min(pushed_s(found, mine, minute) for minute in range(1, 4)) <= 1


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("nothing", rb""),
        ("half a head", rb"HTTP/1.1 408 .*\r\n\r\nthe head of the request was not complete after 2 s\n"),
        ("no body", rb"HTTP/1.1 408 .*\r\n\r\nno byte of the body came for 2 s; send it again\n"),
    ],
)
def test_who_keeps_the_server_waiting_is_ended_and_told_why(served: tuple[int, str], kind: str, answer: bytes) -> None:
    port, _ = served
    with held(port, PAGES[kind].format(port=port), ONE, 1) as (wire,):
        began_s = time.monotonic()
        found = ended_within(wire, LATE_S)
    assert found is not None
    assert re.fullmatch(answer, found, re.DOTALL), found
    assert time.monotonic() - began_s >= PATIENCE_S - 0.5


def test_a_head_that_trickles_in_has_no_more_time_than_another(served: tuple[int, str]) -> None:
    port, _ = served
    with held(port, HEAD.format(method="GET", path="/login", port=port), ONE, 1) as (wire,):
        assert trickled_s(wire, b"x: y\r\n") <= PATIENCE_S + 2


def test_a_second_request_that_trickles_in_behind_a_first_is_ended(served: tuple[int, str]) -> None:
    port, _ = served
    whole = HEAD.format(method="GET", path="/login", port=port) + "\r\n"
    with held(port, whole + "GET /login HTTP/1.1\r\n", ONE, 1) as (wire,):
        assert trickled_s(wire, b"x: y\r\n") <= 2.5 * PATIENCE_S + 2


def trickled_s(wire: socket.socket, part: bytes) -> float:
    """Seconds that the server took a part every half second."""
    began_s = time.monotonic()
    wire.settimeout(0.5)
    while time.monotonic() - began_s < 30:
        try:
            wire.sendall(part)
            if not wire.recv(65536):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - began_s


def test_the_connection_of_somebody_signed_in_stays_whoever_comes(served: tuple[int, str]) -> None:
    port, cookie = served
    asked = HEAD.format(method="GET", path="/api/openapi.json", port=port) + f"Cookie: {cookie}\r\n\r\n"
    with held(port, asked, ("127.0.2.1",), 1) as (mine,):
        assert mine.recv(9) == b"HTTP/1.1 "
        with held(port, "", MANY):
            while len(mine.recv(2**20)) == 2**20:
                pass
            mine.sendall(asked.encode())
            mine.settimeout(5)
            assert mine.recv(2**20)


def serving_on(port: int) -> psutil.Process:
    """The child whose server has the port: other tests may have left one that is ending."""
    for each in psutil.Process().children():
        with suppress(psutil.Error):
            if each.environ().get("METERLOOM_SERVER__WEB_PORT") == str(port):
                return each
    raise AssertionError(f"no server has port {port}")


@pytest.mark.parametrize("head", ["Content-Length: 21474836480", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/start/files", "/api/v1/ems/readings"])
def test_a_file_of_20_gb_is_refused_early_in_a_sentence_keeps_nothing_and_takes_no_memory(
    served: tuple[int, str], path: str, head: str
) -> None:
    port, cookie = served
    server = serving_on(port)
    folder = Path(server.cmdline()[-1])
    kind = "Content-Type: multipart/form-data; boundary=XX\r\n"
    first = HEAD.format(method="POST", path=path, port=port) + FORM.format(port=port).partition("Content-Type")[0]
    before, sent, block = server.memory_info().rss, 0, bytes(1 << 16)
    if "chunked" in head:
        block = b"10000\r\n" + block + b"\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as wire:
        wire.sendall(f"{first}{kind}Cookie: {cookie}\r\n{head}\r\n\r\n".encode())
        with suppress(ConnectionError):
            while sent < 20 << 30 and not select.select([wire], [], [], 0)[0]:
                wire.sendall(block)
                sent += len(block)
        answer = ended_within(wire, 30) or b""
    # Without a length as much is taken as a file may have; with one, what the sockets hold.
    most_mb = 64 if "chunked" in head else 0
    assert sent < (most_mb + 16) << 20
    assert server.memory_info().rss - before < (most_mb + 32) << 20
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"MB together; the command line takes larger ones" in answer
    assert not list((folder / "data").glob("uploads/*/*"))
