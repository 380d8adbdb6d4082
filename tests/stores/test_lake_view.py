"""Rows of the lake's files: in the order of their keys, and the newest of each, as a plain sort of all columns says."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.lake.lake_files import ORDER, LakeFile, history_in, newest_of

BEGIN = datetime(1969, 12, 31, 22, tzinfo=UTC)
RECORDED = [*ORDER, "recorded_at_utc"]
# Names whose order is not that in which they come, nor that of their lengths.
row = st.tuples(
    st.sampled_from(["works", "hall"]),
    st.sampled_from(["m10", "m2", "Ä", "z", ""]),
    st.sampled_from(["import", "export", "value"]),
    st.integers(0, 12),
)
files = st.lists(st.lists(row, max_size=25, unique=True), min_size=1, max_size=4)


def written(folder: Path, rows: list[tuple[str, str, str, int]], number: int) -> LakeFile:
    """A file as a batch leaves it: each key once, by time, all recorded at one instant; older ones come last."""
    frame = pl.DataFrame(
        {
            "site_id": [each[0] for each in rows],
            "meter_id": [each[1] for each in rows],
            "register": [each[2] for each in rows],
            "interval_start_utc": [BEGIN + timedelta(minutes=15 * each[3]) for each in rows],
            "value": [float(number)] * len(rows),
            "recorded_at_utc": [BEGIN - timedelta(days=number)] * len(rows),
        },
        schema={name: LAKE_SCHEMA[name] for name in (*ORDER, "value", "recorded_at_utc")},
    )
    path = folder / f"{number}.parquet"
    frame.sort("interval_start_utc").write_parquet(path)
    return LakeFile(path=path, sha256="0" * 64, first=date.min, last=date.max)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files)
def test_rows_come_as_a_sort_of_all_columns_gives_them(
    tmp_path: Path, given_rows: list[list[tuple[str, str, str, int]]]
) -> None:
    made = [written(tmp_path, rows, number) for number, rows in enumerate(given_rows)]
    every = pl.concat([pl.read_parquet(each.path) for each in made])
    found = history_in(made, columns=["value"])
    assert found.rows() == every.select(found.columns).sort(RECORDED).rows()
    newest = every.sort("recorded_at_utc").unique(subset=list(ORDER), keep="last")
    assert newest_of(found).rows() == newest.select(found.columns).sort(RECORDED).rows()


def test_without_rows_there_is_no_row(tmp_path: Path) -> None:
    made = [written(tmp_path, [("works", "m1", "import", 0)], 0)]
    assert history_in(made, columns=["value"], meters=["m2"]).is_empty()
    assert newest_of(history_in([], columns=["value"])).is_empty()
