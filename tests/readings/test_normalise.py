"""Resampling moves energy but never makes or loses any."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readings.parsed import PARSED_SCHEMA
from assets.readings.tables import normalise as module
from assets.readings.tables.normalise import CANONICAL_SCHEMA, normalise, on_grid
from data_quality.contracts.quality import WORST_FIRST, QualityCode

START = datetime(2025, 3, 30, tzinfo=UTC)
Row = tuple[str, int, float]


def parsed(rows: list[Row], *, unit: str = "kwh") -> pl.DataFrame:
    """(meter, minutes, value) one after the other in time, per meter."""
    ends: dict[str, datetime] = {}
    found = []
    for line, (meter, minutes, value) in enumerate(rows, start=2):
        start = ends.get(meter, START)
        ends[meter] = start + timedelta(minutes=minutes)
        found.append((meter, "import", start, minutes, value, unit, 14, line))
    return pl.DataFrame(found, schema=PARSED_SCHEMA, orient="row")


def quanta(values: pl.Series) -> int:
    return sum(int(Decimal(repr(value)).scaleb(9).to_integral_value()) for value in values)


amounts = st.integers(-(10**15), 10**15).map(lambda n: n / 10**9)
# Steps below a quarter hour come as whole quarter hours, as the grid demands.
steps = st.one_of(
    st.tuples(st.sampled_from([15, 30, 45, 60, 1440, 1500]), st.lists(amounts, min_size=1, max_size=3)),
    st.tuples(st.just(5), st.lists(amounts, min_size=3, max_size=3)),
    st.tuples(st.just(3), st.lists(amounts, min_size=5, max_size=5)),
)
# Half hours and hours in parts that fit no quarter hour.
parts = st.sampled_from([(2, 15), (4, 15), (6, 5), (10, 3), (12, 5), (20, 3)]).flatmap(
    lambda each: st.tuples(st.just(each[0]), st.lists(amounts, min_size=each[1], max_size=each[1]))
)
files = st.lists(steps, min_size=1, max_size=8).map(
    lambda blocks: [("m", minutes, value) for minutes, values in blocks for value in values]
)


@settings(deadline=None)
@given(files)
def test_the_quarter_hours_of_any_file_hold_exactly_its_energy(rows: list[Row]) -> None:
    frame = parsed(rows)
    kept, rejects = on_grid(frame)
    canonical = normalise(kept)
    assert rejects.is_empty()
    assert quanta(canonical["value"]) == quanta(frame["value"])
    assert canonical["interval_start_utc"].n_unique() == canonical.height
    assert canonical.height * 15 == frame["source_minutes"].sum()
    assert canonical.schema == pl.Schema(CANONICAL_SCHEMA)


@settings(deadline=None)
@given(st.lists(parts, min_size=1, max_size=4), st.sampled_from(["kwh", "kw", "degc"]))
def test_parts_of_half_hours_and_hours_hold_their_energy(blocks: list[tuple[int, list[float]]], unit: str) -> None:
    rows = []
    for number, (minutes, values) in enumerate(blocks):
        rows += [(f"m{number}", minutes, value) for value in values]
    frame = parsed(rows, unit=unit)
    kept, rejects = on_grid(frame)
    canonical = normalise(kept)
    assert rejects.is_empty()
    assert canonical.height * 15 == frame["source_minutes"].sum()
    assert canonical.select("meter_id", "register", "interval_start_utc").is_duplicated().sum() == 0
    if unit == "kwh":
        assert quanta(canonical["value"]) == quanta(frame["value"])


def test_half_hours_of_ten_minutes_are_divided_and_a_missing_part_refuses_its_half_hour() -> None:
    rows = parsed([("m", 10, float(n)) for n in range(6)])
    assert normalise(on_grid(rows)[0])["value"].to_list() == [1.5, 1.5, 6.0, 6.0]
    for unit in ("kwh", "degc"):
        kept, rejects = on_grid(rows.filter(pl.col("value") != 4).with_columns(unit=pl.lit(unit)))
        assert kept["value"].to_list() == [0, 1, 2]
        assert rejects["expected"].to_list() == ["all parts of the half hour"] * 2


@settings(deadline=None)
@given(files, st.randoms())
def test_the_order_of_the_rows_changes_nothing(rows: list[Row], chance: object) -> None:
    frame = parsed(rows)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=chance.randrange(10**6))  # type: ignore[attr-defined]
    assert normalise(frame).equals(normalise(shuffled))


def test_an_hour_is_split_with_the_remainder_on_the_first_quarters() -> None:
    values = normalise(parsed([("m", 60, 1.000000002)]))["value"].to_list()
    assert values == [0.250000001, 0.250000001, 0.25, 0.25]
    negative = normalise(parsed([("m", 60, -0.000000002)]))["value"].to_list()
    assert negative == [0.0, 0.0, -1e-9, -1e-9]


def test_that_the_split_is_exact_is_noticed_when_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # A splitter that divides floats loses the remainder: the golden above must see it.
    monkeypatch.setattr(module, "_QUANTA", 4)
    values = normalise(parsed([("m", 60, 1.000000002)]))["value"]
    assert quanta(values) != quanta(pl.Series([1.000000002]))


def test_power_is_the_energy_of_its_interval() -> None:
    assert normalise(parsed([("m", 15, 8.0)], unit="kw"))["value"].to_list() == [2.0]
    assert normalise(parsed([("m", 60, 8.0)], unit="kw"))["value"].to_list() == [2.0] * 4
    assert normalise(parsed([("m", 5, 3000.0)] * 3, unit="w"))["value"].to_list() == [0.75]


def test_levels_are_repeated_and_averaged_never_summed() -> None:
    assert normalise(parsed([("m", 60, 20.0)], unit="degc"))["value"].to_list() == [20.0] * 4
    assert normalise(parsed([("m", 5, 1.0), ("m", 5, 2.0), ("m", 5, 6.0)], unit="degc"))["value"].to_list() == [3.0]
    assert normalise(parsed([("m", 15, 50.0)], unit="degf"))["value"].to_list() == [10.0]


def test_a_partly_estimated_quarter_hour_is_estimated() -> None:
    rows = parsed([("m", 5, 1.0)] * 3).with_columns(quality_code=pl.Series([14, 9, 17], dtype=pl.Int32))
    assert normalise(rows)["quality_code"].to_list() == [9]
    assert set(WORST_FIRST) == set(QualityCode)


def test_units_become_canonical_and_the_source_resolution_is_kept() -> None:
    rows = normalise(parsed([("a", 60, 1.0), ("b", 5, 1.0), ("b", 5, 1.0), ("b", 5, 1.0)], unit="mwh"))
    assert set(rows["unit"]) == {"kwh"}
    assert rows["source_minutes"].to_list() == [60] * 4 + [5]
    assert rows["value"].to_list() == [250.0] * 4 + [3000.0]
    assert set(rows["interval_minutes"]) == {15}


def test_every_stored_value_is_the_float_nearest_to_its_quanta() -> None:
    # 0.0003 is where multiplying by 1e-9 instead of dividing by 1e9 goes wrong.
    values = [n / 10_000 for n in range(2000)]
    assert normalise(parsed([("m", 15, value) for value in values]))["value"].to_list() == values


def test_nothing_in_nothing_out() -> None:
    empty = pl.DataFrame(schema=PARSED_SCHEMA)
    assert normalise(on_grid(empty)[0]).schema == pl.Schema(CANONICAL_SCHEMA)


@pytest.mark.parametrize(("minutes", "offset"), [(7, 0), (11, 0), (10, 5), (40, 0), (15, 5), (60, 10), (5, 2)])
def test_what_does_not_fit_the_grid_is_rejected(minutes: int, offset: int) -> None:
    rows = parsed([("m", minutes, 1.0)] * 4).with_columns(pl.col("interval_start_utc") + pl.duration(minutes=offset))
    kept, rejects = on_grid(rows)
    assert kept.is_empty()
    assert set(rejects["reason"]) == {"off_grid"}
    assert rejects["source_line"].to_list() == [2, 3, 4, 5]
