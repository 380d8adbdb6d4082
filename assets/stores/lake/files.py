"""Files under keys, each put once and never changed: the port of the lake (ADR 0029), here in a folder of this machine.

Whoever reads, reads `root / key`.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from assets.stores.file_hashes import file_sha256
from assets.stores.whole_file import appear_whole, sync_folder, whole_file
from data_quality.contracts.errors import OurFault


class StoredFile(NamedTuple):
    """A file that stands under a key."""

    key: str
    size_bytes: int
    changed_utc: datetime


class FileStore:
    """Files of a folder of this machine. Keys are relative paths with strokes."""

    # How often a batch is written outside of the writers' lock before it is written inside of it.
    rounds = 1

    def __init__(self, root: Path) -> None:
        self.root, self.address = root, str(root)

    def put_new(self, key: str, write: Callable[[Path], object]) -> str:
        """Let `write` make a file, and the file stand under its key. Returns its SHA-256.

        The same content once more changes nothing. Raises OurFault where other content stands there; OSError.
        """
        path = self.root / key

        def once(part: Path) -> None:
            write(part)
            if path.exists() and file_sha256(path) != file_sha256(part):
                raise self.taken(key)

        return appear_whole(path, once)

    def taken(self, key: str) -> OurFault:
        """The fault of a put over another file."""
        return OurFault(f"{self.address}: {key} holds another file already, and a file is put once")

    def fetch(self, key: str, path: Path) -> str:
        """Write the key's file to the path. Returns its SHA-256. Raises FileNotFoundError, OSError, Unreachable."""
        return appear_whole(path, lambda part: part.write_bytes((self.root / key).read_bytes()))

    def refresh(self, wanted: Mapping[str, str]) -> bool:
        """Bring here what is kept elsewhere of these keys -> SHA-256; False where nothing is. Raises as `fetch`."""
        return False

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Files under keys of this folder, in any order. Raises OSError, Unreachable."""
        for path in (self.root / prefix).rglob("*"):
            if path.is_file():
                stat = path.stat()
                changed = datetime.fromtimestamp(stat.st_mtime, UTC)
                yield StoredFile(path.relative_to(self.root).as_posix(), stat.st_size, changed)

    def size_bytes(self, key: str) -> int | None:
        """Of what stands under the key; None where nothing does. Raises OSError, Unreachable."""
        path = self.root / key
        return path.stat().st_size if path.is_file() else None

    def delete(self, key: str) -> None:
        """Let nothing stand there; nothing may stand there already. Raises OSError, Unreachable."""
        (self.root / key).unlink(missing_ok=True)

    def move(self, key: str, to: str) -> None:
        """Let a file stand under another key, under which nothing stands. Raises OurFault, OSError, Unreachable."""
        path, target = self.root / key, self.root / to
        if target.exists():
            raise self.taken(to)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(target)
        sync_folder(target.parent)

    def note(self, key: str, content: bytes) -> None:
        """Write a small file in place of what stands there. Raises OSError, Unreachable."""
        # Readings are their owner's alone.
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.root / key
        # Two processes may note at once: each under a name of its own.
        with whole_file(path, unfinished=path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")) as part:
            part.write_bytes(content)

    def noted(self, key: str) -> bytes | None:
        """Content that `note` wrote last; None where there is no file. Raises OSError, Unreachable."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def reupload(self, key: str) -> None:
        """Put the file that stands here, where it is kept elsewhere too and is lost or altered there."""
