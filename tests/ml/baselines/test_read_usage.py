"""Plain files become usage: units, zones, holidays, bills, drivers, and one sentence for what cannot be used."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from ml.baselines.usage_tables.calendar_of import holidays_of, zone_of_files
from ml.baselines.usage_tables.read_usage import Source, read_drivers, read_usage
from ml.baselines.usage_tables.usage_table import Frequency, Usage

BERLIN = ZoneInfo("Europe/Berlin")


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def hours(path: Path, header: str, values: list[float], *, zone: ZoneInfo = BERLIN, first: str = "2025-01-01") -> Path:
    start = datetime.fromisoformat(first).replace(tzinfo=zone)
    times = [(start.timestamp() + 3600 * n) for n in range(len(values))]
    stamps = [datetime.fromtimestamp(moment, zone).isoformat() for moment in times]
    return write(path, header, [f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True)])


def read(path: Path, frequency: Frequency = "daily", **options: Any) -> Usage:
    return read_usage(path, None, frequency=frequency, zone="Europe/Berlin", **options)


@pytest.mark.parametrize(
    ("column", "options", "expected", "unit"),
    [
        ("kwh", {}, 24.0, "kWh"),
        ("wh", {}, 0.024, "kWh"),
        ("kw", {}, 24.0, "kWh"),
        ("therm", {}, 24 * 29.3071, "kWh"),
        ("m3", {}, 24.0, "m3"),
        ("m3", {"kwh_per_m3": 11.0}, 264.0, "kWh"),
        ("ft3", {}, 24 * 0.028316846592, "m3"),
    ],
)
def test_energy_becomes_kwh_and_a_volume_says_that_it_is_one(
    tmp_path: Path, column: str, options: dict[str, Any], expected: float, unit: str
) -> None:
    usage = read(hours(tmp_path / "e.csv", f"timestamp,{column}", [1.0] * 48), **options)
    assert usage.frame["energy_kwh"].to_list() == pytest.approx([expected] * 2)
    assert usage.unit == unit


def test_zeros_are_readings_of_gas_and_gaps_of_electricity(tmp_path: Path) -> None:
    values = [0.0] + [1.0] * (24 * 9 - 1)
    assert read(hours(tmp_path / "g.csv", "timestamp,therm", values)).frame["energy_kwh"][0] < 24 * 29
    assert read(hours(tmp_path / "e.csv", "timestamp,kwh", values)).frame["energy_kwh"][0] == 24
    kept = read(hours(tmp_path / "e.csv", "timestamp,kwh", values), zero_is_missing=False)
    assert kept.frame["energy_kwh"][0] == 23


def test_weather_in_fahrenheit_and_without_offset_is_read_in_the_zone(tmp_path: Path) -> None:
    energy = hours(tmp_path / "e.csv", "timestamp,kwh", [1.0] * 48)
    warm = write(tmp_path / "w.csv", "timestamp,temp_degf", [f"2025-01-01 {h:02d}:00,50" for h in range(24)])
    usage = read_usage(energy, warm, frequency="daily", zone="Europe/Berlin")
    assert usage.frame["temp_degc"].to_list() == [pytest.approx(10.0), None]


def test_a_bill_lasts_until_the_next_and_the_last_line_only_ends_it(tmp_path: Path) -> None:
    rows = ["2025-01-01,310", "2025-02-01,280", "2025-03-01,"]
    usage = read(write(tmp_path / "b.csv", "date,kwh", rows), "billing")
    assert usage.frame.select("days", "energy_kwh").rows() == [(31.0, 310.0), (28.0, 280.0)]
    assert usage.findings == ()


def test_daily_files_keep_the_days_on_which_the_clock_changes(tmp_path: Path) -> None:
    days = [date(2025, 3, 28) + timedelta(days=n) for n in range(5)]
    stamps = [datetime(day.year, day.month, day.day, tzinfo=BERLIN).isoformat() for day in days]
    path = write(
        tmp_path / "d.csv",
        "timestamp,kwh",
        [f"{stamp},{n}.5" for n, stamp in enumerate(stamps, 1)] + ["2025-04-02T00:00:00+02:00,"],
    )
    assert read(path).frame["energy_kwh"].to_list() == [1.5, 2.5, 3.5, 4.5, 5.5]


def test_doubled_days_are_refused_with_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", "date,kwh", ["2025-01-01,1", "2025-01-02,2", "2025-01-02,3", "2025-01-03,4"])
    with pytest.raises(BadInput, match="expected one an interval") as fault:
        read(path)
    assert fault.value.file == str(path)
    assert fault.value.line in (3, 4)
    same = write(tmp_path / "s.csv", "date,kwh", ["2025-01-01,1", "2025-01-02,2", "2025-01-02,2", "2025-01-03,4"])
    usage = read(same)
    assert usage.frame["energy_kwh"].to_list() == [1.0, 2.0, 4.0]
    assert usage.findings[0].code == "duplicate_rows"


def test_the_offsets_of_a_file_say_its_zone(tmp_path: Path) -> None:
    year = hours(tmp_path / "e.csv", "timestamp,kwh", [1.0] * 8760)
    usage = read_usage(year, None, frequency="daily")
    assert usage.frame.height == 365
    assert usage.frame["energy_kwh"].to_list()[88] == 23.0
    assert usage.findings[0].code == "zone_from_offsets"
    utc = hours(tmp_path / "u.csv", "timestamp,kwh", [1.0] * 48, zone=ZoneInfo("UTC"))
    assert read_usage(utc, None, frequency="daily").zone == "UTC"


def test_a_zone_is_asked_for_where_no_offset_says_it(tmp_path: Path) -> None:
    bare = write(tmp_path / "d.csv", "date,kwh", ["2025-01-01,1", "2025-01-02,2"])
    with pytest.raises(BadInput, match="no offset") as fault:
        read_usage(bare, None, frequency="daily")
    assert "--tz" in fault.value.mend
    odd = write(tmp_path / "o.csv", "timestamp,kwh", ["2025-01-01T00:00:00+05:17,1", "2025-01-02T00:00:00+05:17,2"])
    with pytest.raises(BadInput, match="no zone of the calendar"):
        read_usage(odd, None, frequency="daily")
    with pytest.raises(BadInput, match="unknown time zone"):
        zone_of_files([bare], "Europe/Atlantis")


def test_holidays_are_those_of_the_zone_s_country_or_of_the_one_named(tmp_path: Path) -> None:
    path = hours(tmp_path / "e.csv", "timestamp,kwh", [1.0] * 24 * 7, first="2025-04-28")
    assert sum(read(path).frame["is_holiday"]) == 1
    assert sum(read(path, country="").frame["is_holiday"]) == 0
    with pytest.raises(BadInput, match="calendar for country"):
        read(path, country="XX")


def test_without_a_part_of_the_country_the_days_that_most_parts_keep_are_holidays() -> None:
    germany = holidays_of("DE", None, date(2025, 1, 1), date(2025, 12, 31))
    bavaria = holidays_of("DE", "BY", date(2025, 1, 1), date(2025, 12, 31))
    assert date(2025, 10, 3) in germany
    assert date(2025, 1, 6) not in germany
    assert date(2025, 1, 6) in bavaria


def test_drivers_of_dates_and_of_times_are_read(tmp_path: Path) -> None:
    days = read_drivers(
        Source(write(tmp_path / "d.csv", "date,output", ["2025-03-30,5", "2025-03-31,nan"])), zone="Europe/Berlin"
    )
    assert days["minutes"].to_list() == [23 * 60, 24 * 60]
    assert days["output"].to_list() == [5.0, None]
    times = write(tmp_path / "t.csv", "timestamp,a,b", [f"2025-01-01T{h:02d}:00:00+01:00,{h},1" for h in range(3)])
    assert read_drivers(Source(times), zone="Europe/Berlin").rows()[2][1:] == (60, 2.0, 1.0)


@pytest.mark.parametrize(
    ("header", "rows", "sentence"),
    [
        ("date,output", ["2025-01-01,many"], "expected a number, got 'many'"),
        ("date,output", ["2025-01-01,inf"], "expected a number, got 'inf'"),
        ("when,output", ["2025-01-01,1"], "expected a column 'timestamp' or 'date'"),
        ("date", ["2025-01-01"], "no driver column"),
        ("date,output", ["2025-01-01,1", "2025-01-01,2"], "appear twice"),
        ("timestamp,output", ["2025-01-01 00:00,1", "2025-03-30 02:30,1"], "cannot read time"),
    ],
)
def test_a_driver_file_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, header: str, rows: list[str], sentence: str
) -> None:
    path = write(tmp_path / "d.csv", header, rows)
    with pytest.raises(BadInput, match=sentence) as fault:
        read_drivers(Source(path), zone="Europe/Berlin")
    assert fault.value.file == str(path)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    energy = hours(tmp_path / "e.csv", "timestamp,kwh", [1.0] * 48)
    degrees = hours(tmp_path / "t.csv", "timestamp,temp_degc", [1.0] * 48)
    with pytest.raises(BadInput, match="expected energy, power or gas volume"):
        read(degrees)
    with pytest.raises(BadInput, match="expected a column temp_degc"):
        read_usage(energy, energy, frequency="daily", zone="Europe/Berlin")
    with pytest.raises(BadInput, match="no such file"):
        read_usage(tmp_path / "none.csv", None, frequency="daily", zone="Europe/Berlin")
    with pytest.raises(BadInput, match="expected an energy file"):
        read_usage(None, None, frequency="daily")


def test_one_meter_of_a_long_table_is_named(tmp_path: Path) -> None:
    rows = [f"{meter},2025-01-01T{h:02d}:00:00+01:00,{n}" for n, meter in enumerate("ab", 1) for h in range(24)]
    path = write(tmp_path / "m.csv", "meter,timestamp,kwh", rows)
    one = read_usage(Source(path, meter="b"), None, frequency="daily", zone="Europe/Berlin")
    assert one.frame["energy_kwh"].to_list() == [48.0]
    with pytest.raises(BadInput, match="several streams"):
        read(path)
    with pytest.raises(BadInput, match="no meter 'c'"):
        read_usage(Source(path, meter="c"), None, frequency="daily", zone="Europe/Berlin")


def test_no_column_of_energy_is_taken_beside_another_unless_it_is_named(tmp_path: Path) -> None:
    rows = [f"2025-01-01T{h:02d}:00:00+01:00,1,3" for h in range(24)]
    for header in ("kwh,south_kwh", "south_kwh,kwh", "kwh,kw"):
        path = write(tmp_path / "e.csv", f"timestamp,{header}", rows)
        first, second = header.split(",")
        with pytest.raises(BadInput, match=rf"e.csv, line 1: several columns of energy \({first}, {second}\)"):
            read(path)
        for name, kwh in ((first, 24.0), (second, 72.0)):
            one = read_usage(Source(path, meter=name), None, frequency="daily", zone="Europe/Berlin")
            assert one.frame["energy_kwh"].to_list() == [kwh]


def test_a_column_that_is_no_energy_is_never_read_as_such(tmp_path: Path) -> None:
    rows = [f"2025-01-01T{h:02d}:00:00+01:00,1,30" for h in range(24)]
    assert read(write(tmp_path / "t.csv", "timestamp,kwh,temp_degc", rows)).frame["energy_kwh"].to_list() == [24.0]
    found = read(write(tmp_path / "p.csv", "timestamp,kwh,other", rows))
    assert found.frame["energy_kwh"].to_list() == [24.0]
    assert (
        "only kwh is read as energy; other" in {each.code: each.message for each in found.findings}["ignored_columns"]
    )


def test_a_column_map_and_parquet_are_equally_good(tmp_path: Path) -> None:
    path = hours(tmp_path / "e.csv", "when,use", [2.0] * 24)
    mapping = ColumnMap(timestamp="when", value="use", unit="kwh", meters={"load": "load"})
    mapped = read_usage(Source(path, mapping), None, frequency="daily", zone="Europe/Berlin")
    assert mapped.frame["energy_kwh"].to_list() == [48.0]
    frame = pl.DataFrame({"timestamp": [datetime(2025, 1, 1, h, tzinfo=BERLIN) for h in range(24)], "kwh": [1.0] * 24})
    frame.write_parquet(tmp_path / "e.parquet")
    assert read(tmp_path / "e.parquet").frame["energy_kwh"].to_list() == [24.0]


def test_rows_that_cannot_be_read_are_gaps_and_counted(tmp_path: Path) -> None:
    rows = [f"2025-01-01T{h:02d}:00:00+01:00,{'x' if h == 5 else 1}" for h in range(24)]
    usage = read(write(tmp_path / "e.csv", "timestamp,kwh", rows))
    assert usage.frame["energy_kwh"].to_list() == [24.0]
    assert {finding.code for finding in usage.findings} == {"rejected_rows", "filled_intervals"}


def test_temperatures_that_contradict_each_other_are_gaps(tmp_path: Path) -> None:
    energy = hours(tmp_path / "e.csv", "timestamp,kwh", [1.0] * 24)
    rows = [f"2025-01-01T{h:02d}:00:00+01:00,{h}" for h in range(24)] + ["2025-01-01T05:00:00+01:00,99"]
    weather = write(tmp_path / "w.csv", "timestamp,temp_degc", rows)
    usage = read_usage(energy, weather, frequency="hourly", zone="Europe/Berlin")
    assert usage.frame["temp_degc"][5] == pytest.approx(5.0)
    assert {finding.code for finding in usage.findings} == {"rejected_rows", "temperature_filled"}


def test_daily_weather_with_times_keeps_the_days_on_which_the_clock_changes(tmp_path: Path) -> None:
    days = [date(2025, 3, 28) + timedelta(days=n) for n in range(6)]
    energy = write(tmp_path / "e.csv", "date,kwh", [f"{day},{n}" for n, day in enumerate(days, 1)])
    rows = [f"{day} 00:00:00,{n},1" for n, day in enumerate(days, 1)]
    weather = write(tmp_path / "w.csv", "timestamp,temp_degc,ghi_w_per_m2", rows)
    usage = read_usage(energy, weather, frequency="daily", zone="Europe/Berlin")
    assert usage.frame["temp_degc"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert usage.findings == ()
