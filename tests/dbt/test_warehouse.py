"""Loading and publishing: all or nothing, on both engines, through kills, locks and damage."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.lake.lake import Lake
from assets.stores.postgres import facts_of
from assets.stores.warehouse import warehouse
from assets.stores.warehouse.marts import MARTS, PORTFOLIO, mart_file, mart_path, read_mart
from assets.stores.warehouse.warehouse import (
    WarehouseTarget,
    duckdb_session,
    held_open,
    load_sources,
    publish_marts,
    target_of,
)
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from data_quality.contracts.settings import load_project
from tests.dbt.conftest import World
from tests.kpi.seeded import filled_lake, plant

SITES = pl.DataFrame([("s", "Europe/Berlin", "EUR", None)], schema=SOURCE_SCHEMAS["sites"], orient="row")


@pytest.fixture(params=["duckdb", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseTarget:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return WarehouseTarget(duckdb_file=tmp_path / "w" / "w.duckdb", postgres_url=url)


def lake_table(target: WarehouseTarget, name: str) -> list[tuple[object, ...]]:
    query = f"select * from lake.{name} order by 1, 2, 3"
    if target.postgres_url:
        import psycopg

        with psycopg.connect(target.postgres_url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]
    import duckdb

    with duckdb.connect(str(target.duckdb_file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_every_source_table_arrives_with_all_its_rows(target: WarehouseTarget, lake: Lake) -> None:
    site = plant()
    tables = source_tables({"plant": site}, filled_lake(lake, site, seed=1), None)
    counts = load_sources(target, tables)
    assert set(counts) == set(SOURCE_SCHEMAS)
    assert counts["readings"] == lake.history("plant").height
    assert counts["site_quarter_hours"] == 365 * 96
    assert load_sources(target, tables) == counts


def test_loading_one_table_leaves_the_others(target: WarehouseTarget) -> None:
    load_sources(target, {name: empty_source(name) for name in SOURCE_SCHEMAS})
    load_sources(target, {"sites": SITES})
    assert lake_table(target, "sites") == [("s", "Europe/Berlin", "EUR", None)]
    assert lake_table(target, "meters") == []


def test_texts_that_look_like_sql_arrive_as_they_are(target: WarehouseTarget) -> None:
    nasty = SITES.with_columns(site_id=pl.lit("m1'; drop table lake.sites; --"), currency=pl.lit(""))
    load_sources(target, {"sites": nasty})
    assert lake_table(target, "sites")[0][:3] == ("m1'; drop table lake.sites; --", "Europe/Berlin", "")


def test_a_load_that_fails_in_the_middle_changes_nothing(target: WarehouseTarget, tmp_path: Path) -> None:
    load_sources(target, {"sites": SITES})
    missing = ParquetFiles(paths=(tmp_path / "gone.parquet",))
    with pytest.raises(Exception, match=r"gone\.parquet"):
        load_sources(target, {"sites": empty_source("sites"), "readings": missing})
    assert len(lake_table(target, "sites")) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from assets.stores.warehouse import warehouse
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
real, done = warehouse.DuckDbEngine._replace, []
def replace(engine, name, table):
    done.append(name)
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(engine, name, table)
warehouse.DuckDbEngine._replace = replace
target = warehouse.WarehouseTarget(duckdb_file=Path(sys.argv[1]))
warehouse.load_sources(target, {name: empty_source(name) for name in ["sites", "meters", "scope_members"]})
"""


def test_fault_f32_a_kill_in_the_middle_of_a_load_leaves_the_former_content(tmp_path: Path) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "w.duckdb")
    load_sources(target, {"sites": SITES})
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target.duckdb_file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(lake_table(target, "sites")) == 1


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_warehouse_that_another_process_holds_is_named_as_such(tmp_path: Path) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "w.duckdb")
    load_sources(target, {"sites": SITES})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target.duckdb_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Unreachable, match="held by another process"):
            load_sources(target, {"sites": SITES})
        holder.communicate()


def test_two_threads_ask_a_warehouse_that_is_held_open_at_the_same_time(tmp_path: Path) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "w.duckdb")
    load_sources(target, {"sites": SITES})
    begun, said = threading.Event(), list[object]()

    def count() -> None:
        with duckdb_session(target.duckdb_file) as connection:
            begun.set()
            asked = "select count(*) from range(200000) a(i), range(2000) b(j) where (i * j) % 7 = 3"
            said.append(connection.execute(asked).fetchall())

    with held_open(target):
        slow = threading.Thread(target=count)
        slow.start()
        begun.wait(30)
        while slow.is_alive():
            with duckdb_session(target.duckdb_file) as connection:
                assert connection.execute("select site_id from lake.sites").fetchall() == [("s",)]
        slow.join()
        assert len(said) == 1


def test_whoever_holds_a_warehouse_within_another_leaves_it_to_the_first(tmp_path: Path) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "w.duckdb")
    with held_open(target):
        with held_open(target):
            load_sources(target, {"sites": SITES})
        assert target.duckdb_file in warehouse._HELD
    assert target.duckdb_file not in warehouse._HELD
    assert len(lake_table(target, "sites")) == 1


