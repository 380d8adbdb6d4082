"""Python loads this before anything else where a test puts its folder first: an agent's own writes are noted.

Only in a process that is an agent: a line for each frame that would move a device, with when and of which site.
"""

import importlib.util
import json
import os
import socket
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WORDS = " ".join(sys.orig_argv)
IS_AGENT = "--site" in sys.orig_argv and ("controls.agent.main" in WORDS or "real_parts agent" in WORDS)


def watch(place: Path) -> None:
    """Note what leaves by any socket from here on."""
    spec = importlib.util.spec_from_file_location("wire_frames", Path(__file__).parent.parent / "wire_frames.py")
    assert spec is not None
    assert spec.loader is not None
    frames = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(frames)
    given = dict(zip(sys.orig_argv, sys.orig_argv[1:], strict=False))

    def noted(real: Any) -> Any:
        def send(self: socket.socket, data: Any, *more: Any) -> Any:
            for frame in frames.write_frames(bytes(data)):
                fields = {"at": datetime.now(UTC).isoformat(), "frame": frame}
                with (place / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(fields | {"project": given["--project"], "site": given["--site"]}) + "\n")
            return real(self, data, *more)

        return send

    # What is said over TLS is seen before it is hidden.
    for kind in (socket.socket, ssl.SSLSocket):
        for name in ("send", "sendall"):
            setattr(kind, name, noted(getattr(kind, name)))


if IS_AGENT and os.environ.get("WIRE_WATCH"):
    watch(Path(os.environ["WIRE_WATCH"]))
