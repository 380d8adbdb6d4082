"""Two processes that stand beside others and load nothing but the standard library: they start in milliseconds.

Without arguments it ends all that `meterloom up` started where that was killed and could not do so itself. On its input
stands a line for each process that began (`+pid`) or ended (`-pid`). Where the input ends without a last line `done`,
who wrote it is gone: each process is ended with all that it started, the last one first, so that the agent still has
its broker while it brings its devices home.

With the path of a role file and a command line it is the process of `meterloom serve`: the parent of the one service,
which ends with it, and whose file it takes away where the end was meant. In a container it is the first process.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

# Asked as Ctrl-C would, then told, then ended; with the seconds that each may take.
STEPS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0))
_LOOK_S = 0.05
# Asked to end by these; the others are for the service alone (an agent's emergency stop is one).
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PASSED_ON = {*_ENDING, signal.SIGUSR1, signal.SIGUSR2}
_PR_SET_PDEATHSIG = 1


def end_group(pid: int, is_gone: Callable[[], bool], *, is_stopping: bool = False) -> None:
    """End the leader of a session, and whatever of its group outlives it. is_told: it was asked to end already."""
    for number, patience_s in STEPS:
        if number is not signal.SIGINT:
            # Run workers outlive a code server that was told to stop.
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
        # A second SIGINT would break off the end that the first one began.
        elif not is_stopping and not is_gone():
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


def keep(file: str, words: list[str]) -> int:
    """Be the parent of one service until it ends. Returns its exit code; what ended it by a signal ends us too."""
    parent = os.getpid()
    # Whoever is told before there is a service keeps it in mind until there is one.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    service = os.fork()
    if not service:
        _begin(parent, words)

    def pass_on(number: int, _frame: object) -> None:
        if number in _ENDING:
            _forget(file)
        with suppress(ProcessLookupError):
            os.kill(service, number)

    for each in _PASSED_ON:
        signal.signal(each, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    code = _end_of(service)
    if code == 0:
        _forget(file)
    # Its own children outlive a server that was killed, and would hold its port.
    end_group(service, lambda: True, is_stopping=True)
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(parent, -code)
    # The first process of a container is not ended by a signal of its own.
    return code if code >= 0 else 128 - code


def _begin(parent: int, words: list[str]) -> None:
    """The service, in a session of its own: a terminal's Ctrl-C comes once, by us."""
    os.setsid()
    # Linux alone: elsewhere the service of a keeper that was killed lives on.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    if os.getppid() == parent:
        try:
            os.execv(words[0], words)  # noqa: S606 - words of ours alone
        except OSError as fault:
            os.write(2, f"{words[0]}: {fault.strerror}\n".encode())
    os._exit(127)


def _end_of(service: int) -> int:
    """Its exit code, once it ended; whatever else ends here was left to us and is only buried."""
    while True:
        pid, status = os.wait()
        if pid == service:
            return os.waitstatus_to_exitcode(status)


def _forget(file: str) -> None:
    space = ""
    with suppress(OSError):
        # As a role file has it: the first process of every container has the same number.
        space = f"{os.uname().nodename} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    # A later one of the same name has written its own by now.
    with suppress(OSError, ValueError), open(file, encoding="utf-8") as written:  # noqa: PTH123 - starts in milliseconds
        owner = json.load(written)
        if (owner["pid"], owner["space"]) == (os.getpid(), space):
            os.unlink(file)  # noqa: PTH108


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(keep(sys.argv[1], sys.argv[2:]))
    watch(sys.stdin)
