"""Copies of databases under running writers: SQLite by its online backup, PostgreSQL by a dump of one snapshot."""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import sqlalchemy as sa

from assets.stores.postgres import connection_to, ensure_schema, facts_of, session_environment
from assets.stores.unreachable import world_fault
from data_quality.contracts.database import address_of, libpq_url
from data_quality.contracts.errors import BadInput, Unreachable

SQLITE_HEAD = b"SQLite format 3\0"
SQLITE_FILE, DUMP_FILE = "store.db", "store.dump"
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
_MANIFEST = "SELECT DISTINCT path, file_sha256 FROM lake_manifest"
_MERGES = "SELECT path, merged_path, merged_sha256 FROM lake_merges"
_HEAD = "SELECT position, hash FROM row_seals ORDER BY position DESC LIMIT 1"
Select = Callable[[str], list[tuple[Any, ...]]]


class StoreFacts(NamedTuple):
    """Facts of a store's copy, from the same snapshot.

    seal, seal_hash: the end of its chain. lake: SHA-256 of each lake file that holds rows now, by its key.
    """

    ledger: str
    revision: str
    seal: int
    seal_hash: str
    lake: dict[str, str]


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as of one moment, while others may write to it. Raises Unreachable, OSError."""
    try:
        # The copy is made in one step: page by page a busy writer would make it begin again and again.
        given = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=30)
        with closing(given), closing(sqlite3.connect(target)) as copy:
            given.backup(copy)
        # Nobody else opens it: what SQLite keeps beside a file is folded in, and its log is of no use.
        target.with_name(f"{target.name}-wal").unlink(missing_ok=True)
        target.with_name(f"{target.name}-shm").unlink(missing_ok=True)
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        is_target = "FULL" in name or "WRITE" in name
        fault = world_fault(error, f"sqlite:///{target if is_target else source}")
        if fault is None:
            raise
        raise fault from error


def sqlite_facts(file: Path) -> StoreFacts:
    """Facts of a copy that nobody writes to. Raises Unreachable where it is no store."""
    uri = f"file:{quote(str(file))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return _facts(lambda query: connection.execute(query).fetchall())
    except sqlite3.Error as error:
        raise Unreachable(
            f"the copy of the store cannot be read ({error}): look at the store, and run this again"
        ) from error


def _facts(select: Select) -> StoreFacts:
    ledger, revision, head = (
        select("SELECT ledger_id FROM ledger_identity"),
        select("SELECT version_num FROM alembic_version"),
        select(_HEAD),
    )
    merges = {path: (into, sha256) for path, into, sha256 in select(_MERGES)}
    lake: dict[str, str] = {}
    for written in select(_MANIFEST):
        path, sha256 = written
        # Merged files may be merged again.
        while path in merges:
            path, sha256 = merges[path]
        lake[path] = sha256
    seal, seal_hash = head[0] if head else (0, "")
    return StoreFacts(str(ledger[0][0]) if ledger else "", str(revision[0][0]), seal, seal_hash, lake)


def dump_store(url: str, target: Path) -> StoreFacts:
    """Dump the schema of a PostgreSQL store, with facts of the same snapshot. Raises Unreachable."""
    with connection_to(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        snapshot, schema = connection.execute("SELECT pg_export_snapshot(), current_schema()").fetchall()[0]
        # The transaction stays open: the snapshot is there as long as it is.
        _dump(url, str(schema), target, f"--snapshot={snapshot}")
        return _facts(lambda query: connection.execute(query.encode()).fetchall())


def dump_schema(url: str, target: Path) -> None:
    """Dump the schema that a URL's sessions look in first, as of one moment. Raises Unreachable."""
    _dump(url, _schema_of(url), target)


def has_schema(url: str) -> bool:
    """Whether the schema that a URL's sessions look in first is there. Raises Unreachable."""
    return bool(_schema_of(url))


def _schema_of(url: str) -> str:
    with connection_to(url) as connection:
        return str(connection.execute("SELECT coalesce(current_schema(), '')").fetchall()[0][0])


def _dump(url: str, schema: str, target: Path, *more: str) -> None:
    _run(
        "pg_dump",
        url,
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--schema={schema}",
        f"--file={target}",
        *more,
    )


def restore_dump(url: str, dump: Path) -> None:
    """Put a dump into the empty schema of a URL, whole or not at all.

    Raises BadInput where the schema has tables, Unreachable.
    """
    ensure_schema(url)
    with connection_to(url) as connection:
        schema = str(connection.execute("SELECT current_schema()").fetchall()[0][0])
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").fetchall()[0][
            0
        ]
    if found:
        raise BadInput(
            f"the database {address_of(url)} has {found} table(s) in schema {schema}; expected an empty one",
            reason="not_empty",
            mend="name an empty database: METERLOOM_DATABASE__URL",
        )
    facts = facts_of(url)
    single = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", f"--schema={schema}")
    _run("pg_restore", url, *single, f"--dbname={facts['dbname']}", str(dump))


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """URL of an empty database on the server of a URL, dropped afterwards. Raises Unreachable where it cannot be."""
    import psycopg

    name = f"meterloom_verify_{uuid4().hex[:12]}"
    try:
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
    except psycopg.Error as error:
        text = (str(error).strip().splitlines() or [""])[0]
        raise Unreachable(
            f"no database to verify in can be made at {address_of(url)} ({text}): give the role CREATEDB, or restore "
            "into an empty project and database"
        ) from error
    try:
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _run(tool: str, url: str, *arguments: str) -> None:
    """Run a tool of PostgreSQL's; the password goes by the environment, never by arguments."""
    program = shutil.which(tool)
    if program is None:
        raise Unreachable(
            f"{tool} is not installed: install PostgreSQL's client programs, of the server's version or newer"
        )
    named = {_VARIABLES[key]: value for key, value in facts_of(url).items() if value}
    environment = {**os.environ, **session_environment(url), **named}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line] or [f"exit code {done.returncode}"]
        text = re.sub(rf"^{tool}: (error: )?", "", lines[0])
        mend = "look at the server and the disk, and run this again"
        if "server version" in done.stderr:
            text, mend = f"it is older than the server ({lines[-1]})", "install that of the server's version or newer"
        raise Unreachable(f"{tool} failed at {address_of(url)}: {text}: {mend}")
