"""Files as ordinary programs export them are read to the last digit with the map that they and the site propose."""

import re
from pathlib import Path

import pytest
import xlsxwriter

from assets.readings.drafts.drafting import draft_map
from assets.readings.drafts.map_draft import FileFacts, glob_of
from assets.readings.sniff_files import read_file, sniff_file
from tests.readings.ordinary_files import Style, home, local_starts, rows_of, style, works, write
from tests.readings.rooms import Bench

# Enough for each separator, encoding, date style, shape and title to meet most others; a thousand more were tried.
SEEDS = range(24)


def read_by_its_own_map(chosen: Style, folder: Path) -> bool:
    """The drafted map reads what was written; only what stands below the readings is refused."""
    path, truth, site, _ = write(chosen, folder)
    facts = FileFacts(unit="kwh") if chosen.shape in ("hours", "numbered") else FileFacts()
    draft = draft_map(path, site=site, facts=facts)
    assert draft is not None
    assert draft.questions == ()
    assert draft.confidence >= 0.85
    found = read_file(path, mapping=draft.column_map(), site=site)
    assert set(found.report.reasons) <= {"bad_timestamp"}
    return rows_of(found.rows) == truth


def test_every_reading_of_an_ordinary_file_is_the_one_that_was_written(tmp_path: Path) -> None:
    wrong = [seed for seed in SEEDS if not read_by_its_own_map(style(seed), tmp_path)]
    assert wrong == []


def hours(text: str, form: str = "%d.%m.%Y %H:%M", *, month: int = 1, zone: str = "Europe/Berlin") -> str:
    """Lines of hours of local time; {t} and {n} in the text."""
    starts = local_starts(month, 60, zone)
    return "".join(text.format(t=start.strftime(form), n=n % 40) + "\n" for n, start in enumerate(starts))


@pytest.mark.parametrize("hour", ["{0}:{1:02}", "{0:02}{1:02}"])
def test_an_hour_that_iso_8601_does_not_write_so_is_declared(bench: Bench, hour: str) -> None:
    starts = local_starts(1, 15)
    lines = [f"{start:%Y-%m-%d} {hour.format(start.hour, start.minute)};1,5" for start in starts]
    path = bench.file("\n".join(["Zeit;Verbrauch [kWh]", *lines, ""]))
    draft = draft_map(path, site=home())
    assert draft is not None
    assert read_file(path, mapping=draft.column_map(), site=home()).rows["interval_start_utc"].to_list() == starts


def test_a_zone_that_the_times_disprove_is_asked_for_and_not_taken(bench: Bench) -> None:
    path = bench.file("Zeit;Verbrauch [kWh]\n" + hours("{t};{n},5", month=3, zone="Etc/GMT-1"))
    draft = draft_map(path, site=home())
    assert draft is not None
    assert [question.key for question in draft.questions] == ["zone"]
    assert "skips in spring" in draft.questions[0].text
    assert draft_map(path, site=home(), facts=FileFacts(tz="Etc/GMT-1")).questions == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("zone", "all_year"),
    [("Europe/Berlin", ("Etc/GMT-1",)), ("Europe/Dublin", ("Etc/GMT",))],
)
def test_a_clock_without_summer_time_is_that_of_the_winter(bench: Bench, zone: str, all_year: tuple[str, ...]) -> None:
    path = bench.file("Zeit;Verbrauch [kWh]\n" + hours("{t};{n},5", month=3, zone="Etc/GMT"))
    draft = draft_map(path, site=home(), facts=FileFacts(tz=zone))
    assert draft is not None
    assert [each.answers for each in draft.questions if each.key == "zone"] == [all_year]


def test_a_change_of_the_clock_in_the_file_makes_its_zone_surer(bench: Bench) -> None:
    text = "Zeit;Verbrauch [kWh]\n"
    across, within = (bench.file(text + hours("{t};{n},5", month=m), f"{m}.csv") for m in (10, 1))
    surer, sure = (draft_map(path, site=home()) for path in (across, within))
    assert surer is not None
    assert sure is not None
    assert surer.confidence > sure.confidence


@pytest.mark.parametrize(
    ("header", "facts", "key"),
    [
        ("Zeit;Halle Nord [kWh]", FileFacts(), "values"),
        ("Zeit;Wert", FileFacts(meter="z1"), "units"),
        ("Zeit;Zähler 9 [kWh]", FileFacts(), "values"),
    ],
    ids=["a meter that nobody knows", "no unit anywhere", "a number of no meter"],
)
def test_what_neither_file_nor_site_says_is_a_question(bench: Bench, header: str, facts: FileFacts, key: str) -> None:
    draft = draft_map(bench.file(header + "\n" + hours("{t};{n},5")), site=works(), facts=facts)
    assert draft is not None
    assert [question.key for question in draft.questions] == [key]
    assert draft.confidence <= 0.5


