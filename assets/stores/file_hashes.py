"""SHA-256 of files that are looked up again and again: one that did not change since costs a look at the disk's
directory, not the reading of it.
"""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from data_quality.contracts.settings import Project
from data_quality.contracts.work.project_cache import ProjectCache

# Path below the folder -> size and times, SHA-256.
_MEMORY: TypeAdapter[dict[str, tuple[str, str]]] = TypeAdapter(dict[str, tuple[str, str]])


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed_copies(root: Path, kept: Mapping[str, str]) -> tuple[str, ...]:
    """Kept copies whose bytes are others now. kept: path below the root -> SHA-256. One that was removed is none."""
    return tuple(
        name for name, sha256 in kept.items() if (path := root / name).is_file() and file_sha256(path) != sha256
    )


class FileHashes:
    """Hashes of files under one folder, kept in a file of the project: a restart reads none of them again.

    A file is another one with another size or time of content or of entry: a copy that keeps the time of its content
    does not keep that of its entry. Whoever removes or spoils the memory pays with one reading of each file.
    """

    def __init__(self, memory: Path, folder: Path, cache: ProjectCache) -> None:
        self._memory, self._folder, self._cache = memory, folder, cache
        self._before = self._read()
        self._now: dict[str, tuple[str, str]] = {}

    def sha256(self, path: Path) -> str:
        """Of one file's bytes."""
        name = str(path.relative_to(self._folder))
        mark = mark_of(path)
        known = self._before.get(name)
        # Looked at before the reading: a file that is written meanwhile is another one at the second look.
        if known is None or known[0] != mark:
            known = (mark, file_sha256(path))
            if mark_of(path) != mark:
                # Written while it was read: nothing to remember.
                return known[1]
        self._now[name] = known
        return known[1]

    def keep(self) -> None:
        """Remember the files that were looked up, and no others; writes only where that changed."""
        if self._now == self._before:
            return
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._memory.with_name(f".{self._memory.name}.part")
        unfinished.write_bytes(_MEMORY.dump_json(self._now))
        unfinished.replace(self._memory)

    def _read(self) -> dict[str, tuple[str, str]]:
        try:
            key = (self._memory, mark_of(self._memory))
            return self._cache.once("landing_hashes", key, lambda: _MEMORY.validate_json(self._memory.read_bytes()))
        except (OSError, ValidationError):
            return {}


def landing_files(folder: Path) -> list[Path]:
    """Complete files in arrival order; names that start with a dot are still being written."""
    every = (Path(where, name) for where, _, names in os.walk(folder) for name in names if not name.startswith("."))
    found = [path for path in every if path.is_file()]
    # Of two values for one quarter hour the later arrival counts, so a correction is read after what it corrects.
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def unseen_files(
    project: Project, site_id: str, known: Sequence[Collection[str]], cache: ProjectCache, *, limit: int
) -> dict[str, str]:
    """Hash and path of the first files of the site's landing folder whose hash none of the known has, by arrival."""
    fresh: dict[str, str] = {}
    folder = project.landing_dir
    landed = landing_files(folder / site_id)
    memory = project.data_dir / "landing_hashes" / f"{site_id}.json"
    # Most sites of a large project have nothing there at most looks, and never had.
    if not landed and not memory.exists():
        return fresh
    hashes = FileHashes(memory, folder, cache)
    for path in landed:
        key = hashes.sha256(path)
        if not any(key in each for each in known):
            fresh[key] = str(path)
        if len(fresh) >= limit:
            break
    hashes.keep()
    return fresh


def mark_of(path: Path) -> str:
    """Size and times of a file: another text where its content may be another. Raises FileNotFoundError."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
