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
    f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')",  # noqa: S608 - a constant of the code
)


def create_tables(connection: sa.Connection) -> None:
    """Make tables, indexes, triggers and the view, and seal what a store has of its own from the start: its ledger's
    name, and the revision that it begins at. In the caller's transaction.
    """
    cursor = connection.connection.cursor()
    for script in _scripts(connection.dialect.name):
        cursor.execute(script)
    append_row(connection, ledger_identity, ledger_id=uuid4().hex)
    append_row(connection, store_revisions, revision=REVISION)


@cache
def _scripts(dialect: str) -> tuple[str, ...]:
    """Statements that make a store on sqlite or postgresql. Kept: to word 85 tables takes as long as to make them."""
    statements: list[str] = []

    def word(ddl: sa.schema.ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(ddl.compile(dialect=engine.dialect)))

    # The driver itself runs them, to which a % is a % here.
    engine = sa.create_mock_engine(f"{dialect}://", word, paramstyle="named")
    metadata.create_all(engine, checkfirst=False)
    # The function that refuses comes with every table.
    statements = list(dict.fromkeys((*statements, *guards(dialect), *_STAMP)))
    # A server takes them in one go; SQLite's driver would commit before a script.
    return (";\n".join(statements),) if dialect == "postgresql" else tuple(statements)
