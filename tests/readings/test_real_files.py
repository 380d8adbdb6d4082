"""Real meters through column maps."""

from pathlib import Path

import polars as pl
import pytest

from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Driver, Site
from tests.readings.rooms import Bench, plant


def cambridge() -> Site:
    """Two buildings of the estate: electricity of both, gas of one as volume, outdoor temperature."""
    gas = Meter(meter_id="b25_gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="m3"),))
    electricity = ColumnMap(
        match="meters_hourly.parquet",
        timestamp="timestamp_utc",
        value="value",
        meter="building_id",
        meters={"b21": "b21_electricity", "b25": "b25_electricity"},
        where={"meter": "electricity"},
        unit="kwh",
        other_meters="skip",
        zero_is_missing=True,
    )
    weather = ColumnMap(timestamp="timestamp_utc", values={"air_temperature_c": "outdoor_degc"})
    return plant(
        site_id="cambridge",
        time_zone="Europe/London",
        country="GB",
        currency="GBP",
        meters=(Meter(meter_id="b21_electricity"), Meter(meter_id="b25_electricity"), gas),
        drivers=(Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),),
        column_maps=(electricity, weather),
    )


def quanta(values: pl.Series) -> int:
    return int((values * 10**9).round().cast(pl.Int128).sum())


@pytest.fixture(scope="module")
def estate(shared_data: Path) -> pl.DataFrame:
    frame = pl.read_parquet(shared_data / "sites_cambridge" / "meters_hourly.parquet")
    return frame.with_columns(pl.col("building_id", "meter").cast(pl.String))


def test_two_real_buildings_keep_every_quantum_of_their_energy(
    bench: Bench, shared_data: Path, estate: pl.DataFrame
) -> None:
    report = bench.ingest(shared_data / "sites_cambridge" / "meters_hourly.parquet", site=cambridge())
    naive = estate.filter((pl.col("meter") == "electricity") & (pl.col("value") != 0))
    rows = bench.lake.current("cambridge")
    assert report.rejected_rows == 0
    assert {"other_meters", "zero_is_missing"} <= set(report.warnings)
    for building in ("b21", "b25"):
        expected = naive.filter(pl.col("building_id") == building)["value"]
        got = rows.filter(pl.col("meter_id") == f"{building}_electricity")["value"]
        assert quanta(got) == quanta(expected)
        assert len(got) == 4 * len(expected)
    assert len(report.partitions) == 48
    assert set(rows["source_minutes"]) == {60}


def test_gas_of_the_same_file_is_read_by_a_second_map(bench: Bench, shared_data: Path, estate: pl.DataFrame) -> None:
    site = cambridge()
    gas = site.column_maps[0].model_copy(
        update={"where": {"meter": "gas"}, "meters": {"b25": "b25_gas"}, "unit": "m3", "match": ""}
    )
    path = shared_data / "sites_cambridge" / "meters_hourly.parquet"
    report = bench.ingest(path, site=site, mapping=gas)
    expected = estate.filter((pl.col("meter") == "gas") & (pl.col("building_id") == "b25") & (pl.col("value") != 0))
    assert report.warnings["zero_is_missing"] == 874
    assert quanta(bench.lake.current("cambridge")["value"]) == quanta(expected["value"])


def test_real_weather_finds_its_driver_by_columns(bench: Bench, shared_data: Path) -> None:
    path = shared_data / "sites_cambridge" / "weather_bedford_hourly.parquet"
    report = bench.ingest(path, site=cambridge())
    temperature = pl.read_parquet(path)["air_temperature_c"].drop_nulls()
    rows = bench.lake.current("cambridge")
    assert report.accepted_rows == len(temperature)
    assert set(rows["meter_id"]) == {"outdoor_degc"}
    assert rows["value"].mean() == pytest.approx(temperature.mean(), abs=1e-9)
