"""Plain files are read by their column names; what does not fit is refused with file, line and what was expected."""

import gzip
from datetime import UTC, datetime

import polars as pl
import pytest

from assets.readings.sniff_files import read_file
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.quarantine import FILE_REASONS, ROW_REASONS
from tests.readings.rooms import Bench, home, plant, quarter_rows

ROWS = "2025-01-01T00:00Z,1.5\n2025-01-01T00:15Z,2.5\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("timestamp,kwh\n" + ROWS, "a.csv"),
        ("\ufefftimestamp,kwh\n" + ROWS, "bom.csv"),
        ("timestamp;kwh\n" + ROWS.replace(",", ";").replace(".", ","), "decimal_comma.csv"),
        ("timestamp\tkwh\n" + ROWS.replace(",", "\t"), "a.tsv"),
        (("timestamp,kwh\n" + ROWS).replace("\n", "\r\n"), "crlf.csv"),
        (("timestamp,kwh\n" + ROWS).encode("utf-16"), "utf16.csv"),
        (gzip.compress(("timestamp,kwh\n" + ROWS).encode(), mtime=0), "a.csv.gz"),
        ('"timestamp","kwh"\n"2025-01-01T00:00Z","1.5"\n"2025-01-01T00:15Z"," 2.5 "\n', "quoted.csv"),
        ("Zeitstempel,Verbrauch (kWh)\n" + ROWS, "words.csv"),
        ("timestamp,wh\n" + ROWS.replace("1.5", "1500").replace("2.5", "2.5e3"), "wh.csv"),
        ("timestamp,kW\n" + ROWS.replace("1.5", "6").replace("2.5", "10"), "power.csv"),
        ("timestamp,kwh\n\n" + ROWS + "\n\n", "blank_lines.csv"),
        ("main,timestamp\n1.5,2025-01-01T00:00Z\n2.5,2025-01-01T00:15Z\n", "wide.csv"),
        ("timestamp,main.import,note\n2025-01-01T00:00Z,1.5,a\n2025-01-01T00:15Z,2.5,\n", "register.csv"),
        ("timestamp_utc,kwh\n" + ROWS.replace("Z", ""), "utc_by_name.csv"),
        ("timestamp,kwh\n" + ROWS.rstrip("\n"), "no_last_line_end.csv"),
    ],
)
def test_every_writing_of_the_same_readings_is_read_alike(bench: Bench, text: str | bytes, name: str) -> None:
    report = bench.ingest(text, site=home(), name=name)
    assert (report.message, report.reasons, report.accepted_rows) == ("", {}, 2)
    assert bench.values() == [1.5, 2.5]


def test_a_parquet_file_is_read_with_element_numbers(bench: Bench) -> None:
    path = bench.folder / "a.parquet"
    pl.DataFrame(
        {"timestamp": [datetime(2025, 1, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)], "kwh": [8, 4]}
    ).write_parquet(path)
    report = bench.ingest(path, site=home())
    assert report.warnings == {"unsorted": 1}
    rows = bench.lake.current("plant")
    assert rows["value"].to_list() == [1] * 4 + [2] * 4
    assert rows["source_line"].to_list() == [2] * 4 + [1] * 4
    assert set(rows["source_minutes"]) == {60}


def test_a_long_table_may_name_registers_and_drivers(bench: Bench) -> None:
    text = (
        "meter,register,timestamp,kwh\n"
        "pv,export,2025-01-01T00:00Z,1\npv,export,2025-01-01T00:15Z,2\n"
        "main,,2025-01-01T00:00Z,3\npv,,2025-01-01T00:00Z,4\nmain,nope,2025-01-01T00:00Z,5\n"
        "parts,,2025-01-01T00:00Z,6\n"
    )
    report = bench.ingest(text)
    assert report.reasons == {"unit_mismatch": 1, "unknown_register": 1}
    assert bench.values("pv", "export") == [1, 2]
    assert bench.values("pv", "value") == [4]
    assert bench.values("main") == [3]


