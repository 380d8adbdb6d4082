"""Exports of utilities and home stores in shapes that are their own: what is proposed for them reads every reading."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.readings.drafts.column_kinds import direction, scaled_unit
from assets.readings.drafts.name_match import bare
from assets.readings.drafts.time_column import zone_in
from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.test_home_drafts import run

HALF_HOURS = [f"{n // 2:02}:{n % 2 * 30:02}" for n in range(49)]
SPANS = [f"{begin} - {end}" for begin, end in zip(HALF_HOURS, [*HALF_HOURS[1:-1], "00:00"], strict=False)]


def victorian(*directions: str, days: int = 3) -> str:
    """A line a day, half hours as columns, of what one meter takes and, with a roof, gives."""
    head = ["NMI", "METER SERIAL NUMBER", "CON/GEN", "DATE", "ESTIMATED?", *SPANS]
    lines = [",".join(head)]
    for day in range(days):
        date = datetime(2024, 1, 30, tzinfo=UTC) + timedelta(days=day)
        for place, way in enumerate(directions):
            values = [f"{0.1 * (place + 1) + 0.001 * ((day + at) % 7):.3f}" for at in range(48)]
            lines.append(",".join(["6305123456", "0204324", way, f"{date:%d/%b/%Y}", "N", *values]))
    return "\n".join(lines) + "\n"


def proposed(path: Path, *, unit: str | None = None, tz: str = "Australia/Melbourne") -> tuple[dict[str, object], int]:
    """Keys of the proposal, and how many rows it reads; unit: the answer to its one question."""
    draft = sniff_file(path, tz=tz).draft
    assert draft is not None
    assert [each.key for each in draft.questions] == (["unit"] if unit else [])
    mapping = draft.column_map()
    parsed = read_file(path, mapping=mapping.model_copy(update={"unit": unit}) if unit else mapping, tz=tz)
    assert parsed.rejects.is_empty()
    return dict(draft.keys), parsed.rows.height


def test_a_line_a_day_of_what_is_taken_and_given_is_two_meters(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(victorian("Consumption", "Generation"))
    keys, rows = proposed(path, unit="kwh")
    assert (keys["timestamp"], keys["date_format"], keys["meter"]) == ("DATE", "%d/%b/%Y", "CON/GEN")
    assert rows == 2 * 3 * 48
    path.write_text(victorian("Consumption"))
    keys, rows = proposed(path, unit="kwh")
    assert (keys["meter"], rows) == ("METER SERIAL NUMBER", 3 * 48)


def test_a_number_of_ten_digits_in_no_year_of_metering_is_no_time(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    rows = "".join(f"63051234{at:02},{at % 5}.5\n" for at in range(30))
    path.write_text("NMI,Usage\n" + rows)
    assert sniff_file(path, tz="Australia/Melbourne").draft is None


def blocks(days: int, end: str = "\n") -> str:
    """Quarter hours of whole days, each below titles and names of its own, as Californian utilities write them."""
    text = 'Energy Usage Information\n"For location: 1 Main St"\n\nDetailed Usage\n'
    for day in range(days):
        begin = datetime(2024, 5, 1, tzinfo=UTC) + timedelta(days=day)
        text += f'\n"Data for period starting: {begin:%Y-%m-%d} 00:00:00  for 24 hours"\n'
        text += "Energy consumption time period,Usage(Real energy in kilowatt-hours),Reading quality\n"
        for at in range(96):
            one = begin + timedelta(minutes=15 * at)
            text += f'"{one:%F %T} to {one + timedelta(minutes=15):%F %T}","{0.25 + at % 3 / 100:.2f}",""\n'
    return text[:-1] + end


def test_names_that_come_again_below_titles_of_their_own_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(blocks(3))
    keys, rows = proposed(path, tz="America/Los_Angeles")
    assert (keys["header_line"], rows) == (7, 3 * 96)
    draft = sniff_file(path, tz="America/Los_Angeles").draft
    assert draft is not None
    parsed = read_file(path, mapping=draft.column_map())
    assert parsed.report.warnings["repeated_headers"] == 2
    # A short line elsewhere is a reject, as ever.
    lines = path.read_text().splitlines()
    lines.insert(20, "torn")
    path.write_text("\n".join(lines) + "\n")
    assert read_file(path, mapping=draft.column_map()).rejects["reason"].to_list() == ["field_count"]


@pytest.mark.parametrize(
    ("form", "step"),
    [("%d-%b-%Y", timedelta(days=1)), ("%b %d, %Y", timedelta(days=1)), ("%b %d, %Y %I:%M %p", timedelta(hours=1))],
)
def test_dates_with_the_name_of_a_month_beside_amounts_of_two_decimals(
    tmp_path: Path, form: str, step: timedelta
) -> None:
    path = tmp_path / "usage.csv"
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    # From 5.10 to 23.59: each of them would be a time of day.
    rows = [f'"{begin + at * step:{form}}",{5 + at % 19}.{10 + at % 50}\n' for at in range(60)]
    path.write_text("Date,Usage (kWh)\n" + "".join(rows))
    keys, read = proposed(path, tz="America/New_York")
    assert (keys["date_format"], keys["value"], read) == (form, "Usage (kWh)", 60)
    assert "clock" not in keys


def test_a_dotted_time_of_day_beside_dates_that_come_again_is_one(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    rows = [f"{1 + at // 24:02}.03.2024;{at % 24:02}.00;{at % 7},5\n" for at in range(72)]
    path.write_text("Datum;Uhrzeit;kWh\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["clock"], read) == ("Uhrzeit", 72)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Wallbox (ID 1) Gesamtladeleistung", "Wallbox ID 1 Gesamtladeleistung"),
        ("Zähler (2) [kWh]", "Zähler 2"),
        ("Netz (L1) [kW]", "Netz L1"),
        ("Batterie (Laden)", "Batterie"),
        ("Flow (m3)", "Flow"),
        ("Verbrauch (15 min)", "Verbrauch"),
    ],
)
def test_what_a_bracket_numbers_stays_in_a_name(name: str, label: str) -> None:
    assert bare(name) == label


def test_two_wallboxes_are_two_meters(tmp_path: Path) -> None:
    path = tmp_path / "store.csv"
    rows = [f"2024-03-{1 + at // 24:02} {at % 24:02}:00,{at % 5}.5,{at % 3}.2\n" for at in range(48)]
    path.write_text("timestamp,Wallbox (ID 0) [kWh],Wallbox (ID 1) [kWh]\n" + "".join(rows))
    told = run("init", tmp_path / "p", "--from", path, "--tz", "Europe/Zurich")
    assert told.exit_code == 0, told.output
    text = next((tmp_path / "p" / "sites").glob("*.yaml")).read_text()
    assert "- meter_id: wallbox_id_0\n" in text
    assert "- meter_id: wallbox_id_1\n" in text


def test_a_time_of_day_that_is_a_span_begins_with_it(tmp_path: Path) -> None:
    path = tmp_path / "consumo.csv"
    rows = [f"{15 + n // 24}/03/2024,{n % 24:02}:00-{(n + 1) % 24:02}:00,{100 + n % 7},0.12\n" for n in range(72)]
    path.write_text("CUPS: ES0031\n\nFecha,Hora,Consumo (Wh),Importe (€)\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Madrid")
    assert (keys["clock"], keys.get("meter"), read) == ("Hora", None, 72)
    draft = sniff_file(path, tz="Europe/Madrid").draft
    assert draft is not None
    first = read_file(path, mapping=draft.column_map()).rows["interval_start_utc"].min()
    assert first == datetime(2024, 3, 14, 23, tzinfo=UTC)


def test_a_numbered_hour_of_use_is_a_clock(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    rows = [f"03/{13 + n // 24}/2024,{n % 24 + 1},{n % 7}.25\n" for n in range(72)]
    path.write_text("Usage Date,Usage Hour,Usage (kWh)\n" + "".join(rows))
    keys, read = proposed(path, tz="America/Chicago")
    assert (keys["clock"], keys["clock_from"], read) == ("Usage Hour", 1, 72)


def test_weather_in_utc_and_fahrenheit_is_known_by_its_names(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    rows = [f"2024-03-{1 + n // 24:02} {n % 24:02}:00:00,{50 + n % 9}.0,{40 + n % 5}.6\n" for n in range(72)]
    path.write_text("DateUTC,TemperatureF,Dew PointF\n" + "".join(rows))
    keys, read = proposed(path, tz="America/New_York")
    assert (keys["zone"], read) == ("UTC", 144)
    assert keys["units"] == {"TemperatureF": "degf", "Dew PointF": "degf"}


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("cp932", "日時,使用量(kWh)"),
        ("cp949", "날짜,사용량(kWh)"),
        ("cp1253", "Ημερομηνία,Κατανάλωση (kWh)"),
        ("cp1251", "Дата,Потребление (kWh)"),
        ("cp1250", "Időbélyeg,Érték (kWh)"),
        ("cp1252", "Übergabe,Zähler (kWh)"),
    ],
)
def test_the_letters_of_a_table_say_its_encoding(tmp_path: Path, encoding: str, head: str) -> None:
    path = tmp_path / "usage.csv"
    rows = [f"2024/03/{1 + n // 48:02} {n % 48 // 2:02}:{n % 2 * 30:02},{n % 9}.{n % 7}\n" for n in range(144)]
    path.write_bytes((head + "\n" + "".join(rows)).encode(encoding))
    keys, read = proposed(path, tz="Asia/Tokyo")
    assert (keys["encoding"], keys["timestamp"], read) == (encoding, head.partition(",")[0], 144)


def test_blocks_without_any_link_have_the_only_reading_type_of_their_document(tmp_path: Path) -> None:
    kind = "<ReadingType xmlns='http://naesb.org/espi'><powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom>"
    kind += "<accumulationBehaviour>4</accumulationBehaviour><flowDirection>1</flowDirection></ReadingType>"
    readings = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{1296547200 + 3600 * n}</start></timePeriod>"
        f"<value>{400 + n}</value></IntervalReading>"
        for n in range(3)
    )
    block = f"<IntervalBlock xmlns='http://naesb.org/espi'>{readings}</IntervalBlock>"
    entries = [f"<entry><content>{each}</content></entry>" for each in (kind, block)]
    path = tmp_path / "usage.xml"
    path.write_text(f"<feed xmlns='http://www.w3.org/2005/Atom'>{''.join(entries)}</feed>")
    parsed = read_file(path)
    assert (parsed.report.reasons, parsed.rows["value"].sum()) == ({}, 1203.0)
    # Of two it is not known which.
    path.write_text(
        f"<feed xmlns='http://www.w3.org/2005/Atom'>{''.join([entries[0].replace('72', '38'), *entries])}</feed>"
    )
    assert read_file(path, may_hold_none=True).report.reasons == {"no_reading_type": 3}


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("DateUTC", "UTC"),
        ("Time Bucket (America/New_York)", "America/New_York"),
        ("Date Time, GMT-05:00", "Etc/GMT+5"),
        ("Time (GMT/BST)", None),
        ("Date/Time", None),
        ("Local time (UTC offset)", None),
    ],
)
def test_a_zone_is_known_by_the_name_of_the_column(name: str, zone: str | None) -> None:
    assert zone_in(name) == zone


def test_times_of_a_zone_behind_their_offset_are_read(tmp_path: Path) -> None:
    path = tmp_path / "volum.csv"
    begin = datetime(2024, 3, 4, tzinfo=UTC)
    rows = [f"{begin + timedelta(hours=n):%Y-%m-%dT%H:%M}+01:00[Europe/Oslo],{n % 7}.5,kWh\n" for n in range(72)]
    path.write_text("Fra,Volum,Enhet\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Oslo")
    assert (keys["timestamp"], keys.get("date_format"), read) == ("Fra", None, 72)


def test_what_is_taken_and_given_by_its_sign_is_two_meters_and_numbers_of_rows_are_none(tmp_path: Path) -> None:
    path = tmp_path / "profil.csv"
    rows = [f"{n + 1};{4 + n // 24:02}.03.2024 {n % 24:02}:00;{n % 7},5;{n % 3},2\n" for n in range(72)]
    path.write_text("#;Datum;+A/784703 [kW];-A/784703 [kW]\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Prague")
    assert keys["values"] == {"+A/784703 [kW]": "import_784703_kw", "-A/784703 [kW]": "export_784703_kw"}
    assert read == 144


@pytest.mark.parametrize(
    ("taken", "given", "streams"),
    [
        ("Bezug (kWh)", "Rücklieferung (kWh)", ("werk", "werk.export")),
        ("Energija A+ (kWh)", "Energija A- (kWh)", ("energija_import", "energija_import.export")),
        ("Afname (kWh)", "Injectie (kWh)", ("afname", "afname.export")),
        ("Consumo_kWh", "energiaVertida_kWh", ("werk", "main.export")),
    ],
)
def test_what_is_given_back_is_a_register_of_the_meter_that_takes(
    tmp_path: Path, taken: str, given: str, streams: tuple[str, str]
) -> None:
    path = tmp_path / "werk.csv"
    rows = [f"{4 + n // 24:02}.03.2024 {n % 24:02}:00;{n % 7},5;{n % 3},2\n" for n in range(72)]
    path.write_text(f"Datum;{taken};{given}\n" + "".join(rows))
    told = run("init", tmp_path / "p", "--from", path, "--tz", "Europe/Zurich")
    assert told.exit_code == 0, told.output
    text = next((tmp_path / "p" / "sites").glob("*.yaml")).read_text()
    assert f'"{taken}": {streams[0]}\n' in text
    assert f'"{given}": {streams[1]}\n' in text


def weather(head: str, *columns: str, step_minutes: int = 60) -> str:
    """Weather whose times stand in columns of their own, with a code for "no reading"."""
    lines = [head + ",".join(columns)]
    for n in range(72):
        at = datetime(2024, 3, 4, tzinfo=UTC) + timedelta(minutes=step_minutes * n)
        parts = [at.year, at.month, at.day, at.hour, at.minute][: len(columns) - 1]
        lines.append(",".join(map(str, [*parts, -999 if n == 9 else 5 + n % 7])))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        (weather("-BEGIN HEADER-\nparameter(s):\nT2M (C)\n-END HEADER-\n", "YEAR", "MO", "DY", "HR", "T2M"), None),
        (weather("Source,Time Zone\nNSRDB,-7\n", "Year", "Month", "Day", "Hour", "Minute", "Temp (°C)"), "Etc/GMT+7"),
        (weather("", "year", "month", "day", "Temperature", step_minutes=1440), None),
    ],
)
def test_a_year_a_month_a_day_and_an_hour_of_their_own_are_one_time(
    tmp_path: Path, text: str, zone: str | None
) -> None:
    path = tmp_path / "weather.csv"
    path.write_text(text)
    keys, read = proposed(path, tz="America/Denver")
    assert str(keys["timestamp"]).lower() == "year"
    assert (keys["zone"], keys["missing"], read) == (zone or "America/Denver", ["-999"], 71)
    draft = sniff_file(path, tz="America/Denver").draft
    assert draft is not None
    first = read_file(path, mapping=draft.column_map()).rows["interval_start_utc"].min()
    assert first == datetime(2024, 3, 4, 7, tzinfo=UTC)


def test_a_title_with_the_zone_of_the_times_is_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    rows = [f"2024-03-{4 + n // 24:02}T{n % 24:02}:00,{n % 7}.5\n" for n in range(72)]
    path.write_text("latitude,timezone,elevation\n52.52,GMT,38.0\n\ntime,temperature_2m (°C)\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["zone"], read) == ("UTC", 72)


def test_a_date_of_its_parts_that_is_none_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text("Y,M,D,H,degc\n2024,2,29,0,1\n2024,2,30,1,1\n2024,2,29,2,1\n")
    mapping = ColumnMap(timestamp="Y", date_columns=("M", "D", "H"), zone="UTC", value="degc", meters={"any": "out"})
    parsed = read_file(path, mapping=mapping)
    assert parsed.rejects.select("source_line", "reason", "got").rows() == [(3, "bad_timestamp", "2024-02-30 01:00")]
    with pytest.raises(ValueError, match="date_columns names month and day"):
        ColumnMap(timestamp="Y", date_columns=("M",))


def test_names_in_a_second_line_under_doubled_devices_are_found(tmp_path: Path) -> None:
    path = tmp_path / "vrm.csv"
    rows = [f'"2024-03-{4 + n // 24:02} {n % 24:02}:00:00","Open","{n % 9}","{50 + n % 7}"\n' for n in range(72)]
    head = '"timestamp","Gateway","Overview [0]","Overview [0]"\n'
    head += '"Europe/Amsterdam (+01:00)","Relay","PV power","State of charge"\n"","","W","%"\n'
    path.write_text(head + "".join(rows))
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["header_line"], keys["zone"], read) == (2, "Europe/Amsterdam", 144)
    assert keys["units"] == {"PV power": "w", "State of charge": "percent"}


@pytest.mark.parametrize(("taken", "given"), [("1-1:1.29.0 (kWh)", "1-1:2.29.0 (kWh)"), ("1-0:1.9.0", "1-0:2.9.0")])
def test_codes_of_obis_say_what_is_taken_and_given(taken: str, given: str) -> None:
    assert (direction(taken), direction(given)) == ("import", "export")


@pytest.mark.parametrize(
    ("name", "is_state"), [("Zählerstand", True), ("Meter reading (kWh)", True), ("Verbrauch", False)]
)
def test_states_that_were_read_by_hand_are_known_by_their_name(tmp_path: Path, name: str, *, is_state: bool) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"Datum;{name};Einheit\n" + "".join(f"{n + 1:02}.03.2024;{1234 + 70 * n};kWh\n" for n in range(9)))
    told = run("init", tmp_path / "p", "--from", path, "--tz", "Europe/Berlin")
    assert told.exit_code == 0, told.output
    text = next((tmp_path / "p" / "sites").glob("*.yaml")).read_text()
    assert ("kind: cumulative" in text) is is_state
    # Without a site nothing reads states: that is said, and no length of theirs is asked for.
    draft = sniff_file(path, tz="Europe/Berlin").draft
    assert draft is not None
    assert draft.questions == ()
    assert any("kind: cumulative" in each for each in draft.remarks) is is_state


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("%m/%Y", [f"{n:02}/2023" for n in range(1, 13)]),
        ("%Y-%m", [f"2023-{n:02}" for n in range(1, 13)]),
        ("%b-%y", [f"{datetime(2023, n, 1, tzinfo=UTC):%b-%y}" for n in range(1, 13)]),
        ("%m.%Y", [f"{n:02}.2023" for n in range(1, 13)]),
    ],
)
def test_a_month_without_a_day_is_of_the_whole_month(tmp_path: Path, form: str, texts: list[str]) -> None:
    path = tmp_path / "bills.csv"
    path.write_text("Month,Power (kWh)\n" + "".join(f"{text},{1000 + at * 7 % 5}\n" for at, text in enumerate(texts)))
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["date_format"], read) == (form, 12)
    draft = sniff_file(path, tz="Europe/Berlin").draft
    assert draft is not None
    rows = read_file(path, mapping=draft.column_map()).rows.sort("interval_start_utc")
    assert rows["source_minutes"].to_list()[:3] == [31 * 1440, 28 * 1440, 31 * 1440 - 60]
    assert rows["interval_start_utc"][0] == datetime(2022, 12, 31, 23, tzinfo=UTC)


def test_a_status_of_one_letter_is_no_unit_and_one_behind_its_word_is(tmp_path: Path) -> None:
    path = tmp_path / "lastgang.csv"
    rows = [f"{4 + n // 96:02}.03.2024 {n // 4 % 24:02}:{n % 4 * 15:02};{n % 9},5;W\n" for n in range(192)]
    path.write_text("Kunde;Muster AG;\nEinheit;kW;\n\nZeitstempel;Wert;Status\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["value"], keys["unit"], read) == ("Wert", "kw", 192)


def test_energy_of_the_sun_on_an_area_is_no_power_on_it(tmp_path: Path) -> None:
    path = tmp_path / "plant.csv"
    rows = [f"2024-03-{4 + n // 24:02} {n % 24:02}:00,{n % 9}.5,{n % 7}.25\n" for n in range(72)]
    path.write_text("Period,Global Irradiation(kWh/㎡),Inverter Yield(kWh)\n" + "".join(rows))
    draft = sniff_file(path, tz="Europe/Berlin").draft
    assert draft is not None
    assert draft.keys["units"] == {"Inverter Yield(kWh)": "kwh"}
    assert [each.key for each in draft.questions] == ["unit"]


def test_days_of_many_rows_say_which_of_day_and_month_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "consumo.csv"
    rows = [f"ES0031;0{4 + n // 24}/03/2024;{n % 24 + 1};{n % 7},25\n" for n in range(120)]
    path.write_text("CUPS;Fecha;Hora;AE_kWh\n" + "".join(rows))
    keys, read = proposed(path, tz="Europe/Madrid")
    assert (keys["date_format"], keys["clock_from"], read) == ("%d/%m/%Y", 1, 120)
    # A row a date leaves it open: five days, or the third of five months.
    path.write_text("Fecha;AE_kWh\n" + "".join(f"0{4 + n}/03/2024;{n % 7},25\n" for n in range(5)))
    draft = sniff_file(path, tz="Europe/Madrid").draft
    assert draft is not None
    assert [each.key for each in draft.questions] == ["date_format"]


@pytest.mark.parametrize(
    ("name", "scaled"),
    [
        ("Preis (ct/kWh)", ("per_kwh", 0.01)),
        ("CO2 (g/kWh)", ("kgco2e_per_kwh", 0.001)),
        ("Carbon intensity gCO₂eq/kWh (direct)", ("kgco2e_per_kwh", 0.001)),
        ("t/MWh", ("kgco2e_per_kwh", 1.0)),
        ("Einspeisevergütung ct/kWh", None),
        ("Load kWh/h", None),
        ("Price", None),
    ],
)
def test_a_price_in_hundredths_and_an_emission_in_grams_are_read_by_a_multiplier(
    tmp_path: Path, name: str, scaled: tuple[str, float] | None
) -> None:
    assert scaled_unit(name) == scaled
    if scaled is not None:
        path = tmp_path / "export.csv"
        rows = [f"{4 + n // 24:02}.03.2024 {n % 24:02}:00;{n % 7}.5;{30 + n % 5}\n" for n in range(72)]
        path.write_text(f"Zeit;Verbrauch (kWh);{name}\n" + "".join(rows))
        keys, read = proposed(path, tz="Europe/Berlin")
        assert (keys["units"], read) == ({"Verbrauch (kWh)": "kwh", name: scaled[0]}, 144)
        assert keys.get("multipliers", {}) == ({name: scaled[1]} if scaled[1] != 1 else {})


def test_amounts_are_read_beside_the_states_of_their_counter(tmp_path: Path) -> None:
    path, total = tmp_path / "export.csv", {"A": 1000.0, "B": 5000.0}
    text = "Zeit;Zählerstand (kWh);Verbrauch (kWh);Zähler\n"
    for n in range(144):
        meter, kwh = "AB"[n % 2], 1 + n % 7
        total[meter] += kwh
        text += f"{4 + n // 48:02}.03.2024 {n // 2 % 24:02}:00;{total[meter]};{kwh}.0;{meter}\n"
    path.write_text(text)
    keys, read = proposed(path, tz="Europe/Berlin")
    assert (keys["value"], keys["meter"], read) == ("Verbrauch (kWh)", "Zähler", 144)


@pytest.mark.parametrize("names", [HALF_HOURS[:48], [f"HE{at}" for at in HALF_HOURS[1:48]] + ["HE24:00"]])
def test_four_digits_are_a_time_of_day_where_all_of_a_day_are_there(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "load.csv"
    lines = [",".join([f"2024-03-{day:02}", *(f"{at % 7}.25" for at in range(48))]) for day in range(4, 9)]
    head = [name.replace(":", "") for name in names]
    path.write_text("\n".join([",".join(["Date", *head]), *lines, ""]))
    keys, read = proposed(path, unit="kwh", tz="America/Chicago")
    assert (len(keys["clocks"]), keys.get("label"), read) == (48, "end" if "HE" in names[0] else None, 240)  # type: ignore[arg-type]
    # Years are none.
    path.write_text(
        "Date,2020,2021,2022,2023\n" + "".join(f"2024-03-{day:02},1.5,2.5,3.5,4.5\n" for day in range(4, 9))
    )
    draft = sniff_file(path, tz="America/Chicago").draft
    assert draft is not None
    assert "clocks" not in draft.keys


@pytest.mark.parametrize("odd", ["9999-12-31", "0001-01-01", "99999-01-01", "Total"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_first_row_that_is_no_day_of_a_meter_is_a_reject(tmp_path: Path, odd: str, zone: str) -> None:
    path = tmp_path / "days.csv"
    path.write_text(f"date,kwh\n{odd},2\n2024-01-01,3\n2024-01-02,3\n")
    parsed = read_file(path, tz=zone)
    assert parsed.rejects.select("source_line", "reason").rows() == [(2, "bad_timestamp")]
    assert parsed.rows["value"].to_list() == [3.0, 3.0]


def test_days_and_months_in_one_column_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("at,kwh\n03/2024,1\n04.04.2024,2\n")
    mapping = ColumnMap(timestamp="at", date_formats=("%m/%Y", "%d.%m.%Y"), zone="UTC", meters={"any": "main"})
    with pytest.raises(BadInput, match="one column holds days, or months"):
        read_file(path, mapping=mapping)
