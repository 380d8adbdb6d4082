"""No freed page of a database keeps what was erased: SQLite is written anew, PostgreSQL's tables too."""

import sqlalchemy as sa

from assets.stores.postgres import connection_to
from assets.stores.tables import TABLES
from assets.stores.transactions import Store, reaching
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project

# Of the warehouse on PostgreSQL; the next build makes them again.
_WAREHOUSE = ("lake", "staging", "intermediate", "marts")


def wipe(store: Store) -> None:
    """Write the store's tables anew, without pages and logs of before. Raises Unreachable where another reads it."""
    address = str(store.engine.url)
    if store.engine.dialect.name == "postgresql":
        with reaching(address), store.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in TABLES:
                free.exec_driver_sql(f"VACUUM (FULL) {table.name}")
            free.exec_driver_sql("CHECKPOINT") if _may_checkpoint(free) else None
        return
    with reaching(address):
        raw = store.engine.raw_connection()
        try:
            for words in ("PRAGMA secure_delete=ON", "VACUUM"):
                raw.cursor().execute(words)
            [is_busy, *_] = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            raw.close()
    if is_busy:
        raise Unreachable(f"{store.place}: another process reads the store: end it, and say this again")


def drop_marts(project: Project) -> None:
    """Drop the warehouse's schemas, where it is PostgreSQL: they hold readings. Raises Unreachable."""
    if url := project.settings.database.of("warehouse"):
        with connection_to(url) as connection:
            for schema in _WAREHOUSE:
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


def _may_checkpoint(connection: sa.Connection) -> bool:
    return bool(connection.exec_driver_sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").scalar())
