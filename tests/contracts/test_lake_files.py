"""Lake files: any Parquet reader finds every row again, to the last bit, whatever form a column took."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import assets.stores.lake.lake_block as lake_block
from assets.stores.lake.lake_block import (
    LAKE_SCHEMA,
    ROW_ORDER,
    TIME,
    Block,
    block_of,
    blocks_of,
    content_sha256,
    part_sha256,
    write_block,
)

SLOT_US = 900_000_000
# First quarter hour of January 2018.
JANUARY = 1_683_072
RECORDED = datetime(2025, 6, 1, tzinfo=UTC)
OLD = Path(__file__).parent / "samples" / "own_writer.parquet"
NAMES = ("a", "main", "press 2", "Zähler Süd", "0123456789" * 4)


def rows_of(
    *, times: np.ndarray, codes: np.ndarray, values: np.ndarray, lines: np.ndarray, minutes: np.ndarray | int = 15
) -> pl.DataFrame:
    """Rows that differ from the plainest ones in what is given."""
    columns = {
        "site_id": "plant", "meter_id": [NAMES[code] for code in codes], "register": "import", TIME: times,
        "interval_minutes": 15, "source_minutes": minutes, "value": values, "unit": "kwh", "quality_code": 14,
        "source_line": lines, "is_synthetic": False, "batch_id": "b" * 32, "recorded_at_utc": RECORDED,
    }  # fmt: skip
    each = {name: [column] * times.size if np.isscalar(column) else column for name, column in columns.items()}
    each["recorded_at_utc"] = [RECORDED] * times.size
    return pl.DataFrame({name: pl.Series(each[name]).cast(kind) for name, kind in LAKE_SCHEMA.items()})


def coded(rows: pl.DataFrame, names: tuple[str, ...] = NAMES) -> Block:
    """The rows as a reader of long tables makes them: each text a place in a list of all names that there are."""
    block = block_of(rows.with_columns(pl.col("meter_id").cast(pl.Enum(names))))
    assert block.table["meter_id"].cast(pl.String).equals(rows["meter_id"])
    return block


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Rows as files have them: full grids, single meters, lines in and out of order, numbers of all kinds."""
    rows = draw(st.integers(1, 300))
    meters = draw(st.integers(1, 5))
    slots = np.arange(rows) // meters
    if draw(st.booleans()):
        slots = np.sort(draw(arrays(np.int64, rows, elements=st.integers(0, 2900))))
    codes = (
        np.arange(rows) % meters if draw(st.booleans()) else draw(arrays(np.int64, rows, elements=st.integers(0, 4)))
    )
    lines = np.arange(rows) + draw(st.integers(2, 2**40))
    if draw(st.booleans()):
        lines = draw(arrays(np.int64, rows, elements=st.integers(0, draw(st.sampled_from([300, 70_000, 2**45])))))
    if draw(st.booleans()):
        digits = draw(st.integers(0, 9))
        values = draw(arrays(np.int64, rows, elements=st.integers(-(10**6), 10**6))) / 10.0**digits
    else:
        values = draw(arrays(np.float64, rows, elements=st.floats(allow_nan=False)))
    minutes = draw(st.sampled_from([15, np.where(codes == 0, 60, 15).astype(np.int32)]))
    return rows_of(times=(slots + JANUARY) * SLOT_US, codes=codes, values=values, lines=lines, minutes=minutes)


@settings(max_examples=60, deadline=None)
@given(rows=tables(), row_group=st.sampled_from([7, 128, 10**6]), is_coded=st.booleans())
def test_polars_arrow_and_duckdb_read_every_row_to_the_last_bit(
    rows: pl.DataFrame, row_group: int, is_coded: bool
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_block, "_ROW_GROUP", row_group)
        path = Path(folder) / "rows.parquet"
        write_block(coded(rows) if is_coded else block_of(rows), path)
        write_block(coded(rows, NAMES[::-1]), second := Path(folder) / "again.parquet")
        assert path.read_bytes() == second.read_bytes()
        found = pl.read_parquet(path)
        assert dict(found.schema) == LAKE_SCHEMA
        assert found.equals(rows)
        assert np.array_equal(found["value"].to_numpy().view(np.int64), rows["value"].to_numpy().view(np.int64))
        assert pl.DataFrame(pq.read_table(path)).equals(rows)
        seen = duckdb.sql(f"select * from read_parquet('{path}')").pl()
        assert seen.with_columns(pl.col("^.*_utc$").dt.convert_time_zone("UTC")).equals(rows)
        for place, group in enumerate(range(0, rows.height, row_group)):
            part = rows[group : group + row_group]
            reported = pq.read_metadata(path).row_group(place)
            bounds = {
                reported.column(number).path_in_schema: reported.column(number).statistics for number in range(13)
            }
            assert (bounds["meter_id"].min, bounds["meter_id"].max) == (part["meter_id"].min(), part["meter_id"].max())
            assert (bounds[TIME].min, bounds[TIME].max) == (part[TIME].min(), part[TIME].max())


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_the_hash_is_that_of_the_content_whatever_form_the_columns_have(table: pl.DataFrame) -> None:
    rows = table.sort(*ROW_ORDER, maintain_order=True)
    if rows.select(TIME, "meter_id").is_duplicated().any():
        return
    (same,) = blocks_of(rows)
    digest = part_sha256(coded(rows), 0, rows.height)
    assert digest == part_sha256(same, 0, rows.height) == content_sha256(rows.sample(fraction=1, shuffle=True, seed=1))
    value = pl.col("value")
    place = pl.int_range(pl.len()) == rows.height // 2
    for name, other in (
        ("value", value / 2 + 1),
        ("source_line", pl.col("source_line") + 1),
        ("register", pl.lit("x")),
    ):
        changed = rows.with_columns(pl.when(place).then(other).otherwise(pl.col(name)).alias(name))
        assert changed.equals(rows) or content_sha256(changed) != digest