def test_a_damaged_file_is_rebuilt_by_a_full_load_and_only_by_that(tmp_path: Path) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "w.duckdb")
    target.duckdb_file.write_bytes(os.urandom(5000))
    with pytest.raises(Unreachable, match="load all sources to rebuild it"):
        load_sources(target, {"sites": SITES})
    load_sources(target, {name: empty_source(name) for name in SOURCE_SCHEMAS} | {"sites": SITES})
    assert len(lake_table(target, "sites")) == 1


def test_other_columns_or_tables_are_our_fault() -> None:
    target = WarehouseTarget(duckdb_file=Path("never.duckdb"))
    with pytest.raises(OurFault, match="differing: currency"):
        load_sources(target, {"sites": SITES.drop("currency")})
    with pytest.raises(OurFault, match="'weather' is not a source table"):
        load_sources(target, {"weather": SITES})


def test_a_source_table_with_new_columns_replaces_the_old_one(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        connection.execute("create schema lake")
        connection.execute("create table lake.sites (site_id text)")
        connection.execute("create view public.v as select * from lake.sites")
    target = WarehouseTarget(duckdb_file=Path("never.duckdb"), postgres_url=postgres_url)
    assert load_sources(target, {"sites": SITES}) == {"sites": 1}


def test_a_postgres_that_does_not_answer_is_unreachable() -> None:
    target = WarehouseTarget(duckdb_file=Path("never.duckdb"), postgres_url="postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unreachable, match="does not answer"):
        load_sources(target, {"sites": SITES})


def test_a_mart_that_was_never_built_is_named(world: World, tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(BadInput, match="mart mart_scope__day_kpi is not published yet"):
        read_mart(tmp_path, "mart_scope__day_kpi")
    with pytest.raises(KeyError, match="'mart_nope' is not a mart"):
        read_mart(tmp_path, "mart_nope")
    with pytest.raises(Unreachable, match="no mart mart_scope__day_kpi yet"):
        publish_marts(
            WarehouseTarget(duckdb_file=tmp_path / "w.duckdb", postgres_url=postgres_url),
            tmp_path,
            ["mart_scope__day_kpi"],
        )
    assert list(tmp_path.rglob("*.parquet")) == []


def test_publishing_again_gives_the_same_files(world: World, tmp_path: Path) -> None:
    publish_marts(world.duckdb.target, tmp_path, ["mart_scope__month_kpi"])
    again, first = (read_mart(folder, "mart_scope__month_kpi") for folder in (tmp_path, world.duckdb.marts_dir))
    assert_frame_equal(again, first)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet"))
    assert files == [
        f"mart_scope__month_kpi/{name}.parquet" for name in ("_schema", "site=office/2025", "site=plant/2025")
    ]


@pytest.mark.parametrize("name", [*MARTS])
def test_a_mart_too_large_for_memory_has_the_same_rows_and_columns(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    years = {site_id: [2025] for site_id in (*world.sites, PORTFOLIO)}
    usual = publish_marts(world.duckdb.target, tmp_path / "usual", [name], years=years)
    gone = mart_file(mart_path(tmp_path / "large", name), "plant", 2019)
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"of a year that has no rows any more")
    monkeypatch.setattr(warehouse, "ROWS_IN_MEMORY", 0)
    written = publish_marts(world.duckdb.target, tmp_path / "large", [name], years=years | {"plant": [2019, 2025]})
    assert (written, gone.exists()) == (usual, False)
    found, wanted = (read_mart(tmp_path / folder, name) for folder in ("large", "usual"))
    # Types and the order of rows too.
    assert_frame_equal(found, wanted)
    assert not list(tmp_path.rglob("*.part"))


def test_readings_of_an_earlier_moment_have_no_later_corrections(world: World, as_of: object) -> None:
    then = source_tables(world.sites, world.lake, None, as_of_utc=as_of)["readings"]  # type: ignore[arg-type]
    now = source_tables(world.sites, world.lake, None)["readings"]
    assert isinstance(then, ParquetFiles)
    assert isinstance(now, ParquetFiles)
    assert set(then.paths) < set(now.paths)


def test_an_empty_lake_gives_empty_sources(lake: Lake, tmp_path: Path) -> None:
    tables = source_tables({"plant": plant()}, lake, None)
    counts = load_sources(WarehouseTarget(duckdb_file=tmp_path / "w.duckdb"), tables)
    assert (counts["readings"], counts["site_quarter_hours"], counts["meters"]) == (0, 0, 7)


def test_one_setting_chooses_the_engine(tmp_path: Path) -> None:
    local = target_of(load_project(tmp_path, {}))
    assert (local.name, local.duckdb_file.name) == ("duckdb", "meterloom.duckdb")
    server = target_of(load_project(tmp_path, {"METERLOOM_DATABASE__URL": "postgresql://u:p@db:6543/meter"}))
    assert server.name == "postgres"
    assert facts_of(server.postgres_url) == {
        "host": "db", "port": "6543", "user": "u", "password": "p", "dbname": "meter"
    }  # fmt: skip
