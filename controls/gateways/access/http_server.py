"""The HTTP server of the pages and of the door for machines: uvicorn, with limits for each connection.

Each address has a share of the connections, people and keys of ours have a reserve of them, and everything that the
other side keeps us waiting for has a deadline.
"""

import asyncio
import errno
import ipaddress
import math
import resource
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.model import Model

# Of all connections, those that one address may hold, and those that one person or key may.
CONNECTIONS, SHARE = 256, 32
# In multiples of the server's patience: between two requests, and without a byte of an answer being read.
KEEP_ALIVE, READER = 1.5, 3.0
LARGEST_HEAD = 32 * 2**10
# Connections that wait to be taken in, as many as the system allows; and requests in work, also of who left.
BACKLOG, REQUESTS = 2048, 4 * CONNECTIONS
# Files that a process may have open: connections that have not finished their TLS handshake are among them.
OPEN_FILES = 8192
# Name of a request's Connection in its state.
CONNECTION = "connection"


class Limits(Model):
    """patience_s: how long the head of a request may take, and a body may pause. trusted: proxies' addresses and
    networks, which share nothing: behind them is everybody.
    """

    patience_s: float = 10.0
    trusted: tuple[str, ...] = ()

    def address(self, client: Sequence[Any] | None) -> str:
        """Owner of a connection for limits: an IPv4 address, an IPv6 network of 64 bits; empty for a trusted proxy."""
        host = str(client[0]) if client else ""
        try:
            found = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return host
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if any(found in ipaddress.ip_network(each) for each in self.trusted):
            return ""
        # Whoever has one IPv6 address has such a network.
        return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Connection(H11Protocol):
    """One connection. owner: whose share it is of. is_known: a request on it came from a person or a key of ours.
    waits_since_s: since when the other side keeps us waiting (monotonic); None while we are at work.
    """

    def __init__(self, places: "Places", **given: Any) -> None:
        super().__init__(**given)
        # The application tells by it who asks (`recognised`).
        self.app_state = {**self.app_state, CONNECTION: self}
        self.places, self.owner, self.is_known, self.is_gone = places, "", False, False
        self.waits_since_s: float | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a place, for which another may have to go."""
        super().connection_made(transport)
        self.owner = self.places.limits.address(self.client)
        self._wait(self.places.limits.patience_s)
        if not self.places.enter(self):
            self._refuse("503 Service Unavailable", "every connection is taken; try again in 5 s", "Retry-After: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self._leave()
        self.is_gone = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a head keeps the deadline that it has; a part of a body gets a new one."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._look()

    def on_response_complete(self) -> None:
        """From here on the next request is waited for, and the rest of this answer is to be read."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The other side does not read."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._look()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Sockets have pings, and a place among the streams of a person."""
        self._leave()
        super().handle_websocket_upgrade(event)

    def drop(self) -> None:
        """End it at once."""
        self._leave()
        self.transport.abort()

    def _look(self) -> None:
        """Set the timeout of the connection's present state: reader, idle keep-alive or request body."""
        if self not in self.places:
            return
        patience_s, cycle = self.places.limits.patience_s, self.cycle
        if self.flow.write_paused:
            self._wait(patience_s * READER)
        elif cycle is None or cycle.response_complete:
            self._wait(patience_s * (KEEP_ALIVE + 1))
        elif cycle.more_body:
            self._wait(patience_s)
        else:
            self._stop_waiting()

    def _wait(self, within_s: float) -> None:
        self._stop_waiting()
        self.waits_since_s, self._unsent = self.loop.time(), self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(within_s, self._too_late, within_s)

    def _stop_waiting(self) -> None:
        self.waits_since_s = None
        if self._deadline is not None:
            self._deadline.cancel()

    def _too_late(self, within_s: float) -> None:
        is_reading = 0 < self.transport.get_write_buffer_size() < self._unsent
        if is_reading or (self.flow.read_paused and not self.flow.write_paused):
            # A long answer on a slow line; or a body that the application has not taken in yet.
            self._wait(within_s)
        elif self.cycle is not None and not self.cycle.response_complete and not self.cycle.response_started:
            self._refuse("408 Request Timeout", f"no byte of the body came for {within_s:g} s; send it again")
        elif self.conn.trailing_data[0] and (self.cycle is None or self.cycle.response_complete):
            self._refuse("408 Request Timeout", f"the head of the request was not complete after {within_s:g} s")
        else:
            self.drop()

    def _refuse(self, status: str, sentence: str, headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n{headers}"
        # By hand: the parser is in the middle of a request that never comes.
        self.transport.write(f"{head}Content-Length: {len(sentence) + 1}\r\n\r\n{sentence}\n".encode())
        self._leave()
        self.transport.close()

    def _leave(self) -> None:
        self._stop_waiting()
        self.places.leave(self)


class Places:
    """The connections of one server, and who has to go for another: never who is known and being answered."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Connection, None] = {}

    def __contains__(self, connection: Connection) -> bool:
        """Whether it has a place."""
        return connection in self._open

    def enter(self, connection: Connection) -> bool:
        """Take a place; whether there was one to have."""
        own = self._of(connection.owner)
        is_over = bool(connection.owner) and len(own) >= SHARE
        has_room = (not is_over and len(self._open) < CONNECTIONS) or self._free(own if is_over else self._open)
        if has_room:
            self._open[connection] = None
        return has_room

    def leave(self, connection: Connection) -> None:
        """Give the place back, if it has one."""
        self._open.pop(connection, None)

    def know(self, connection: Connection, owner: str) -> None:
        """A request on it came from somebody of ours, whose share it is of from now on."""
        if connection not in self or (connection.is_known and connection.owner in ("", owner)):
            return
        own = self._of(owner)
        if len(own) < SHARE or self._free(own):
            connection.is_known, connection.owner = True, connection.owner and owner

    def _of(self, owner: str) -> list[Connection]:
        return [each for each in self._open if each.owner == owner]

    def _free(self, may_go: Iterable[Connection]) -> bool:
        """End the one that can be missed best: of strangers before others, of those that wait the one that waits
        longest. Whether there was one.
        """
        found = [each for each in may_go if _waits(each) or not each.is_known]
        worst = min(found, key=lambda each: (each.is_known, not _waits(each), each.waits_since_s or 0.0), default=None)
        if worst is not None:
            worst.drop()
        return worst is not None


def _waits(connection: Connection) -> bool:
    return connection.waits_since_s is not None


def recognised(scope: Mapping[str, Any], owner: str) -> None:
    """Register the authenticated person or key of a request with the server, by name. From any thread."""
    connection = scope.get("state", {}).get(CONNECTION)
    if connection is not None:
        connection.loop.call_soon_threadsafe(connection.places.know, connection, owner)


class HttpServer(uvicorn.Server):
    """uvicorn over sockets that are bound already. on_ready: once it answers; on_end: before it waits for requests that
    are on their way.
    """

    def __init__(
        self,
        app: Any,
        sockets: Sequence[socket.socket],
        limits: Limits,
        *,
        on_ready: Callable[[], object] = lambda: None,
        on_end: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                # An address may hold what somebody put there by mistake.
                access_log=False,
                server_header=False,
                limit_concurrency=REQUESTS,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=math.ceil(limits.patience_s * KEEP_ALIVE),
                h11_max_incomplete_event_size=LARGEST_HEAD,
                # Without proxies nobody is believed, also not whom the environment names (FORWARDED_ALLOW_IPS).
                proxy_headers=bool(limits.trusted),
                forwarded_allow_ips=list(limits.trusted),
                **options,
            )
        )
        self._sockets, self._on_ready, self._on_end = sockets, on_ready, on_end
        self._places = Places(limits)

    def run(self, sockets: Any = None) -> None:
        """Serve until SIGINT or SIGTERM."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, OPEN_FILES)), hard))
        # After its orderly end uvicorn raises the signal that asked for it once more.
        with suppress(KeyboardInterrupt):
            super().run(sockets)

    async def startup(self, sockets: Any = None) -> None:
        """As uvicorn does it, with connections of ours, and half a TLS handshake as short-lived as half a head."""
        await super().startup(sockets=[])
        loop, config = asyncio.get_running_loop(), self.config
        state = {"config": config, "server_state": self.server_state, "app_state": self.lifespan.state}
        for each in self._sockets:
            server = await loop.create_server(
                partial(Connection, self._places, **state),
                sock=each,
                ssl=config.ssl,
                backlog=BACKLOG,
                ssl_handshake_timeout=self._places.limits.patience_s if config.ssl else None,
            )
            self.servers.append(server)
        self._on_ready()

    async def shutdown(self, sockets: Any = None) -> None:
        """As uvicorn does it, and without waiting for what has no end of its own."""
        self._on_end()
        await super().shutdown(sockets)


class PortInUse(Unreachable):
    """Another program has the port. taken: that alone, without what to do."""

    def __init__(self, port: int, what: str, setting: str, who: str = "") -> None:
        self.taken = f"port {port}, for {what}, is taken{f' by {who}' if who else ''}"
        super().__init__(f"{self.taken}: end that program, or name another port with {setting}")


def bound(
    host: str, port: int, *, what: str, setting: str, who: Callable[[int], str] = lambda _: ""
) -> list[socket.socket]:
    """Sockets of that address, which nobody else has. what: is served there; setting: the variable that names another
    port; who: the program that listens at a port, where that is known.

    Raises Unreachable where the port cannot be had, BadInput for a host that is not of this machine.
    """
    made: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            made.append(each := socket.socket(family, kind, protocol))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
            # At once: until then another program could still have it.
            each.listen(BACKLOG)
    except OSError as error:
        for each in made:
            each.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port, what, setting, who(port)) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Unreachable(f"port {port}, for {what}, is not for this user to open; name one above 1023") from error
        raise BadInput(f"{host}, for {what}, is no address of this machine", reason="no_address") from error
    return made


