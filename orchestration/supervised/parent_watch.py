"""Ends what `meterloom up` started where it was killed and could not do so itself: a process beside it.

On its input stands a line for each process that began (`+pid`) or ended (`-pid`). Where the input ends without a last
line `done`, who wrote it is gone: each process is ended with all that it started, the last one first, so that the agent
still has its broker while it brings its devices home. Nothing but the standard library: it starts in milliseconds.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

# Asked as Ctrl-C would, then told, then ended; with the seconds that each may take.
STEPS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0))
_LOOK_S = 0.05


def end_group(pid: int, is_gone: Callable[[], bool], *, is_told: bool = False) -> None:
    """End the leader of a session, and whatever of its group outlives it. is_told: it was asked to end already."""
    for number, patience_s in STEPS:
        if number is not signal.SIGINT:
            # Run workers outlive a code server that was told to stop.
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
        # A second SIGINT would break off the end that the first one began.
        elif not is_told and not is_gone():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s and not (is_gone() and (number is signal.SIGINT or _is_empty(pid))):
            time.sleep(_LOOK_S)


def _is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def watch(lines: Iterable[str]) -> None:
    """Follow the input to its end, and act where it ends without a word."""
    begun: list[int] = []
    for line in lines:
        if line.strip() == "done":
            return
        sign, pid = line[0], int(line[1:])
        if sign == "+":
            begun.append(pid)
        else:
            begun.remove(pid)
    for pid in reversed(begun):
        end_group(pid, lambda pid=pid: _is_gone(pid))  # type: ignore[misc]


if __name__ == "__main__":
    watch(sys.stdin)
