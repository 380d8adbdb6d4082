"""The store's revision: what it is, which steps are to come, and the way there. One transaction on both engines, so
that a migration that fails or is killed leaves the store as it was; on SQLite a copy is kept besides.
"""

import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa

from assets.stores.schema.tables_seals import store_revisions
from data_quality.contracts.errors import OurFault, Unreachable

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

logger = logging.getLogger("meterloom.stores")
FOLDER = Path(__file__).parent / "migrations"
UNKNOWN = "unknown"
# Where a library's files are brought up before they take their place.
SCRATCH = ".upgrading-"
_REVISIONS = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True)
class Step:
    """A revision to come, with the first sentence of its file."""

    revision: str
    sentence: str


@dataclass(frozen=True)
class StoreRevision:
    """present: the store's revision, None for an empty store. refusal: why it cannot be opened; else empty."""

    present: str | None
    steps: tuple[Step, ...] = ()
    refusal: str = ""


def store_revision_of(engine: sa.Engine) -> StoreRevision:
    """Present revision of the store; nothing is changed. Raises DatabaseError where it does not answer."""
    # A plain BEGIN: a mere query must neither wait for a writer nor make one wait.
    with engine.connect().execution_options(meterloom_read=True) as connection:
        return _standing(connection, _scripts())


def migrate(engine: sa.Engine) -> None:
    """Bring the tables to the newest revision. An empty store gets them at once.

    Raises Unreachable for a store that this code cannot open and where no copy can be kept, OurFault for a step that
    fails: the store is then as it was.
    """
    with engine.connect().execution_options(meterloom_read=True) as connection:
        is_empty = _is_empty(connection)
    if is_empty and _create(engine):
        return
    scripts = _scripts()
    with _alone(engine) as connection:
        found = _standing(connection, scripts)
        if found.refusal:
            raise Unreachable(found.refusal)
        # Another process may have been faster.
        if not found.steps:
            return
        # An empty store has nothing to lose; of PostgreSQL no copy is kept (docs/adr/0014).
        if found.present is not None and engine.dialect.name == "sqlite":
            _keep_copy(engine, found.present)
        _upgrade(connection, found)
    if found.present is not None:
        # Said behind the commit: until then the store is what it was.
        steps = ", ".join(f"{step.revision} ({step.sentence})" for step in found.steps)
        kept = f"; what it was is kept as {copy_path(engine, found.present)}" if engine.dialect.name == "sqlite" else ""
        logger.warning("the store of revision %s was migrated to %s%s", found.present, steps, kept)


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other process makes or migrates tables beside."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(724001)"))
        yield connection


def _is_empty(connection: sa.Connection) -> bool:
    return not sa.inspect(connection).get_table_names()


def _create(engine: sa.Engine) -> bool:
    """Whether the tables were made here; another process may have been faster."""
    # By its name, as Alembic runs env.py: it needs the seals, which stand on the module that opens a store.
    new_store = import_module("assets.stores.migrations.new_store")
    with _alone(engine) as connection:
        # Again, now that nobody else writes.
        if is_empty := _is_empty(connection):
            new_store.create_tables(connection)
    return is_empty


def expect_newest(engine: sa.Engine) -> None:
    """Raises Unreachable for a store that must be migrated first, where it cannot be written."""
    if (found := store_revision_of(engine)).steps or found.refusal:
        text = f"the store {engine.url.database} is of revision {found.present} and cannot be written, so it cannot be "
        text += "migrated to be read: run any command where it can be written first"
        raise Unreachable(found.refusal or text)


def copy_path(engine: sa.Engine, revision: str) -> Path:
    """Path of the copy of a SQLite store of that revision."""
    store = Path(str(engine.url.database))
    return store.with_name(f"{store.name}.{revision}.bak")


def file_revisions(file: Path) -> set[str]:
    """Revisions that a SQLite file says it is of; `unknown` where it says none."""
    try:
        # Read only, or a missing file would be made; quoted, or a `?` in its name would begin the URI's options.
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            return {str(row[0]) for row in connection.execute(_REVISIONS)} or {UNKNOWN}
    except sqlite3.Error:
        return {UNKNOWN}


