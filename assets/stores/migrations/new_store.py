"""Tables of a new, empty store at once: those that the schema declares, where the steps would make one after the other.

Beside Alembic's env.py: both need the seals, which stand on the module that opens a store and migrates it.
"""

from functools import cache
from uuid import uuid4

import sqlalchemy as sa

from assets.stores.guards import guards
from assets.stores.schema.tables_control import ledger_identity
from assets.stores.schema.tables_metadata import REVISION, metadata
from assets.stores.schema.tables_seals import store_revisions
from assets.stores.seals import append_row

# As Alembic makes it; its own `stamp` would load Alembic and every step.
_STAMP = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
    f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')",
)


def create_tables(connection: sa.Connection) -> None:
    """Make tables, indexes, triggers and the view, and seal what a store has of its own from the start: its ledger's
    name, and the revision that it begins at. In the caller's transaction.
    """
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    append_row(connection, ledger_identity, ledger_id=uuid4().hex)
    append_row(connection, store_revisions, revision=REVISION)


@cache
def _statements(dialect: str) -> tuple[str, ...]:
    """Every statement on sqlite or postgresql. Kept: to word 85 tables takes as long as to make them."""
    tables: list[str] = []

    def word(ddl: sa.Executable, *_: object, **__: object) -> None:
        tables.append(str(ddl.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(f"{dialect}://", word)
    metadata.create_all(engine, checkfirst=False)
    beside = (each.replace("%", "%%") if dialect == "postgresql" else each for each in guards(dialect))
    # The function that refuses comes with every table.
    return tuple(dict.fromkeys((*tables, *beside, *_STAMP)))
