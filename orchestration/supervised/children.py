"""Processes of ours: each in a session of its own with a log, kept up while we live, ended in reverse order with us."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from data_quality.contracts.errors import Unreachable
from orchestration.doctor.role_files import RoleState, forget_role, hold_role, started, write_role
from orchestration.doctor.role_health import answer_of
from orchestration.supervised import parent_watch

Say = Callable[[str], None]
# Dagster loads the graph, and at its first start lets dbt parse its models, on cores that MLflow starts on too.
READY_S = 120.0
# A part that ends so often within the window ends for a reason that another start does not mend.
MOST_ENDS, WINDOW_S, LONGEST_PAUSE_S = 10, 600.0, 60.0


@dataclass
class Child:
    """One process of ours, how it is begun, and when it ended."""

    name: str
    log: Path
    run: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    is_needed: bool = True
    is_stopping: bool = False
    is_left: bool = False
    due_s: float | None = None
    ends_s: list[float] = field(default_factory=list)
    health: str = ""
    restarts: int = 0

    def ended(self, now_s: float) -> str:
        """Its process is found to have ended: what is done about it."""
        code, self.ends_s = self.process.returncode, [each for each in self.ends_s if now_s - each < WINDOW_S] + [now_s]
        if len(self.ends_s) >= MOST_ENDS:
            self.is_left = True
            return (
                f"{self.name} ended {MOST_ENDS} times in {WINDOW_S / 60:g} minutes, last with code {code}, and is not "
                f"started again; the other parts go on; see {self.log}"
            )
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (len(self.ends_s) - 1))
        self.due_s = now_s + pause_s
        return f"{self.name} ended with code {code} and is started again in {pause_s:g} s; see {self.log}"


class Children:
    """All of them, in the order of their start. Use it in `with`: its end, and our own death, are theirs.

    roles: folder of the role files, for who asks about their health; none: nobody does.
    """

    def __init__(self, logs: Path, roles: Path | None = None) -> None:
        self._logs, self._roles, self._all = logs, roles, list[Child]()
        self._held: dict[str, int] = {}

    def __enter__(self) -> "Children":
        self._watch = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(parent_watch.__file__))],
            stdin=subprocess.PIPE, start_new_session=True, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._all):
            self.stop(child)
        self._tell("done")
        # Its input may be closed to us already, where it was ended by somebody else.
        with suppress(OSError):
            self._watch.communicate()

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, place: int) -> Child:
        return self._all[place]

    def start(
        self, name: str, arguments: list[str], *, environment: Mapping[str, str], is_needed: bool = True,
        health: str = "",
    ) -> Child:  # fmt: skip
        """Start one that does not see our terminal's Ctrl-C; its output goes to a log file.

        is_needed: where it ends before everything is up, nothing is. health: as of its role file.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"

        def run() -> subprocess.Popen[bytes]:
            with log.open("ab") as output:
                return subprocess.Popen(
                    arguments, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
                )

        return self.keep(Child(name, log, run, run(), is_needed=is_needed, health=health))

    def keep(self, child: Child) -> Child:
        """Keep up a process that leads a session of its own, whoever started it."""
        self._all.append(child)
        self._tell(f"+{child.process.pid}")
        self._note(child, "running")
        return child

    def stop(self, child: Child) -> None:
        """Ask it to end as Ctrl-C would, insist after a while, and take along whatever it started."""
        if self._roles is not None:
            forget_role(self._roles, child.name)
            self._let_go(child.name)
        if child.is_left or child.due_s is not None:
            # Its number may be another program's by now.
            return
        process = child.process
        parent_watch.end_group(process.pid, lambda: process.poll() is not None, is_stopping=child.is_stopping)
        with suppress(subprocess.TimeoutExpired):
            process.wait(parent_watch.STEPS[0][1])

    def request_stop(self, behind: int) -> None:
        """Ask all but the first so many at once, for who waits for each in turn waits long."""
        for child in self._all[behind:]:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGINT)
            child.is_stopping = True

    def need_all(self) -> None:
        """Raises Unreachable where one without which nothing goes has ended."""
        for child in self._all:
            if child.is_needed and child.process.poll() is not None:
                raise Unreachable(f"{child.name} ended with code {child.process.returncode}; see {child.log}")

    def keep_up(self, say: Say, now_s: float) -> None:
        """Start again what has ended, after a pause that doubles; one that ends too often is left, and said so."""
        for child in self._all:
            if child.is_left or child.process.poll() is None:
                continue
            if child.due_s is None:
                # At once, and then never again: what it left behind would hold its port and keeps its number from being
                # given away; with the last of them the number may be any other program's.
                parent_watch.end_group(child.process.pid, lambda: True, is_stopping=True)
                self._tell(f"-{child.process.pid}")
                say(child.ended(now_s))
                self._note(child, "given_up" if child.is_left else "restarting")
            elif now_s >= child.due_s:
                child.process, child.due_s, child.restarts = child.run(), None, child.restarts + 1
                self._tell(f"+{child.process.pid}")
                self._note(child, "running")

    def wait_for_port(self, port: int) -> None:
        """Wait until something listens. Raises Unreachable where a needed child ends or the time runs out."""
        wait_for_port(port, meanwhile=self.need_all)

    def wait_for(self, health: str, stopped: threading.Event) -> None:
        """Wait until an address of a role file answers. Raises Unreachable where a needed child ends or the time runs
        out.
        """
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s and not stopped.is_set():
            self.need_all()
            if answer_of(health)[0]:
                return
            stopped.wait(0.25)
        if not stopped.is_set():
            raise Unreachable(f"{health} does not answer after {READY_S:g} s")

    def _note(self, child: Child, state: RoleState) -> None:
        if self._roles is not None:
            role = started(child.name, child.process.pid, child.health, restarts=child.restarts)
            file = write_role(self._roles, role.model_copy(update={"state": state}))
            self._let_go(child.name)
            self._held[child.name] = hold_role(file)

    def _let_go(self, name: str) -> None:
        if name in self._held:
            os.close(self._held.pop(name))

    def _tell(self, line: str) -> None:
        # Ended by somebody else, it can watch no more; we still end our own.
        with suppress(OSError, ValueError):
            if self._watch.stdin is not None:
                self._watch.stdin.write(line + "\n")
                self._watch.stdin.flush()


def wait_for_port(port: int, *, within_s: float = 30.0, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until something listens. Raises Unreachable where the time runs out."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        meanwhile()
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise Unreachable(f"nothing answers on port {port} after {within_s:g} s")