def test_rows_of_a_day_and_times_that_differ_never_hash_alike() -> None:
    # Two streams whose rows change places between two times, and the same rows in step.
    times = np.array([0, 0, 1, 1]) * SLOT_US
    values, lines = np.array([1.0, 2.0, 1.0, 2.0]), np.array([2, 3, 4, 5])
    kinds = [([0, 1, 0, 1], lines), ([0, 1, 1, 0], lines), ([0, 1, 0, 1], lines[::-1]), ([0, 1, 0, 1], lines + 1)]
    found = {
        part_sha256(block_of(rows_of(times=times, codes=np.array(codes), values=values, lines=own)), 0, 4)
        for codes, own in kinds
    }
    later = rows_of(times=times * 2, codes=np.array([0, 1, 0, 1]), values=values, lines=lines)
    found.add(part_sha256(block_of(later), 0, 4))
    assert len(found) == len(kinds) + 1


def test_what_repeats_takes_no_room(tmp_path: Path) -> None:
    rows, meters = 100_000, 5
    slots = np.arange(rows) // meters
    values = np.random.default_rng(1).integers(0, 20_000, rows) / 1000
    table = rows_of(times=slots * SLOT_US, codes=np.arange(rows) % meters, values=values, lines=np.arange(rows) + 2)
    write_block(block_of(table), tmp_path / "rows.parquet")
    row_group = pq.read_metadata(tmp_path / "rows.parquet").row_group(0)
    sizes = {
        row_group.column(place).path_in_schema: row_group.column(place).total_compressed_size for place in range(13)
    }
    # Two bytes a value and the list of 20 000 different ones; the times' list; all else next to nothing.
    assert sizes.pop("value") < 2 * rows + 8 * 20_000 + 100
    assert sizes.pop(TIME) < 8 * rows / meters
    assert max(sizes.values()) < 8000


def test_files_of_other_writers_are_read_beside_ours(tmp_path: Path) -> None:
    numbers = np.arange(10)
    rows = rows_of(times=numbers * SLOT_US, codes=numbers % 5, values=numbers / 4, lines=numbers + 2)
    write_block(block_of(rows), tmp_path / "ours.parquet")
    rows.write_parquet(tmp_path / "theirs.parquet")
    both = [tmp_path / "ours.parquet", tmp_path / "theirs.parquet"]
    assert pl.scan_parquet(both, hive_partitioning=False).collect().equals(pl.concat([rows, rows]))
    assert pl.scan_parquet(both[::-1]).filter(pl.col("meter_id") == "main").collect().height == 4
    assert duckdb.sql(f"select sum(value) from read_parquet({[str(each) for each in both]})").fetchall() == [(22.5,)]


def test_a_query_for_some_days_skips_the_row_groups_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_block, "_ROW_GROUP", 96)
    numbers = np.arange(96 * 3)
    rows = rows_of(times=numbers * SLOT_US, codes=numbers * 0, values=numbers / 4, lines=numbers + 2)
    write_block(block_of(rows), tmp_path / "rows.parquet")
    found = pq.read_table(tmp_path / "rows.parquet", filters=[(TIME, ">=", datetime(1970, 1, 3, tzinfo=UTC))])
    assert found.num_rows == 96
    bounds = [pq.read_metadata(tmp_path / "rows.parquet").row_group(day).column(3).statistics for day in range(3)]
    assert [each.min.day for each in bounds] == [1, 2, 3]


def test_digests_of_lakes_that_were_written_before_are_still_found(tmp_path: Path) -> None:
    # As written down when lake files had a writer of our own; such a file lies beside this one.
    numbers = np.arange(96)
    rows = rows_of(times=numbers // 3 * SLOT_US, codes=numbers % 3, values=numbers % 7 / 4, lines=numbers + 2)
    assert content_sha256(rows) == "de4d845ddc8260b4a85597e8dca37f5ab77e93f6be873bad0e899a418cf924be"
    assert (
        content_sha256(rows[::-1].with_columns(unit=pl.lit("m3"), is_synthetic=pl.lit(value=True)))
        == "a175fc498d98cdaf9f324a408e7f84d334bafdb1fd4fe94b35ea3208118876e5"
    )
    uneven = rows_of(
        times=np.repeat(numbers[:48], 2) * SLOT_US,
        codes=numbers % 2 * 3,
        values=np.where(numbers == 5, -0.0, numbers - 40.5),
        lines=numbers[::-1] ** 2,
        minutes=np.where(numbers % 2, 60, 15),
    )
    assert content_sha256(uneven) == "88a9ebf0746257004184bf256446aab4c2d1d75cd42753958937fcd53437429a"
    uneven = uneven.sort(*ROW_ORDER)
    assert pl.read_parquet(OLD).equals(uneven)
    assert content_sha256(pl.read_parquet(OLD)) == "88a9ebf0746257004184bf256446aab4c2d1d75cd42753958937fcd53437429a"
    assert pq.read_metadata(OLD).created_by == "meterloom version 1.0.0"
    write_block(block_of(uneven), tmp_path / "now.parquet")
    both = pl.scan_parquet([OLD, tmp_path / "now.parquet"], hive_partitioning=False).collect()
    assert both.equals(pl.concat([uneven, uneven]))
