"""Does anything that could move a device leave a process? Frames are recognised by their bytes, whoever sent them."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.control_faults.wire_frames import write_frames

_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})+)"')


def frames_of_trace(path: Path) -> list[str]:
    """Write frames in what strace (-xx) recorded of a process's sends."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        for text in _HEX.findall(line):
            found += write_frames(bytes.fromhex(text.replace("\\x", "")))
    return found


@contextmanager
def audited() -> Iterator[list[str]]:
    """While this is open, write frames that this process sends are listed."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("send", "sendall"):
            real = getattr(socket.socket, name)

            def noted(self: socket.socket, data: Any, *args: Any, real: Any = real) -> Any:
                found.extend(write_frames(bytes(data)))
                return real(self, data, *args)

            patch.setattr(socket.socket, name, noted)
        yield found
