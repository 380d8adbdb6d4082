"""Foreign tables are read through a column map, and nothing about time is guessed."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from assets.readings.sniff_files import sniff_file
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, home, plant


def naive(*times: str) -> str:
    return "timestamp,kwh\n" + "".join(f"{moment},{4 * (place + 1)}\n" for place, moment in enumerate(times))


BERLIN = ColumnMap(zone="Europe/Berlin", interval_minutes=60)


def test_a_long_foreign_table_is_read(bench: Bench) -> None:
    mapping = ColumnMap(
        timestamp="When",
        value="Reading",
        meter="Point",
        meters={"DE-77": "main", "DE-78": "press"},
        where={"Kind": "A"},
        unit="Unit",
        zone="UTC",
        date_format="%d.%m.%Y %H:%M",
        label="end",
    )
    text = (
        "When,Point,Kind,Reading,Unit\n"
        "01.02.2025 00:15,DE-77,A,1000,Wh\n01.02.2025 00:30,DE-77,A,2,kWh\n01.02.2025 00:30,DE-77,B,99,kWh\n"
        "01.02.2025 00:15,DE-78,A,3,furlong\n01.02.2025 00:30,DE-79,A,3,kWh\n"
    )
    report = bench.ingest(text, mapping=mapping)
    assert report.reasons == {"unknown_meter": 1, "unknown_unit": 1}
    assert report.warnings == {"end_labelled": 2}
    assert bench.values() == [1, 2]
    assert f"{bench.starts()[0]:%Y-%m-%dT%H:%M}" == "2025-02-01T00:00"


def test_a_wide_foreign_table_is_read_by_stream_and_register(bench: Bench) -> None:
    mapping = ColumnMap(timestamp="t", values={"A": "main", "B": "pv.export", "C": "outdoor_degc"}, unit=None)
    text = "t,A,B,C,D\n2025-01-01T00:00Z,1,2,3,x\n2025-01-01T00:15Z,4,,6,x\n"
    assert bench.ingest(text, mapping=mapping).warnings == {"empty_cells": 1}
    assert bench.values() == [1, 4]
    assert bench.values("pv", "export") == [2]
    assert bench.values("outdoor_degc", "value") == [3, 6]


def test_other_meters_are_rejected_or_counted_as_the_map_says(bench: Bench) -> None:
    text = "meter,timestamp,kwh\nmain,2025-01-01T00:00Z,1\nmain,2025-01-01T00:15Z,1\nb7,2025-01-01T00:00Z,9\n"
    skipping = ColumnMap(meter="meter", value="kwh", other_meters="skip")
    report = bench.ingest(text, mapping=skipping)
    assert (report.verdict, report.warnings, report.rejected_rows) == ("accept_with_warning", {"other_meters": 1}, 0)
    keeping = ColumnMap(meter="meter", value="kwh")
    assert bench.ingest(text, mapping=keeping).reasons == {"unknown_meter": 1}


def test_a_file_of_other_meters_only_is_read_and_stores_nothing(bench: Bench) -> None:
    text = "meter,timestamp,kwh\nb7,2025-01-01T00:00Z,9\nb7,2025-01-01T00:15Z,9\n"
    report = bench.ingest(text, mapping=ColumnMap(meter="meter", value="kwh", other_meters="skip"))
    assert (report.verdict, report.accepted_rows, report.new_rows) == ("accept_with_warning", 0, 0)


def test_zero_that_means_missing_is_no_state_of_a_display_either(bench: Bench) -> None:
    text = "timestamp,kwh\n2025-01-01T00:00Z,100\n2025-01-01T01:00Z,0\n2025-01-01T02:00Z,108\n"
    site = plant(meters=(Meter(meter_id="main", registers=(Register(kind="cumulative"),)),), drivers=())
    report = bench.ingest(text, site=site, mapping=ColumnMap(zero_is_missing=True))
    assert (report.warnings["zero_is_missing"], report.reasons) == (1, {})
    assert sum(bench.values()) == 8


def test_zero_that_means_missing_is_counted_and_not_stored(bench: Bench) -> None:
    text = "timestamp,kwh\n2025-01-01T00:00Z,4\n2025-01-01T01:00Z,0\n2025-01-01T02:00Z,8\n"
    report = bench.ingest(text, site=home(), mapping=ColumnMap(zero_is_missing=True))
    assert (report.warnings, report.rejected_rows) == ({"zero_is_missing": 1}, 0)
    assert bench.values() == [1] * 4 + [2] * 4
    kept = bench.ingest(text, site=home(), mapping=ColumnMap())
    assert (kept.new_rows, kept.unchanged_rows) == (4, 8)


def test_the_sites_maps_are_tried_by_file_name_then_by_columns(bench: Bench) -> None:
    maps = (
        ColumnMap(match="meter_*.csv", timestamp="t", value="power", unit="kw", meter="m", meters={"X": "main"}),
        ColumnMap(match="meter_*.csv", timestamp="t", value="energy", unit="kwh", meter="m", meters={"X": "main"}),
        ColumnMap(timestamp="zeit", values={"aussen": "outdoor_degc"}),
    )
    site = plant(column_maps=maps)
    energy = "t,m,energy\n2025-01-01T00:00Z,X,1\n2025-01-01T00:15Z,X,2\n"
    bench.ingest(energy, site=site, name="meter_a.csv")
    assert bench.values() == [1, 2]
    power = energy.replace("energy", "power")
    bench.ingest(power, site=site, name="meter_b.csv")
    assert bench.values() == [0.25, 0.5]
    bench.ingest("zeit,aussen\n2025-01-01T00:00Z,5\n2025-01-01T00:15Z,6\n", site=site, name="any.csv")
    assert bench.values("outdoor_degc", "value") == [5, 6]
    plain = bench.ingest("meter,timestamp,kwh\nmain,2025-01-02T00:00Z,1\nmain,2025-01-02T00:15Z,2\n", site=site)
    assert plain.new_rows == 2
    wrong = bench.ingest(energy.replace("energy", "volume"), site=site, name="meter_c.csv")
    assert "line 1: expected column 'power' of the column map, found t, m, volume" in wrong.message


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (ColumnMap(timestamp="nope"), "missing_column"),
        (ColumnMap(zone="UTC", unit="furlong"), "unknown_unit"),
        (ColumnMap(where={"kwh": "nothing"}), "no_rows"),
        (ColumnMap(), "no_zone"),
    ],
)
def test_a_map_that_does_not_fit_refuses_the_file(bench: Bench, mapping: ColumnMap, reason: str) -> None:
    report = bench.ingest(naive("2025-01-01 00:00", "2025-01-01 01:00Z"), site=home(), mapping=mapping)
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})


@pytest.mark.parametrize("given", [{"zone": "Mars/Base"}, {"units": {"kwh": "furlong"}}])
def test_an_unknown_zone_or_unit_makes_no_map(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"unknown time zone|furlong"):
        ColumnMap.model_validate(given)


def test_the_hour_that_summer_time_skips_is_rejected(bench: Bench) -> None:
    text = naive("2025-03-30 01:00", "2025-03-30 02:00", "2025-03-30 03:00")
    assert bench.ingest(text, site=home(), mapping=BERLIN).reasons == {"nonexistent_local_time": 1}
    assert [f"{start:%H:%M}" for start in bench.starts()[::4]] == ["00:00", "01:00"]
    assert bench.values() == [1] * 4 + [3] * 4


def test_the_repeated_hour_is_summer_time_first_then_winter_time(bench: Bench) -> None:
    text = naive("2025-10-26 01:00", "2025-10-26 02:00", "2025-10-26 02:00", "2025-10-26 03:00")
    report = bench.ingest(text, site=home(), mapping=BERLIN)
    assert (report.verdict, report.accepted_rows) == ("accept", 4)
    assert [f"{start:%d %H:%M}" for start in bench.starts()[::4]] == ["25 23:00", "26 00:00", "26 01:00", "26 02:00"]
    assert bench.values()[::4] == [1, 2, 3, 4]


def test_quarter_hours_of_the_repeated_hour_are_paired_per_meter(bench: Bench) -> None:
    clock = ["02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45"]
    text = "meter,timestamp,kwh\n" + "".join(
        f"{meter},2025-10-26 {moment},{place}\n" for place, moment in enumerate(clock) for meter in ("main", "press")
    )
    bench.ingest(text, mapping=ColumnMap(meter="meter", zone="Europe/Berlin", interval_minutes=15))
    assert bench.values("main") == bench.values("press") == list(range(8))


def test_one_pass_of_the_repeated_hour_alone_is_rejected(bench: Bench) -> None:
    text = naive("2025-10-26 01:00", "2025-10-26 02:00", "2025-10-26 03:00")
    assert bench.ingest(text, site=home(), mapping=BERLIN).reasons == {"ambiguous_local_time": 1}
    assert bench.values()[::4] == [1, 3]


def test_an_offset_decides_before_the_declared_zone(bench: Bench) -> None:
    text = naive("2025-10-26T02:00+02:00", "2025-10-26T02:00+0100", "2025-10-26 03:00")
    report = bench.ingest(text, site=home(), mapping=BERLIN)
    assert report.accepted_rows == 3
    assert [f"{start:%H:%M}" for start in bench.starts()[::4]] == ["00:00", "01:00", "02:00"]


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-01T02:30:00+02:00",
        "2025-06-01 02:30:00+0200",
        "2025-06-01T02:30+02",
        "2025-06-01T00:30:00.000Z",
        "2025-05-31T21:00:00-03:30",
        "2025-06-01T00:30z",
    ],
)
@pytest.mark.parametrize("other", ["2025-06-01T01:30:00Z", "2025-06-01T03:30:00.5+02:00x"])
def test_every_iso_writing_of_an_instant_is_the_same_instant(bench: Bench, text: str, other: str) -> None:
    bench.ingest(naive(text, other), site=home(), mapping=ColumnMap(interval_minutes=60))
    assert f"{bench.starts()[0]:%Y-%m-%dT%H:%M}" == "2025-06-01T00:30"


def test_local_times_without_seconds_and_with_them_may_be_mixed(bench: Bench) -> None:
    text = naive("2025-06-01 00:00", "2025-06-01T01:00:00", "2025-06-01 02:00:00.0", "soon")
    assert bench.ingest(text, site=home(), mapping=BERLIN).reasons == {"bad_timestamp": 1}
    assert bench.values()[::4] == [1, 2, 3]


def test_a_date_format_may_hold_an_offset_or_mean_days(bench: Bench) -> None:
    mapping = ColumnMap(date_format="%d/%m/%Y %H:%M %z", interval_minutes=60)
    bench.ingest(naive("01/02/2025 00:00 +0100", "x"), site=home(), mapping=mapping)
    assert f"{bench.starts()[0]:%Y-%m-%d %H:%M}" == "2025-01-31 23:00"
    days = ColumnMap(date_format="%d/%m/%Y", values={"n": "parts"}, timestamp="d")
    report = bench.ingest("d,n\n30/03/2025,92\nx,1\n", mapping=days, name="days.csv")
    assert report.reasons == {"bad_timestamp": 1}
    assert bench.values("parts", "value") == [1.0] * 92


def test_units_of_a_column_are_read_as_people_write_them(bench: Bench) -> None:
    rows = "".join(
        f"2025-01-01T0{n}:00Z,{n},{unit}\n" for n, unit in enumerate(("kWh", " kWh/h", "kW", "MWh", "furlong"))
    )
    report = bench.ingest(
        f"timestamp,value,unit\n{rows}", mapping=ColumnMap(value="value", unit="unit", meters={"m": "main"})
    )
    assert report.reasons == {"unknown_unit": 1}
    assert [round(sum(bench.values()[4 * n : 4 * n + 4]), 6) for n in range(4)] == [0, 1, 2, 3000]


NAMED = ColumnMap(value="kWh", unit="kwh", meters={"any": "main"}, date_format="%d-%b-%y %I:%M:%S %p %Z")


def named(*times: str) -> str:
    """A trend as building controls export it: the name of the clock's offset behind each time."""
    return "timestamp,kWh\n" + "".join(f"{moment},{place + 1}\n" for place, moment in enumerate(times))


