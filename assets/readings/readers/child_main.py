"""The limited child's own loop: a question a line, an answer a line, limits set anew before each. See child.py."""

import importlib
import json
import os
import select
import signal
import sys
from typing import Any

from data_quality.contracts.errors import BadInput

# An idle child holds some 100 MiB: it goes when no file came for this long.
IDLE_S = 60.0


def serve() -> None:
    """Answer until the parent closes our input, or for long asks nothing."""
    # What libraries print is not our answer.
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    while select.select([sys.stdin], [], [], IDLE_S)[0]:
        # The parent asks one question at a time, so that no second one hides from select() in the buffer.
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        limit(cpu_s=request["cpu_s"], data_bytes=request["data_bytes"], written_bytes=request["written_bytes"])
        answer = json.dumps(call(request["function"], request["args"])).encode() + b"\n"
        while answer:
            answer = answer[os.write(out, answer) :]


def limit(*, cpu_s: int, data_bytes: int, written_bytes: int) -> None:
    """Bounds that the kernel holds from now on: computing time (on top of what was used), memory, size of files."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    # The limit counts from the start of the process, in whole seconds.
    used_s = int(usage.ru_utime + usage.ru_stime) + 1
    # Python ignores the signal that says a file grew too large, and would go on.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    for what, bound in (
        (resource.RLIMIT_CPU, used_s + cpu_s),
        # Not RLIMIT_AS: address space that threads and allocators only reserve is no memory.
        (resource.RLIMIT_DATA, data_bytes),
        (resource.RLIMIT_FSIZE, written_bytes),
        # A core dump would put the file's content, and gigabytes, on the disk.
        (resource.RLIMIT_CORE, 0),
    ):
        # Only the soft limit: a lowered hard one could not be raised again for the next file.
        highest = resource.getrlimit(what)[1]
        resource.setrlimit(what, (bound if highest == resource.RLIM_INFINITY else min(bound, highest), highest))


def call(function: str, args: dict[str, Any]) -> dict[str, Any]:
    """`result`, or what was raised: `bad_input` (of the file), `too_large`, `panic` (of a library), `fault` (ours)."""
    module, _, name = function.partition(":")
    try:
        return {"result": getattr(importlib.import_module(module), name)(**args)}
    except BadInput as fault:
        fields = ("message", "file", "line", "column", "reason", "mend")
        return {"bad_input": {each: getattr(fault, each) for each in fields}}
    except MemoryError:
        return {"too_large": True}
    except BaseException as fault:
        # The edge of the process: nothing is hidden, all of it is passed to the parent, which raises it.
        text = " ".join(str(fault).split())[:300]
        return {"panic" if type(fault).__name__ == "PanicException" else "fault": f"{type(fault).__name__}: {text}"}
