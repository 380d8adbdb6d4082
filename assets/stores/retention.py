"""Age of copies: which files of a project are older than its settings keep them, what holds them, and their removal.

Copies of what came in, features of forecasts, and logs. Ledgers, figures, traces, reports, evidence, bills and the
lake have no age.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.feature_days import FOLDER as FEATURES
from assets.stores.file_hashes import FileHashes, landing_files, mark_of
from assets.stores.foreign_database import is_database
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_erasure import removals
from assets.stores.schema.tables_readings import batches, quarantine
from assets.stores.transactions import Store
from assets.stores.whole_file import write_whole
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project
from data_quality.contracts.text import file_name
from data_quality.contracts.time import Clock, months_before
from data_quality.contracts.work.project_cache import ProjectCache

# Site and SHA-256 of a file that came in -> the reports whose figures were made of its rows, as id@revision.
Ground = Mapping[tuple[str, str], Collection[str]]
RUN_FILE = "retention_run.json"
REMOVALS = AppendOnly(removals, dict, order=("id",))
NOT_TAKEN = "not taken yet: meterloom ingest"
# Kept for ever: class -> why nothing removes any of it.
KEPT: dict[str, str] = {
    "lake": "the ground of every figure; lake compact and lake sweep take what stands in a merged file",
    "reports": "traces and evidence stand as long as their report",
    "ledgers": "append-only: readings, baselines, factors, figures, commands, decisions, signatures, audit",
    "dagster": "its own setting: looks of schedules 90 days; runs hold what was made when",
}


class OldFile(NamedTuple):
    """A file past its age. mark: its size and times when it was looked at; held_by: what needs it, empty where nothing
    does.
    """

    path: Path
    size_bytes: int
    mark: str
    held_by: tuple[str, ...] = ()


class RetentionClass(NamedTuple):
    """One class of files. keeps: its age in words; rows, bytes: of the files that go; held: files that are past their
    age and stay; held_by: what needs those, or why the class has no age.
    """

    name: str
    keeps: str
    rows: int
    bytes: int
    held: int
    held_by: tuple[str, ...]


def old_files(
    project: Project, store: Store, ground: Ground, *, running: Collection[str], now_utc: datetime
) -> dict[str, list[OldFile]]:
    """Files past their age by class. running: names of services whose log is written to. Nothing is changed."""
    ages = project.settings.retention
    return {
        "landing": list(_landing(project, store, ground, _months_before(now_utc, ages.landing_months))),
        "quarantine": list(_quarantine(project, store, ground, _months_before(now_utc, ages.quarantine_months))),
        "features": list(_features(project, _months_before(now_utc, ages.features_months))),
        "logs": list(_logs(project, running, now_utc - timedelta(days=ages.logs_days))),
    }


def classes_of(project: Project, found: Mapping[str, list[OldFile]]) -> list[RetentionClass]:
    """Retention classes: first those with an age, then those that are kept for ever."""
    ages = project.settings.retention
    keeps = {
        "landing": f"{ages.landing_months} months",
        "quarantine": f"{ages.quarantine_months} months",
        "features": f"{ages.features_months} months",
        "logs": f"{ages.logs_days} days",
    }
    return [_class(name, keeps[name], files) for name, files in found.items()] + [
        RetentionClass(name, "for ever", 0, 0, 0, (why,)) for name, why in KEPT.items()
    ]


class Going(Model):
    """One file that goes. name: of its class; path: of the machine; changed_utc: when it last changed."""

    name: str
    path: Path
    mark: str
    size_bytes: int
    changed_utc: datetime


class RemovalRun(Model):
    """Removals of one call, written down before the first file goes: a call that was broken off is taken up by it."""

    run_id: str
    person_id: str
    reason: str
    files: tuple[Going, ...]


def begin_run(
    project: Project, found: Mapping[str, list[OldFile]], *, run_id: str, person_id: str, reason: str
) -> RemovalRun:
    """Write down what nothing holds. person_id: empty where the schedule removes it. Raises OSError."""
    files = [
        Going(
            name=name, path=each.path, mark=each.mark, size_bytes=each.size_bytes,
            changed_utc=datetime.fromtimestamp(each.path.stat().st_mtime, UTC),
        )
        for name, some in found.items() for each in some if not each.held_by and each.path.exists()
    ]  # fmt: skip
    run = RemovalRun(run_id=run_id, person_id=person_id, reason=reason, files=tuple(files))
    write_whole(project.data_dir / RUN_FILE, run.model_dump_json().encode())
    return run


def left_run(project: Project) -> RemovalRun | None:
    """The call that was broken off; None where none was. Of the project's own files: a project that was restored has
    the note of the one that it was copied of.
    """
    try:
        run = RemovalRun.model_validate_json((project.data_dir / RUN_FILE).read_bytes())
    except FileNotFoundError:
        return None
    folders = [project.landing_dir, project.quarantine_dir, *(project.data_dir / name for name in (FEATURES, "logs"))]
    folders = [each.resolve() for each in folders]
    own = [each for each in run.files if any(each.path.resolve().is_relative_to(folder) for folder in folders)]
    return run.model_copy(update={"files": tuple(own)})


def remove(store: Store, run: RemovalRun, clock: Clock, report: Callable[[str], None]) -> None:
    """Delete the files of a run, and folders that it leaves empty, and record a row a class; a file that was written
    since it was looked at is another one, and stays. report: called with each name. Raises OSError: the next goes on.
    """
    for each in run.files:
        if not each.path.exists() or mark_of(each.path) != each.mark:
            continue
        each.path.unlink()
        report(each.path.name)
        # A copy that was refused has a folder of its own.
        if each.name == "quarantine" and not any(each.path.parent.iterdir()):
            each.path.parent.rmdir()
    gone = [each for each in run.files if not each.path.exists()]
    # Recorded already, where it was broken off behind that.
    if gone and not REMOVALS.rows(store, run_id=run.run_id):
        REMOVALS.add(store, clock, *_rows(run, gone))


def end_run(project: Project) -> None:
    """Forget what was written down, once the rows of the run stand. Raises OSError."""
    (project.data_dir / RUN_FILE).unlink(missing_ok=True)


def _rows(run: RemovalRun, gone: list[Going]) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(each.name for each in gone):
        own = [each for each in gone if each.name == name]
        yield {
            "run_id": run.run_id, "class_name": name, "files": len(own), "bytes": sum(each.size_bytes for each in own),
            "oldest_utc": min(each.changed_utc for each in own), "newest_utc": max(each.changed_utc for each in own),
            "person_id": run.person_id, "reason": run.reason,
        }  # fmt: skip


def _class(name: str, keeps: str, files: list[OldFile]) -> RetentionClass:
    going = [each for each in files if not each.held_by]
    needs = sorted({need for each in files for need in each.held_by})
    size_bytes = sum(each.size_bytes for each in going)
    return RetentionClass(name, keeps, len(going), size_bytes, len(files) - len(going), tuple(needs))


def _months_before(now_utc: datetime, months: int) -> datetime:
    return datetime.combine(months_before(now_utc.date(), months), now_utc.timetz())


def _landing(project: Project, store: Store, ground: Ground, until: datetime) -> Iterator[OldFile]:
    """Files that were taken or refused before then: by the ledger's time, as a file's own can be anything. One that
    neither happened to goes by its own, and stays: its readings are nowhere else.
    """
    known = _newest(store, batches, "site_id", "source_sha256")
    known = _newest(store, quarantine, "site_id", "source_sha256") | known
    for path, mark, source in _landed(project):
        at = known.get(source)
        if at is None and path.stat().st_mtime < until.timestamp():
            yield _old(path, [NOT_TAKEN], mark)
        elif at is not None and at < until:
            yield _old(path, ground.get(source, ()), mark)


def _landed(project: Project) -> Iterator[tuple[Path, str, tuple[str, str]]]:
    """Files of the landing folder with their mark, site and SHA-256."""
    for folder in _folders(project.landing_dir):
        hashes = FileHashes(
            project.data_dir / "landing_hashes" / f"{folder.name}.json", project.landing_dir, ProjectCache()
        )
        for path in landing_files(folder):
            # The mark first: one that is written over while it is hashed must not pass for what it was.
            yield path, mark_of(path), (folder.name, hashes.sha256(path))


def changed_landing(project: Project, store: Store) -> tuple[str, ...]:
    """Landed files that were read or refused under their name, and never with the content that they have now."""
    columns = ("site_id", "source_name", "source_sha256")
    known = [*_newest(store, batches, *columns), *_newest(store, quarantine, *columns)]
    names, contents = {each[:2] for each in known}, {(site_id, sha256) for site_id, _, sha256 in known}
    return tuple(
        str(path.relative_to(project.landing_dir))
        for path, _, source in _landed(project)
        # A database is another one each day, and its log belongs to its content.
        if (source[0], file_name(path)) in names and source not in contents and not is_database(path)
    )


def _quarantine(project: Project, store: Store, ground: Ground, until: datetime) -> Iterator[OldFile]:
    for (site_id, sha256, kept), at in _newest(store, quarantine, "site_id", "source_sha256", "kept_path").items():
        path = project.quarantine_dir / kept
        if kept and at < until and path.is_file():
            yield _old(path, ground.get((site_id, sha256), ()))


def _features(project: Project, until: datetime) -> Iterator[OldFile]:
    """By the local day in their name: no figure rests on them, and `forecast features` looks back a year."""
    for path in sorted((project.data_dir / FEATURES).glob("*/*/*.parquet")):
        if path.stem < f"{until:%Y-%m-%d}":
            yield _old(path, ())


def _logs(project: Project, running: Collection[str], until: datetime) -> Iterator[OldFile]:
    for path in sorted((project.data_dir / "logs").glob("*.log*")):
        if path.stat().st_mtime < until.timestamp():
            name = path.name.partition(".log")[0]
            yield _old(path, [f"{name} writes to it"] if name in running else ())


def _old(path: Path, held_by: Iterable[str], mark: str = "") -> OldFile:
    return OldFile(path, path.stat().st_size, mark or mark_of(path), tuple(sorted(held_by)))


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def _newest(store: Store, table: sa.Table, *names: str) -> dict[tuple[str, ...], datetime]:
    """When each was last recorded."""
    columns = [table.c[name] for name in names]
    query = sa.select(*columns, sa.func.max(table.c.recorded_at_utc, type_=table.c.recorded_at_utc.type).label("at"))
    return {tuple(row[name] for name in names): row["at"] for row in store.rows(query.group_by(*columns))}
