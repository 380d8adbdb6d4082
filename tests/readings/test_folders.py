"""Every folder of real meters comes in through a site file's column maps, with row counts and sums as plainly counted.

The plain count reads the file with polars or the standard library alone and knows the quirks from the folder's notes.
"""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from assets.readings.sniff_files import FileRead, read_file
from assets.readings.tables.normalise import normalise
from assets.sites.load_sites import load_site
from data_quality.contracts.site_file.site import Site
from tests.readings.rooms import Bench

SITES = Path(__file__).parent / "sites"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Counted = dict[tuple[str, str], tuple[int, float]]


def site_of(name: str) -> Site:
    return load_site(SITES / f"{name}.yaml")


def read(shared_data: Path, site: str, path: str) -> FileRead:
    return read_file(shared_data / path, site=site_of(site), now_utc=NOW)


def counted(found: FileRead) -> Counted:
    """Quarter hours and sum in canonical units per stream."""
    rows = normalise(found.rows).group_by("meter_id", "register").agg(pl.len(), pl.col("value").sum())
    return {(meter, register): (count, total) for meter, register, count, total in rows.iter_rows()}


def assert_same(got: Counted, expected: Counted) -> None:
    assert set(got) == set(expected)
    for stream, (rows, total) in expected.items():
        assert (stream, got[stream][0]) == (stream, rows)
        assert (stream, got[stream][1]) == (stream, pytest.approx(total, rel=1e-9, abs=1e-5))


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def plain(frame: pl.DataFrame, names: dict[str, str], *, register: str, quarters: int, factor: float) -> Counted:
    """Per foreign name: `quarters` quarter hours a row, values times factor."""
    sums = dict(frame.group_by("id").agg(pl.struct(pl.len(), pl.col("v").sum())).iter_rows())
    return {
        (names.get(name, name), register): (found["len"] * quarters, found["v"] * factor)
        for name, found in sums.items()
        if name in names
    }


def is_skipped(moment: datetime, zone: str) -> bool:
    """True for a local time that summer time skips: there and back again is another time."""
    there = moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return there.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != moment


def test_the_estates_electricity_and_gas_come_from_one_file_without_its_zeros(shared_data: Path) -> None:
    found = read(shared_data, "cambridge", "sites_cambridge/meters_hourly.parquet")
    raw = pl.read_parquet(shared_data / "sites_cambridge/meters_hourly.parquet").filter(pl.col("value") != 0)
    ids = raw.select(id=pl.concat_str(pl.col("building_id", "meter").cast(pl.String), separator="_"), v="value")
    assert_same(counted(found), plain(ids, {n: n for n in ids["id"].unique()}, register="import", quarters=4, factor=1))
    assert len(found.report.channels) == 21
    assert {channel.unit for channel in found.report.channels if channel.meter.endswith("_gas")} == {"m3"}
    assert found.report.warnings["zero_is_missing"] == 736_344 - raw.height


def test_the_estates_weather_and_carbon_are_drivers(shared_data: Path) -> None:
    weather = read(shared_data, "cambridge", "sites_cambridge/weather_bedford_hourly.parquet")
    raw = pl.read_parquet(shared_data / "sites_cambridge/weather_bedford_hourly.parquet")
    assert counted(weather)["outdoor_degc", "value"][0] == 4 * 35_064
    assert counted(weather)["outdoor_degc", "value"][1] == pytest.approx(4 * raw["air_temperature_c"].sum())
    carbon = read(shared_data, "cambridge", "sites_cambridge/carbon_intensity_gb_hourly.parquet")
    mean = carbon.rows["value"].mean()
    raw = pl.read_parquet(shared_data / "sites_cambridge/carbon_intensity_gb_hourly.parquet")
    assert mean == pytest.approx(raw["kg_co2_per_kwh"].mean())


