"""A run over the months that changed must leave what a build of everything would: both engines, random late rows."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.kpi.incremental.mart_sources import source_tables
from assets.kpi.incremental.stage import Stage, touched_months
from assets.kpi.mart_windows import Window
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.transactions import Store, open_store
from assets.stores.warehouse.mart_digests import MartDigests
from assets.stores.warehouse.marts import MARTS, read_mart
from assets.stores.warehouse.warehouse import WarehouseTarget, held_open, load_sources, mark_built, publish_marts
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.month_keys import month_ranges, months_of_range, split_key
from orchestration.warehouse.dbt import build, build_stage, fingerprint, warehouse_plan
from tests.dbt.by_dbt import run_dbt
from tests.dbt.conftest import OFFICE
from tests.kpi.seeded import expected_days, fill, filled_lake, plant, random_rows

# Each build pays for dbt's own work, and there are many.
pytestmark = pytest.mark.slow
WAREHOUSE = "warehouse.duckdb"


class Line:
    """A lake, its sites and one warehouse that is brought up to date window by window."""

    def __init__(self, folder: Path, store: Store, target: WarehouseTarget) -> None:
        self.folder, self.target = folder, target
        self.lake, self.baselines = Lake(folder / "lake", store), BaselineStore(store)
        self.sites: dict[str, Site] = {"plant": plant(), "office": plant(**OFFICE)}
        self.expected = pl.concat([expected_days(site, seed=seed) for seed, site in enumerate(self.sites.values())])
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def marts_dir(self) -> Path:
        return self.folder / "marts"

    def stage(self, name: str) -> Stage:
        return Stage(
            name,
            sites=self.sites,
            lake=self.lake,
            baselines=self.baselines,
            marts_dir=self.marts_dir,
            fingerprint=fingerprint(),
        )

    def catch_up(self) -> list[tuple[str, str]]:
        """Run every stale range of both stages. Returns the ranges."""
        done = []
        for name in ("kpi", "enpi"):
            for first, last in month_ranges(self.stage(name).stale()):
                if not self.stage(name).stale().keys() & set(months_of_range(first, last)):
                    continue  # an earlier run computed the whole site
                done.append((first, last))
                self.build(name, (first, last))
        return done

    def build(self, name: str, *ranges: tuple[str, str]) -> None:
        """One build of these ranges, each of a site of its own."""
        stage, asked = self.stage(name), []
        for first, last in ranges:
            start, site_id = split_key(first)
            after = (split_key(last)[0] + timedelta(days=32)).replace(day=1)
            asked.append(Window(site_id=site_id, first=start, after=after))
        # As a run does (orchestration/warehouse/local_build.py)
        with held_open(self.target):
            prepared = stage.prepare(asked, target=self.target, expected=self.expected)
            outcome = build_stage(name, target=self.target, is_full=prepared.is_full)
            assert outcome.is_success, outcome.failed
            note = stage.finish(prepared, target=self.target)
            stage.publish(note, target=self.target, clock=FixedClock(self.at))

    def late(self, site_id: str, seed: int, *spans: tuple[date, date]) -> None:
        """Random rows of some local days arrive: new where nothing was, corrections elsewhere."""
        self.at += timedelta(days=1)
        rows = random_rows(self.sites[site_id], seed=seed, spans=spans, share_missing=0.4)
        fill(self.lake, self.sites[site_id], rows, clock=FixedClock(self.at), name=f"late-{site_id}-{seed}")

    def from_scratch(self, tmp_path: Path) -> Path:
        """The marts of the same lake, built whole on an empty DuckDB file, as dbt would (test_full_build.py)."""
        target = WarehouseTarget(duckdb_file=tmp_path / "whole.duckdb")
        with held_open(target):
            load_sources(target, source_tables(self.sites, self.lake, self.expected))
            # Without the data tests: they run on each window, and on marts that are then proven equal to these.
            for name in ("kpi", "enpi"):
                nodes = warehouse_plan().of(name, is_full=True)
                assert build(target, {}, (node for node in nodes if node.kind != "test")).is_success
            publish_marts(target, tmp_path / "whole")
        target.duckdb_file.unlink()
        return tmp_path / "whole"


def assert_same_marts(ours: Path, theirs: Path) -> None:
    for name in MARTS:
        try:
            assert_frame_equal(read_mart(ours, name), read_mart(theirs, name), rel_tol=1e-12, abs_tol=0)
        except AssertionError as fault:
            raise AssertionError(f"{name}: {fault}") from fault


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, foreign_zone: None) -> Path:
    """The folder of a line with two sites that DuckDB has built: each test works on a copy."""
    folder = tmp_path_factory.mktemp("filled")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    made = Line(folder, store, WarehouseTarget(duckdb_file=folder / WAREHOUSE))
    for seed, site in enumerate(made.sites.values()):
        filled_lake(made.lake, site, seed=seed)
    made.catch_up()
    store.close()
    return folder


@pytest.fixture
def line(request: pytest.FixtureRequest, tmp_path: Path, filled: Path) -> Iterator[Line]:
    """Two sites, filled and built, on DuckDB or on the engine that the test names."""
    folder = shutil.copytree(filled, tmp_path / "line")
    is_server = getattr(request, "param", "duckdb") == "postgres"
    url = request.getfixturevalue("postgres_url") if is_server else ""
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    made = Line(folder, store, WarehouseTarget(duckdb_file=folder / WAREHOUSE, postgres_url=url))
    if is_server:
        shutil.rmtree(made.marts_dir)
        made.catch_up()
    yield made
    store.close()


@pytest.mark.parametrize("line", ["duckdb", "postgres"], indirect=True)
def test_windows_leave_what_a_build_of_everything_leaves(line: Line, tmp_path: Path) -> None:
    assert line.catch_up() == []
    # A correction inside, a day in a gap, a month after the end and one in the year before.
    line.late("plant", 7, (date(2025, 3, 30), date(2025, 4, 1)))
    assert line.catch_up() == [("2025-03-01|plant", "2025-03-01|plant")] * 2
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))
    if line.target.postgres_url:
        return  # one round shows that the engines do the same; the others cost minutes
    line.late("plant", 8, (date(2025, 6, 10), date(2025, 6, 11)), (date(2026, 2, 3), date(2026, 2, 4)))
    line.late("office", 9, (date(2024, 11, 30), date(2024, 12, 2)))
    ranges = line.catch_up()
    assert ("2025-06-01|plant", "2025-06-01|plant") in ranges
    assert ("2024-11-01|office", "2024-12-01|office") in ranges
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "2"))


@pytest.mark.parametrize("line", ["duckdb", "postgres"], indirect=True)
def test_one_build_of_several_sites_leaves_what_a_build_of_each_leaves(line: Line, tmp_path: Path) -> None:
    line.late("plant", 7, (date(2025, 3, 30), date(2025, 4, 1)))
    line.late("office", 9, (date(2024, 11, 30), date(2024, 12, 2)))
    for name in ("kpi", "enpi"):
        ranges = month_ranges(line.stage(name).stale())
        assert {split_key(first)[1] for first, _ in ranges} == {"office", "plant"}
        line.build(name, *ranges)
    assert line.catch_up() == []
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))


def test_a_changed_site_file_computes_the_whole_site_and_forgets_what_it_no_longer_has(
    line: Line, tmp_path: Path
) -> None:
    fewer = [meter for meter in line.sites["plant"].meters if meter.meter_id != "annex"]
    line.sites["plant"] = line.sites["plant"].model_copy(update={"meters": tuple(fewer)})
    assert {key for pair in line.catch_up() for key in pair if key.endswith("office")} == set()
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))
    del line.sites["office"]
    line.late("plant", 3, (date(2025, 4, 1), date(2025, 4, 2)))
    line.expected = line.expected.filter(pl.col("site_id") == "plant")
    line.catch_up()
    assert set(read_mart(line.marts_dir, "mart_scope__day_kpi")["site_id"]) == {"plant"}
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "2"))


def test_a_lost_warehouse_is_built_again_before_months_are_added_to_it(line: Line, tmp_path: Path) -> None:
    line.target.duckdb_file.unlink()
    assert line.catch_up() == []  # what is published still stands
    line.late("plant", 5, (date(2025, 4, 1), date(2025, 4, 2)))
    line.catch_up()
    line.late("office", 6, (date(2025, 4, 1), date(2025, 4, 2)))
    line.catch_up()
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))


@pytest.mark.parametrize("line", ["duckdb", "postgres"], indirect=True)
def test_a_warehouse_made_anew_for_one_site_takes_no_figure_of_another_away(line: Line, tmp_path: Path) -> None:
    """Sums over sites wait for the sites that it lacks, which are built again; nothing is published without them."""
    before, sums = {name: read_mart(line.marts_dir, name) for name in MARTS}, "mart_portfolio__kpi_values"
    # As after an upgrade, or in an empty database: no table is of this SQL.
    mark_built(line.target, ["kpi"], "")
    line.late("plant", 5, (date(2025, 4, 1), date(2025, 4, 2)))
    for each in month_ranges(line.stage("kpi").stale()):
        line.build("kpi", each)
    for name in MARTS:
        of_office = pl.col("site_id") == "office"
        assert_frame_equal(read_mart(line.marts_dir, name).filter(of_office), before[name].filter(of_office))
    assert_frame_equal(read_mart(line.marts_dir, sums), before[sums])
    with pytest.raises(BadInput, match="does not hold the tables of site 'office', which is published"):
        line.stage("kpi").publish(None, target=line.target, clock=FixedClock(line.at))
    assert any(first.endswith("office") for first, _ in line.catch_up())
    assert line.catch_up() == []
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))
    assert MartDigests(line.lake.store, line.marts_dir).compare().changed == ()


def test_a_run_that_died_between_models_is_made_good_by_the_next(line: Line, tmp_path: Path) -> None:
    line.late("plant", 11, (date(2025, 7, 1), date(2025, 7, 2)))
    stage = line.stage("kpi")
    july = Window(site_id="plant", first=date(2025, 7, 1), after=date(2025, 8, 1))
    prepared = stage.prepare([july], target=line.target)
    nodes = warehouse_plan(line.target).of("kpi", is_full=False)
    last = next(place for place, each in enumerate(nodes) if each.name == "int_meter__day_energy")
    assert build(line.target, {}, nodes[: last + 1]).is_success  # and then the lights went out
    assert not prepared.is_full
    line.catch_up()
    assert_same_marts(line.marts_dir, line.from_scratch(tmp_path / "1"))


@pytest.mark.parametrize("line", ["duckdb", "postgres"], indirect=True)
def test_a_plain_build_of_dbt_by_hand_keeps_the_rows_of_other_windows(
    line: Line, tmp_path: Path, state_dir: Path
) -> None:
    line.late("plant", 14, (date(2025, 7, 1), date(2025, 7, 2)))
    line.catch_up()
    for stage in ("kpi", "enpi"):
        # Of what is loaded: July of one site.
        outcome = run_dbt(["build", "--select", f"tag:{stage}"], target=line.target, state_dir=state_dir)
        assert outcome.is_success, outcome.failed
    publish_marts(line.target, tmp_path / "by_hand")
    assert_same_marts(tmp_path / "by_hand", line.marts_dir)


def test_only_the_files_of_the_touched_years_are_written_again(line: Line) -> None:
    line.late("plant", 12, (date(2026, 1, 5), date(2026, 1, 6)))
    line.catch_up()
    before = {path: path.stat().st_mtime_ns for path in line.marts_dir.rglob("site=*/*.parquet")}
    line.late("plant", 13, (date(2026, 1, 7), date(2026, 1, 8)))
    line.catch_up()
    after = {path: path.stat().st_mtime_ns for path in line.marts_dir.rglob("site=*/*.parquet")}
    written = {str(path.relative_to(line.marts_dir)) for path in after if after[path] != before[path]}
    years = {"/".join(path.split("/")[1:]) for path in written}
    # Sums over sites follow their sites; a figure of twelve months begins in the year before.
    assert years == {"site=plant/2026.parquet", "site=_portfolio/2026.parquet", "site=plant/2025.parquet"}
    assert {path for path in written if "2025" in path} == {"mart_scope__rolling_kpi/site=plant/2025.parquet"}
    # Of every file that lies there, whichever build wrote it, the digest is kept.
    assert MartDigests(line.lake.store, line.marts_dir).compare() == (len(after), (), False, ())


def test_energy_performance_waits_for_the_tables_it_rests_on(line: Line) -> None:
    line.target = replace_target(line.target)
    april = Window(site_id="plant", first=date(2025, 4, 1), after=date(2025, 5, 1))
    with pytest.raises(BadInput, match="does not hold the KPI tables of site 'plant'"):
        line.stage("enpi").prepare([april], target=line.target)


def replace_target(target: WarehouseTarget) -> WarehouseTarget:
    """Another, empty DuckDB file."""
    return WarehouseTarget(duckdb_file=target.duckdb_file.with_name("empty.duckdb"))


def test_a_late_row_at_the_edge_of_a_month_touches_its_own_month_only(lake: Lake) -> None:
    site = plant()
    # 31 March 23:00 local is 21:00 UTC of the same day; 1 April 00:00 local is 22:00 UTC of 31 March.
    rows = random_rows(site, seed=1, spans=((date(2025, 3, 31), date(2025, 4, 1)),))
    fill(lake, site, rows, clock=FixedClock(datetime(2025, 5, 1, tzinfo=UTC)), name="edge")
    assert set(touched_months({"plant": site}, lake, after_ids={})) == {"plant|2025-03"}