def test_the_name_of_an_offset_says_which_pass_of_the_repeated_hour(bench: Bench) -> None:
    mapping = NAMED.model_copy(update={"zone": "Europe/Berlin"})
    text = named("26-Oct-25 01:00:00 AM CEST", "26-Oct-25 02:00:00 AM CET", "26-Oct-25 03:00:00 AM CET")
    report = bench.ingest(text, mapping=mapping)
    assert (report.reasons, report.warnings) == ({}, {"gap_intervals": 1})
    assert [f"{at:%dT%H:%M}" for at in bench.starts()[::4]] == ["25T23:00", "26T01:00", "26T02:00"]


def test_a_clock_that_shows_winter_time_all_year_says_so_by_its_name(bench: Bench) -> None:
    mapping = NAMED.model_copy(update={"zone": "America/New_York"})
    report = bench.ingest(named("04-Jul-25 12:00:00 PM EST", "04-Jul-25 01:00:00 PM EST"), mapping=mapping)
    assert report.verdict == "accept"
    assert f"{bench.starts()[0]:%H:%M}" == "17:00"


def test_a_name_that_the_zone_does_not_have_is_rejected(bench: Bench) -> None:
    mapping = NAMED.model_copy(update={"zone": "America/New_York"})
    report = bench.ingest(named("04-Jul-25 12:00:00 PM EDT", "04-Jul-25 01:00:00 PM CET"), mapping=mapping)
    assert report.reasons == {"bad_timestamp": 1}


