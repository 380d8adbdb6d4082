"""Areas of a project that a backup holds: its folder, and settings' folders outside of it."""

import os
from collections.abc import Iterator
from pathlib import Path

from data_quality.contracts.settings import Project

PROJECT, KEYS, ANCHORS = "project", "keys", "anchors"
# Recomputed from the rest, or of this machine's processes alone; names below the data folder.
REBUILT = frozenset({
    "lake", "marts", "as_of", "warehouse", "dagster", "builds", "logs", "work", "tools", "landing_hashes", "scratch",
    "run", "asked",
})  # fmt: skip
NOTE, HASHES = "last_backup.json", "backup_hashes.json"
_SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")
_OF_PROCESSES = (".lock", ".pid", ".sock")
_SMALL = 1 << 16


def areas(project: Project, keys_dir: Path) -> dict[str, Path]:
    """Area -> folder. A folder inside of the project's belongs to it, except keys and anchors."""
    named = {
        "sites": project.sites_dir,
        "landing": project.landing_dir,
        "data": project.data_dir,
        "reports": project.reports_dir,
    }
    outside = {name: folder for name, folder in named.items() if not is_inside(project.root, folder)}
    for name, file in (("people", project.people_file), ("organisation", project.organisation_file)):
        if not is_inside(project.root, file):
            outside[name] = file.parent
    return {PROJECT: project.root, **outside, KEYS: keys_dir, ANCHORS: project.anchors_dir}


def is_inside(root: Path, path: Path) -> bool:
    """Whether a path lies in a folder, as it is written."""
    return Path(os.path.normpath(path)).is_relative_to(root)


def files_of(project: Project, area: str, folder: Path, left_out: frozenset[Path]) -> Iterator[Path]:
    """Files of an area in order; without hidden ones, and what lies in other areas or is recomputed.

    left_out: further folders and files.
    """
    if area in {"people", "organisation"}:
        file = project.people_file if area == "people" else project.organisation_file
        yield from (each for each in (file,) if each.is_file())
        return
    seen = {os.path.realpath(folder)}
    # A folder may be a link to another disk; one that leads back is entered once.
    for where, names, found in os.walk(folder, followlinks=True):
        here = Path(where)
        inner = {name: os.path.realpath(here / name) for name in sorted(names)}
        names[:] = [
            name
            for name, real in inner.items()
            if not name.startswith(".") and here / name not in left_out and real not in seen
        ]
        seen.update(inner[name] for name in names)
        for name in sorted(found):
            path = here / name
            is_own = not name.startswith(".") and not name.endswith((*_OF_PROCESSES, *_SQLITE_COMPANIONS))
            if is_own and path not in left_out and path.is_file():
                yield path


def left_out_of(project: Project, keys_dir: Path, place: str) -> frozenset[Path]:
    """Folders and files that no walk over an area enters."""
    data = project.data_dir
    own = [project.keys_dir, keys_dir, *project.anchors_dirs, data / "store.db"]
    return frozenset([*own, *(data / name for name in (*REBUILT, NOTE, HASHES)), Path(place).resolve()])


def is_secret(path: Path) -> bool:
    """Whether a file is a private key or a token of a process."""
    if path.suffix == ".token":
        return True
    if path.suffix not in {".key", ".pem"} or path.stat().st_size > _SMALL:
        return False
    return b"PRIVATE KEY" in path.read_bytes()
