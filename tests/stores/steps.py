"""A further revision after the newest, for tests: what it does is given as lines of Python."""

import shutil
import sys
import textwrap
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from assets.stores import revisions

NEXT = "test_next"
# Two tables, a new column and a row: enough places to stop between.
WHOLE = """
op.execute("CREATE TABLE first_new (a INTEGER)")
op.execute("ALTER TABLE batches ADD COLUMN colour TEXT")
op.execute("CREATE TABLE second_new (a INTEGER)")
op.execute("INSERT INTO second_new VALUES (1)")
"""


def with_step(folder: Path, body: str = WHOLE) -> Path:
    """A copy of the migrations with one more revision whose upgrade is `body`."""
    shutil.copytree(revisions.FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    head = ScriptDirectory(str(folder)).get_current_head()
    text = [
        '"""A colour for every batch. Nobody asked for it."""',
        "import os, signal",
        "from alembic import op",
        f"revision, down_revision, branch_labels, depends_on = {NEXT!r}, {head!r}, None, None",
        "def upgrade():",
        textwrap.indent(body.strip(), "    "),
    ]
    (folder / "versions" / "test_next.py").write_text("\n".join(text) + "\n")
    return folder


def contents(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every table with its columns and rows."""
    found = {}
    with engine.connect().execution_options(meterloom_read=True) as connection:
        for name in sa.inspect(connection).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT * FROM "{name}"')
            found[name] = [tuple(rows.keys()), *sorted(tuple(row) for row in rows)]
    return found


def main(folder: str, store: str, kill_at: str) -> None:
    """Open a store with the migrations of `folder`, killed with -9 at that point: a process of its own."""
    import os
    import signal

    from assets.stores.transactions import connect_store

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    revisions.FOLDER = Path(folder)
    engine = connect_store(f"sqlite:///{store}").engine
    places = {"copied": (os, "fsync"), "kept": (revisions, "_upgrade")}
    if kill_at in places:
        setattr(*places[kill_at], die)
    if kill_at == "commit":
        sa.event.listen(engine, "commit", die)
    revisions.migrate(engine)


if __name__ == "__main__":
    main(*sys.argv[1:])
