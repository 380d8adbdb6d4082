"""The view at T in SQL is the lake's own: the latest row per key of all that was recorded by then, on both engines."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.stores.lake.lake import KEY, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.transactions import open_store
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from data_quality.contracts.time import FixedClock
from tests.dbt.conftest import World
from tests.kpi.seeded import fill, plant

START = datetime(2025, 3, 30, tzinfo=UTC)
FIRST_BATCH = datetime(2025, 5, 1, tzinfo=UTC)
# One batch: quarter hours with their values; the same quarter hour in a later batch is a correction.
batches = st.lists(
    st.dictionaries(st.integers(0, 120), st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=5
)


def view_at(target: WarehouseTarget, when: datetime) -> pl.DataFrame:
    """lake.readings_as_of(when), as the lake would give it."""
    query = f"select {', '.join(LAKE_SCHEMA)} from lake.readings_as_of(timestamptz '{when.isoformat()}')"
    if target.postgres_url:
        import psycopg

        with psycopg.connect(target.postgres_url, options="-c timezone=UTC") as connection:
            rows = connection.execute(query).fetchall()
        frame = pl.DataFrame(rows, schema=list(LAKE_SCHEMA), orient="row", infer_schema_length=None)
        if frame.is_empty():
            return pl.DataFrame(schema=LAKE_SCHEMA)
    else:
        import duckdb

        with duckdb.connect(str(target.duckdb_file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            frame = connection.sql(query).pl()
    return frame.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items()).sort(KEY)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_the_view_before_between_and_after_two_batches(world: World, engine: str, as_of: datetime) -> None:
    target = getattr(world, engine).target
    recorded = max(row["recorded_at_utc"] for row in world.lake.manifest("plant"))
    edges = (recorded - timedelta(microseconds=1), recorded)
    for when in (as_of - timedelta(days=30), as_of, *edges, as_of + timedelta(days=30)):
        parts = [world.lake.current(site_id, as_of_utc=when) for site_id in world.sites]
        assert_frame_equal(view_at(target, when), pl.concat(parts).sort(KEY))
    now, then = view_at(target, as_of + timedelta(days=30)), view_at(target, as_of)
    assert not now.equals(then)
    # What is recorded at an instant is known at that instant.
    assert not view_at(target, edges[0]).equals(view_at(target, edges[1]))


@settings(max_examples=15, deadline=None)
@given(batches=batches, after=st.integers(-1, 5), later=st.sampled_from([timedelta(0), timedelta(hours=1)]))
def test_any_history_reads_the_same_in_sql_and_from_the_lake(
    tmp_path_factory: pytest.TempPathFactory, batches: list[dict[int, int]], after: int, later: timedelta
) -> None:
    folder: Path = tmp_path_factory.mktemp("history")
    store, site = open_store(f"sqlite:///{folder / 'store.db'}"), plant()
    lake, seen = Lake(folder / "lake", store), set[int]()
    for number, batch in enumerate(batches):
        rows = pl.DataFrame(
            [
                ("plant", "main", "import", START + timedelta(minutes=15 * slot), 15, 15, value / 8, "kwh", 0, 1, False)
                for slot, value in batch.items()
            ],
            schema={name: LAKE_SCHEMA[name] for name in [*list(LAKE_SCHEMA)[:9], "source_line", "is_synthetic"]},
            orient="row",
        ).with_columns(is_correction=pl.Series([slot in seen for slot in batch]))
        seen |= set(batch)
        fill(lake, site, rows, clock=FixedClock(FIRST_BATCH + timedelta(days=number)), name=f"batch-{number}")
    target = WarehouseTarget(duckdb_file=folder / "w.duckdb")
    files = ParquetFiles(paths=tuple(dict.fromkeys(lake.root / str(row["path"]) for row in lake.manifest("plant"))))
    load_sources(target, {name: empty_source(name) for name in SOURCE_SCHEMAS} | {"readings": files})
    when = FIRST_BATCH + timedelta(days=after) + later
    naive: dict[int, int] = {}
    for number, batch in enumerate(batches):
        if number <= after:
            naive |= batch
    view = view_at(target, when)
    assert_frame_equal(view, lake.current("plant", as_of_utc=when))
    assert view["value"].to_list() == [value / 8 for _, value in sorted(naive.items())]
    store.close()


def test_a_later_load_copies_only_files_that_postgres_does_not_hold(postgres_url: str, lake: Lake) -> None:
    import psycopg

    from tests.kpi.seeded import filled_lake

    filled_lake(lake, plant(), seed=4)
    paths = tuple(dict.fromkeys(lake.root / str(row["path"]) for row in lake.manifest("plant")))
    target = WarehouseTarget(duckdb_file=Path("never.duckdb"), postgres_url=postgres_url)
    first = load_sources(target, {"readings": ParquetFiles(paths=paths[:-1])})["readings"]
    with psycopg.connect(postgres_url) as connection:
        connection.execute("update lake.readings set source_line = -1")
    both = load_sources(target, {"readings": ParquetFiles(paths=paths)})["readings"]
    with psycopg.connect(postgres_url) as connection:
        fresh = connection.execute("select count(*) from lake.readings where source_line <> -1").fetchone()
    assert fresh == (both - first,)
    assert both == lake.history("plant").height
    # A file that the manifest no longer names makes the table start again.
    assert load_sources(target, {"readings": ParquetFiles(paths=paths[1:])})["readings"] < both