@pytest.mark.parametrize(("name", "verdict"), [("UTC", "accept"), ("GMT", "accept"), ("EST", "reject")])
def test_only_utc_needs_no_zone_beside_its_name(bench: Bench, name: str, verdict: str) -> None:
    path = bench.file(named(f"04-Jul-25 12:00:00 PM {name}", f"04-Jul-25 01:00:00 PM {name}"))
    assert sniff_file(path, mapping=NAMED).verdict == verdict


def test_parquet_times_without_zone_need_one(bench: Bench) -> None:
    frame = pl.read_csv(naive("2025-07-01 00:00", "2025-07-01 01:00").encode(), try_parse_dates=True)
    path = bench.folder / "naive.parquet"
    frame.write_parquet(path)
    assert bench.ingest(path, site=home()).reasons == {"no_zone": 1}
    assert bench.ingest(path, site=home(), mapping=ColumnMap(zone="Europe/Berlin")).accepted_rows == 2
    assert f"{bench.starts()[0]:%H:%M}" == "22:00"
    dates = frame.with_columns(pl.col("timestamp").dt.date()).unique("timestamp")
    dates.write_parquet(path)
    assert bench.ingest(path, site=home()).accepted_rows == 1


def test_a_map_may_declare_a_file_synthetic(bench: Bench) -> None:
    bench.ingest(naive("2025-01-01T00:00Z", "2025-01-01T01:00Z"), site=home(), mapping=ColumnMap(is_synthetic=True))
    assert bench.lake.current("plant")["is_synthetic"].all()


