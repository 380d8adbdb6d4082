"""Jobs of the limited child: they spin, grow, write, crash, or read a document as a bill reader will."""

import mmap
import os
import signal
import time
from pathlib import Path

from data_quality.contracts.errors import BadInput


def double(value: int) -> int:
    """Twice the value."""
    return 2 * value


def folder() -> str:
    """Working folder of the child."""
    return str(Path.cwd())


def environment() -> dict[str, str]:
    """Environment of the child: what reached it of its parent's."""
    return dict(os.environ)


def refuse() -> None:
    """A file that cannot be used."""
    raise BadInput("not this one", line=7, reason="no_rows")


def stumble() -> None:
    """A bug of ours."""
    raise KeyError("what")


def starve() -> None:
    """No memory left."""
    raise MemoryError


class PanicException(BaseException):
    """Named as that of libraries written in Rust."""


def panic() -> None:
    """A library that gives up."""
    raise PanicException("capacity overflow")


def talk() -> str:
    """An answer that belongs into a file."""
    return "x" * 5 * 1024**2


def crash() -> None:
    """A library that falls over."""
    os.kill(os.getpid(), signal.SIGSEGV)


def spin() -> None:
    """For ever."""
    while True:
        pass


def sleep() -> None:
    """For ever, at no cost."""
    time.sleep(3600)


def grow(chunk_mb: int) -> None:
    """For ever, in pieces of some MiB."""
    kept = []
    while True:
        kept.append(b"x" * chunk_mb * 1024**2)
        time.sleep(0.001)


def write(path: str) -> None:
    """For ever, to a file."""
    with Path(path).open("wb") as file:
        while True:
            file.write(bytes(1024**2))


def shout() -> int:
    """Noise on the standard streams, as libraries make it."""
    os.write(1, b'{"result": 0}\n' * 100)
    os.write(2, b"noise" * 100_000)
    return 5


def pages_of_pdf(path: str) -> int:
    """All pages and pictures of a document, decoded."""
    import pypdf

    count = 0
    for page in pypdf.PdfReader(path).pages:
        page.extract_text()
        for each in page.get("/Resources", {}).get("/XObject", {}).values():
            each.get_object().get_data()
        count += 1
    return count


_RESERVED: list[mmap.mmap] = []


def reserve(mib: int) -> int:
    """Map memory and never touch it, as the pools of libraries do."""
    _RESERVED.append(mmap.mmap(-1, mib * 1024**2, flags=mmap.MAP_PRIVATE))
    return mib
