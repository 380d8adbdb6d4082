"""Digests of rendered reports and packs as they were written, append-only: of one path the last holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from assets.stores.file_hashes import file_sha256
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_reports import rendered_files
from assets.stores.transactions import Store
from data_quality.contracts.time import Clock

_FILES = AppendOnly(rendered_files, dict, order=("id",))
# What a report or a pack is called; other files of the folder are nobody's figures.
_OURS = re.compile(r".+_r\d+(_print)?\.(pdf|xlsx|json|zip)")


@dataclass(frozen=True)
class Compared:
    """Paths in the reports folder: as they were written, edited since, and without a digest."""

    whole: tuple[str, ...]
    edited: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class RenderedFiles:
    """Files of a project's reports folder. folder None: nothing is kept, as of a file that is written elsewhere."""

    store: Store
    folder: Path | None

    def record(self, file: Path, report_id: str, revision: int, sha256: str, clock: Clock) -> None:
        """Keep the digest of a file that is about to get its name; nothing where it is kept already."""
        if self.folder is None or not file.resolve().is_relative_to(self.folder.resolve()):
            return
        path = file.resolve().relative_to(self.folder.resolve()).as_posix()
        with self.store.together():
            last = _FILES.newest(self.store, "sha256", path=path)
            if last is None or last["sha256"] != sha256:
                row = {"path": path, "report_id": report_id, "revision": revision, "sha256": sha256}
                _FILES.add(self.store, clock, row)

    def digests(self, under: str = "") -> dict[str, str]:
        """Path -> digest, of paths that begin so."""
        rows = _FILES.rows(self.store, "path", "sha256")
        return {row["path"]: row["sha256"] for row in rows if row["path"].startswith(under)}

    def of_digest(self, sha256: str) -> list[tuple[str, str, int]]:
        """Path, report and revision of every file that was written with that digest, whatever holds there now."""
        rows = _FILES.rows(self.store, "path", "report_id", "revision", sha256=sha256)
        return [(row["path"], row["report_id"], row["revision"]) for row in rows]

    def rows(self) -> list[tuple[str, str, int]]:
        """The same of every path that was written to."""
        rows = _FILES.rows(self.store, "path", "report_id", "revision")
        return list(dict.fromkeys((row["path"], row["report_id"], row["revision"]) for row in rows))

    def compare(self) -> Compared:
        """Look at every report and pack that lies in the folder. One that was removed can be rendered again."""
        known = self.digests()
        found: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        folder = self.folder or Path()
        for file in sorted(folder.rglob("*_r*")) if self.folder else ():
            path = file.relative_to(folder).as_posix()
            if file.is_file() and (path in known or _OURS.fullmatch(file.name)):
                found[known[path] == file_sha256(file) if path in known else None].append(path)
        return Compared(whole=tuple(found[True]), edited=tuple(found[False]), unknown=tuple(found[None]))