def test_a_map_with_one_named_meter_needs_no_meter_column(bench: Bench) -> None:
    text = naive("2025-01-01T00:00Z", "2025-01-01T01:00Z")
    bench.ingest(text, mapping=ColumnMap(meters={"any": "press"}))
    assert bench.values("press")[::4] == [1, 2]
    report = bench.ingest(text, mapping=ColumnMap(value="kwh"))
    assert "does not say which meter" in report.message


def test_sniffing_needs_no_site_and_stores_nothing(bench: Bench) -> None:
    path = bench.file("timestamp,a_kwh,b_kw\n2025-01-01T00:00Z,1,8\n2025-01-01T00:30Z,2,4\n")
    report = sniff_file(path)
    first, second = report.channels
    assert (report.verdict, report.format, report.accepted_rows) == ("accept", "csv", 4)
    assert (first.meter, first.unit, first.sum, first.sum_kwh, first.intervals) == ("a_kwh", "kwh", 3.0, 3.0, 2)
    assert (second.unit, second.sum, second.sum_kwh) == ("kw", None, 6.0)
    assert f"{second.end_utc:%H:%M}" == "01:00"
    assert list(bench.lake.root.rglob("*")) == []


def test_sniffing_takes_dates_and_times_in_the_given_zone_and_refuses_them_without(bench: Bench) -> None:
    days = bench.file("date,kwh\n2025-03-30,23\n", "days.csv")
    assert sniff_file(days).reasons == {"no_zone": 1}
    assert sniff_file(days, tz="Europe/Berlin").channels[0].end_utc.hour == 22
    assert sniff_file(days, tz="Nowhere").reasons == {"wrong_zone": 1}