def test_weather_and_driver_files_name_the_sites_drivers(bench: Bench) -> None:
    text = "timestamp,temp_degc,ghi_w_per_m2,wind_m_per_s\n2025-01-01T00:00Z,-2.5,0,3\n2025-01-01T01:00Z,,10,3\n"
    report = bench.ingest(text)
    assert report.warnings == {"empty_cells": 1, "ignored_columns": 1}
    assert bench.values("outdoor_degc", "value") == [-2.5] * 4
    assert bench.values("irradiance_w_per_m2", "value") == [0.0] * 4 + [10.0] * 4
    assert {channel.sum for channel in report.channels} == {None}


def test_daily_drivers_are_spread_over_local_days_of_23_and_25_hours(bench: Bench) -> None:
    report = bench.ingest("date,parts\n2025-03-30,92\n2025-10-26,100\n2025-10-27,0.0000001\n")
    rows = bench.lake.current("plant")
    assert report.verdict == "accept_with_warning"
    assert [rows.filter(pl.col("source_line") == line).height for line in (2, 3, 4)] == [92, 100, 96]
    assert set(rows.filter(pl.col("source_line") < 4)["value"]) == {1.0}
    last = rows.filter(pl.col("source_line") == 4)["value"]
    assert sorted(set(last)) == [1e-9, 2e-9]
    assert round(last.sum(), 9) == 1e-7
    assert set(rows["source_minutes"]) == {23 * 60, 25 * 60, 24 * 60}


REFUSED: dict[str, tuple[str | bytes, int, str, str]] = {
    "empty_file": (b"", 1, "a.csv", "the file is empty"),
    "no_rows": ("timestamp,kwh\n", 1, "a.csv", "there is a header but no row"),
    "no_header": ("\ntimestamp,kwh\n", 1, "a.csv", "expected a header"),
    "missing_column": ("when,kwh\n" + ROWS, 1, "a.csv", "expected a column 'timestamp', found when, kwh"),
    "unknown_unit_column": (
        "timestamp,foo\n" + ROWS,
        1,
        "a.csv",
        "found timestamp, foo); expected one such as kwh or",
    ),
    "several_value_columns": (
        "timestamp,kwh,a_kwh\n2025-01-01T00:00Z,1,2\n",
        1,
        "a.csv",
        "several value columns (kwh, a_kwh)",
    ),
    "duplicate_column": ("timestamp,kwh,kwh\n" + ROWS, 1, "a.csv", "'kwh' appears twice"),
    "second_header": ("timestamp,kwh\n" + ROWS + "Timestamp, kWh\n" + ROWS, 4, "a.csv", "a second header"),
    "truncated": ("timestamp,kwh\n" + ROWS + "2025-01-01T0", 4, "a.csv", "fewer fields than the header"),
    "no_zone": ("timestamp,kwh\n" + ROWS.replace("Z", ""), 2, "a.csv", "no offset and no zone is declared; give --tz"),
    "ambiguous_date": ("timestamp,kwh\n01/02/2025 00:00,1\n", 2, "a.csv", "cannot distinguish day from month"),
    "bad_encoding": (b"timestamp,kwh\n2025-01-01T00:00Z,1\n\xe9,2\n", 3, "a.csv", "expected UTF-8 text"),
    "not_text": (b"timestamp,kwh\n\0\0\0,1\n", 2, "a.csv", "not a text file"),
    "unknown_format": (b"plain words", 1, "a.dat", "unknown format; readable are samples, espi, "),
    "field_count": ("timestamp,kwh\n2025-01-01T00:00Z,1,5\n", 2, "a.csv", "no line has the 2 fields of the header"),
    "bad_timestamp": (
        "timestamp,kwh\nyesterday,1\ntoday,2\n",
        2,
        "a.csv",
        "expected an ISO 8601 time, got 'yesterday'",
    ),
    "not_a_number": ("timestamp,kwh\n2025-01-01T00:00Z,x\n", 2, "a.csv", "expected a finite number, got 'x'"),
    "unknown_interval": ("timestamp,kwh\n2025-01-01T00:00Z,1\n", 2, "a.csv", "interval_minutes in a column map"),
}