@pytest.mark.parametrize(
    ("column", "stream"),
    [
        ("z2 [kWh]", "z2"),
        ("Zaehler 02 (kWh)", "z2"),
        ("ZÄHLER 2 - Wirkarbeit kWh", "z2"),
        ("kaelte halle [kWh]", "kaelte"),
        ("Außentemperatur [°C]", "outdoor_degc"),
    ],
)
def test_foreign_names_are_matched_by_name_id_and_number(bench: Bench, column: str, stream: str) -> None:
    draft = draft_map(bench.file(f"Zeit;{column}\n" + hours("{t};{n},5")), site=works())
    assert draft is not None
    assert draft.keys["values"] == {column: stream}
    assert draft.questions == ()


def test_whole_numbers_too_large_for_their_heading_are_asked_about(bench: Bench) -> None:
    path = bench.file("Zeit;Zähler 1 [kWh]\n" + hours("{t};9{n}0"))
    draft = draft_map(path, site=works())
    assert draft is not None
    assert "wh" in draft.questions[0].answers
    with_unit = draft_map(path, site=works(), facts=FileFacts(unit="wh"))
    assert with_unit is not None
    assert (with_unit.questions, with_unit.keys["units"]) == ((), {"Zähler 1 [kWh]": "wh"})
    loaded = works().model_copy(
        update={"meters": tuple(m.model_copy(update={"connected_load_kw": 900.0}) for m in works().meters)}
    )
    assert draft_map(path, site=loaded).questions == ()  # type: ignore[union-attr]


def test_points_before_three_digits_beside_whole_numbers_are_asked_about(bench: Bench) -> None:
    draft = draft_map(
        bench.file("Zeit;Zähler 1 [kWh]\n" + hours("{t};1.2{n:02}") + "15.01.2025 00:00;987\n"), site=works()
    )
    assert draft is not None
    assert [question.key for question in draft.questions] == ["decimal"]


def test_power_beside_its_energy_is_left_out_and_said(bench: Bench) -> None:
    path = bench.file("Zeit;Zähler 1 Leistung [kW];Zähler 1 Arbeit [kWh]\n" + hours("{t};{n},5;{n},25"))
    draft = draft_map(path, site=works())
    assert draft is not None
    assert draft.keys["values"] == {"Zähler 1 Arbeit [kWh]": "z1"}
    assert any("Leistung" in remark for remark in draft.remarks)


def test_letters_of_an_encoding_that_nobody_declared_are_never_guessed_when_ingested(bench: Bench) -> None:
    text = ("timestamp;Zähler 1\n" + hours("{t};{n},5", "%Y-%m-%dT%H:%M+01:00")).encode("cp1252")
    path = bench.file(text)
    report = sniff_file(path, site=works())
    assert report.reasons == {"bad_encoding": 1}
    assert report.proposal["encoding"] == "cp1252"
    assert bench.ingest(path, site=works()).reasons == {"bad_encoding": 1}


def test_a_cover_and_notes_before_the_table_of_a_workbook_are_passed_over(bench: Bench) -> None:
    path = bench.folder / "lastgang.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Deckblatt")
        book.add_worksheet("Hinweise").write_row(0, 0, ["Werte in kWh", "Stand 01.02.2025"])
        sheet = book.add_worksheet("Werte")
        for at, line in enumerate(["Zeit;Zähler 1 [kWh]", *hours("{t};{n}.5", month=10).splitlines()]):
            sheet.write_row(at, 0, line.split(";"))
    draft = draft_map(path, site=works())
    assert draft is not None
    assert draft.keys["sheet"] == "Werte"
    assert read_file(path, mapping=draft.column_map(), site=works()).rows.height == 97


