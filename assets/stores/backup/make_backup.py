"""Make a backup under running writers: the store's snapshot, the lake files that it names, all else, and a signed list;
and remove those before the newest ones.

A lake file stands before the manifest row that names it, so that whatever the snapshot names is there (ADR 0095).
"""

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from assets.stores.backup.backup_areas import ANCHORS, HASHES, KEYS, areas, files_of, is_secret, left_out_of
from assets.stores.backup.backup_list import FORM, BackupBody, BackupFile, BackupList, signed
from assets.stores.backup.last_backup import LastBackup, note_backup
from assets.stores.backup.place import LISTS, OBJECTS, BackupPlace, list_in, list_name, object_key, place_to_write
from assets.stores.backup.sealed import Recipient
from assets.stores.backup.store_copy import (
    DUMP_FILE,
    SQLITE_FILE,
    SQLITE_HEAD,
    StoreFacts,
    copy_sqlite,
    dump_schema,
    dump_store,
    has_schema,
    sqlite_facts,
)
from assets.stores.file_hashes import FileHashes, file_sha256
from assets.stores.lake.lake import Lake
from assets.stores.seals import Mark, gap, ledger_of
from assets.stores.sign import Signer
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project

Progress = Callable[[str, int, int | None], object]


class CompletedBackup(NamedTuple):
    """A backup that was made. path: of its list. bytes_new: what was copied; size_bytes: of all its files."""

    path: str
    digest: str
    files: int
    files_new: int
    files_known: int
    bytes_new: int
    size_bytes: int
    keys_left_out: int


@dataclass(frozen=True)
class BackupSource:
    """A project to back up. recipient: for whom private keys are encrypted; None leaves them out."""

    project: Project
    lake: Lake
    keys_dir: Path
    signer: Signer
    signer_name: str
    recipient: Recipient | None = None

    @property
    def url(self) -> str:
        """Of the store, where it is PostgreSQL; else empty."""
        return self.project.settings.database.of("store")


def make_backup(source: BackupSource, address: str, *, now_utc: datetime, progress: Progress) -> CompletedBackup:
    """Back a project up into a folder or an s3 address, copying what is not there yet.

    progress: given a text, the parts done and the parts in all. Raises BadInput, Unreachable, OSError: former backups
    stand then as before, and what was copied is known to the next.
    """
    ledger = ledger_of(source.lake.store)
    with place_to_write(address, ledger) as place:
        backup = _Backup(source, place, progress)
        found = backup.make(now_utc)
        text = found.model_dump_json().encode()
        path = place.add_list(list_name(now_utc), text)
        files, sizes = found.body.files, {each.sha256: each.size_bytes for each in found.body.files}
        last = LastBackup(
            path=path, digest=found.body.digest, made_utc=now_utc, files=len(files), size_bytes=sum(sizes.values())
        )
        note_backup(source.project, last)
        counts = (place.files_new, place.files_known, place.bytes_new)
    left = 0 if source.recipient else len(backup.secrets)
    return CompletedBackup(path, last.digest, len(files), *counts, last.size_bytes, left)