def test_a_row_a_month_or_a_week_is_read_as_days_or_until_the_next_only_where_a_map_says_which(bench: Bench) -> None:
    rows = "".join(f"2025-{month:02}-01,{month}00\n" for month in range(1, 5))
    report = bench.ingest("date,kwh\n" + rows, site=home(), name="months.csv", dry_run=True)
    assert (report.verdict, report.reasons) == ("reject", {"unknown_interval": 1})
    lengths = {}
    for lasts in (True, False):
        mapping = ColumnMap(timestamp="date", unit="kwh", until_next_row=lasts)
        parsed = read_file(bench.file("date,kwh\n" + rows + "2025-05-01,\n"), mapping=mapping, site=home())
        lengths[lasts] = [round(each / 1440) for each in parsed.rows["source_minutes"].to_list()]
    assert lengths == {True: [31, 28, 31, 30], False: [1, 1, 1, 1]}
    weeks = "".join(f"2025-01-{day:02},{day}00\n" for day in (1, 8, 14, 22))
    report = bench.ingest("date,kwh\n" + weeks, site=home(), name="weeks.csv", dry_run=True)
    assert (report.verdict, report.reasons) == ("reject", {"unknown_interval": 1})
    # Two days of a month are days.
    days = bench.ingest("date,kwh\n2025-01-01,1\n2025-01-03,1\n2025-02-20,1\n", site=home(), dry_run=True)
    assert (days.verdict, days.accepted_rows) == ("accept_with_warning", 3)