@pytest.mark.parametrize(
    ("site", "zone", "zero_is_missing", "skipped"),
    [
        ("fox", "America/Phoenix", True, 0),
        ("rat", "Etc/GMT+5", True, 0),
        ("bear", "America/Los_Angeles", False, 0),
        ("robin", "Europe/London", False, 6),
        ("panther", "America/New_York", True, 2),
        ("cockatoo", "America/New_York", False, 0),
    ],
)
def test_buildings_of_six_places_are_read_by_their_own_clocks(
    shared_data: Path, site: str, zone: str, zero_is_missing: bool, skipped: int
) -> None:
    found = read(shared_data, f"bdg2_{site}", "sites_bdg2/electricity_hourly.parquet")
    raw = pl.read_parquet(shared_data / "sites_bdg2/electricity_hourly.parquet").drop_nulls("kwh")
    mine = raw.select(id=pl.col("building_id").cast(pl.String), t="timestamp_local", v="kwh")
    mine = mine.filter(pl.col("id").str.to_lowercase().str.starts_with(site))
    times = [moment for moment in mine["t"].unique() if is_skipped(moment, zone)]
    assert mine.filter(pl.col("t").is_in(times)).height == skipped
    assert found.report.reasons == ({"nonexistent_local_time": skipped} if skipped else {})
    good = mine.filter(~pl.col("t").is_in(times) & ((pl.col("v") != 0) | (not zero_is_missing)))
    names = {name: name.lower() for name in good["id"].unique()}
    assert_same(counted(found), plain(good, names, register="import", quarters=4, factor=1))


def test_a_clock_without_summer_time_stays_one_hour_off_in_summer(shared_data: Path) -> None:
    found = read(shared_data, "bdg2_rat", "sites_bdg2/electricity_hourly.parquet")
    starts = found.rows.filter(pl.col("meter_id") == "rat_office_lora")["interval_start_utc"]
    hours = (starts - starts[0]).dt.total_hours()
    assert starts[0] == datetime(2016, 1, 1, 5, tzinfo=UTC)
    assert (hours.diff().drop_nulls() >= 1).all()
    noon = datetime(2017, 7, 3, 17, tzinfo=UTC)
    value = pl.read_parquet(shared_data / "sites_bdg2/electricity_hourly.parquet").filter(
        (pl.col("building_id").cast(pl.String) == "Rat_office_Lora")
        & (pl.col("timestamp_local") == datetime(2017, 7, 3, 12))  # noqa: DTZ001
    )
    row = found.rows.filter((pl.col("meter_id") == "rat_office_lora") & (pl.col("interval_start_utc") == noon))
    assert row["value"][0] == value["kwh"][0]


def test_weather_of_one_place_is_taken_from_the_table_of_all(shared_data: Path) -> None:
    found = read(shared_data, "bdg2_bear", "sites_bdg2/weather_2016_hourly.parquet")
    raw = pl.read_parquet(shared_data / "sites_bdg2/weather_2016_hourly.parquet").filter(pl.col("site_id") == "Bear")
    temperature = raw["air_temperature_c"].drop_nulls()
    assert counted(found)["outdoor_degc", "value"] == (4 * len(temperature), pytest.approx(4 * temperature.sum()))


