"""TCP ports of the loopback: one that is free, and whether something listens."""

import contextlib
import errno
import socket
from random import SystemRandom


def free_port() -> int:
    """A TCP port on the loopback that is free at this moment.

    Below those that the system gives to connections: one of them may be taken before the server is up. Raises OSError
    where a hundred are in use.
    """
    for port in SystemRandom().sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found between 20000 and 32000")


def is_listening(port: int) -> bool:
    """True where something accepts connections on the loopback's port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
