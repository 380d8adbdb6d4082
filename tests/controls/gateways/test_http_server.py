"""The server of pages and push door over a small application: deadlines and shares of connections, also over TLS."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.access.http_server import CONNECTION, CONNECTIONS, SHARE, HttpServer, Limits, bound, recognised
from data_quality.contracts.errors import BadInput, Unreachable
from tests.controls.gateways.sources.live_sink import until
from tests.web.half_open import ended_within, held

LONG = 8 * 2**20
asked_late: list[str] = []
asked_long: list[dict[str, Any]] = []
ASK = "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with much at /long, late at /late; and knows who asks at /known."""
    if scope["path"].startswith("/known"):
        recognised(scope, "anna")
    if scope["path"].endswith("/late"):
        asked_late.append(scope["path"])
        await asyncio.sleep(60)
    if scope["path"] == "/long":
        asked_long.append(scope)
    body = b"x" * (LONG if scope["path"].endswith("/long") else 2)
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(patience_s: float = 30.0, trusted: tuple[str, ...] = (), **options: Any) -> Iterator[int]:
    """The server in a thread; its port."""
    sockets = bound("127.0.0.1", 0, what="a test", setting="NONE")
    ready = threading.Event()
    server = HttpServer(
        app, sockets, Limits(patience_s=patience_s, trusted=trusted), on_ready=ready.set, lifespan="off", **options
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(60)
        yield sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def open_ones(wires: list[socket.socket], at_most: int) -> int:
    """Number of connections still open, once the server has ended what is beyond its bound."""

    def count() -> int:
        return sum(not is_ended(each) for each in wires)

    until(lambda: count() <= at_most)
    # What is to stay has the time to be ended too.
    time.sleep(0.5)
    return count()


def is_ended(wire: socket.socket) -> bool:
    wire.setblocking(False)
    try:
        while wire.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def test_a_slow_reader_gets_all_and_one_who_does_not_read_is_ended() -> None:
    asked_long.clear()
    with serving(patience_s=1.5) as port, held(port, ASK.format(path="/long"), ("127.0.0.1",), 2) as (slow, none):
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
        began_s, size = time.monotonic(), 0
        while size < LONG:
            # Longer than a reader may stay away, in all.
            size += len(slow.recv(2**19, socket.MSG_WAITALL))
            time.sleep(0.2)
        assert time.monotonic() - began_s > 2
        # It reads only once the server has given it up: before that it would be a reader. The other one's connection
        # ends too, when it has asked for nothing for so long.
        [own] = [each["state"][CONNECTION] for each in asked_long if tuple(each["client"]) == none.getsockname()]
        until(lambda: own.is_gone)
        found = ended_within(none, 20)
        assert found is not None
        assert len(found) < LONG


def test_of_one_address_the_connections_that_wait_longest_end() -> None:
    with serving() as port, held(port, "", ("127.0.0.9",), SHARE + 8) as wires:
        assert open_ones(wires, SHARE) == SHARE
        assert [is_ended(each) for each in wires[:8]] == [True] * 8


def test_of_many_addresses_no_more_than_all_stay() -> None:
    addresses = tuple(f"127.0.3.{number}" for number in range(1, 60))
    with serving() as port, held(port, "", addresses, CONNECTIONS + 8) as wires:
        assert open_ones(wires, CONNECTIONS) == CONNECTIONS


def test_a_trusted_proxy_has_no_share() -> None:
    with serving(trusted=("127.0.0.8/29",)) as port, held(port, "", ("127.0.0.9",), SHARE + 8) as wires:
        assert open_ones(wires, SHARE + 8) == SHARE + 8


def test_a_person_has_a_share_too_and_keeps_what_is_being_answered() -> None:
    late, known = ASK.format(path="/known/late"), ASK.format(path="/known")
    with serving() as port, held(port, late, ("127.0.0.9",), 4) as answered:
        addresses = tuple(f"127.0.4.{number}" for number in range(1, 41))
        with held(port, known, addresses, 40) as wires:
            # The others are of a person who has their share already: they are strangers' like any other.
            assert open_ones(answered, 4) == 4
            strangers = tuple(f"127.0.5.{number}" for number in range(1, 251))
            with held(port, "", strangers, 300):
                assert open_ones(answered, 4) == 4
                assert open_ones(wires, SHARE - 4) <= SHARE - 4


def test_where_nobody_can_go_one_more_is_told_to_come_again() -> None:
    late = ASK.format(path="/known/late")
    asked_late.clear()
    with serving(trusted=("127.0.0.9",)) as port, held(port, late, ("127.0.0.9",), CONNECTIONS):
        # Until the last of them is being answered: one that is not yet would give its place away.
        until(lambda: len(asked_late) == CONNECTIONS)
        with held(port, "", ("127.0.0.1",), 1) as (wire,):
            found = ended_within(wire, 10)
    assert found is not None
    assert found.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in found
    assert found.endswith(b"\r\n\r\nevery connection is taken; try again in 5 s\n")


def test_half_a_tls_handshake_has_no_more_time_than_half_a_head(tmp_path: Path) -> None:
    made = certificate_in(tmp_path)
    options = {"ssl_certfile": str(made.certificate), "ssl_keyfile": str(made.key)}
    with serving(patience_s=0.5, **options) as port, held(port, "", ("127.0.0.1",), 1) as (wire,):
        assert ended_within(wire, 10) == b""


@pytest.mark.parametrize(
    ("client", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("10.0.0.7", ""),
        ("2001:db8:1::9", ""),
    ],
)
def test_a_share_is_of_an_address_or_a_network_of_ipv6(client: str, whose: str) -> None:
    assert Limits(trusted=("10.0.0.0/24", "2001:db8:1::/48")).address((client, 1)) == whose


def test_a_port_that_is_taken_and_a_host_of_another_machine_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=f"^port {port}, for x, is taken by me: end .* name another port with Y$"):
            bound("127.0.0.1", port, what="x", setting="Y", who=lambda _: "me")
    with pytest.raises(BadInput, match=r"^192\.0\.2\.7, for x, is no address of this machine$"):
        bound("192.0.2.7", port, what="x", setting="Y")
