"""The lake: two times, immutable files, and a manifest that alone makes a file exist."""

import math
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.stores.lake.lake import KEY, BatchInfo, BatchResult, BlockPlan, Decided, Lake, Stamp, planned
from assets.stores.lake.lake_block import LAKE_SCHEMA, content_sha256, write_atomic
from assets.stores.lake.lake_files import orphans
from assets.stores.lake.merges import digests_of
from assets.stores.transactions import Store, connect_store, open_store
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock

START = datetime(2025, 1, 1, tzinfo=UTC)
INFO = BatchInfo(
    site_id="plant",
    source_name="a.csv",
    source_sha256="0" * 64,
    reader="csv",
    reader_version="1",
    accepted_rows=1,
    rejected_rows=0,
    is_synthetic=False,
)


def changes(*values: tuple[int, float], meter: str = "main", corrects: bool = False) -> pl.DataFrame:
    """Quarter hours by number since START."""
    rows = [
        ("plant", meter, "import", START + timedelta(minutes=15 * n), 15, 15, value, "kwh", 14, n, False, corrects)
        for n, value in values
    ]
    schema = {name: dtype for name, dtype in LAKE_SCHEMA.items() if name not in ("batch_id", "recorded_at_utc")}
    return pl.DataFrame(rows, schema=schema | {"is_correction": pl.Boolean}, orient="row")


def write(lake: Lake, clock: FixedClock, frame: pl.DataFrame, sha: str = "0") -> BatchResult:
    clock.advance(timedelta(minutes=1))
    info = INFO.model_copy(update={"source_sha256": sha * 64})
    return lake.write_batch(info, frame, unchanged_rows=0, clock=clock)


def digest(lake: Lake, as_of: datetime | None = None) -> str:
    return lake.digest("plant", start_utc=START, end_utc=START + timedelta(days=3), as_of_utc=as_of)


def test_a_batch_is_one_file_a_month_and_one_manifest_row_a_day(lake: Lake, clock: FixedClock) -> None:
    result = write(lake, clock, changes((0, 1), (95, 2), (96, 3)))
    assert result.days == (date(2025, 1, 1), date(2025, 1, 2))
    assert (result.new_rows, result.corrected_rows) == (3, 0)
    entries = lake.manifest("plant")
    assert [entry["rows"] for entry in entries] == [2, 1]
    assert {entry["recorded_at_utc"] for entry in entries} == {result.recorded_at_utc}
    assert [file.is_file() for file in lake.files(entries)] == [True]
    write(lake, clock, changes((96 * 40, 4)), "1")
    assert [file.parent.name for file in lake.files(lake.manifest("plant"))] == ["m=2025-01", "m=2025-02"]
    assert lake.span("plant") == (date(2025, 1, 1), date(2025, 2, 10))
    assert lake.known_batch("plant", "0" * 64) == result.batch_id
    assert lake.known_batch("annex", "0" * 64) is None


def test_the_view_at_a_time_is_what_was_known_then(lake: Lake, clock: FixedClock) -> None:
    first = write(lake, clock, changes((0, 1), (1, 2)))
    second = write(lake, clock, changes((0, 9), corrects=True))
    assert second.corrected_rows == 1
    assert lake.current("plant")["value"].to_list() == [9, 2]
    assert lake.current("plant", as_of_utc=first.recorded_at_utc)["value"].to_list() == [1, 2]
    before = clock.now_utc() - timedelta(days=1)
    assert lake.current("plant", as_of_utc=before).is_empty()
    assert lake.span("plant", as_of_utc=before) is None
    assert lake.history("plant")["value"].to_list() == [1, 9, 2]


def test_a_span_is_half_open_and_meters_can_be_chosen(lake: Lake, clock: FixedClock) -> None:
    write(lake, clock, pl.concat([changes((0, 1), (1, 2), (96, 3)), changes((0, 4), meter="press")]))
    end = START + timedelta(minutes=15)
    assert lake.current("plant", start_utc=START, end_utc=end)["value"].to_list() == [1, 4]
    assert lake.current("plant", meters=["press"])["value"].to_list() == [4]
    assert lake.current("plant", start_utc=end)["value"].to_list() == [2, 3]
    assert lake.current("plant").columns == list(LAKE_SCHEMA)
    assert lake.current("plant").select(KEY).is_duplicated().sum() == 0


