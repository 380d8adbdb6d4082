"""Tells the service manager that the agent lives: READY after the first full cycle, WATCHDOG after each.

A cycle that hangs says nothing, and its process is ended; the devices' own timers bring them home meanwhile.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress


def heartbeat(environ: Mapping[str, str]) -> Callable[[object], None]:
    """A function to be called after each cycle; it does nothing where no service manager listens."""
    address = environ.get("NOTIFY_SOCKET", "")
    # An abstract socket is written with an @ in front.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    is_new = True

    def beat(_agent: object) -> None:
        nonlocal is_new
        if place:
            # A manager that is away must not stop what it watches.
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(b"READY=1\nWATCHDOG=1" if is_new else b"WATCHDOG=1", place)
        is_new = False

    return beat
