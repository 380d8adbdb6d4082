"""SHA-256 of files that are asked about again and again: one that did not change since costs a question to the disk's
directory, not the reading of it.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from data_quality.contracts.settings import Project

# Path below the folder -> size and times, SHA-256.
_MEMORY: TypeAdapter[dict[str, tuple[str, str]]] = TypeAdapter(dict[str, tuple[str, str]])


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileHashes:
    """What files under one folder hashed to, kept in a file of the project: a restart reads none of them again.

    A file is another one with another size or time of content or of entry: a copy that keeps the time of its content
    does not keep that of its entry. Whoever removes or spoils the memory pays with one reading of each file.
    """

    def __init__(self, memory: Path, folder: Path) -> None:
        self._memory, self._folder = memory, folder
        self._before = self._read()
        self._now: dict[str, tuple[str, str]] = {}

    def sha256(self, path: Path) -> str:
        """Of one file's bytes."""
        name = str(path.relative_to(self._folder))
        mark = _mark(path)
        known = self._before.get(name)
        # Looked at before the reading: a file that is written meanwhile is another one at the second look.
        if known is None or known[0] != mark:
            known = (mark, file_sha256(path))
            if _mark(path) != mark:
                # Written while it was read: nothing to remember.
                return known[1]
        self._now[name] = known
        return known[1]

    def keep(self) -> None:
        """Remember the files that were asked about, and no others; writes only where that changed."""
        if self._now == self._before:
            return
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._memory.with_name(f".{self._memory.name}.part")
        unfinished.write_bytes(_MEMORY.dump_json(self._now))
        unfinished.replace(self._memory)

    def _read(self) -> dict[str, tuple[str, str]]:
        try:
            return _MEMORY.validate_json(self._memory.read_bytes())
        except (OSError, ValidationError):
            return {}


def landing_files(folder: Path) -> list[Path]:
    """Complete files in arrival order; names that start with a dot are still being written."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    # Of two values for one quarter hour the later arrival counts, so a correction is read after what it corrects.
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def unseen_files(project: Project, site_id: str, known: Collection[str], *, limit: int) -> dict[str, str]:
    """Hash and path of the first files of the site's landing folder whose hash is none of the known, by arrival."""
    fresh: dict[str, str] = {}
    folder = project.landing_dir
    hashes = FileHashes(project.data_dir / "landing_hashes" / f"{site_id}.json", folder)
    for path in landing_files(folder / site_id):
        key = hashes.sha256(path)
        if key not in known:
            fresh[key] = str(path)
        if len(fresh) >= limit:
            break
    hashes.keep()
    return fresh


def _mark(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