def test_an_empty_batch_is_recorded_without_a_file(lake: Lake, clock: FixedClock) -> None:
    result = write(lake, clock, changes())
    assert result.days == ()
    assert lake.manifest("plant") == []
    assert lake.known_batch("plant", "0" * 64) == result.batch_id


def test_equal_digests_mean_equal_content_and_later_data_change_them(lake: Lake, clock: FixedClock) -> None:
    empty = digest(lake)
    first = write(lake, clock, changes((0, 1), (1, 2)))
    one = digest(lake)
    second = write(lake, clock, changes((0, 3), corrects=True), "1")
    two = digest(lake)
    assert len({empty, one, two}) == 3
    assert digest(lake, first.recorded_at_utc) == one
    assert digest(lake, second.recorded_at_utc) == two
    elsewhere = START + timedelta(days=30)
    write(lake, clock, changes((96 * 30, 5)), "2")
    assert digest(lake) == two
    assert lake.digest("plant", start_utc=elsewhere, end_utc=elsewhere + timedelta(days=1)) != empty


def test_many_digests_see_the_open_transaction_and_say_when_the_database_is_gone(
    lake: Lake, clock: FixedClock, tmp_path: Path
) -> None:
    span = ("plant", START, START + timedelta(days=3))
    with lake.store.together():
        write(lake, clock, changes((0, 1)))
        assert digests_of(lake.store, [span]) == {span: digest(lake)}
    (tmp_path / "gone.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unreachable, match=r"gone\.db is no SQLite database"):
        digests_of(connect_store(f"sqlite:///{tmp_path / 'gone.db'}"), [span])


def test_zero_has_no_sign_in_the_lake(lake: Lake, clock: FixedClock) -> None:
    # Both would have one digest where they stand alone in a day, and two beside other values.
    write(lake, clock, changes((0, 0.0), (1, -0.0)))
    assert [math.copysign(1, value) for value in lake.current("plant")["value"]] == [1, 1]


VALUES = st.dictionaries(st.integers(0, 300), st.integers(-(10**6), 10**6), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, st.randoms(use_true_random=False))
def test_the_hash_of_rows_is_free_of_their_order_and_sees_every_value(values: dict[int, int], chance) -> None:
    rows = changes(*values.items()).with_columns(batch_id=pl.lit("b"), recorded_at_utc=pl.lit(START))
    rows = rows.select(list(LAKE_SCHEMA))
    shuffled = rows.sample(fraction=1, shuffle=True, seed=chance.randrange(10**6))
    assert content_sha256(rows) == content_sha256(shuffled)
    place = chance.randrange(rows.height)
    other = rows.with_columns(
        value=pl.when(pl.int_range(pl.len()) == place).then(pl.col("value") + 1e-9).otherwise("value")
    )
    assert content_sha256(rows) != content_sha256(other)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_same_batches_give_the_same_view_on_both_engines(
    engine: str, tmp_path: Path, clock: FixedClock, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    store = open_store(url)
    lake = Lake(tmp_path / engine, store)
    write(lake, clock, changes((0, 1), (1, 2)))
    write(lake, clock, changes((1, 5), corrects=True))
    rows = lake.current("plant").select("value", "recorded_at_utc", "source_line").rows()
    first = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert rows == [(1.0, first, 0), (5.0, first + timedelta(minutes=1), 1)]
    store.close()


@pytest.mark.parametrize("stage", ["write_block", "part_sha256"])
def test_a_write_that_fails_before_the_manifest_is_invisible(
    lake: Lake, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    write(lake, clock, changes((0, 1)))
    before = digest(lake)

    def stop(*_args: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(f"assets.stores.lake.lake.{stage}", stop)
        with pytest.raises(OSError, match="disk full"):
            write(lake, clock, changes((0, 9), (200, 9), corrects=True), "1")
    assert digest(lake) == before
    assert lake.current("plant")["value"].to_list() == [1]
    assert lake.known_batch("plant", "1" * 64) is None
    write(lake, clock, changes((0, 9), corrects=True), "1")
    assert lake.current("plant")["value"].to_list() == [9]


def test_a_month_that_comes_twice_in_one_batch_is_refused_before_its_file_is_written_over(
    lake: Lake, clock: FixedClock
) -> None:
    def plan(stamp: Stamp) -> BlockPlan:
        days = [planned(Decided(changes=changes((n, 1)), unchanged_rows=0), stamp).blocks for n in (0, 96)]
        return BlockPlan(blocks=chain.from_iterable(days))

    with pytest.raises(ValueError, match=r"two blocks of one batch are of one month: readings/site=plant/m=2025-01/"):
        lake.write_blocks(INFO, plan, clock=clock)
    assert lake.manifest("plant") == []
    assert orphans(lake.root, []) == []


def test_what_changes_is_asked_once_and_again_where_another_site_was_recorded_in_between(
    lake: Lake, clock: FixedClock
) -> None:
    requests: list[str] = []

    def decide() -> Decided:
        requests.append("plant")
        return Decided(changes=changes((0, 1)), unchanged_rows=0)

    def decide_late() -> Decided:
        if len(requests) == 1:
            lake.write_batch(INFO.model_copy(update={"site_id": "annex"}), changes(), unchanged_rows=0, clock=clock)
        return decide()

    lake.write_decided(INFO, decide, clock=clock)
    assert len(requests) == 1
    clock.advance(timedelta(minutes=1))
    second = lake.write_decided(INFO, decide_late, clock=clock)
    assert len(requests) == 3
    assert lake.current("plant")["recorded_at_utc"].to_list() == [second.recorded_at_utc]


@pytest.mark.parametrize("length", [63, 65])
def test_a_batch_names_its_source_by_a_whole_sha256(length: int) -> None:
    with pytest.raises(ValidationError):
        BatchInfo.model_validate({**INFO.model_dump(), "source_sha256": "0" * length})


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import assets.stores.lake.lake as module
from assets.stores.transactions import open_store
from data_quality.contracts.time import FixedClock
from tests.contracts.test_lake import INFO, changes

folder, stage = Path(sys.argv[1]), sys.argv[2]
lake = module.Lake(folder / "lake", open_store(f"sqlite:///{folder / 'store.db'}"))
def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
if stage == "in file":
    os.fsync = die
elif stage == "before commit":
    real = module.BatchResult
    whole = module.Lake._write_files
    def then_die(*args):
        whole(*args)
        die()
    module.Lake._write_files = then_die
lake.write_batch(INFO, changes((0, 1), (200, 2)), unchanged_rows=0, clock=FixedClock(datetime(2026, 1, 1, tzinfo=UTC)))
die()
"""


@pytest.mark.parametrize(("stage", "rows"), [("in file", 0), ("before commit", 0), ("after commit", 2)])
def test_fault_f31_f33_a_killed_write_leaves_all_or_nothing_visible(
    tmp_path: Path, store: Store, stage: str, rows: int
) -> None:
    script = [sys.executable, "-c", KILLED, str(tmp_path), stage]
    done = subprocess.run(script, cwd=Path(__file__).parents[2], env=os.environ, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
    lake = Lake(tmp_path / "lake", store)
    assert lake.current("plant").height == rows
    assert (lake.known_batch("plant", "0" * 64) is not None) == bool(rows)
    if not rows:
        second = lake.write_batch(INFO, changes((0, 1)), unchanged_rows=0, clock=FixedClock(START))
        assert second.new_rows == 1
        assert lake.current("plant")["value"].to_list() == [1]


def test_an_interrupted_file_leaves_no_name_behind(tmp_path: Path, monkeypatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="full"):
        write_atomic(changes((0, 1)), tmp_path / "d" / "part.parquet")
    assert list((tmp_path / "d").iterdir()) == []