@pytest.mark.parametrize("reason", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(bench: Bench, reason: str) -> None:
    content, line, name, sentence = REFUSED[reason]
    report = bench.ingest(content, site=home(), name=name)
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert f"{name}, line {line}: " in report.message
    assert sentence in report.message
    assert "\n" not in report.message
    (item,) = bench.quarantine.items()
    assert (item["reason"], item["line"]) == (reason, line)
    assert bench.lake.manifest("plant") == []


def test_every_reason_that_code_gives_is_explained(bench: Bench) -> None:
    assert set(REFUSED) <= set(FILE_REASONS) | set(ROW_REASONS)
    assert not set(FILE_REASONS) & set(ROW_REASONS)


@pytest.mark.parametrize(
    "content", [gzip.compress(b"timestamp,kwh\n" * 99, mtime=0)[:-9], gzip.compress(b"x", mtime=0)[:5], b"plain"]
)
def test_a_broken_gzip_is_held_whole(bench: Bench, content: bytes) -> None:
    report = bench.ingest(content, site=home(), name="a.csv.gz")
    assert report.verdict == "reject"
    assert set(report.reasons) <= {"truncated", "unknown_format"}


def test_a_parquet_cut_anywhere_is_held_whole(bench: Bench) -> None:
    path = bench.folder / "whole.parquet"
    pl.DataFrame({"timestamp": [datetime(2025, 1, 1, tzinfo=UTC)], "kwh": [1.0]}).write_parquet(path)
    data = path.read_bytes()
    for end in range(1, len(data), len(data) // 10):
        report = bench.ingest(data[:end], site=home(), name=f"cut{end}.parquet")
        assert report.reasons == {"truncated": 1}
    empty = bench.folder / "empty.parquet"
    pl.DataFrame(schema={"timestamp": pl.Datetime, "kwh": pl.Float64}).write_parquet(empty)
    assert bench.ingest(empty, site=home()).reasons == {"no_rows": 1}
    assert bench.lake.manifest("plant") == []


def test_a_text_file_cut_at_any_byte_never_gives_a_wrong_value(bench: Bench) -> None:
    whole = "timestamp,main,is_synthetic\n" + "".join(
        f"2025-01-01T{n // 4:02}:{n % 4 * 15:02}Z,{n}.{n * 37 % 1000},true\n" for n in range(1, 12)
    )
    true_value = {f"{n // 4:02}:{n % 4 * 15:02}": float(f"{n}.{n * 37 % 1000}") for n in range(1, 12)}
    for end in range(len(whole)):
        bench.ingest(whole[:end], site=home(), name=f"cut{end}.csv")
    rows = bench.lake.history("plant")
    assert rows.height > 5
    for moment, value in rows.select("interval_start_utc", "value").iter_rows():
        assert true_value[f"{moment:%H:%M}"] == value


def test_a_row_with_another_number_of_fields_is_rejected_and_the_rest_read(bench: Bench) -> None:
    text = "timestamp,kwh\n" + ROWS + "2025-01-01T00:30Z\n\n2025-01-01T00:45Z,1,2\n2025-01-01T01:00Z,7\n"
    report = bench.ingest(text, site=home())
    assert report.reasons == {"field_count": 2}
    assert bench.values() == [1.5, 2.5, 7]
    assert bench.lake.current("plant")["source_line"].to_list() == [2, 3, 7]
    assert [item["line"] for item in bench.quarantine.items()] == [4, 6]


def test_quoted_line_ends_and_separators_keep_the_line_numbers(bench: Bench) -> None:
    text = 'note,timestamp,kwh\n"a,\nb",2025-01-01T00:00Z,1\n"c",2025-01-01T00:15Z,2\n"d"\n,2025-01-01T00:30Z,"x"\n'
    report = bench.ingest(text, site=home())
    assert report.reasons == {"field_count": 1, "not_a_number": 1}
    assert bench.lake.current("plant")["source_line"].to_list() == [2, 4]
    assert sorted(item["line"] for item in bench.quarantine.items()) == [5, 6]


@pytest.mark.parametrize("bad", ["NaN", "inf", "-inf", "1e309", "", "1,5x", "0x10", "1.234,5", "--3", "true"])
def test_what_is_no_finite_number_never_reaches_the_lake(bench: Bench, bad: str) -> None:
    text = "timestamp;kwh\n" + ROWS.replace(",", ";") + f"2025-01-01T00:30Z;{bad}\n"
    assert bench.ingest(text, site=home()).reasons == {"not_a_number": 1}
    assert bench.values() == [1.5, 2.5]


def test_an_amount_no_meter_can_have_is_rejected_in_any_unit(bench: Bench) -> None:
    text = "timestamp,mwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,1e6\n2025-01-01T00:30Z,1.1e6\n"
    assert bench.ingest(text, site=home()).reasons == {"implausible": 2}
    assert bench.values() == [1000]


def test_minus_zero_is_zero_and_a_negative_amount_of_a_one_way_register_is_held(bench: Bench) -> None:
    text = "timestamp,kwh\n2025-01-01T00:00Z,-0.0\n2025-01-01T00:15Z,-3\n"
    assert bench.ingest(text, site=home()).reasons == {"negative_consumption": 1}
    assert [str(value) for value in bench.values()] == ["0.0"]
    keeping = ColumnMap(negative="keep")
    assert bench.ingest(text, site=home(), mapping=keeping).rejected_rows == 0
    assert bench.values() == [0, -3]
    long = "meter,register,timestamp,kwh\npv,value,2025-01-01T00:00Z,-1\npv,value,2025-01-01T00:15Z,-3\n"
    assert bench.ingest(long).rejected_rows == 0


def test_identical_duplicates_count_once_and_conflicting_ones_not_at_all(bench: Bench) -> None:
    text = "timestamp,kwh\n" + ROWS + "2025-01-01T00:15Z,2.50\n2025-01-01T00:30Z,4\n2025-01-01T00:30Z,5\n"
    report = bench.ingest(text, site=home())
    assert (report.warnings["duplicate_rows"], report.reasons) == (1, {"duplicate_conflict": 2})
    assert bench.values() == [1.5, 2.5]
    assert [item["line"] for item in bench.quarantine.items()] == [5, 6]


def test_gaps_and_disorder_are_said_and_not_filled(bench: Bench) -> None:
    text = "timestamp,kwh\n" + "".join(f"2025-01-01T{hour:02}:00Z,4\n" for hour in (0, 1, 3, 2, 7))
    report = bench.ingest(text, site=home())
    assert report.verdict == "accept_with_warning"
    assert report.warnings == {"gap_intervals": 3, "unsorted": 1}
    assert len(bench.values()) == 20


def test_a_file_of_unknown_meters_only_is_refused_naming_the_sites_meters(bench: Bench) -> None:
    report = bench.ingest("meter,timestamp,kwh\n" + quarter_rows("ghost", [1, 2]))
    assert (report.verdict, report.reasons) == ("reject", {"unknown_meter": 1})
    assert "line 2: no row can be used; the first: expected a meter of plant: main, press, gas, pv" in report.message


def test_a_file_without_a_meter_is_refused_where_the_site_has_several(bench: Bench) -> None:
    report = bench.ingest("timestamp,kwh\n" + ROWS)
    assert "does not say which meter it is of; expected a column 'meter' or columns named main, press" in report.message


def test_another_kind_of_unit_than_the_registers_is_rejected(bench: Bench) -> None:
    text = "meter,timestamp,kwh\n" + quarter_rows("gas", [1, 2]) + quarter_rows("main", [3, 4])
    assert bench.ingest(text).reasons == {"unit_mismatch": 2}
    litres = "meter,timestamp,l\n" + quarter_rows("gas", [1500, 2500])
    bench.ingest(litres, name="litres.csv")
    assert bench.values("gas") == [1.5, 2.5]


def test_rows_that_overlap_are_rejected_instead_of_counted_twice(bench: Bench) -> None:
    hours = "".join(f"2025-01-01T{hour:02}:00Z,4\n" for hour in range(6))
    report = bench.ingest("timestamp,kwh\n" + hours + "2025-01-01T05:30Z,4\n", site=home())
    assert report.reasons == {"overlapping_interval": 2}
    assert len(bench.values()) == 20


def test_intervals_off_the_quarter_hour_grid_are_rejected(bench: Bench) -> None:
    seven = "".join(f"2025-01-01T00:{minute:02}Z,1\n" for minute in range(0, 56, 7))
    assert bench.ingest("timestamp,kwh\n" + seven, site=home()).reasons == {"off_grid": 1}
    shifted = "timestamp,kwh\n2025-01-01T00:05Z,1\n2025-01-01T00:20Z,1\n"
    assert bench.ingest(shifted, site=home(), name="b.csv").verdict == "reject"


def test_incomplete_quarter_hours_are_rejected_for_amounts(bench: Bench) -> None:
    text = "timestamp,kwh\n" + "".join(f"2025-01-01T00:{minute:02}Z,1\n" for minute in (0, 5, 10, 15, 25, 30, 35, 40))
    report = bench.ingest(text, site=home())
    assert report.reasons == {"incomplete_quarter": 2}
    assert bench.values() == [3, 3]
    levels = text.replace("kwh", "outdoor_degc").replace("10Z,1\n", "10Z,4\n")
    bench.ingest(levels, name="levels.csv")
    assert bench.values("outdoor_degc", "value") == [2, 1, 1]


def test_a_stream_keeps_its_own_step_beside_another(bench: Bench) -> None:
    text = "meter,timestamp,kwh\n" + quarter_rows("main", [1, 2, 3, 4])
    text += "press,2025-01-01T00:00Z,4\npress,2025-01-01T01:00Z,4\npress,2025-01-01T03:00Z,8\n"
    bench.ingest(text)
    assert bench.values() == [1, 2, 3, 4]
    assert bench.values("press") == [1] * 8 + [2] * 4


def test_a_bad_value_does_not_hide_the_step_of_its_stream(bench: Bench) -> None:
    bench.ingest("timestamp,kwh\n2025-01-01T00:00Z,4\n2025-01-01T01:00Z,x\n", site=home())
    assert bench.values() == [1] * 4


def test_a_meter_without_an_import_register_is_read_into_its_first(bench: Bench) -> None:
    meter = Meter(meter_id="pv", registers=(Register(register_id="value"),))
    site = Site.model_validate(home().model_dump() | {"meters": [meter.model_dump()]})
    bench.ingest("timestamp,kwh\n" + ROWS, site=site)
    assert bench.values("pv", "value") == [1.5, 2.5]


def test_typed_parquet_columns_that_are_no_numbers_or_times_are_refused(bench: Bench) -> None:
    frames = {
        "flag": pl.DataFrame({"timestamp": [datetime(2025, 1, 1, tzinfo=UTC)], "kwh": [True]}),
        "epoch": pl.DataFrame({"timestamp": [1735689600], "kwh": [1.0]}),
    }
    for name, frame in frames.items():
        path = bench.folder / f"{name}.parquet"
        frame.write_parquet(path)
        assert bench.ingest(path, site=plant(meters=home().meters)).verdict == "reject"