PROGRAMS = {
    "a remark to the spreadsheet, a style as the name": (
        "sep=;\nVersion CSV\n\nTT.MM.JJJJ hh:mm;kWh\n" + hours("{t};{n},125"),
        {"header_line": 4, "timestamp": "TT.MM.JJJJ hh:mm", "decimal": ",", "values": {"kWh": "main"}},
    ),
    "serial numbers above, kinds and units below the names": (
        "sep=;\nVersion CSV\n\n;WR 1;WR 1\n;4711;4711\n;main;GridMs.Hz\n;Analog;Analog\n"
        "DD.MM.YYYY hh:mm:ss;[W];[Hz]\n" + hours("{t};{n}5;50,0"),
        {"header_line": 6, "data_line": 9, "timestamp": "column_1", "values": {"main": "main"}},
    ),
    "units beside the hours of the day": (
        "Datum;Einheit;"
        + ";".join(f"{n:02}:00" for n in range(24))
        + "\n"
        + "".join(f"{n:02}.01.2025;kWh;" + ";".join(["1,5"] * 24) + "\n" for n in range(11, 15)),
        {"unit": "Einheit", "interval_minutes": 60},
    ),
    "a table of the customer above": (
        "Kunde;Art;Beginn\n12345;Lastgang;2025-01-11\nZeit;Leistung kW\n" + hours("{t};{n},5"),
        {"header_line": 3, "timestamp": "Zeit", "units": {"Leistung kW": "kw"}},
    ),
    "quoted, with decimal commas between commas": (
        "Datum,Tijd van,Tijd tot,Verbruik (kWh)\n" + hours('{t},"0,{n:02}5"', "%d-%m-%Y,%H:%M,%H:59"),
        {"clock": "Tijd van", "decimal": ",", "date_format": "%d-%m-%Y %H:%M"},
    ),
    "units in a column": (
        "Zeit;OBIS;Wert;Einheit;Status\n" + hours("{t};1.8.0;{n},5;kWh;W"),
        {"values": {"Wert": "main"}, "units": {"Wert": "kwh"}},
    ),
    "both ends of the interval": ("von;bis;Energie in kWh\n" + hours("{t};{t};{n},5"), {"timestamp": "von"}),
    "the end alone, in UTC": (
        "Intervall Ende;Energie in kWh\n" + hours("{t};{n},5", "%Y-%m-%dT%H:%M:%SZ"),
        {"timestamp": "Intervall Ende", "label": "end"},
    ),
    "offsets behind dotted dates": (
        "Zeit;Energie in kWh\n" + hours("{t};{n},5", "%d.%m.%Y %H:%M %z"),
        {"date_format": "%d.%m.%Y %H:%M %z"},
    ),
}


@pytest.mark.parametrize(("text", "keys"), PROGRAMS.values(), ids=list(PROGRAMS))
def test_what_programs_write_around_their_tables_is_found(bench: Bench, text: str, keys: dict[str, object]) -> None:
    path = bench.file(text)
    draft = draft_map(path, site=home())
    assert draft is not None
    assert draft.questions == ()
    assert {name: draft.keys[name] for name in keys} == keys
    report = read_file(path, mapping=draft.column_map(), site=home()).report
    assert (report.accepted_rows, report.rejected_rows) == (96, 0)


def test_a_map_is_proposed_too_where_it_saves_rows_of_a_file_that_is_read(bench: Bench) -> None:
    rows = hours("{t};1.2{n:02},5", "%Y-%m-%dT%H:%M+01:00")
    path = bench.file("timestamp;kwh\n" + re.sub(r"1\.23\d,5", "7", rows))
    report = sniff_file(path, site=home())
    assert report.reasons == {"not_a_number": 76}
    assert report.proposal["thousands"] == "."
    assert report.draft is not None
    assert report.draft.reads == 96


def test_a_wrong_encoding_is_one_sentence(bench: Bench) -> None:
    path = bench.file("Zeit;Zähler 1\n01.01.2025 00:00;1\n".encode("cp1252"))
    draft = draft_map(path, site=works(), facts=FileFacts(unit="kwh"))
    assert draft is not None
    report = sniff_file(path, mapping=draft.column_map(encoding="utf-16-le"), site=works())
    assert "as the column map says" in report.message


@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ("lastgang_2025-03.csv", "lastgang_*.csv"),
        ("werk 01.03.2025.xlsx", "werk *.xlsx"),
        ("export_20250301T1200.csv.gz", "export_*.csv.gz"),
        ("zaehler_4711.csv", "zaehler_4711.csv"),
        ("zaehler_20123456.csv", "zaehler_20123456.csv"),
        ("2025-03.csv", "2025-03.csv"),
    ],
)
def test_a_map_is_for_files_of_other_dates_and_for_no_other_meters(name: str, glob: str) -> None:
    assert glob_of(name) == glob


def test_a_meter_that_only_this_file_tells_is_not_taken_for_the_next_file(bench: Bench) -> None:
    text = "Zeit;Zählpunkt;Wert [kWh]\n" + hours("{t};Zähler 2;{n},5")
    draft = draft_map(bench.file(text, "export_2025.csv"), site=works())
    assert draft is not None
    assert (draft.keys["values"], draft.keys["match"]) == ({"Wert [kWh]": "z2"}, "export_2025.csv")
    assert draft_map(bench.file(text, "export_2025.csv"), site=home()).keys["match"] == "export_*.csv"  # type: ignore[union-attr]
