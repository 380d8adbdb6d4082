"""Parse hostile formats in a limited process of our own: what breaks or grows there is only that process.

`run_limited` is for every format whose library may be brought down by a file (XLSX, Parquet, PDF). The child is kept
for the next file, since starting one takes a quarter of a second, and is dropped after any doubt. Rows travel as a
file that the function writes, not as its answer.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from pydantic import Field

from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.model import Model

ROOT = Path(__file__).resolve().parents[3]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from assets.readings.readers.child_main import serve; serve()"
# Nothing else of our environment reaches the child, least of all a password.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "TZ", "SYSTEMROOT")
_MIB = 1024**2
# Between two looks at its memory the child can grow by what a core can touch: under 100 MiB.
_LOOK_S = 0.02
# Rows travel as a file: an answer is a list of columns, or a sentence.
_MAX_ANSWER_BYTES = 4 * _MIB


class Limits(Model):
    """Limits on one file's cost. memory_mb: memory of the child's own (not mapped files), MiB; the kernel refuses three
    times as much, should nobody look; cpu_s, wall_s: seconds; written_mb: of any file that it writes, MiB.
    """

    memory_mb: int = Field(default=512, ge=64)
    cpu_s: int = Field(default=30, ge=1)
    wall_s: float = Field(default=90.0, gt=0)
    written_mb: int = Field(default=2048, ge=1)


LIMITS = Limits()
# Of work for a process that has to stay small: one child serves all of it. Ten times what a year of 50 meters takes.
APART = Limits(memory_mb=2048, cpu_s=120, wall_s=60.0)


def run_limited(function: str, args: dict[str, Any], limits: Limits = LIMITS) -> Any:
    """Call `package.module:name` with keyword arguments in the limited child. Arguments and answer are plain JSON.

    Raises BadInput: the function's own, or reason `reader_stopped` where the child had to be stopped (memory, time)
    or died of the file. Raises OurFault for any other exception of the function.
    """
    request = {
        "function": function,
        "args": args,
        "cpu_s": limits.cpu_s,
        "data_bytes": 3 * limits.memory_mb * _MIB,
        "written_bytes": limits.written_mb * _MIB,
    }
    return _CHILD.run(request, limits)


def apart(function: str, args: dict[str, Any]) -> Any:
    """As run_limited, for work of a process that has to stay small (contracts/work/offload.py)."""
    return run_limited(function, args, APART)


class _Left(Exception):
    """The child went between two files, being idle."""


class _Child:
    """The one child of this process, started when it is needed. One file at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._widest_mb = 0
        # Folder in which it was started: relative names are looked for there.
        self._folder = ""
        self._inherited: list[subprocess.Popen[bytes]] = []

    def run(self, request: dict[str, Any], limits: Limits) -> Any:
        with self._lock:
            # What wider limits let it map (libraries, their pools) would count against the narrower ones.
            if self._widest_mb > limits.memory_mb:
                self._drop()
            self._widest_mb = limits.memory_mb
            try:
                answer = self._exchange(self._running(), request, limits)
            # An idle child leaves by itself: the question was never heard, and may be asked again.
            except _Left:
                self._drop()
                answer = self._exchange(self._running(), request, limits)
            except BaseException:
                # Whatever it was doing, its next answer would not be to the next question.
                self._drop()
                raise
            # Allocators give little back: what this file left behind would stop the next one, which is innocent.
            if self._process is not None and _own_memory_mb(self._process.pid) > limits.memory_mb / 2:
                self._drop()
        if "bad_input" in answer:
            raise BadInput(**answer["bad_input"])
        if "too_large" in answer:
            raise _stopped("it takes more memory than a meter file may")
        if "panic" in answer:
            raise _stopped(f"its reader failed ({answer['panic']})")
        if "fault" in answer:
            raise OurFault(f"the limited child failed: {answer['fault']}")
        return answer["result"]

    def close(self) -> None:
        """End the child; safe to call twice."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """In a forked process: the child and its pipes are the parent's."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._inherited.append(self._process)
        self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        folder = str(Path.cwd())
        if self._process is not None and (self._process.poll() is not None or folder != self._folder):
            self._drop()
        if self._process is None:
            self._folder = folder
            environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
            self._process = subprocess.Popen(
                # Isolated (-I): neither the folder nor the user's packages give it modules, so it is given our root.
                [sys.executable, "-I", "-c", _START, str(ROOT)],
                # select() asks the pipe itself, and knows nothing of bytes that wait in a buffer.
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Every thread has a stack and an arena: on a machine of many cores an idle child would reach the limit.
                env=environment | {"POLARS_MAX_THREADS": "2"},
                # Ctrl-C in the terminal is for the parent to answer: the child ends with its pipe.
                start_new_session=True,
            )
        return self._process

    def _exchange(self, process: "subprocess.Popen[bytes]", request: dict[str, Any], limits: Limits) -> dict[str, Any]:
        question, answer = (_open(pipe) for pipe in (process.stdin, process.stdout))
        try:
            question.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError as error:
            raise _Left from error
        line, deadline = b"", time.monotonic() + limits.wall_s
        while not line.endswith(b"\n"):
            if select.select([answer], [], [], _LOOK_S)[0]:
                piece = os.read(answer.fileno(), 1 << 16)
                if not piece:
                    raise _died(process.wait(), limits)
                line += piece
            if _own_memory_mb(process.pid) > limits.memory_mb:
                raise _stopped(f"it takes more than {limits.memory_mb} MiB of memory")
            if len(line) > _MAX_ANSWER_BYTES:
                raise _stopped(f"what it says takes more than {_MAX_ANSWER_BYTES // _MIB} MiB")
            if time.monotonic() > deadline:
                raise _stopped(f"it takes more than {limits.wall_s:.0f} s")
        found: dict[str, Any] = json.loads(line)
        return found

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            # With what it started: the letters of a picture are read by a program of their own.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _open(pipe).close()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OurFault("the limited child was started without its pipes")
    return pipe


def _died(status: int, limits: Limits) -> Exception:
    if status == 0:
        return _Left()
    if status == -signal.SIGXCPU:
        return _stopped(f"it takes more than {limits.cpu_s} s of computing time")
    if status == -signal.SIGXFSZ:
        return _stopped(f"it unpacks to more than {limits.written_mb} MiB")
    if status == -signal.SIGABRT:
        return _stopped("its reader gave up, most likely for want of memory")
    how = signal.Signals(-status).name if status < 0 else f"exit {status}"
    return _stopped(f"its reader crashed ({how})")


def _stopped(why: str) -> BadInput:
    return BadInput(f"the file cannot be read safely: {why}", line=1, reason="reader_stopped")


def _own_memory_mb(pid: int) -> float:
    """Anonymous and shared memory of a process, MiB; 0 where the system has no /proc: there the kernel's limit holds.

    Mapped files are left out: the system takes their pages back as it likes.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) / 1024


_CHILD = _Child()
atexit.register(_CHILD.close)
os.register_at_fork(after_in_child=_CHILD.forget)
