"""A file that stands under its name whole or not at all, and is on the disk once it does."""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_quality.contracts.text import file_name


def unfinished_of(path: Path) -> Path:
    """The name under which a file is written; a process that is killed leaves it behind."""
    # A name that begins with a dot is read by nobody.
    return path.with_name(f".{path.name}.part")


@contextmanager
def whole_file(path: Path, *, unfinished: Path | None = None) -> Iterator[Path]:
    """Gives the name to write under; at the end the file has its own. After an exception there is neither.

    unfinished: that name, in the same folder; of its own where two may write one file. Who removes it inside wants
    none. Raises OSError where the disk cannot take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = unfinished or unfinished_of(path)
    try:
        yield part
        if part.exists():
            # Before the name appears: after a power cut it must not stand over missing bytes.
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """A file of this content. Raises OSError."""
    with whole_file(path) as part:
        part.write_bytes(content)


def appear_whole(path: Path, write: Callable[[Path], object]) -> str:
    """Let `write` make the file under another name, then give it its own. Returns its SHA-256. Raises OSError."""
    with whole_file(path, unfinished=path.parent / f".tmp-{uuid.uuid4().hex}") as temporary:
        write(temporary)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # Readings are their owner's alone.
        temporary.chmod(0o600)
    return digest


def keep_copy(path: Path, *, root: Path, site_id: str, sha256: str) -> str:
    """Copy a file from outside below `root`, once for its content. Returns the path below `root`. Raises OSError."""
    relative = Path(site_id) / sha256[:16] / file_name(path)
    target = root / relative
    if not target.exists():
        # A name of its own: two processes may keep the same file at once.
        with whole_file(target, unfinished=target.parent / f".tmp-{uuid.uuid4().hex}") as temporary:
            shutil.copyfile(path, temporary)
    return str(relative)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for this process alone, by a file in it: NFS locks nothing that is open for reading only, and keeps
    no two threads of a process apart. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync_folder(folder: Path) -> None:
    """A renamed file is only there for sure when its folder is written too. Raises OSError."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