def server_revisions(url: str) -> set[str]:
    """Revisions that the schema of a PostgreSQL URL says it is of; `unknown` where it says none, empty where it has no
    tables. Raises Unreachable.
    """
    from assets.stores.postgres import connection_to

    with connection_to(url) as connection:
        here = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        tables = {row[0] for row in connection.execute(here)}
        if "alembic_version" not in tables:
            return {UNKNOWN} if tables else set()
        return {str(row[0]) for row in connection.execute(_REVISIONS)}


def behind(present: set[str], folder: Path, name: str) -> tuple[str, str] | None:
    """Of tables that a library keeps by Alembic: their revision and the newest in the library's folder of revisions,
    where they differ. Read as text: to run those files would load the library. name: of the database, for people.

    Raises Unreachable for a revision that the folder does not know.
    """
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    # With and without annotations, in either quote: Dagster's files, MLflow's and ours differ in that.
    named, before = (
        {name for text in texts for name in re.findall(rf"^{key}(?:: \w+)? = ['\"](\w+)['\"]", text, re.MULTILINE)}
        for key in ("revision", "down_revision")
    )
    if newer := present - named - {UNKNOWN}:
        raise Unreachable(
            f"{name} is of revision {', '.join(sorted(newer))}, which the installed version of its library does not "
            "know: open the project with the version that wrote it, or a newer one"
        )
    # The newest is the one that no other follows.
    heads = named - before
    return None if present == heads else (", ".join(sorted(present)), ", ".join(sorted(heads)))


@contextmanager
def as_copies(folder: Path, names: Iterable[str], revision: str) -> Iterator[Path]:
    """A folder with copies of SQLite files that nobody writes; each takes its place behind the block, in their order:
    whenever this is killed a file is old or new, where the library's own command would leave half of its steps. The
    file of before is kept next to it. names: relative to the folder, those last that show what is to be done.

    Raises Unreachable where no copy can be kept, or somebody wrote to a file.
    """
    # A folder of its own each time: the command of a migration that was killed may still be at work in another.
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
            copies = {folder / name: Path(scratch, name) for name in names}
            written = {}
            for file, copy in copies.items():
                _fold(file)
                copy.parent.mkdir(parents=True, exist_ok=True)
                written[file] = _written(file)
                shutil.copy(file, copy)
            yield Path(scratch)
            if others := [file.name for file in copies if _written(file) != written[file]]:
                raise Unreachable(
                    f"{', '.join(others)} in {folder} was written meanwhile, and what was written would be lost: end "
                    "the services and commands that do, and say this again; nothing was replaced"
                )
            for file, copy in copies.items():
                _take_place(file, copy, file.with_name(f"{file.name}.before-{revision}.bak"))
    except (OSError, sqlite3.Error) as fault:
        raise Unreachable(f"no copy of what is in {folder} can be kept, so it is not migrated: {fault}") from fault


def _take_place(file: Path, copy: Path, kept: Path) -> None:
    _fold(copy)
    with copy.open("rb+") as done:
        os.fsync(done.fileno())
    # What a migration that was killed has put in its place is not what was before.
    if file_revisions(file) != file_revisions(copy):
        kept.unlink(missing_ok=True)
        try:
            # The same file by a second name costs nothing, and stays when the first leads to the new one.
            kept.hardlink_to(file)
        except OSError:
            shutil.copy(file, kept)
    copy.replace(file)


def _written(file: Path) -> tuple[int, ...]:
    """Moment and size of a file and of the log next to it; a log without anything in it is a reader's."""
    log = file.with_name(f"{file.name}-wal")
    found = [each.stat() for each in (file, log) if each.exists() and (each == file or each.stat().st_size)]
    return tuple(number for each in found for number in (each.st_mtime_ns, each.st_size))


def _fold(file: Path) -> None:
    """Fold in what SQLite keeps next to a file: it would be lost with the copy, or taken for that of the new file.
    SQLite refuses it while anybody has the file open. The way in which it is written stays.
    """
    with closing(sqlite3.connect(file)) as connection:
        ((mode,),) = connection.execute("PRAGMA journal_mode").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        if mode == "wal":
            connection.execute("PRAGMA journal_mode = WAL").fetchall()