@pytest.mark.parametrize(
    ("file", "column", "factor", "minutes", "prefix"),
    [
        ("electricity_hourly_2016", "power_w", 0.001, 60, "home_"),
        ("electricity_minute_oct2017", "power_w", 0.001, 1, "home_"),
        ("gas_hourly_2016", "power_w", 0.001, 60, "gas_"),
        ("water_hourly_2016", "litre_per_min", 0.06, 60, "water_"),
        ("water_minute_march2015", "litre_per_min", 0.06, 1, "water_"),
    ],
)
def test_power_and_flow_of_homes_become_the_amounts_of_their_intervals(
    shared_data: Path, file: str, column: str, factor: float, minutes: int, prefix: str
) -> None:
    found = read(shared_data, "opengrid", f"homes_opengrid/{file}.parquet")
    raw = pl.read_parquet(shared_data / f"homes_opengrid/{file}.parquet").with_columns(
        pl.col("home_id").cast(pl.String), quarter=pl.col("timestamp_utc").dt.truncate("15m")
    )
    good = raw.drop_nulls(column)
    if minutes < 15:
        # An amount of a quarter hour of which a part is missing is not known.
        good = good.filter(pl.len().over("home_id", "quarter") == 15)
    assert found.report.rejected_rows == raw.drop_nulls(column).height - good.height
    names = {name: prefix + name.removeprefix("elec_") for name in good["home_id"].unique()}
    expected = {
        (names[name], "import"): (part.height * minutes // 15, float(part[column].sum()) * factor * minutes / 60)
        for (name,), part in good.partition_by("home_id", as_dict=True).items()
    }
    got = counted(found)
    assert set(got) == set(expected)
    for stream, (rows, total) in expected.items():
        assert got[stream][0] == rows
        # Each stored row is the nearest multiple of 1e-9.
        assert got[stream][1] == pytest.approx(total, abs=1e-9 * rows * 15)


def test_humidity_written_as_a_fraction_becomes_percent(shared_data: Path) -> None:
    found = read(shared_data, "opengrid", "homes_opengrid/weather_hourly_2016.parquet")
    raw = pl.read_parquet(shared_data / "homes_opengrid/weather_hourly_2016.parquet")
    rows, total = counted(found)["humidity_percent", "value"]
    assert (rows, total) == (4 * 8953, pytest.approx(400 * raw["humidity_fraction"].sum()))


def test_a_day_that_ends_with_its_own_midnight_is_in_order(shared_data: Path) -> None:
    path = "industry_steel/steel_industry_15min.csv.gz"
    found = read(shared_data, "steel", path)
    raw = rows_of(shared_data / path)
    energy = [float(row["Usage_kWh"]) for row in raw]
    assert found.report.reasons == {}
    assert found.report.warnings == {"end_labelled": 3 * len(raw)}
    main = found.rows.filter((pl.col("meter_id") == "main") & (pl.col("register") == "import"))
    assert main["value"].to_list() == energy
    first = datetime(2018, 1, 1, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)
    assert main["interval_start_utc"].to_list() == [first + timedelta(minutes=15 * n) for n in range(len(raw))]
    reactive = sum(float(row["Lagging_Current_Reactive.Power_kVarh"]) for row in raw)
    assert counted(found)["main", "lagging"] == (len(raw), pytest.approx(reactive))


def test_a_plain_parse_of_the_plants_midnights_would_be_another_day(shared_data: Path) -> None:
    site = site_of("steel")
    naive = site.column_maps[0].model_copy(update={"midnight": "start"})
    path = shared_data / "industry_steel/steel_industry_15min.csv.gz"
    found = read_file(path, site=site, mapping=naive, now_utc=NOW)
    right = read(shared_data, "steel", "industry_steel/steel_industry_15min.csv.gz")
    assert not found.rows["interval_start_utc"].equals(right.rows["interval_start_utc"])


def test_office_end_uses_have_their_two_date_writings_and_their_signs(shared_data: Path) -> None:
    path = "office_rsf_enduse/rsf_enduse_hourly_2011.csv.gz"
    found = read(shared_data, "rsf", path)
    raw = rows_of(shared_data / path)
    columns = {
        "Total Cooling (kW)": ("cooling", "import", 1),
        "Total Heating (kW)": ("heating", "import", 1),
        "Total Mechanical (kW)": ("mechanical", "import", 1),
        "Total Lighting (kW)": ("lighting", "import", 1),
        "Total Plug Loads (kW)": ("plugs", "import", 1),
        "Total Data Center (kW)": ("data_center", "import", 1),
        "Total Building (kW)": ("main", "import", 1),
        "PV (kW)": ("pv", "value", -1),
        "Building Net (kW)": ("main", "net", 1),
    }
    expected = {
        (meter, register): (4 * len(raw), sign * sum(float(row[name]) for row in raw))
        for name, (meter, register, sign) in columns.items()
    }
    assert found.report.reasons == {}
    assert_same(counted(found), expected)
    starts = found.rows.filter(pl.col("meter_id") == "plugs")["interval_start_utc"]
    assert (starts[0], starts[-1]) == (datetime(2011, 1, 1, 8, tzinfo=UTC), datetime(2011, 11, 1, 6, tzinfo=UTC))
    # Swapped days and months would leave holes and rows out of order.
    assert set(starts.diff().drop_nulls()) == {timedelta(hours=1)}


def test_substations_come_in_as_net_power_with_their_sign(shared_data: Path) -> None:
    path = "forecast_liander/load_15min_with_weather.parquet"
    found = read(shared_data, "liander", path)
    raw = pl.read_parquet(shared_data / path)
    loads = raw.drop_nulls("load").select(id="pid", v="load")
    expected = plain(loads, {p: f"pid_{p}" for p in ("287", "307", "435")}, register="net", quarters=1, factor=250)
    temps = raw.drop_nulls("temp").select(id="pid", v=pl.col("temp").cast(pl.Float64))
    expected |= plain(
        temps, {p: f"outdoor_degc_{p}" for p in ("287", "307", "435")}, register="value", quarters=1, factor=1
    )
    assert found.report.reasons == {}
    assert_same(counted(found), expected)
    path = "forecast_liander/substation_solar_wind_split_15min.parquet"
    found = read(shared_data, "liander", path)
    raw = pl.read_parquet(shared_data / path).with_columns(pl.col("substation").str.to_lowercase())
    expected = {}
    for column, register in (
        ("total_substation", "net"), ("total_solar_part", "solar"), ("total_wind_part", "wind")
    ):  # fmt: skip
        part = raw.select(id="substation", v=column)
        expected |= plain(part, {n: n for n in part["id"].unique()}, register=register, quarters=1, factor=250)
    assert_same(counted(found), expected)


def test_pv_plants_keep_the_sign_of_the_night_and_lose_only_empty_cells(shared_data: Path) -> None:
    found = read(shared_data, "pv", "pv/system50_ac_power_15min.parquet")
    raw = pl.read_parquet(shared_data / "pv/system50_ac_power_15min.parquet").drop_nulls()
    expected = raw["ac_power_2"].cast(pl.Float64).sum() / 4000
    assert counted(found) == {("system50", "value"): (raw.height, pytest.approx(expected, rel=1e-7))}
    assert found.rows["interval_start_utc"][0] == datetime(2011, 4, 15, 7, tzinfo=UTC)
    found = read(shared_data, "pv", "pv/serf_east_15min_ac_power.csv.gz")
    watts = [float(row["ac_power"]) for row in rows_of(shared_data / "pv/serf_east_15min_ac_power.csv.gz")]
    assert found.rows["value"].to_list() == watts
    assert min(watts) < 0
    found = read(shared_data, "pv", "pv/nrel_RSF_II.csv.gz")
    raw_rows = rows_of(shared_data / "pv/nrel_RSF_II.csv.gz")
    kw = sum(float(row["ac_power_kw_1137"]) for row in raw_rows)
    assert counted(found)["rsf2", "value"] == (480, pytest.approx(kw / 4))
    assert found.rows["interval_start_utc"].min() == datetime(2022, 1, 2, 7, tzinfo=UTC)
    for name, column, half_hours in (
        ("system50_satellite_weather_30min.parquet", "system50_w_per_m2", 2),
        ("serf_east_psm3_data.csv.gz", "serf_w_per_m2", 1),
    ):
        found = read(shared_data, "pv", f"pv/{name}")
        path = shared_data / "pv" / name
        ghi = pl.read_parquet(path)["ghi"] if name.endswith("parquet") else pl.read_csv(path)["ghi"].drop_nulls()
        assert counted(found)[column, "value"] == (
            half_hours * len(ghi),
            pytest.approx(half_hours * ghi.cast(pl.Float64).sum(), rel=1e-6),
        )


def test_a_home_with_sub_meters_keeps_hours_minutes_and_units_apart(shared_data: Path) -> None:
    found = read(shared_data, "uci", "nilm_uci_household/household_hourly.parquet")
    raw = pl.read_parquet(shared_data / "nilm_uci_household/household_hourly.parquet")
    rows = 4 * raw.height
    expected = {("main", "import"): (rows, raw["active_energy_kwh"].sum())}
    for place, name in enumerate(("kitchen", "laundry", "heater"), start=1):
        expected[name, "import"] = (rows, raw[f"sub_metering_{place}_wh"].sum() / 1000)
    assert found.report.reasons == {}
    assert_same(counted(found), expected)
    found = read(shared_data, "uci", "nilm_uci_household/household_minute_8weeks.parquet")
    raw = pl.read_parquet(shared_data / "nilm_uci_household/household_minute_8weeks.parquet")
    got = counted(found)
    assert got["minute_main", "import"] == (
        raw.height // 15,
        pytest.approx(raw["global_active_power_kw"].sum() / 60, abs=1e-4),
    )
    assert got["minute_main", "reactive"][1] == pytest.approx(raw["global_reactive_power_kvar"].sum() / 60, abs=1e-4)
    assert got["minute_heater", "import"][1] == pytest.approx(raw["sub_metering_3_wh"].sum() / 1000)


def test_six_meters_of_four_clocks_in_one_file_are_read_by_four_maps(shared_data: Path) -> None:
    found = read(shared_data, "anomaly", "anomaly/injected_series_hourly.parquet")
    raw = pl.read_parquet(shared_data / "anomaly/injected_series_hourly.parquet").drop_nulls("kwh")
    raw = raw.select(id=pl.col("series_id").cast(pl.String), t="timestamp", v="kwh")
    skipped = (pl.col("id") == "bdg_Bear_public_Valorie") & (pl.col("t") == datetime(2017, 3, 12, 2))  # noqa: DTZ001
    assert found.report.reasons == {"nonexistent_local_time": raw.filter(skipped).height}
    names = {name: name.removeprefix("bdg_").lower() for name in raw["id"].unique()}
    expected = plain(raw.filter(~skipped), names, register="import", quarters=4, factor=1)
    assert_same(counted(found), expected)
    first = {meter: part["interval_start_utc"].min().hour for (meter,), part in found.rows.partition_by("meter_id", as_dict=True).items()}  # fmt: skip  # noqa: E501
    assert (first["cam_b40"], first["fox_office_joy"], first["rat_education_willie"]) == (0, 7, 5)


def test_a_room_temperature_in_fahrenheit_is_stored_in_celsius(shared_data: Path) -> None:
    path = "anomaly/nab_ambient_temperature_system_failure.csv.gz"
    found = read(shared_data, "anomaly", path)
    degf = [float(row["value"]) for row in rows_of(shared_data / path)]
    rows, total = counted(found)["office_degc", "value"]
    assert (rows, total) == (4 * len(degf), pytest.approx(4 * sum((f - 32) / 1.8 for f in degf), rel=1e-8))
    assert found.report.warnings["gap_intervals"] > 80


@pytest.mark.parametrize("kind", ["electricity-cdd-hdd", "gas-hdd-only", "gas-intercept-only"])
@pytest.mark.parametrize("step", ["hourly", "daily", "billing_monthly", "billing_bimonthly"])
def test_days_and_bills_last_until_the_next_row(shared_data: Path, kind: str, step: str) -> None:
    path = f"mv_samples/eemeter/il-{kind}-{step}.csv.gz"
    found = read(shared_data, "mv_samples", path)
    raw = rows_of(shared_data / path)
    values = [float(row["value"]) for row in raw if row["value"] != "nan"]
    starts = [datetime.fromisoformat(row["start"]) for row in raw]
    end = starts[-1] if step != "hourly" else starts[-1] + timedelta(hours=1)
    factor = 29.3071 if kind.startswith("gas") else 1
    assert found.report.reasons == {}
    assert found.report.channels[0].sum == pytest.approx(sum(values))
    stream = (f"{kind}-{step}".replace("-", "_"), "import")
    quarters = int((end - starts[0]) / timedelta(minutes=15))
    assert counted(found) == {stream: (quarters, pytest.approx(sum(values) * factor, rel=1e-8))}


def test_school_and_building_files_are_read_by_the_clocks_they_keep(shared_data: Path) -> None:
    folder = "mv_samples"
    school = read(shared_data, "mv_samples", f"{folder}/nmecr_school_kwh_hourly_2018.csv.gz")
    raw = [float(r["kwh"]) for r in rows_of(shared_data / folder / "nmecr_school_kwh_hourly_2018.csv.gz") if r["kwh"]]
    assert counted(school) == {("school", "import"): (4 * len(raw), pytest.approx(sum(raw)))}
    temperature = read(shared_data, "mv_samples", f"{folder}/nmecr_school_temp_hourly_2018.csv.gz")
    # 02:00 of the fourth of November appears twice with two values: neither is taken, nothing is doubled.
    assert temperature.report.reasons == {"duplicate_conflict": 2}
    assert temperature.rows.height == 8760 - 2
    building = read(shared_data, "mv_samples", f"{folder}/nmecr_building_daily_2012_2015.csv.gz")
    days = rows_of(shared_data / folder / "nmecr_building_daily_2012_2015.csv.gz")
    rows, total = counted(building)["building", "import"]
    assert total == pytest.approx(sum(float(day["kwh"]) for day in days), rel=1e-9)
    zone = ZoneInfo("America/Los_Angeles")
    first = datetime(2012, 3, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(2012, 3, 1) + timedelta(days=len(days))  # noqa: DTZ001
    assert rows == (end.replace(tzinfo=zone).astimezone(UTC) - first) / timedelta(minutes=15)
    assert set(building.rows["source_minutes"]) == {23 * 60, 24 * 60, 25 * 60}
    typical = read(shared_data, "mv_samples", f"{folder}/nmecr_tmy3_temp.csv.gz")
    assert (typical.rows.height, typical.report.reasons) == (8760, {})
    temperature = read(shared_data, "mv_samples", f"{folder}/eemeter/il-tempF.csv.gz")
    assert temperature.rows.height == 19_417


def test_a_folder_goes_into_the_lake_and_a_second_time_changes_nothing(bench: Bench, shared_data: Path) -> None:
    site = site_of("steel")
    path = shared_data / "industry_steel/steel_industry_15min.csv.gz"
    first = bench.ingest(path, site=site)
    assert (first.new_rows, first.is_repeat) == (3 * 29_184, False)
    assert first.partitions == tuple(f"steel|2018-{month:02}" for month in range(1, 11))
    second = bench.ingest(path, site=site)
    assert (second.new_rows, second.is_repeat, second.batch_id) == (0, True, first.batch_id)
    current = bench.lake.current("steel", meters=["main"]).filter(pl.col("register") == "import")
    energy = sum(float(row["Usage_kWh"]) for row in rows_of(path))
    assert current["value"].sum() == pytest.approx(energy)


def test_every_meter_folder_has_a_site_file_and_every_map_meets_a_file(shared_data: Path) -> None:
    names = [path.name for path in shared_data.rglob("*") if path.is_file()]
    for path in SITES.glob("*.yaml"):
        for each in load_site(path).column_maps:
            assert any(Path(name).match(each.match) for name in names), (path.name, each.match)
