"""Write the files of a backup into an empty project folder, each compared with its hash (ADR 0095)."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from assets.stores.backup.backup_areas import PROJECT, areas, is_inside
from assets.stores.backup.backup_list import BackupBody, BackupFile
from assets.stores.backup.place import BackupPlace
from assets.stores.backup.sealed import Opener
from assets.stores.backup.store_copy import DUMP_FILE, restore_dump
from assets.stores.lake.lake_files import open_files
from assets.stores.postgres import connection_to
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, Project

# Where MLflow's tables name a folder of this machine.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
_STORE, _MLFLOW, _LAKE = "store", "mlflow", "lake"


class Problem(NamedTuple):
    """Something in a backup or a restored project that is not as it should be, with the file or part it is about."""

    file: str
    problem: str


def fetch_settings(place: BackupPlace, body: BackupBody, folder: Path) -> None:
    """Write the settings alone, which say where everything else goes. Raises BadInput where they are altered."""
    for each in body.files:
        if (each.area, each.path) == (PROJECT, SETTINGS_FILE) and (flaw := _fetch(place, each, folder / SETTINGS_FILE)):
            raise BadInput(f"{SETTINGS_FILE} in the backup {flaw}", reason="altered_backup", mend=_EARLIER)


_EARLIER = "name an earlier list of the folder 'backups'"


class Restoring:
    """Files on their way back.

    folder: what the project's root is while they are written; final: what it is afterwards. private_key: opens what was
    encrypted; None leaves it in the backup.
    """

    def __init__(self, place: BackupPlace, body: BackupBody, project: Project, final: Path, keys_dir: Path) -> None:
        self.place, self.body, self.project, self.final = place, body, project, final
        self.folders = areas(project, keys_dir) | {_LAKE: project.lake_dir}
        self.problems: list[Problem] = []

    def expect_empty(self) -> None:
        """Raises BadInput where a folder outside of the project's, that the settings name, holds files."""
        used = {each.area for each in self.body.files} - {PROJECT, _STORE, _MLFLOW}
        for area in sorted(used & set(self.folders)):
            folder = self.folders[area]
            if not is_inside(self.project.root, folder) and folder.is_dir() and any(folder.iterdir()):
                raise BadInput(
                    f"the settings put {area} into {folder}, which is not empty",
                    reason="not_empty",
                    mend=f"move it away, or name another folder with METERLOOM_PATHS__{area.upper()}",
                )

    def write(self, private_key: Opener | None, progress: Callable[[str, int, int | None], object]) -> None:
        """Write every file; one that is altered or missing is left out and is a problem. Raises BadInput for a store
        that is, and for a wrong key; Unreachable, OSError.
        """
        # A wrong key is found before anything else is written; a database is filled last, which cannot be undone.
        dumps = [each for each in self.body.files if each.area == _MLFLOW or each.path == DUMP_FILE]
        files = sorted((each for each in self.body.files if each not in dumps), key=lambda each: not each.is_sealed)
        for number, each in enumerate(files):
            progress("writing files", number, len(files))
            if each.is_sealed and private_key is None:
                continue
            target = self._target(each)
            if flaw := _fetch(self.place, each, target):
                if each.area == _STORE:
                    raise BadInput(f"the store in the backup {flaw}", reason="altered_backup", mend=_EARLIER)
                self.problems.append(Problem(each.name, flaw))
            elif each.is_sealed and private_key is not None:
                write_whole(target, private_key.open(target.read_bytes(), f"{each.area}/{each.path}"))
                target.chmod(0o600)
        self._share_lake()
        for each in dumps:
            self._dump(each)
        self._relocate_models()

    def _target(self, each: BackupFile) -> Path:
        if each.area == _STORE:
            return Path(self.project.store_url.removeprefix("sqlite:///"))
        if each.area not in self.folders:
            # The settings put that folder into the project since.
            return self.project.root / each.area / each.path
        return self.folders[each.area] / each.path

    def _dump(self, each: BackupFile) -> None:
        part = self.place.scratch / each.path
        if flaw := _fetch(self.place, each, part):
            raise BadInput(f"{each.name} in the backup {flaw}", reason="altered_backup", mend=_EARLIER)
        url = self.project.settings.database.of("store" if each.area == _STORE else "mlflow")
        if url:
            restore_dump(url, part)
        part.unlink()

    def _share_lake(self) -> None:
        """Put what a bucket lacks into it, where the settings keep the lake in one."""
        address = self.project.settings.paths.lake
        if not address:
            return
        kept, lost = open_files(self.project.lake_dir, address), {each.file for each in self.problems}
        for each in self.body.files:
            if each.area == _LAKE and each.name not in lost and kept.size_bytes(each.path) is None:
                kept.reupload(each.path)

    def _relocate_models(self) -> None:
        """Let MLflow find its files in the new folder: it keeps whole addresses."""
        before = _data_dir_then(self.body.root, self.project) / "mlflow" / "artifacts"
        data = self.project.data_dir
        data = self.final / data.relative_to(self.project.root) if data.is_relative_to(self.project.root) else data
        old, new = before.as_uri(), (data / "mlflow" / "artifacts").as_uri()
        file, url = self.project.data_dir / "mlflow" / "mlflow.db", self.project.settings.database.of("mlflow")
        if old == new or not (url or file.exists()):
            return
        if url:
            with connection_to(url) as connection:
                known = {
                    row[0]
                    for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
                }
                for table, column in _LOCATIONS:
                    if table in known:
                        connection.execute(_moved(table, column, "%s").encode(), (new, len(old) + 1, len(old), old))
            return
        with closing(sqlite3.connect(file)) as opened, opened:
            tables = {row[0] for row in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table, column in _LOCATIONS:
                if table in tables:
                    opened.execute(_moved(table, column, "?"), (new, len(old) + 1, len(old), old))


def _moved(table: str, column: str, mark: str) -> str:
    # Names are constants of ours.
    return (
        f"UPDATE {table} SET {column} = {mark} || substr({column}, {mark}) WHERE substr({column}, 1, {mark}) = {mark}"  # noqa: S608
    )


def _data_dir_then(root: str, project: Project) -> Path:
    """The data folder that the backup was made of, by the settings of today."""
    data = project.data_dir
    return Path(root) / data.relative_to(project.root) if data.is_relative_to(project.root) else data


def _fetch(place: BackupPlace, each: BackupFile, target: Path) -> str:
    """Write one file; what is wrong with it in the backup, or nothing. A wrong one is not left."""
    # The mode that mkdir is given is that of the last folder alone.
    for folder in reversed([each for each in target.parents if not each.exists()]):
        folder.mkdir(mode=0o700)
    try:
        sha256 = place.fetch(each.sha256, target)
    except FileNotFoundError:
        return "is missing"
    if sha256 != each.sha256:
        target.unlink()
        return "was altered: its bytes are not those that were backed up"
    if each.changed_ns:
        os.utime(target, ns=(each.changed_ns, each.changed_ns))
    return ""
