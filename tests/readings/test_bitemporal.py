"""New, corrected or known: what a late row means; and which months it touches."""

from datetime import UTC, datetime

import polars as pl
import pytest

from assets.readings.changes.bitemporal import affected_months, classify
from tests.readings.rooms import plant

SCHEMA = {
    "site_id": pl.String,
    "meter_id": pl.String,
    "register": pl.String,
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "source_minutes": pl.Int32,
    "value": pl.Float64,
    "unit": pl.String,
    "quality_code": pl.Int32,
    "source_line": pl.Int64,
    "is_synthetic": pl.Boolean,
}


def rows(*values: tuple[int, float], **changes: object) -> pl.DataFrame:
    found = [
        ("plant", "main", "import", datetime(2025, 1, 1, hour, tzinfo=UTC), 15, value, "kwh", 14, 2, False)
        for hour, value in values
    ]
    return pl.DataFrame(found, schema=SCHEMA, orient="row").with_columns(**changes)


def test_new_rows_are_no_corrections_and_equal_ones_no_changes() -> None:
    changes, unchanged = classify(rows((1, 5), (2, 6), (3, 7)), rows((1, 5), (2, 9)))
    assert changes.select("value", "is_correction").rows() == [(6.0, True), (7.0, False)]
    assert unchanged == 1
    assert set(changes.columns) == {*SCHEMA, "is_correction"}


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"quality_code": pl.lit(8, pl.Int32)}, True),
        ({"unit": pl.lit("m3")}, True),
        ({"source_minutes": pl.lit(60, pl.Int32)}, True),
        ({"is_synthetic": pl.lit(value=True)}, False),
        ({"source_line": pl.lit(99, pl.Int64)}, False),
    ],
)
def test_a_change_of_meaning_corrects_and_a_change_of_origin_does_not(change: dict, counts: bool) -> None:
    changes, unchanged = classify(rows((1, 5), **change), rows((1, 5)))
    assert (changes.height, unchanged) == ((1, 0) if counts else (0, 1))


def test_another_register_meter_or_site_is_another_reading() -> None:
    for name in ("register", "meter_id", "site_id"):
        changes, _ = classify(rows((1, 5), **{name: pl.lit("other")}), rows((1, 5)))
        assert changes["is_correction"].to_list() == [False]


def test_an_empty_lake_makes_everything_new() -> None:
    changes, unchanged = classify(rows((1, 5)), rows())
    assert (changes["is_correction"].to_list(), unchanged) == ([False], 0)


def test_months_are_local_to_the_site() -> None:
    frame = pl.DataFrame(
        {"interval_start_utc": [datetime(2025, 1, 31, 23, tzinfo=UTC), datetime(2024, 12, 31, 22, 45, tzinfo=UTC)]}
    )
    assert affected_months(plant(), frame) == ["plant|2024-12", "plant|2025-02"]
    assert affected_months(plant(time_zone="UTC"), frame) == ["plant|2024-12", "plant|2025-01"]