class _Backup:
    """One backup while it is made."""

    def __init__(self, source: BackupSource, place: BackupPlace, progress: Progress) -> None:
        self.source, self.place, self.progress = source, place, progress
        self.files: list[BackupFile] = []
        self.secrets: list[tuple[str, Path, str]] = []
        project = source.project
        self.folders = areas(project, source.keys_dir)
        self.left_out = left_out_of(project, source.keys_dir, place.address)
        cache = source.lake.store.cache
        self.hashes = FileHashes(project.data_dir / HASHES, Path(project.data_dir.anchor), cache)

    def make(self, now_utc: datetime) -> BackupList:
        # What anchors say must not be ahead of the store in the same backup: they come before it.
        self._area(ANCHORS)
        facts = self._store()
        self._lake(facts)
        for area in self.folders:
            if area not in {ANCHORS, KEYS}:
                self._area(area)
        self._keys()
        self.hashes.keep()
        body = BackupBody(
            form=FORM,
            ledger=facts.ledger,
            made_utc=now_utc.isoformat(),
            version=importlib.metadata.version("meterloom"),
            root=str(self.source.project.root),
            engine="postgresql" if self.source.url else "sqlite",
            revision=facts.revision,
            seal=facts.seal,
            seal_hash=facts.seal_hash,
            recipient="" if self.source.recipient is None else self.source.recipient.name,
            files=tuple(self.files),
        )
        return signed(body, self.source.signer, self.source.signer_name)

    def _store(self) -> StoreFacts:
        """The snapshot of the store, and of MLflow's database where it is no file."""
        self.progress("copying the store", 0, None)
        found: list[StoreFacts] = []
        url, mlflow = self.source.url, self.source.project.settings.database.of("mlflow")

        def copy(part: Path) -> None:
            if url:
                found.append(dump_store(url, part))
            else:
                copy_sqlite(Path(str(self.source.lake.store.engine.url.database)), part)
                found.append(sqlite_facts(part))

        self._keep("store", DUMP_FILE if url else SQLITE_FILE, copy)
        if mlflow and has_schema(mlflow):
            self._keep("mlflow", "mlflow.dump", partial(dump_schema, mlflow))
        return found[-1]

    def _lake(self, facts: StoreFacts) -> None:
        lake, total = self.source.lake, len(facts.lake)
        for number, (key, sha256) in enumerate(sorted(facts.lake.items())):
            self.progress("copying the lake's files", number, total)
            path = lake.root / key
            size = path.stat().st_size if path.exists() else None
            if not self.place.has(sha256, size):
                self._lake_file(key, sha256)
            self.files.append(BackupFile(area="lake", path=key, sha256=sha256, size_bytes=self.place.size_of(sha256)))

    def _lake_file(self, key: str, sha256: str) -> None:
        path = self.source.lake.root / key
        for _ in range(2):
            if path.exists() and file_sha256(path) == sha256:
                self.place.keep(partial(shutil.copyfile, path))
                return
            # Of a lake in a bucket a copy may be missing here, or be spoiled.
            self.source.lake.kept.refresh({key: sha256})
        if self.place.has(sha256):
            # Damaged here since a former backup, which has it.
            return
        raise Unreachable(
            f"the lake's file {key} {'is missing' if not path.exists() else 'was altered'}, and a backup without it "
            "is none: ingest its source again ('meterloom doctor' names it), and back up again"
        )

    def _area(self, area: str) -> None:
        folder = self.folders[area]
        left_out = self.left_out - {folder} if area == ANCHORS else self.left_out
        found = list(files_of(self.source.project, area, folder, left_out))
        for number, path in enumerate(found):
            self.progress(f"copying files of {area}", number, len(found))
            try:
                if is_secret(path):
                    self.secrets.append((area, path, path.relative_to(folder).as_posix()))
                else:
                    self._file(area, path, path.relative_to(folder).as_posix())
            except FileNotFoundError:
                # Gone between the list and the look: what is named by the store is never removed.
                continue

    def _file(self, area: str, path: Path, name: str) -> None:
        with path.open("rb") as file:
            is_sqlite = file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
        if is_sqlite:
            self._keep(area, name, partial(copy_sqlite, path))
            return
        sha256, stat = self.hashes.sha256(path), path.stat()
        if self.place.has(sha256, stat.st_size):
            found: dict[str, Any] = {"sha256": sha256, "size_bytes": stat.st_size, "changed_ns": stat.st_mtime_ns}
            self.files.append(BackupFile(area=area, path=name, **found))
        else:
            # By the copy's own hash: a file that is written meanwhile is kept as it was copied.
            self._keep(area, name, partial(shutil.copyfile, path), changed_ns=stat.st_mtime_ns)

    def _keys(self) -> None:
        folder = self.folders[KEYS]
        self.secrets += [(KEYS, path, path.name) for path in sorted(folder.glob("*.key")) if path.is_file()]
        if self.source.recipient is None:
            return
        for area, path, name in self.secrets:
            content = self.source.recipient.seal(path.read_bytes(), f"{area}/{name}")
            self._keep(area, name, partial(_write, content), is_sealed=True)

    def _keep(self, area: str, name: str, copy: Callable[[Path], object], **fields: Any) -> None:
        sha256, size = self.place.keep(copy)
        self.files.append(BackupFile(area=area, path=name, sha256=sha256, size_bytes=size, **fields))


def _write(content: bytes, part: Path) -> None:
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


class Pruned(NamedTuple):
    """Former backups and contents that went, and the bytes of these."""

    lists: int = 0
    files: int = 0
    bytes: int = 0


def prune(place: BackupPlace, made: str, store: Store, *, keep: int) -> Pruned:
    """Remove all backups of a place but `keep` of them, and every content that these do not need.

    place: open for writing by this process alone; made: name of the list that is kept whatever the clock said when it
    was made, with the newest of the others. Raises BadInput where one that stays cannot be read, or one is of what the
    store never was, before anything goes; OSError, Unreachable: the next call takes what is left.
    """
    others = [name for name in place.lists() if name != made]
    first = max(len(others) - keep + 1, 0)
    go, stay = others[:first], [*others[first:], made]
    bodies = {name: list_in(place, name).body for name in stay}
    needed = {object_key(each.sha256) for body in bodies.values() for each in body.files}
    for name in go:
        # One that cannot be read is nobody's way back.
        with suppress(BadInput):
            bodies[name] = list_in(place, name).body
    for name, body in bodies.items():
        mark = Mark(ledger=body.ledger, seal=body.seal, seal_hash=body.seal_hash, until_utc=body.made_utc)
        if fault := gap(store, mark, f"{place.address}/{LISTS}/{name}"):
            raise BadInput(
                f"no former backup is removed, the new one is kept: {fault}", reason="other_history",
                mend="back a restored copy up into a folder of its own, and take its lists away here",
            )  # fmt: skip
    # First: a list never names what is gone. What was broken off leaves contents that nobody names.
    for name in go:
        place.files.delete(f"{LISTS}/{name}")
    gone = [each for each in place.files.list(f"{OBJECTS}/") if each.key not in needed]
    for each in gone:
        place.files.delete(each.key)
    return Pruned(len(go), len(gone), sum(each.size_bytes for each in gone))
