"""Work of a worker on a task. It is imported first in every worker, so it imports nothing that computes."""

import contextlib
import hashlib
import importlib
import multiprocessing
import os
import platform
import signal
import threading
import traceback
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data_quality.contracts.errors import OurFault, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.work.work_port import Result, attempt

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("data_quality", "assets", "ml", "controls", "reports", "orchestration")
# Another release of these may give other last digits.
LIBRARIES = ("numpy", "polars", "scipy", "statsmodels", "lightgbm", "pydantic", "reportlab", "xlsxwriter")
THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerFault(OurFault):
    """A function broke in a worker: the text of its error, since not every error can travel."""


def name_of(function: Callable[..., Any]) -> str:
    """`module:function`, by which another process finds it. Raises OurFault for what it would not find."""
    named = f"{function.__module__}:{function.__qualname__}"
    found = getattr(importlib.import_module(function.__module__), function.__qualname__, None)
    if found is not function:
        raise OurFault(f"{named} is no top-level name, so no worker could find it")
    return named


def run(name: str, task: Model, fingerprint: str) -> Result[Any]:
    """Do one task by the function of that name. Raises WorkerFault where that broke, Unreachable for other code."""
    if code_fingerprint() != fingerprint or at_start() != fingerprint:
        raise Unreachable(other_code(platform.node(), at_start(), fingerprint))
    module, _, function = name.partition(":")
    try:
        return attempt(getattr(importlib.import_module(module), function), task)
    except MemoryError:
        # Not ours: another worker, or this one once it is empty, may have the room.
        raise
    except Exception:
        raise WorkerFault(f"{name}: {traceback.format_exc().strip()}") from None


def other_code(who: str, theirs: str, ours: str) -> str:
    """The sentence for a worker that would compute something else."""
    return f"the worker {who} runs other code ({theirs[:12]} instead of {ours[:12]}): start it from this release"


def code_fingerprint() -> str:
    """SHA-256 of the code that computes, of Python and of the libraries behind it, as they lie on the disk now."""
    found = []
    for room in ROOMS:
        for folder, _, names in os.walk(ROOT / room):
            for name in names:
                if name.endswith((".py", ".yaml")):
                    stat = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - a thousand of them a task
                    found.append((os.path.join(folder, name), stat.st_size, stat.st_mtime_ns))  # noqa: PTH118
    return _fingerprint(tuple(sorted(found)))


@lru_cache(maxsize=1)
def at_start() -> str:
    """The fingerprint when this process first asked: what lies on the disk later is not what it has loaded."""
    return code_fingerprint()


@lru_cache(maxsize=2)
def _fingerprint(marks: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256(platform.python_version().encode())
    for library in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            digest.update(f"{library}={version(library)}\n".encode())
    for path, _, _ in marks:
        digest.update(f"{Path(path).relative_to(ROOT).as_posix()}\n".encode())
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


def begin(threads: int) -> None:
    """Make a process of the pool a worker: few threads, deaf to Ctrl-C, gone as soon as its parent is gone."""
    # Before numpy and polars are loaded, which read them once.
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    # The parent ends us; a traceback of each worker would bury its one sentence.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with(parent.join)
    at_start()


def end_with(until_gone: Callable[[], object]) -> None:
    """End this process, whatever it is doing, when `until_gone` returns."""

    def watch() -> None:
        until_gone()
        os._exit(1)

    threading.Thread(target=watch, name="ends-with-parent", daemon=True).start()
