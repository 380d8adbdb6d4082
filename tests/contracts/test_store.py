"""The transactional store means the same on SQLite and PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores import tables
from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.revisions import migrate
from assets.stores.schema.tables_metadata import metadata
from assets.stores.schema.tables_readings import quarantine
from assets.stores.transactions import Store, connect_store, next_recorded_at, open_store

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
# Engine -> table -> names of its triggers.
TRIGGERS: dict[str, dict[str, set[str]]] = {}


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store on each engine."""
    opened = new_store(request, tmp_path)
    yield opened
    opened.close()


def new_store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """On the engine that the fixture is asked for."""
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'deep' / 'store.db'}"
    else:
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    return open_store(url)


def item(item_id: str, **changes: object) -> dict[str, object]:
    return {
        "item_id": item_id,
        "site_id": "plant",
        "kind": "row",
        "source_name": "a.csv",
        "source_sha256": "0" * 64,
        "kept_path": "",
        "line": 1,
        "reason": "off_grid",
        "message": "naïve ☃ 'quoted'",
        "row_count": 1,
        "recorded_at_utc": NOW,
    } | changes


def add(store: Store, *rows: dict[str, object]) -> None:
    with store.begin() as connection:
        connection.execute(quarantine.insert(), list(rows))


def stopped(store: Store, work: Callable[[sa.Connection], object]) -> None:
    """Do the work in a transaction that then fails."""
    with store.begin() as connection:
        work(connection)
        raise RuntimeError("stop")


def ids(store: Store) -> list[str]:
    return [row["item_id"] for row in store.rows(sa.select(quarantine).order_by(quarantine.c.item_id))]


def test_what_is_written_is_read_back_alike(any_store: Store) -> None:
    early = NOW.astimezone(timezone(timedelta(hours=-3))) - timedelta(microseconds=1)
    add(any_store, item("a"), item("b", recorded_at_utc=early))
    rows = any_store.rows(sa.select(quarantine).order_by(quarantine.c.recorded_at_utc))
    assert [row["item_id"] for row in rows] == ["b", "a"]
    assert rows[1] == item("a")
    assert rows[0]["recorded_at_utc"] == NOW - timedelta(microseconds=1)


def test_a_transaction_that_fails_leaves_nothing(any_store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        add(any_store, item("a"), item("a"))
    assert ids(any_store) == []
    with pytest.raises(RuntimeError, match="stop"):
        stopped(any_store, lambda connection: connection.execute(quarantine.insert(), [item("b")]))
    assert ids(any_store) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def triggers(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, set[str]]:
    """Table -> names of its triggers in a new store on each engine, which is looked at once."""
    if request.param not in TRIGGERS:
        catalogue = (
            "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'"
            if request.param == "sqlite"
            else "SELECT relname, tgname FROM pg_trigger JOIN pg_class c ON tgrelid = c.oid WHERE NOT tgisinternal"
        )
        with closing(new_store(request, tmp_path)) as store, store.begin() as connection:
            rows = connection.execute(sa.text(catalogue)).all()
        TRIGGERS[request.param] = {table: {name for of, name in rows if of == table} for table, _ in rows}
    return TRIGGERS[request.param]


@pytest.mark.parametrize("table", tables.APPEND_ONLY, ids=lambda table: table.name)
def test_every_append_only_table_has_its_triggers(triggers: dict[str, set[str]], table: sa.Table) -> None:
    is_server = triggers is TRIGGERS.get("postgresql")
    verbs = ("update", "delete", "truncate")[: 3 if is_server else 2]
    assert triggers[table.name] >= {f"{table.name}_no_{verb}" for verb in verbs}


def test_an_append_only_row_can_be_neither_changed_nor_deleted(any_store: Store) -> None:
    add(any_store, item("a"))
    for statement in (quarantine.update().values(reason="x"), quarantine.delete()):
        with pytest.raises(sa.exc.DBAPIError, match="quarantine is append-only"), any_store.begin() as connection:
            connection.execute(statement)
    assert ids(any_store) == ["a"]


def test_the_recorded_clock_only_moves_forward(any_store: Store) -> None:
    found = []
    for moment in (NOW, NOW, NOW - timedelta(days=9), NOW + timedelta(hours=1)):
        with any_store.begin() as connection:
            found.append(next_recorded_at(connection, moment))
    micro = timedelta(microseconds=1)
    assert found == [NOW, NOW + micro, NOW + 2 * micro, NOW + timedelta(hours=1)]


def test_an_abandoned_batch_leaves_the_recorded_clock_where_it_was(any_store: Store) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        stopped(any_store, lambda connection: next_recorded_at(connection, NOW + timedelta(days=1)))
    with any_store.begin() as connection:
        assert next_recorded_at(connection, NOW) == NOW


def test_batches_that_run_together_get_different_recorded_times(any_store: Store) -> None:
    with any_store.begin() as connection:
        next_recorded_at(connection, NOW)

    def one(_number: int) -> datetime:
        with any_store.begin() as connection:
            return next_recorded_at(connection, NOW)

    with ThreadPoolExecutor(4) as pool:
        moments = list(pool.map(one, range(12)))
    assert len(set(moments)) == 12


def test_migrating_again_changes_nothing(any_store: Store) -> None:
    add(any_store, item("a"))
    migrate(any_store.engine)
    assert ids(any_store) == ["a"]
    assert set(sa.inspect(any_store.engine).get_table_names()) >= set(metadata.tables)


def test_the_light_connection_sees_what_the_migrated_one_wrote(any_store: Store) -> None:
    add(any_store, item("a"))
    light = connect_store(any_store.engine.url.render_as_string(hide_password=False))
    assert ids(light) == ["a"]
    light.close()


def test_the_light_connection_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, assets.stores.transactions;"
        "print([m for m in ('polars','duckdb','pyarrow','alembic','pandas','dagster') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_instant_is_fixed_width_text_that_sorts_as_time() -> None:
    column = UtcDateTime()
    early, late = NOW, NOW + timedelta(microseconds=10)
    texts = [column.process_bind_param(moment, None) for moment in (early, late)]
    assert texts == ["2025-01-01T12:00:00.000000Z", "2025-01-01T12:00:00.000010Z"]
    assert column.process_result_value(texts[1], None) == late
    assert column.process_bind_param(None, None) is column.process_result_value(None, None) is None
    with pytest.raises(ValueError, match="naive time"):
        column.process_bind_param(datetime(2025, 1, 1), None)  # noqa: DTZ001


def test_json_is_canonical_and_refuses_what_is_no_number() -> None:
    column = JsonText()
    assert column.process_bind_param({"b": 1, "a": "ü"}, None) == '{"a":"ü","b":1}'
    assert column.process_result_value('{"a":1}', None) == {"a": 1}
    assert column.process_bind_param(None, None) is column.process_result_value(None, None) is None
    with pytest.raises(ValueError, match="JSON"):
        column.process_bind_param({"a": float("nan")}, None)
    assert json.loads(column.process_bind_param([1.1], None) or "") == [1.1]
