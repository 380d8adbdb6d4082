"""A proposed column map says what the content shows and leaves open what it does not. It is never applied."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.readings.drafts.drafting import draft_map
from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.yaml_file import load_model
from tests.readings.rooms import Bench, plant

FOREIGN = "Day;Point;Verbrauch;Temp_C\n" + "".join(
    f"{13 + n // 4:02}.02.2025 {n % 4:02}:00;{point};{n},5;{n}\n" for n in range(8) for point in ("DE-1", "DE-2")
)


def propose(path: Path) -> str:
    draft = draft_map(path)
    return draft.yaml() if draft else ""


def loaded(text: str, folder: Path) -> ColumnMap:
    path = folder / "proposed.yaml"
    path.write_text(text)
    return load_model(path, ColumnMap)


def test_a_foreign_table_is_refused_with_a_map_that_a_person_can_complete(bench: Bench) -> None:
    path = bench.file(FOREIGN)
    report = sniff_file(path)
    assert (report.verdict, report.accepted_rows) == ("reject", 0)
    assert 'date_format: "%d.%m.%Y %H:%M"' in report.proposal_yaml
    assert "zone: # the times have no offset" in report.proposal_yaml
    mapping = loaded(report.proposal_yaml, bench.folder)
    assert (mapping.timestamp, mapping.meter, mapping.value) == ("Day", "Point", "Verbrauch")
    assert mapping.meters == {"DE-1": "de_1", "DE-2": "de_2"}
    accepted = mapping.model_copy(
        update={"meters": {"DE-1": "main", "DE-2": "press"}, "zone": "Europe/Berlin", "unit": "kwh"}
    )
    assert bench.ingest(path, mapping=accepted).accepted_rows == 16
    assert bench.values("main")[::4] == [(n + 0.5) / 4 for n in range(8)]


def test_a_table_that_reads_as_it_is_gets_no_proposal(bench: Bench) -> None:
    path = bench.file("timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,2\n")
    report = sniff_file(path)
    assert (report.verdict, report.proposal, report.confidence) == ("accept", {}, 1.0)
    assert report.reading["time_column"] == "timestamp"
    assert report.reading["dates"] == "ISO 8601"
    assert report.reading["zone"] == "offsets in the file"
    assert report.reading["separator"] == ","


@pytest.mark.parametrize(
    ("days", "line"),
    [
        (("01/02/2025",), '# "%d/%m/%Y %H:%M" or "%m/%d/%Y %H:%M": the file does not say'),
        (("01/02/2025", "02/02/2025"), 'date_format: "%d/%m/%Y %H:%M"'),
        (("02/01/2025", "02/02/2025"), 'date_format: "%m/%d/%Y %H:%M"'),
        (("12/02/2025", "13/02/2025"), 'date_format: "%d/%m/%Y %H:%M"'),
        (("02/12/2025", "02/13/2025"), 'date_format: "%m/%d/%Y %H:%M"'),
        (("2025/02/12", "2025/02/13"), 'date_format: "%Y/%m/%d %H:%M"'),
        (("12-Feb-2025", "13-Feb-2025"), 'date_format: "%d-%b-%Y %H:%M"'),
        (("12.02.2025", "2025-02-13"), 'date_formats: ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"]'),
    ],
)
def test_the_date_style_is_taken_from_the_content_or_left_open(bench: Bench, days: tuple[str, str], line: str) -> None:
    rows = "".join(f"{day} {hour:02}:00,{hour}.5\n" for day in days for hour in range(24))
    proposal = propose(bench.file("When,Reading\n" + rows))
    assert line in proposal
    loaded(proposal, bench.folder)


def test_two_date_styles_are_read_in_the_declared_order(bench: Bench) -> None:
    text = "When,kwh\n12.02.2025 00:00,1\n2025-02-12 01:00,2\nnever,3\n"
    mapping = ColumnMap(
        timestamp="When", meters={"any": "main"}, zone="UTC", date_formats=("%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M")
    )
    assert bench.ingest(text, mapping=mapping).reasons == {"bad_timestamp": 1}
    assert bench.values() == [0.25] * 4 + [0.5] * 4


def test_midnights_of_the_day_they_end_are_noticed(bench: Bench) -> None:
    rows = [f"{day:02}.01.2025 {n // 4:02}:{n % 4 * 15:02},1.5\n" for day in (1, 2) for n in (*range(1, 96), 0)]
    proposal = propose(bench.file("Zeit,Wert\n" + "".join(rows)))
    assert "midnight: end" in proposal
    assert "label: end" in proposal


def test_amounts_of_dates_that_are_weeks_apart_are_asked_about(bench: Bench) -> None:
    bills = [
        f"{day}.{month:02}.2025;{300 + month * 7 % 5}" for month, day in zip(range(1, 13), [28, 27] * 6, strict=True)
    ]
    for order in (bills, bills[::-1]):
        path = bench.file("\n".join(["Rechnungsdatum;Verbrauch [kWh]", *order, ""]))
        draft = sniff_file(path, tz="Europe/Berlin").draft
        assert draft is not None
        (question,) = draft.questions
        assert (question.key, question.answers) == ("until_next_row", ("true", "false"))
        mapping = draft.column_map().model_copy(update={"until_next_row": True})
        assert read_file(path, mapping=mapping).rows["source_minutes"].min() >= 28 * 1440  # type: ignore[operator]


@pytest.mark.parametrize(
    ("header", "row", "keys"),
    [
        ("Date,Time,kWh", "{day},{clock},1.5", {"timestamp": "Date", "clock": "Time"}),
        ("timestamp,sensor,kWh", "{day}T{clock},a,1.5\n{day}T{clock},b,2.5", {"meter": "sensor"}),
    ],
)
def test_a_plain_shape_that_takes_two_readings_for_one_is_read_otherwise(
    bench: Bench, header: str, row: str, keys: dict[str, str]
) -> None:
    rows = "".join(row.format(day=f"2025-01-0{n // 24 + 1}", clock=f"{n % 24:02}:00") + "\n" for n in range(48))
    draft = sniff_file(bench.file(f"{header}\n{rows}"), tz="Europe/Berlin").draft
    assert draft is not None
    assert {name: draft.keys.get(name) for name in keys} == keys
    assert (draft.reads, draft.questions) == (rows.count("\n"), ())


def test_units_are_guessed_from_names_and_said_to_be_guesses(bench: Bench) -> None:
    frame = pl.DataFrame(
        {
            "measured_on": ["2025-01-01 00:00", "2025-01-01 01:00"],
            "Load (kW)": [1.0, 2.0],
            "temp_f": [3.0, None],
            "x": [0.5, 0.0],
        }
    )
    path = bench.folder / "a.parquet"
    frame.write_parquet(path)
    proposal = propose(path)
    mapping = loaded(proposal, bench.folder)
    assert mapping.units == {"Load (kW)": "kw", "temp_f": "degf"}
    assert '"x": x # unit unknown' in proposal
    assert "1 cells are empty" in proposal


def test_names_from_outside_stay_text(bench: Bench) -> None:
    evil = ["a: b", "{{ 7*7 }}", "!!python/object:os.system", "'; drop table x; --", "<script>alert(1)</script>", "# x"]
    header = "when;" + ";".join(f'"{name}"' for name in evil)
    rows = "".join(f"2025-01-01 {hour:02}:00" + f";{hour}.5" * len(evil) + "\n" for hour in range(5))
    mapping = loaded(propose(bench.file(f"{header}\n{rows}")), bench.folder)
    assert list(mapping.values) == evil


@pytest.mark.parametrize("content", ["<xml/>", "no times here,1\na,b\n", "", "timestamp,kwh\n", "\x00"])
def test_what_is_no_table_of_times_gets_none(bench: Bench, content: str) -> None:
    assert propose(bench.file(content)) == ""


cells = st.one_of(
    st.just(""),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=12),
    st.datetimes().map(str),
    st.floats().map(str),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
@example([["", "", "*"], ["", "", ""]], ",")
@example([["", "^.*$", ""], ["", "", ""]], ",")
def test_no_content_makes_a_proposal_that_cannot_be_loaded(
    tmp_path_factory: Any, rows: list[list[str]], mark: str
) -> None:
    folder = tmp_path_factory.mktemp("p")
    path = folder / "a.csv"
    text = mark.join(["when", "who", "what"]) + "\n" + "".join(mark.join(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    report = sniff_file(path, site=plant())
    if report.proposal:
        loaded(report.proposal_yaml, folder)


LASTGANG = (
    "Kunde;Muster AG\nZeitraum;Januar\n\nDatum;Uhrzeit;Wert\n"
    "13.01.2025;00:00;1.234,5\n13.01.2025;00:15;1.000,5\n13.01.2025;00:30;1.000,0\n"
)
USAGE = (
    'Name,JANE DOE\nAddress,"1 Main St, Springfield"\n\nDATE,START TIME,USAGE\n'
    "03/13/2025,12:00 AM,0.15\n03/13/2025,12:15 AM,0.25\n03/13/2025,12:30 AM,0.5\n"
)
BY_THE_CLOCK = "Tag;00:15;00:30;00:45;24:00\n13.01.2025;1,5;2,5;3,5;4,5\n14.01.2025;1;1;1;1\n"


@pytest.mark.parametrize(
    ("text", "own", "total"),
    [
        (LASTGANG, {"zone": "Europe/Berlin", "unit": "kwh"}, 3235.0),
        (USAGE, {"zone": "America/Los_Angeles", "unit": "kwh"}, 0.9),
        (BY_THE_CLOCK, {"zone": "Europe/Berlin", "unit": "kwh", "interval_minutes": 15}, 16.0),
    ],
    ids=["titles, date and clock, thousands", "titles, AM and PM", "a column for each time of day"],
)
def test_what_a_person_adds_to_a_proposal_is_what_the_file_does_not_say(
    bench: Bench, text: str, own: dict[str, Any], total: float
) -> None:
    path = bench.file(text)
    refused = sniff_file(path)
    assert refused.verdict == "reject"
    report = sniff_file(path, mapping=loaded(refused.proposal_yaml, bench.folder).model_copy(update=own))
    assert report.verdict in ("accept", "accept_with_warning")
    assert [channel.sum for channel in report.channels] == [total]


def test_times_that_name_their_offset_ask_whose_name_it_is(bench: Bench) -> None:
    rows = "".join(f"04-Mar-24 {12 + n:02}:00:00 PM EST,{n}.5\n" for n in range(1))
    rows += "".join(f"04-Mar-24 {n:02}:00:00 PM EST,{n}.5\n" for n in range(1, 12))
    path = bench.file(
        "history:/Plant/Main\nTimestamp,Trend Flags,Status,Value (kWh)\n" + rows.replace(",", ",{ },{ok},")
    )
    text = propose(path)
    assert "zone: # the times name an offset that several zones have" in text
    mapping = loaded(text, bench.folder).model_copy(update={"zone": "America/New_York", "meters": {"any": "main"}})
    assert (mapping.date_format, mapping.header_line) == ("%d-%b-%y %I:%M:%S %p %Z", 2)
    assert bench.ingest(path, mapping=mapping).accepted_rows == 12
    assert f"{bench.starts()[0]:%Y-%m-%dT%H:%M}" == "2024-03-04T17:00"


def test_times_that_name_utc_ask_for_no_zone(bench: Bench) -> None:
    rows = "".join(f"2024-03-04 {n:02}:00 UTC,{n}.5\n" for n in range(12))
    text = propose(bench.file(f"When,Verbrauch kWh\n{rows}"))
    assert "zone:" not in text
    assert loaded(text, bench.folder).date_format == "%Y-%m-%d %H:%M %Z"


def test_a_question_of_day_or_month_keeps_the_offset_behind_it(bench: Bench) -> None:
    rows = "".join(f"04/03/2024 {n:02}:00 +0100,{n}.5\n" for n in range(12))
    draft = draft_map(bench.file(f"When,Verbrauch kWh\n{rows}"))
    assert draft is not None
    [asked] = [each for each in draft.questions if each.key == "date_format"]
    assert set(asked.answers) == {"%d/%m/%Y %H:%M %z", "%m/%d/%Y %H:%M %z"}


def test_a_unit_behind_each_number_is_the_columns(bench: Bench) -> None:
    text = "When,Object,Object Value\n" + "".join(f"2024-03-04T{n:02}:00Z,Main,{n}.5 kWh\n" for n in range(12))
    draft = draft_map(bench.file(text))
    assert draft is not None
    mapping = draft.column_map().model_copy(update={"meters": {"any": "main"}})
    assert (mapping.value, mapping.unit) == ("Object Value", "kwh")
    report = bench.ingest(f"{text}2024-03-04T12:00Z,Main,0.5kWh\n2024-03-04T13:00Z,Main,700 Wh\n", mapping=mapping)
    # Of another unit a number is not taken for the column's.
    assert (report.accepted_rows, report.reasons) == (13, {"not_a_number": 1})
    assert sum(bench.values()) == pytest.approx(sum(n + 0.5 for n in range(12)) + 0.5)


def test_an_hour_written_with_its_date_is_no_count_of_seconds(bench: Bench) -> None:
    rows = "".join(f"433;202403040{n};{n}.5\n" for n in range(8))
    path = bench.file(f"STATIONS_ID;MESS_DATUM;TT_TU\n{rows}")
    draft = draft_map(path)
    assert draft is not None
    mapping = draft.column_map().model_copy(update={"zone": "UTC"})
    assert (mapping.date_format, mapping.value, mapping.unit) == ("%Y%m%d%H", "TT_TU", "degc")
    report = sniff_file(path, mapping=mapping)
    assert f"{report.channels[0].start_utc:%Y-%m-%dT%H:%M}" == "2024-03-04T00:00"


def test_a_date_format_that_no_time_has_is_one_sentence(bench: Bench) -> None:
    path = bench.file("timestamp,kwh\n2025-01-01 00:00,1\n")
    mapping = ColumnMap(value="kwh", unit="kwh", zone="UTC", date_format="%Y-%m-%d %H:%I")
    assert (
        sniff_file(path, mapping=mapping)
        .message.partition(": ")[2]
        .startswith("no time can be read by the date format '%Y-%m-%d %H:%I'")
    )


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Load kWh/h", "kw"), ("kWh/h", "kw"), ("Leistung/kW", "kw"), ("Energie/kWh", "kwh"), ("Flow m3/h", "m3_per_h"),
     ("Preis ct/kWh", None), ("gCO2/kWh", None), ("Intensity kgCO₂eq/MWh (direct)", None),
     ("grid_kgco2e_per_kwh", "kgco2e_per_kwh")],
)  # fmt: skip
def test_a_price_or_an_emission_of_each_kwh_is_no_energy(bench: Bench, name: str, unit: str | None) -> None:
    rows = "".join(f"2024-03-04T{n:02}:00Z,{n}.5\n" for n in range(8))
    report = sniff_file(bench.file(f"timestamp,{name}\n{rows}"))
    assert (report.channels[0].unit if report.channels else None) == unit
