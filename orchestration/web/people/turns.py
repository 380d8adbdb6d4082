"""Whose turn it is: so many requests of one asker are in work at once, the next wait in line, and more are refused.

Who asks is told by what they bring, not by who they are: to look that up is work already, in threads that are few.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio import Semaphore
from starlette.requests import ClientDisconnect, Request

from controls.gateways.access.http_server import SHARE
from orchestration.web.people.allowances import TooMany

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