def _upgrade(connection: sa.Connection, found: StoreRevision) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except Exception as fault:
        if isinstance(fault, sa.exc.OperationalError | sa.exc.InterfaceError):
            # The world's: gone, full or locked. Whoever opens the store says it.
            raise
        names = ", ".join(step.revision for step in found.steps)
        was = found.present or "empty"
        raise OurFault(f"migration to {names} failed, the store is as it was ({was}): {fault}") from fault


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    # Alembic interpolates its options: a lone % in the path of a project would be one of them.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _standing(connection: sa.Connection, scripts: "ScriptDirectory") -> StoreRevision:
    from alembic.runtime.migration import MigrationContext

    heads = MigrationContext.configure(connection).get_current_heads()
    present = heads[0] if heads else None
    # Alembic walks from the newest down.
    known = list(scripts.walk_revisions())[::-1]
    names = [each.revision for each in known]
    if present is not None and (len(heads) > 1 or present not in names):
        refusal = (
            f"the store is of revision {', '.join(heads)} and this version of Meterloom knows none after {names[-1]}: "
            "open the project with the version that wrote it, or a newer one"
        )
        return StoreRevision(present, refusal=refusal)
    noted = _noted(connection)
    if noted is not None and noted != present:
        refusal = (
            f"alembic_version says revision {present or 'nothing'} and the store notes that it was brought to "
            f"{noted or 'one that was removed'}; one of them was changed behind the program's back, and nothing is "
            f"migrated: restore the store from a backup, or put alembic_version right if you changed it yourself"
        )
        return StoreRevision(present, refusal=refusal)
    # Every store of before the freeze says 0001, whatever its layout was (docs/adr/0014).
    if present == names[0] and (missing := _not_of_first(connection, known[0].module.columns())):
        refusal = (
            f"the store was made before revision {present} was fixed (it has no {missing}) and cannot be migrated: "
            "open it with the checkout that made it, or make a new project and ingest its files again"
        )
        return StoreRevision(present, refusal=refusal)
    done = names.index(present) + 1 if present is not None else 0
    return StoreRevision(present, tuple(Step(each.revision, _sentence(each.doc)) for each in known[done:]))


def _noted(connection: sa.Connection) -> str | None:
    """The revision that the store itself notes under seal; empty where the note is gone, None of before 0014."""
    if not sa.inspect(connection).has_table(store_revisions.name):
        return None
    query = sa.select(store_revisions.c.revision).order_by(store_revisions.c.id.desc()).limit(1)
    return str(connection.execute(query).scalar() or "")


def _sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".")


def _not_of_first(connection: sa.Connection, columns: frozenset[tuple[str, str]]) -> str:
    """The first column of revision 0001 that the store lacks: until 320e130 that revision was edited in place."""
    seen = sa.inspect(connection).get_multi_columns()
    found = {(table, column["name"]) for (_, table), each in seen.items() for column in each}
    return next((f"{table}.{column}" for table, column in sorted(columns - found)), "")


def _keep_copy(engine: sa.Engine, revision: str) -> None:
    """A copy of the store as it is, complete or not there. The caller's transaction keeps writers away."""
    kept = copy_path(engine, revision)
    part = kept.with_name(f"{kept.name}.part")
    # A connection of its own, since VACUUM cannot run in a transaction; it sees the store as last committed.
    raw = engine.raw_connection()
    try:
        # VACUUM INTO takes an empty file and no other, so the rest of a copy that was killed must go.
        part.unlink(missing_ok=True)
        # Made beforehand: at no time may others read what they may not read of the store.
        part.touch(mode=Path(str(engine.url.database)).stat().st_mode & 0o777)
        raw.cursor().execute("VACUUM INTO ?", (str(part),))
        with part.open("rb+") as file:
            # On the disk before the migration is: it is the only way back.
            os.fsync(file.fileno())
        part.replace(kept)
    except (OSError, sqlite3.Error) as fault:
        raise Unreachable(f"no copy of the store can be kept at {kept}, so it is not migrated: {fault}") from fault
    finally:
        raw.close()