class Bucket:
    """An allowance by name. size: what is there at first and at most; a_second: how fast it fills again."""

    def __init__(self, size: int, a_second: float) -> None:
        self.size, self.a_second = size, a_second
        self._left: dict[str, tuple[float, float]] = {}

    def is_empty(self, name: str, now_s: float) -> bool:
        """Whether nothing is left for that name; else one is taken."""
        left = self.left(name, now_s)
        if left >= 1:
            self._left[name] = (left - 1, now_s)
        if len(self._left) > 10_000:
            self._forget(now_s)
        return left < 1

    def give_back(self, name: str, now_s: float) -> None:
        """One that was taken was not used."""
        self._left[name] = (min(float(self.size), self.left(name, now_s) + 1), now_s)

    def left(self, name: str, now_s: float) -> float:
        """Allowance left for that name."""
        left, at_s = self._left.get(name, (float(self.size), now_s))
        return min(float(self.size), left + (now_s - at_s) * self.a_second)

    def wait_s(self, name: str, now_s: float) -> float:
        """Seconds until there is one again; 0 where there is."""
        return max(0.0, (1 - self.left(name, now_s)) / self.a_second)

    def _forget(self, now_s: float) -> None:
        # Who has filled up again is as if never seen; who floods us with names must not empty the others' buckets.
        self._left = {name: each for name, each in self._left.items() if self.left(name, now_s) < self.size}
        if len(self._left) > 100_000:
            self._left.clear()
