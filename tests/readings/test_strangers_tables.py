"""Tables as suppliers of many countries export them: each with the verdict and the sums that a person worked out."""

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from assets.readings.drafts.map_draft import FileFacts
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.site_file.site import ColumnMap

NOW_UTC = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """content: of the file; says: how it is read; sums: by meter (and register), in the file's unit; kwh: in all."""

    content: str | bytes | Callable[[Path], None]
    sums: dict[str, float | None]
    kwh: float | None = None
    verdict: str = "accept"
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    tz: str | None = None
    says: dict[str, Any] = field(default_factory=dict)


def german(values: str, name: str = "Verbrauch [kWh]") -> str:
    """Quarter hours from 1 March 2025, as a spreadsheet in Germany writes them."""
    rows = [f"01.03.2025 00:{15 * place:02};{value}" for place, value in enumerate(values.split("|"))]
    return "\n".join([f"Datum;{name}", *rows, ""])


def plain(*values: str, name: str = "kwh", at: str = "2025-03-01T00:{:02}Z") -> str:
    """Quarter hours in the plain shape."""
    return "\n".join([f"timestamp,{name}", *(f"{at.format(15 * n)},{value}" for n, value in enumerate(values)), ""])


DE = {"timestamp": "Datum", "value": "Verbrauch [kWh]", "date_format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}
US = {"timestamp": "DATE", "clock": "START TIME", "value": "USAGE", "unit": "kwh", "zone": "America/New_York"}
AUTUMN = [f"2025-10-26T{clock},1" for clock in ("01:45", "02:00", "02:15", "02:30", "02:45")]
SECOND = [f"2025-10-26T{clock},10" for clock in ("02:00", "02:15", "02:30", "02:45", "03:00")]

TABLES: dict[str, Case] = {
    "decimal comma, semicolon, day first": Case(german("1,5|2,25|0,25|4"), {"": 8.0}, 8.0, says=DE),
    "thousands with points": Case(
        german("1.234,5|2.000,25|0,25|12.000"),
        {"": 15235.0},
        15235.0,
        says=DE | {"thousands": ".", "decimal": ",", "unit": "kwh"},
    ),
    "thousands with narrow blanks": Case(
        german("1\u202f234,5|2\u00a0000,25|0,25|4"),
        {"": 3239.0},
        3239.0,
        says=DE | {"thousands": " ", "decimal": ",", "unit": "kwh"},
    ),
    "thousands with commas": Case(
        plain('"1,234.5"', '"2,000.25"', "0.25", '"1,23.5"'),
        {"": 3235.0},
        verdict="quarantine",
        reasons={"not_a_number": 1},
        says={"value": "kwh", "thousands": ",", "unit": "kwh"},
    ),
    "thousands that nobody declared": Case(
        german("1.234,5|2,25|0,25|4"),
        {"": 6.5},
        verdict="quarantine",
        reasons={"not_a_number": 1},
        says=DE | {"decimal": ","},
    ),
    "thousands that the file alone tells of": Case(
        german("1.234,5|2.000|12|4.000"), {"": 12.0}, verdict="quarantine", reasons={"not_a_number": 3}, says=DE
    ),
    "month first with AM and PM": Case(
        "Date,Usage (kWh)\n03/01/2025 12:00 AM,1.5\n03/01/2025 01:00 AM,2\n"
        "03/01/2025 12:00 PM,4\n03/01/2025 01:00 PM,8\n",
        {"": 15.5},
        15.5,
        "accept_with_warning",
        warnings={"gap_intervals": 10},
        says={
            "timestamp": "Date",
            "value": "Usage (kWh)",
            "date_format": "%m/%d/%Y %I:%M %p",
            "zone": "America/Chicago",
            "interval_minutes": 60,
        },
    ),
    "titles above, date and clock apart, a footer": Case(
        'Name,JANE DOE\nAddress,"1 Main St, Springfield"\nService,Electric\n\n'
        "TYPE,DATE,START TIME,END TIME,USAGE,UNITS,NOTES\n"
        "Electric usage,2025-03-01,00:00,00:14,1.5,kWh,\nElectric usage,2025-03-01,00:15,00:29,2.5,kWh,\n"
        "Electric usage,2025-03-01,00:30,00:44,4,kWh,\nTotal,,,,8,kWh,\n",
        {"": 8.0},
        8.0,
        "quarantine",
        {"bad_timestamp": 1},
        says=US | {"header_line": 5},
    ),
    "a second line of units": Case(
        "timestamp,A\n,kWh\n2025-03-01T00:00Z,1.5\n2025-03-01T00:15Z,2\n",
        {"": 3.5},
        verdict="quarantine",
        reasons={"bad_timestamp": 1},
        says={"value": "A", "unit": "kwh"},
    ),
    "a total below": Case(
        german("1,5|2,25") + "Summe;3,75\n", {"": 3.75}, verdict="quarantine", reasons={"bad_timestamp": 1}, says=DE
    ),
    "UTF-16 with tabs": Case(
        codecs.BOM_UTF16_LE + plain("1.5", "2").replace(",", "\t").encode("utf-16-le"),
        {"": 3.5},
        3.5,
        "accept_with_warning",
        warnings={"utf16": 1},
    ),
    "UTF-16, big end first": Case(
        codecs.BOM_UTF16_BE + plain("1.5", "2").encode("utf-16-be"),
        {"": 3.5},
        3.5,
        "accept_with_warning",
        warnings={"utf16": 1},
    ),
    "a mark before UTF-8 and CR LF": Case(
        codecs.BOM_UTF8 + plain("1.5", "2").replace("\n", "\r\n").encode(), {"": 3.5}, 3.5
    ),
    "Latin-1 in a name": Case(
        "Datum;Zähler [kWh]\n01.03.2025 00:00;1\n".encode("latin-1"), {}, verdict="reject", reasons={"bad_encoding": 1}
    ),
    "Wh": Case(plain("1500", "2500", name="Wh"), {"": 4000.0}, 4.0),
    "MWh": Case(plain("0.0015", "0.0025", name="Wert (MWh)"), {"Wert (MWh)": 0.004}, 4.0),
    "kW of quarter hours": Case(plain("6", "10", name="kW"), {"": None}, 4.0),
    "kW of hours": Case("timestamp,kW\n2025-03-01T00:00Z,6\n2025-03-01T01:00Z,10\n", {"": None}, 16.0),
    "m³": Case(plain("1.5", "2.25", name="m³"), {"": 3.75}),
    "a unit that nobody knows": Case(
        plain("1", name="furlongs"), {}, verdict="reject", reasons={"unknown_unit_column": 1}
    ),
    "24:00 ends the day": Case(
        "timestamp,kwh\n2025-03-01 23:30,1\n2025-03-01 23:45,2\n2025-03-01 24:00,4\n",
        {"": 7.0},
        7.0,
        "accept_with_warning",
        warnings={"end_labelled": 3},
        says={"zone": "Europe/Paris", "label": "end", "unit": "kwh"},
    ),
    "autumn, both passes in order": Case(
        "\n".join(["timestamp,kwh", *AUTUMN, *SECOND, ""]), {"": 55.0}, 55.0, tz="Europe/Berlin"
    ),
    "autumn, offsets": Case(
        "timestamp,kwh\n2025-10-26T02:00+02:00,1\n2025-10-26T02:30+02:00,2\n2025-10-26T02:00+01:00,4\n", {"": 7.0}, 7.0
    ),
    "autumn, one pass": Case(
        "\n".join(["timestamp,kwh", *AUTUMN, "2025-10-26T03:00,10", "2025-10-26T03:15,10", ""]),
        {"": 21.0},
        21.0,
        "quarantine",
        {"ambiguous_local_time": 4},
        warnings={"gap_intervals": 8},
        tz="Europe/Berlin",
    ),
    "spring, the hour left out": Case(
        "timestamp,kwh\n2025-03-30 01:30,1\n2025-03-30 01:45,2\n2025-03-30 03:00,4\n",
        {"": 7.0},
        7.0,
        tz="Europe/Berlin",
    ),
    "spring, an hour that is none": Case(
        "timestamp,kwh\n2025-03-30 01:45,2\n2025-03-30 02:00,3\n2025-03-30 03:00,4\n",
        {"": 6.0},
        6.0,
        "quarantine",
        {"nonexistent_local_time": 1},
        tz="Europe/Berlin",
    ),
    "the same row twice": Case(
        plain("1", "2") + "2025-03-01T00:15Z,2\n", {"": 3.0}, 3.0, "accept_with_warning", warnings={"duplicate_rows": 1}
    ),
    "two values of one time": Case(
        plain("1", "2", "4") + "2025-03-01T00:15Z,3\n",
        {"": 5.0},
        5.0,
        "quarantine",
        {"duplicate_conflict": 2},
        warnings={"gap_intervals": 1, "unsorted": 1},
    ),
    "a sentinel, declared": Case(
        plain("1", "-9999", "2", "4"),
        {"": 7.0},
        7.0,
        "accept_with_warning",
        warnings={"missing_values": 1, "gap_intervals": 1},
        says={"value": "kwh", "missing": ["-9999"], "unit": "kwh"},
    ),
    "a sentinel, not declared": Case(
        plain("1", "-9999", "2"), {"": 3.0}, 3.0, "quarantine", {"negative_consumption": 1}
    ),
    "import and export": Case(
        "timestamp,bezug_kwh,einspeisung_kwh\n2025-03-01T00:00Z,1,0.5\n2025-03-01T00:15Z,2,0.25\n",
        {"main.import": 3.0, "main.export": 0.75},
        3.75,
        says={"values": {"bezug_kwh": "main", "einspeisung_kwh": "main.export"}, "unit": "kwh"},
    ),
    "wide by meters, with holes": Case(
        "timestamp,A (kWh),B (kWh)\n2025-03-01T00:00Z,1,\n2025-03-01T00:15Z,2,8\n2025-03-01T00:30Z,,16\n",
        {"A (kWh)": 3.0, "B (kWh)": 24.0},
        27.0,
        "accept_with_warning",
        warnings={"empty_cells": 2},
    ),
    "wide by the clock": Case(
        "Tag;Zähler;00:00;06:00;12:00;18:00\n01.03.2025;M1;1,5;2;4;8\n02.03.2025;M1;1;1;1;\n",
        {"M1": 18.5},
        18.5,
        "accept_with_warning",
        warnings={"empty_cells": 1},
        says={
            "timestamp": "Tag",
            "meter": "Zähler",
            "clocks": {"00:00": "00:00", "06:00": "06:00", "12:00": "12:00", "18:00": "18:00"},
            "date_format": "%d.%m.%Y",
            "zone": "Europe/Berlin",
            "unit": "kwh",
            "interval_minutes": 360,
        },
    ),
    "wide by the clock, an hour twice in autumn": Case(
        "date,H1,H2,H3,H3b,H4\n2025-10-25,1,1,1,,1\n2025-10-26,1,2,4,8,16\n2025-10-27,1,1,1,,1\n",
        {"": 39.0},
        39.0,
        "accept_with_warning",
        warnings={"empty_cells": 2, "gap_intervals": 40},
        says={
            "timestamp": "date",
            "clocks": {"H1": "00:00", "H2": "01:00", "H3": "02:00", "H3b": "02:00", "H4": "03:00"},
            "zone": "Europe/Berlin",
            "unit": "kwh",
            "interval_minutes": 60,
        },
    ),
    "times without a zone": Case(plain("1", at="2025-03-01T00:{:02}"), {}, verdict="reject", reasons={"no_zone": 1}),
    "day or month first": Case(
        "timestamp,kwh\n01/02/2025 00:00,1\n", {}, verdict="reject", reasons={"ambiguous_date": 1}, tz="UTC"
    ),
    "a date in the wrong order": Case(
        german("1|2").replace("01.03.2025 00:15", "03/28/2025 00:15"),
        {"": 1.0},
        verdict="quarantine",
        reasons={"bad_timestamp": 1},
        says=DE | {"interval_minutes": 15},
    ),
    "NaN, inf, 1e309": Case(plain("1", "NaN", "inf", "1e309"), {"": 1.0}, 1.0, "quarantine", {"not_a_number": 3}),
    "the year 9999 and a billion": Case(
        plain("1", "2", "4") + "9999-12-31T00:00Z,1\n2025-03-01T00:45Z,1e10\n",
        {"": 7.0},
        7.0,
        "quarantine",
        {"future_timestamp": 1, "implausible": 1},
    ),
    "a formula and a template for names": Case(
        "meter,timestamp,kwh\n=cmd|' /C calc'!A0,2025-03-01T00:00Z,1\n=cmd|' /C calc'!A0,2025-03-01T00:15Z,1\n"
        "{{ 7*7 }},2025-03-01T00:00Z,2\n{{ 7*7 }},2025-03-01T00:15Z,2\n",
        {"=cmd|' /C calc'!A0": 2.0, "{{ 7*7 }}": 4.0},
        6.0,
    ),
}


def workbook(fill: Callable[[Any, Any], None]) -> Callable[[Path], None]:
    """A workbook of xlsxwriter; fill gets it and a format of dates."""

    def write(path: Path) -> None:
        import xlsxwriter

        with xlsxwriter.Workbook(str(path)) as book:
            fill(book, book.add_format({"num_format": "dd.mm.yyyy hh:mm"}))

    return write


def rows_of(sheet: Any, dates: Any, first_row: int, values: list[float]) -> None:
    for place, value in enumerate(values):
        at = datetime(2025, 3, 1) + timedelta(minutes=15 * place)  # noqa: DTZ001
        sheet.write_datetime(first_row + place, 0, at, dates)
        sheet.write_number(first_row + place, 1, value)


def _titled(book: Any, dates: Any) -> None:
    sheet = book.add_worksheet("Export")
    sheet.merge_range("A1:B1", "Stadtwerke, load profile of M1")
    sheet.write_row("A3", ["Zeitpunkt", "Energie"])
    rows_of(sheet, dates, 3, [1.5, 2.25, 1 / 3])
    sheet.write_formula("B7", "=B4*2", None, 3.0)
    sheet.write_datetime("A7", datetime(2025, 3, 1, 0, 45), dates)  # noqa: DTZ001


def _two_sheets(book: Any, dates: Any) -> None:
    book.add_worksheet("Cover").write("A1", "see the other sheet")
    sheet = book.add_worksheet("Data")
    sheet.write_row("A1", ["timestamp", "kWh"])
    rows_of(sheet, dates, 1, [1.5, 2.5])


def _texts(book: Any, dates: Any) -> None:
    sheet = book.add_worksheet()
    sheet.write_row("A1", ["timestamp", "kWh"])
    for place, value in enumerate(["1,5", "2,25", "=1+1", "x"]):
        sheet.write_datetime(1 + place, 0, datetime(2025, 3, 1, 0, 15 * place), dates)  # noqa: DTZ001
        sheet.write_string(1 + place, 1, value)


def _date_and_clock(book: Any, dates: Any) -> None:
    sheet, day, clock = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format()
    clock.set_num_format("hh:mm")
    sheet.write_row("A1", ["Date", "Time", "kWh"])
    for place in range(3):
        sheet.write_datetime(1 + place, 0, datetime(2025, 3, 1), day)  # noqa: DTZ001
        sheet.write_number(1 + place, 1, place / 96, clock)
        sheet.write_number(1 + place, 2, 1.5)


SHEETS: dict[str, Case] = {
    "a merged title and a formula": Case(
        workbook(_titled),
        {"": 7.083333333},
        7.083333333,
        says={"timestamp": "Zeitpunkt", "value": "Energie", "unit": "kwh", "header_line": 3, "zone": "Europe/Berlin"},
    ),
    "two sheets": Case(workbook(_two_sheets), {"": 4.0}, 4.0, says={"value": "kWh", "sheet": "Data", "zone": "UTC"}),
    "the cover alone": Case(workbook(_two_sheets), {}, verdict="reject", reasons={"no_rows": 1}),
    "texts that look like formulas": Case(
        workbook(_texts), {"": 3.75}, 3.75, "quarantine", {"not_a_number": 2}, tz="UTC"
    ),
    "date and clock in two columns": Case(
        workbook(_date_and_clock),
        {"": 4.5},
        4.5,
        says={"timestamp": "Date", "clock": "Time", "value": "kWh", "zone": "UTC"},
    ),
}

START = datetime(2025, 3, 1, tzinfo=UTC)
UTC_TIMES = [START + timedelta(minutes=15 * place) for place in range(3)]
LOCAL_TIMES = [each.replace(tzinfo=None) for each in UTC_TIMES]
HALVES = [0.5, 1.5, 2.5]
STEPS: tuple[Literal["ms", "us", "ns"], ...] = ("ms", "us", "ns")


def parquet(times: pl.Series, values: pl.Series, **more: list[str]) -> Callable[[Path], None]:
    frame = pl.DataFrame({"timestamp": times, **more, "kwh": values})
    return frame.write_parquet


COLUMNS: dict[str, Case] = {
    **{
        f"{unit} of UTC": Case(
            parquet(pl.Series(UTC_TIMES, dtype=pl.Datetime(unit, "UTC")), pl.Series(HALVES)), {"": 4.5}, 4.5
        )
        for unit in STEPS
    },
    "a zone of its own": Case(
        parquet(pl.Series(UTC_TIMES).dt.convert_time_zone("Australia/Lord_Howe"), pl.Series(HALVES)), {"": 4.5}, 4.5
    ),
    "local times, zone given": Case(
        parquet(pl.Series(LOCAL_TIMES), pl.Series(HALVES)), {"": 4.5}, 4.5, tz="Europe/Berlin"
    ),
    "local times, no zone": Case(
        parquet(pl.Series(LOCAL_TIMES), pl.Series(HALVES)), {}, verdict="reject", reasons={"no_zone": 1}
    ),
    "decimals": Case(
        parquet(pl.Series(UTC_TIMES), pl.Series([Decimal("0.500"), Decimal("1.125"), Decimal("2.375")])), {"": 4.0}, 4.0
    ),
    "names by a dictionary": Case(
        parquet(
            pl.Series([*UTC_TIMES, *UTC_TIMES]),
            pl.Series([1.0, 2, 4, 8, 16, 32]),
            meter=pl.Series(["a", "a", "a", "b", "b", "b"], dtype=pl.Categorical),  # type: ignore[arg-type]
        ),
        {"a": 7.0, "b": 56.0},
        63.0,
    ),
    "holes and no numbers": Case(
        parquet(pl.Series(UTC_TIMES), pl.Series([1.0, None, float("nan")])),
        {"": 1.0},
        1.0,
        "quarantine",
        {"not_a_number": 2},
    ),
    "a time that is missing": Case(
        parquet(pl.Series([*UTC_TIMES[:2], None]), pl.Series(HALVES)),
        {"": 2.0},
        2.0,
        "quarantine",
        {"bad_timestamp": 1},
    ),
    "whole numbers of Wh": Case(
        lambda path: pl.DataFrame(
            {"timestamp": UTC_TIMES, "wh": pl.Series([100, 200, 300], dtype=pl.UInt16)}
        ).write_parquet(path),
        {"": 600.0},
        0.6,
    ),
}
ALL = (
    {f"csv: {name}": case for name, case in TABLES.items()}
    | {f"xlsx: {name}": case for name, case in SHEETS.items()}
    | {f"parquet: {name}": case for name, case in COLUMNS.items()}
)


def sniffed(path: Path, case: Case) -> SniffReport:
    """The report of the case's file."""
    if callable(case.content):
        case.content(path)
    else:
        path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    mapping = ColumnMap.model_validate(case.says) if case.says else None
    return sniff_file(path, mapping=mapping, tz=case.tz, now_utc=NOW_UTC)


@pytest.mark.parametrize("name", ALL)
def test_a_table_has_the_verdict_and_the_sums_that_a_person_works_out(name: str, tmp_path: Path) -> None:
    case, path = ALL[name], tmp_path / f"table{'.csv' if name.startswith('csv') else '.' + name.partition(':')[0]}"
    report = sniffed(path, case)
    assert (report.verdict, report.reasons) == (case.verdict, case.reasons), report.message
    by_name = {channel.meter: channel.sum for channel in report.channels}
    by_register = {f"{channel.meter}.{channel.channel}": channel.sum for channel in report.channels}
    assert case.sums in (by_name, by_register)
    if case.verdict == "accept_with_warning" or case.warnings:
        assert report.warnings == case.warnings
    if case.kwh is not None:
        assert sum(channel.sum_kwh or 0 for channel in report.channels) == pytest.approx(case.kwh, abs=1e-12)
    if case.verdict == "reject":
        assert report.message.count("\n") == 0
        assert str(path) in report.message
        assert "line 1" in report.message or "line 2" in report.message


@pytest.mark.parametrize(
    ("written", "unit", "kwh"),
    [("therms", "therm", 29.3071), ("thm", "therm", 29.3071), ("Dth", "mmbtu", 293.07107),
     ("MMBtu", "mmbtu", 293.07107),
     ("Btu", "btu", 0.000293071), ("GJ", "gj", 277.777778), ("kcal", "kcal", 0.001163), ("Mcal", "mcal", 1.163),
     ("Gcal", "gcal", 1163.0), ("CCF", "ccf", None), ("kVAh", "kvah", None), ("cu ft", "ft3", None)],
)  # fmt: skip
def test_units_of_gas_and_heat_as_portals_write(tmp_path: Path, written: str, unit: str, kwh: float | None) -> None:
    path = tmp_path / "m.csv"
    rows = "".join(f"2025-03-03 {hour:02}:00;1000\n" for hour in range(24))
    for names in (f"Verbrauch ({written})", f"Verbrauch\nDatum;{written}", f"Verbrauch\n;[{written}]"):
        path.write_text(f"Zeit;{names}\n{rows}")
        report = sniff_file(path, tz="Europe/Berlin", facts=FileFacts(tz="Europe/Berlin"))
        assert report.draft is not None, report.message
        channel = read_file(path, mapping=report.draft.column_map()).report.channels[0]
        assert (channel.unit, channel.intervals, channel.sum) == (unit, 24, 24_000.0)
        assert channel.sum_kwh == (kwh if kwh is None else pytest.approx(24_000 * kwh, rel=1e-6))


def test_one_name_over_several_units_names_no_column(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = "".join(f"03.03.2025 {hour:02}:00;1,5;1,5;2,5;2,5\n" for hour in range(24))
    path.write_text(";Halle 1;;Halle 2;\nDatum;kWh;kW;kWh;kW\n" + rows)
    report = sniff_file(path, tz="Europe/Berlin", facts=FileFacts(tz="Europe/Berlin"))
    assert (report.verdict, report.draft) == ("reject", None)
