"""Allowances of requests and their queue: so many requests of one asker are in work at once, the next wait.

A turn is told by what they bring, not by who they are: to look that up is work already, in few threads.
"""

import hashlib
import math
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from anyio import Semaphore
from starlette.requests import ClientDisconnect, Request

from controls.gateways.access.http_server import SHARE, Bucket

QUARTER_S = 900
# Per name: so many at once, and so many a second after that.
BUCKETS = {
    # Of one person from one address; from a browser in which they were signed in before; from everywhere else.
    "wrong passwords": (5, 5 / QUARTER_S),
    "wrong passwords of a browser": (5, 5 / QUARTER_S),
    "wrong passwords of a person": (100, 100 / 3600),
    "wrong passwords of an address": (20, 20 / QUARTER_S),
    "requests of a person": (600, 20.0),
    "requests of a key": (60, 20.0),
    "wrong keys of an address": (20, 1 / 3),
    "refusals kept": (60, 1.0),
    # Of strangers, who check a report by its code or its file.
    "checks of an address": (60, 1.0),
    "files of an address": (20, 20 / QUARTER_S),
}
# At once: of one person, and of all.
PLACES = {"exports": (2, 8), "streams": (4, 100)}


class TooMany(Exception):
    """More than may be: of what, and when there is room again."""

    def __init__(self, kind: str, wait_s: float, told: dict[str, str] | None = None) -> None:
        super().__init__(f"too many {kind}; there is room again in {math.ceil(wait_s)} s")
        self.kind, self.wait_s, self.told = kind, max(1, math.ceil(wait_s)), told or {}


class Allowances:
    """Allowances left to each asker, in this process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._lock = monotonic, threading.Lock()
        self._buckets = {kind: Bucket(*size) for kind, size in BUCKETS.items()}
        self._taken: Counter[tuple[str, str]] = Counter()

    def take(self, kind: str, name: str) -> dict[str, str]:
        """Take one. Returns the headers that say what is left. Raises TooMany."""
        bucket, now_s = self._buckets[kind], self._monotonic()
        with self._lock:
            is_empty = bucket.is_empty(name, now_s)
            left, wait_s = bucket.left(name, now_s), bucket.wait_s(name, now_s)
        label = kind.replace(" ", "-")
        told = {
            "RateLimit-Policy": f'"{label}";q={bucket.size};w={math.ceil(bucket.size / bucket.a_second)}',
            "RateLimit": f'"{label}";r={int(left)};t={math.ceil(wait_s)}',
        }
        if is_empty:
            raise TooMany(kind, wait_s, told)
        return told

    def give_back(self, kind: str, name: str) -> None:
        """Give back one that was taken."""
        with self._lock:
            self._buckets[kind].give_back(name, self._monotonic())

    def is_left(self, kind: str, name: str) -> bool:
        """Take one, if there is one."""
        with self._lock:
            return not self._buckets[kind].is_empty(name, self._monotonic())

    @contextmanager
    def place(self, kind: str, name: str) -> Iterator[None]:
        """One of the places that a person may hold at once, until the block ends. Raises TooMany."""
        of_one, of_all = PLACES[kind]
        with self._lock:
            if self._taken[kind, name] >= of_one or self.taken(kind) >= of_all:
                raise TooMany(f"{kind} at once", 5)
            self._taken[kind, name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[kind, name] -= 1
                if not self._taken[kind, name]:
                    del self._taken[kind, name]

    def taken(self, kind: str) -> int:
        """Number of places of a kind that are taken."""
        return sum(number for (each, _), number in self._taken.items() if each == kind)


# Of one asker; the threads are four (app.py), so that no asker alone has them all. Together as many as an address has
# connections: where others of it wait, there is room for one more.
AT_ONCE = 3
IN_LINE = SHARE - AT_ONCE
WAIT_S = 5.0


@dataclass
class _Line:
    semaphore: Semaphore = field(default_factory=lambda: Semaphore(AT_ONCE))
    # Of each that is in it: whether whoever asked is gone.
    gone: list[Callable[[], bool]] = field(default_factory=list)


class Turns:
    """The lines of one server, by asker."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, asker: str, is_gone: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends. Raises TooMany, and ClientDisconnect for who is gone."""
        line = self._lines.setdefault(asker, _Line())
        if sum(not each() for each in line.gone) >= AT_ONCE + IN_LINE:
            raise TooMany("requests at once", WAIT_S)
        line.gone.append(is_gone)
        try:
            async with line.semaphore:
                if is_gone():
                    raise ClientDisconnect
                yield
        finally:
            line.gone.remove(is_gone)
            if not line.gone:
                del self._lines[asker]


def asker_of(request: Request, cookie: str) -> str:
    """A sign-in, a key, or of a stranger the address. cookie: the name of that of a sign-in."""
    brought = request.headers.get("authorization") or request.cookies.get(cookie)
    if brought:
        return hashlib.sha256(brought.encode()).hexdigest()
    return request.client.host if request.client else ""
