"""Files of a project that hold words of a subject: what is recomputed goes, databases and texts lose the name."""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from assets.stores.backup.backup_areas import REBUILT, areas
from assets.stores.backup.store_copy import SQLITE_HEAD
from assets.stores.erasure.record import FOLDER
from assets.stores.erasure.subject import Subject
from assets.stores.feature_days import FOLDER as FEATURES
from assets.stores.published.deliveries import OPENADR
from assets.stores.warehouse.marts import PORTFOLIO
from assets.stores.whole_file import write_whole
from data_quality.contracts.settings import Project

# Of the rebuilt areas these hold what is nowhere else or no readings, or are parted by site.
_NOT_REBUILT = frozenset({"lake", "marts", "dagster", "logs", "run", "tools"})
# Made of readings outside of the areas that a backup leaves out: frames between steps, limits for the minute, the ring
# of the live board.
_OF_READINGS = ("frames", "anomaly_limits", "live/live.db", "live/live.db-wal", "live/live.db-shm")
_STORE = ("store.db", "store.db-wal", "store.db-shm")
_CHUNK = 1 << 20


class NamedFile(NamedTuple):
    """File with the name in it.

    kind: its form, by which it loses the name; a binary or a signed one keeps it, and the answer names it.
    """

    path: Path
    size_bytes: int
    kind: Literal["text", "database", "binary", "signed"]


def rebuilt_paths(project: Project, site_id: str) -> list[Path]:
    """Folders and files that are made of readings of the site, and recomputed by the next build; of marts those of the
    site and the sums over sites, of features of forecasts those of the site, of others all that stand.
    """
    names = [*sorted(REBUILT - _NOT_REBUILT), *_OF_READINGS, f"{FEATURES}/site={site_id}"]
    marts = [path for each in (site_id, PORTFOLIO) for path in sorted(project.marts_dir.glob(f"*/site={each}"))]
    # The store as it was before a migration: nobody needs it once the store after it holds.
    copies = [*project.data_dir.glob("store.db.*.bak"), *project.data_dir.glob("store.*.dump")]
    return [path for path in (*marts, *(project.data_dir / name for name in names), *copies) if path.exists()]


def pushed_reports(project: Project, subject: Subject) -> list[Path]:
    """Bodies of OpenADR reports of the meter, sent or waiting: they hold its readings. Of sums over meters none."""
    return [path for path in sorted((project.data_dir / OPENADR).glob("*.json")) if _is_of_meter(path, subject)]


def _is_of_meter(path: Path, subject: Subject) -> bool:
    try:
        body = json.loads(path.read_bytes())
        names = {each["resourceName"] for each in body["report"]["resources"]}
        return bool(body["site_id"] == subject.site_id and subject.own_id in names)
    except (ValueError, KeyError, TypeError):
        # A damaged one is never sent, and may be the meter's.
        return True


def named_files(project: Project, keys_dir: Path, subject: Subject, left_out: Collection[Path]) -> Iterator[NamedFile]:
    """Files with the subject's name in them, of all areas; the store and the lake are looked at row by row.

    left_out: folders that no walk enters, such as a place of backups.
    """
    needles = [needle.encode() for needle in subject.needles]
    for path in _files(project, keys_dir, left_out) if needles else ():
        if kind := _kind(path, needles):
            # Records of erasures: one that says something else than what was signed stops every restore.
            is_signed = path.parent == project.root / FOLDER
            yield NamedFile(path, path.stat().st_size, "signed" if is_signed else kind)


def clean(found: NamedFile, subject: Subject) -> None:
    """Let the file say the id in place of the name. Raises OSError."""
    if found.kind == "text":
        mode = found.path.stat().st_mode
        write_whole(found.path, subject.without(found.path.read_text("utf-8")).encode())
        found.path.chmod(mode)
    elif found.kind == "database":
        with closing(sqlite3.connect(found.path, timeout=30)) as database:
            _clean_database(database, subject)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    return (
        path.stat().st_size
        if path.is_file()
        else sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    )


def _files(project: Project, keys_dir: Path, left_out: Collection[Path]) -> Iterator[Path]:
    seen: set[str] = set()
    own = {project.data_dir / name for name in _STORE} | {project.lake_dir}
    for folder in areas(project, keys_dir).values():
        for where, names, files in os.walk(folder):
            here = Path(where)
            names[:] = [name for name in sorted(names) if here / name not in own and here / name not in left_out]
            for path in (here / name for name in sorted(files)):
                if path not in own and path.is_file() and (real := os.path.realpath(path)) not in seen:
                    seen.add(real)
                    yield path


def _kind(path: Path, needles: list[bytes]) -> Literal["", "text", "database", "binary"]:
    with path.open("rb") as file:
        head = file.read(len(SQLITE_HEAD))
        before, is_found = b"", False
        file.seek(0)
        while not is_found and (part := file.read(_CHUNK)):
            is_found = any(needle in before + part for needle in needles)
            # A name may lie across two parts.
            before = part[-max(map(len, needles)) :]
    if head == SQLITE_HEAD:
        log = path.with_name(f"{path.name}-wal")
        is_found |= log.is_file() and any(needle in log.read_bytes() for needle in needles)
        return "database" if is_found else ""
    if not is_found:
        return ""
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return "binary"
    return "text"


def _clean_database(database: sqlite3.Connection, subject: Subject) -> None:
    database.create_function("without", 1, lambda text: subject.without(text) if isinstance(text, str) else text)
    database.execute("PRAGMA secure_delete=ON")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in (each for each in tables if not each.startswith("sqlite_")):
        for column in [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]:
            for needle in subject.needles:
                database.execute(
                    f'UPDATE "{table}" SET "{column}" = without("{column}") WHERE instr("{column}", ?)',  # noqa: S608
                    (needle,),
                )
    database.commit()
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
