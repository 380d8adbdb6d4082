"""Exports of portals and devices: counters handed over as amounts, identifiers among values, lines that end oddly."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.readings.bulk.read import regular_file
from assets.readings.drafts.map_draft import FileFacts
from assets.readings.drafts.site_draft import SiteDraft
from assets.readings.sniff_files import read_file, sniff_file
from assets.sites.load_sites import load_site
from data_quality.contracts.site_file.site import ColumnMap
from orchestration.cli.main import build_app
from tests.readings.ordinary_files import local_starts
from tests.readings.rooms import Bench, plant

STATES = [round(8350.274 + 0.107 * n + 0.4 * (n // 9), 3) for n in range(96)]
STATES_FILE = "timestamp,kwh\n" + "".join(
    f"2025-03-01T{n // 4:02}:{n % 4 * 15:02}Z,{state}\n" for n, state in enumerate(STATES)
)


def test_states_of_a_counter_are_held_whatever_map_names_their_unit(bench: Bench) -> None:
    site = plant(meters=[plant().meters[0]], drivers=())
    for mapping in (None, ColumnMap(unit="kwh", value="kwh")):
        report = bench.ingest(STATES_FILE, site=site, mapping=mapping)
        assert report.reasons == {"unit_suspected": 1}
        assert "never fall (8350.27 to 8364.44), as the states of a counter; give its register kind: cumulative" in (
            report.message
        )
    assert bench.values() == []


@pytest.mark.parametrize(
    "values",
    [
        # Falls once; of few kinds; small; more than twice the first; a slow start within a day.
        [*STATES[:-1], 8000.0],
        [400.0 + n // 20 for n in range(96)],
        [state / 1000 for state in STATES],
        [100.0 + 5 * n + 0.5 for n in range(96)],
        [100.0 + 0.9 * n for n in range(96)],
    ],
)
def test_a_load_that_rises_is_no_counter(bench: Bench, values: list[float]) -> None:
    rows = "".join(f"2025-03-01T{n // 4:02}:{n % 4 * 15:02}Z,{value}\n" for n, value in enumerate(values))
    site = plant(meters=[plant().meters[0]], drivers=())
    report = bench.ingest("timestamp,kwh\n" + rows, site=site, mapping=ColumnMap(unit="kwh", value="kwh"))
    assert report.new_rows == 96


def minutes_of(values: list[float], every: int) -> str:
    start = datetime(2025, 3, 1, 8, tzinfo=UTC)
    times = (start + timedelta(minutes=every * n) for n in range(len(values)))
    return "timestamp,kwh\n" + "".join(
        f"{at:%Y-%m-%dT%H:%MZ},{value}\n" for at, value in zip(times, values, strict=True)
    )


@pytest.mark.parametrize("minutes", [60, 180])
def test_a_plant_in_the_morning_sun_is_no_counter(bench: Bench, minutes: int) -> None:
    # Clear sky over 500 kW, from three hours after sunrise on: it rises with every minute.
    sunny = [round(500 / 60 * math.sin(math.pi * (180 + n) / 780), 3) for n in range(minutes)]
    site = plant(meters=[plant().meters[0]], drivers=())
    report = bench.ingest(minutes_of(sunny, 1), site=site, mapping=ColumnMap(unit="kwh", value="kwh"))
    assert (report.reasons, report.new_rows) == ({}, minutes // 15)


@pytest.mark.parametrize(
    ("first", "step", "rows", "minutes"), [(300, 1.1, 192, 15), (6200, 11.3, 31, 1440), (6200, 1.3, 24, 60)]
)
def test_a_counter_is_held_where_it_rises_for_longer_than_a_day_or_in_small_steps(
    bench: Bench, first: float, step: float, rows: int, minutes: int
) -> None:
    site = plant(meters=[plant().meters[0]], drivers=())
    text = minutes_of([round(first + step * n, 2) for n in range(rows)], minutes)
    report = bench.ingest(text, site=site, mapping=ColumnMap(unit="kwh", value="kwh"))
    assert report.reasons == {"unit_suspected": 1}
    assert "or take amounts with --accept-scale" in report.message


@pytest.mark.parametrize("is_ordered", [True, False])
def test_states_of_a_counter_are_held_in_blocks_too(tmp_path: Path, is_ordered: bool) -> None:
    path, site = tmp_path / "a.csv", plant(meters=[plant().meters[0]], drivers=())
    states = [round(8350.274 + 0.107 * n, 3) for n in range(40 * 96)]
    head, *rows = minutes_of(states, 15).splitlines(keepends=True)
    path.write_text(head + "".join(rows if is_ordered else reversed(rows)))
    mapping = ColumnMap(unit="kwh", value="kwh")
    with regular_file(path, site=site, mapping=mapping, now_utc=NOW, from_bytes=0) as file:
        assert file is None
    assert sniff_file(path, site=site, mapping=mapping).reasons == {"unit_suspected": 1}
    # One that falls once is a load like any other, and stays on the quick way.
    path.write_text(head + "".join(rows[:-1]) + rows[-1].rpartition(",")[0] + ",8000.0\n")
    with regular_file(path, site=site, mapping=mapping, now_utc=NOW, from_bytes=0) as file:
        assert file is not None


def test_a_drafted_site_reads_the_states_of_a_counter_as_its_steps(tmp_path: Path) -> None:
    path, project = tmp_path / "grid.csv", tmp_path / "p"
    path.write_text(STATES_FILE.replace("timestamp,kwh", "time,Import kWh"))
    made = CliRunner().invoke(
        build_app(("init",)), ["init", str(project), "--from", str(path), "--tz", "Europe/Berlin", "--json"]
    )
    assert made.exit_code == 0, made.stderr
    site = next((project / "sites").glob("*.yaml"))
    text = site.read_text()
    assert "kind: cumulative" in text
    report = sniff_file(path, site=load_site(site))
    assert {channel.channel: channel.sum for channel in report.channels} == {"import": round(STATES[-1] - STATES[0], 9)}


@pytest.mark.parametrize(
    ("values", "is_open"),
    [
        # A load that grows from day to day, or a counter of two days; and counters that no load could be.
        ([round(0.5 + 0.02 * n + n % 3 / 1000, 4) for n in range(192)], True),
        ([round(0.01 + 9.107 * n, 3) for n in range(192)], True),
        ([round(8350.274 + 0.107 * n, 3) for n in range(192)], False),
    ],
)
def test_what_may_be_a_load_that_grows_or_a_counter_is_asked_and_held(
    tmp_path: Path, values: list[float], is_open: bool
) -> None:
    path, project = tmp_path / "grid.csv", tmp_path / "p"
    path.write_text(minutes_of(values, 15).replace("timestamp,kwh", "Zeit,Import kWh"))
    open_text = "never falls and more than doubles: states of a counter, whose register has kind: cumulative, or"
    report = sniff_file(path, tz="UTC", facts=FileFacts(tz="UTC"))
    assert any(open_text in each.text for each in report.questions) == is_open
    with_unit = sniff_file(path, tz="UTC", facts=FileFacts(tz="UTC", unit="kwh"))
    assert not any(open_text in each.text for each in with_unit.questions)
    made = CliRunner().invoke(build_app(("init",)), ["init", str(project), "--from", str(path), "--tz", "UTC"])
    assert made.exit_code == 0, made.stderr
    site = next((project / "sites").glob("*.yaml"))
    assert (open_text in site.read_text()) == is_open
    if is_open:
        held = sniff_file(path, site=load_site(site))
        assert (held.verdict, held.reasons) == ("reject", {"unknown_unit": 1})
        # Answered: amounts, each as it stands; or the steps of a counter.
        answered = site.read_text().replace('unit: "?"', "unit: kwh")
        site.write_text(answered.replace(", kind: cumulative", ""))
        assert sniff_file(path, site=load_site(site)).channels[0].sum == pytest.approx(sum(values))
        site.write_text(answered)
        assert sniff_file(path, site=load_site(site)).channels[0].sum == pytest.approx(values[-1] - values[0])


@pytest.mark.parametrize(
    ("values", "every", "is_counter"),
    [
        # A home's panels from sunrise on, a load that grows for a day; a counter of years, and one of a month.
        ([round(5 / 60 * math.sin(math.pi * n / 960), 5) for n in range(300)], 1, False),
        ([n + 0.5 for n in range(24)], 60, False),
        ([round(8350.274 + 0.107 * n, 3) for n in range(96)], 15, True),
        ([round(9.107 * n, 3) for n in range(30)], 1440, True),
    ],
)
def test_a_drafted_site_has_a_counter_only_where_no_load_could_rise_so(
    tmp_path: Path, values: list[float], every: int, is_counter: bool
) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(minutes_of(values, every).replace("timestamp,kwh", "time,Import kWh"))
    draft = SiteDraft(time_zone="Europe/Berlin")
    draft.add_file(path)
    assert {meter.is_cumulative for meter in draft.meters.values()} == {is_counter}


NOW = datetime(2025, 6, 1, tzinfo=UTC)
HEADER = "NMI,Meter Number,Date,Interval,Start Time,End Time,Value,Unit of Measure\n"


def test_identifiers_and_counts_of_intervals_are_no_values(tmp_path: Path) -> None:
    path = tmp_path / "half_hours.csv"
    rows = (
        f"6407123456,204324,2025-03-01,{n + 1},{n // 2:02}:{n % 2 * 30:02},"
        f"{(n + 1) // 2 % 24:02}:{(n + 1) % 2 * 30:02},{n / 10},KWH\n"
        for n in range(48)
    )
    path.write_text(HEADER + "".join(rows))
    report = sniff_file(path, tz="Australia/Brisbane")
    assert (report.proposal["value"], report.proposal["unit"]) == ("Value", "Unit of Measure")
    assert report.draft is not None
    assert report.draft.reads == 48


def test_a_second_column_of_one_register_is_asked_for_and_never_left_out_unsaid(tmp_path: Path) -> None:
    path, project = tmp_path / "grid.csv", tmp_path / "p"
    path.write_text(
        "time,Import kWh,Export T1 kWh,Export T2 kWh\n"
        + "".join(f"2025-03-01T{n:02}:00Z,{n + 0.5},{n / 8},{n / 4}\n" for n in range(24))
    )
    made = CliRunner().invoke(
        build_app(("init",)), ["init", str(project), "--from", str(path), "--tz", "Europe/Berlin", "--json"]
    )
    assert '"Export T1 kWh" is main.export already: of which meter is this?' in str(json.loads(made.stdout))


def test_a_clock_whose_column_says_utc_is_of_no_other_zone(tmp_path: Path) -> None:
    path = tmp_path / "em.csv"
    path.write_text(
        "Date/time UTC,Active energy Wh (A),Returned energy Wh (A)\n"
        + "".join(f"2025-03-30 {n // 4:02}:{n % 4 * 15:02},{n % 7}.5,0.25\n" for n in range(96))
    )
    report = sniff_file(path, tz="Europe/Berlin")
    assert (report.proposal["zone"], set(report.proposal["units"].values())) == ("UTC", {"wh"})
    assert report.draft is not None
    assert report.draft.reads == 192


def test_a_table_without_any_unit_asks_for_it_in_one_question(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Day,High,Low\n" + "".join(f"2025-03-{n:02},{n % 3}.5,{n % 5}\n" for n in range(1, 29)))
    report = sniff_file(path, tz="Europe/Berlin")
    assert [(each.key, each.text) for each in report.questions] == [("unit", "not in the columns' names")]
    with_unit = sniff_file(path, tz="Europe/Berlin", facts=FileFacts(unit="kwh", tz="Europe/Berlin"))
    assert with_unit.draft is not None
    assert with_unit.draft.reads == 56


@pytest.mark.parametrize("quote", ["", '"'])
def test_lines_may_end_with_a_separator_that_the_header_has_not(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"2025-03-01T{n:02}:00Z;{quote}{n},5{quote};\n" for n in range(24)]
    path.write_text("".join(["timestamp;kwh\n", *rows]))
    report = sniff_file(path)
    assert (report.verdict, report.accepted_rows, report.rejected_rows) == ("accept_with_warning", 24, 0)
    assert [channel.sum for channel in report.channels] == [24 * 23 / 2 + 12]
    # What stands behind it is a field like any other, and no reading's.
    path.write_text("".join(["timestamp;kwh\n", *rows, "2025-03-02T00:00Z;1,5;7\n"]))
    assert sniff_file(path).rejected_rows == 0


def test_a_profile_of_a_line_a_day_is_read_where_its_numbers_look_like_times(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    clocks = [f"{n // 2:02}:{n % 2 * 30:02} - {(n + 1) // 2:02}:{(n + 1) % 2 * 30:02}" for n in range(48)]
    rows = [f"1111111111,{day}.03.2025," + ",".join(f"0.{n % 50:02}" for n in range(48)) for day in range(1, 4)]
    path.write_text("\n".join([",".join(["NMI", "DATE", *clocks]), *rows, ""]))
    report = sniff_file(path, tz="Australia/Brisbane", facts=FileFacts(unit="kwh", tz="Australia/Brisbane"))
    assert report.draft is not None
    assert report.draft.reads == 3 * 48


SPANS = "Energy consumption time period,Usage(Real energy in kilowatt-hours),Cost\n"


@pytest.mark.parametrize(
    ("row", "date_format"),
    [
        ('"{:%Y-%m-%d %H:%M:%S}\u00a0 to {:%Y-%m-%d %H:%M:%S}",{},3.1\n', None),
        ("{:%d/%m/%Y %H:%M} - {:%d/%m/%Y %H:%M},{},3.1\n", "%d/%m/%Y %H:%M"),
        ("{:%d.%m.%Y %H:%M} bis {:%d.%m.%Y %H:%M},{},3.1\n", "%d.%m.%Y %H:%M"),
    ],
)
def test_an_interval_written_whole_is_read_by_its_begin(tmp_path: Path, row: str, date_format: str | None) -> None:
    path = tmp_path / "usage.csv"
    # Across the end of summer time: the hour from two stands there twice.
    starts = [at.replace(tzinfo=None) for at in local_starts(10, 60)]
    # Falling: what rises all the time is asked for.
    rows = (row.format(at, at + timedelta(hours=1), (len(starts) - 1 - n) / 8) for n, at in enumerate(starts))
    path.write_text("Summary of usage\n" + SPANS + "".join(rows))
    report = sniff_file(path, tz="Europe/Berlin")
    assert (report.proposal["unit"], report.proposal.get("date_format")) == ("kwh", date_format)
    read = read_file(path, mapping=ColumnMap.model_validate(report.proposal))
    assert (read.report.accepted_rows, read.report.rejected_rows) == (len(starts), 0)
    assert sum(read.rows["value"]) == len(starts) * (len(starts) - 1) / 16
    assert read.rows["interval_start_utc"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]


def test_gas_in_two_units_is_read_once_in_its_energy(tmp_path: Path) -> None:
    path = tmp_path / "gas.csv"
    rows = (
        f"2025-03-{day:02} {hour:02}:00;Offtake;{volume};{unit}\n"
        for day in range(1, 4)
        for hour in range(24)
        for unit, volume in (("m³", hour / 8), ("kWh", hour))
    )
    path.write_text("From;Register;Volume;Unit\n" + "".join(rows))
    report = sniff_file(path, tz="Europe/Brussels")
    assert (report.proposal["where"], report.proposal["value"]) == ({"Unit": "kWh"}, "Volume")
    read = read_file(path, mapping=ColumnMap.model_validate(report.proposal)).report
    assert [(channel.unit, channel.sum) for channel in read.channels] == [("kwh", 3 * 24 * 23 / 2)]
    # Volumes without an energy beside them are another meter's: nobody leaves them out.
    path.write_text(path.read_text() + "2025-03-04 00:00;Offtake;1;m³\n")
    assert "where" not in sniff_file(path, tz="Europe/Brussels").proposal


def test_two_meters_of_different_units_stay_two(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    rows = (
        f"2025-03-01 {hour:02}:00;{tag};{hour};{unit}\n"
        for hour in range(24)
        for tag, unit in (("heat", "kWh"), ("water", "m³"))
    )
    path.write_text("From;Tag;Volume;Unit\n" + "".join(rows))
    report = sniff_file(path, tz="Europe/Brussels")
    assert ("where" in report.proposal, report.proposal["meter"]) == (False, "Tag")


def test_numbers_of_meters_and_temperatures_are_no_second_unit_of_an_amount(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    for other, values in (("m³", [3, 1, 4, 1, 5, 9]), ("degC", [20, 21, 19, 18, 22, 20])):
        rows = (
            f"2025-03-01 {hour:02}:00;{number};{value};{unit}\n"
            for hour in range(24)
            for number, unit, value in (("1001", "kWh", hour), ("1002", other, values[hour % 6]))
        )
        path.write_text("From;Zähler;Volume;Unit\n" + "".join(rows))
        report = sniff_file(path, tz="Europe/Brussels")
        assert ("where" in report.proposal, set(report.proposal["meters"])) == (False, {"1001", "1002"})


@pytest.mark.parametrize("name", ["Time (GMT/BST)", "time utc offset", "GMT Standard Time"])
def test_a_clock_that_only_begins_like_the_worlds_stays_the_zones(tmp_path: Path, name: str) -> None:
    path = tmp_path / "uk.csv"
    path.write_text(f"{name},kWh\n" + "".join(f"2025-03-01 {hour:02}:00,{hour / 8}\n" for hour in range(24)))
    assert sniff_file(path, tz="Europe/London").proposal["zone"] == "Europe/London"


def test_a_dash_between_date_and_time_begins_no_interval(tmp_path: Path) -> None:
    path = tmp_path / "dash.csv"
    path.write_text("time,kWh\n" + "".join(f"01.03.2025 - {hour:02}:00:00,{hour / 8}\n" for hour in range(24)))
    mapping = ColumnMap(timestamp="time", value="kWh", date_format="%d.%m.%Y - %H:%M:%S", zone="Europe/Berlin")
    assert read_file(path, mapping=mapping).report.accepted_rows == 24


def test_a_meter_column_of_changing_numbers_stays_a_value_beside_its_cost(tmp_path: Path) -> None:
    path = tmp_path / "es.csv"
    rows = (f"2025-03-01 {hour:02}:00;{hour * 7 % 23};{hour / 8}\n" for hour in range(24))
    path.write_text("Fecha;contador;coste\n" + "".join(rows))
    assert sniff_file(path, tz="Europe/Madrid").proposal["value"] == "contador"


def test_one_line_that_ends_with_a_comma_makes_no_column_of_decimals(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    path.write_text(
        "timestamp,kwh\n2025-03-01T00:00Z,1,\n"
        + "".join(f"2025-03-01T{hour:02}:00Z,{hour},5\n" for hour in range(1, 24))
    )
    assert sniff_file(path).reasons == {"field_count": 1}


@pytest.mark.parametrize(
    "name", ["avg_voltage", "Spannung L1", "L2 (A)", "frequency", "powerFactor", "amps_l1", "table"]
)
def test_one_answer_of_the_unit_is_of_no_constant_and_of_no_other_quantity(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    rows = (f"2025-03-{n:02},{n % 3}.5,{0 if name == 'table' else 230 + n % 4},{n % 5}.5\n" for n in range(1, 29))
    path.write_text(f"Day,_value,{name},Low voltage board\n" + "".join(rows))
    report = sniff_file(path, tz="Europe/Berlin", facts=FileFacts(unit="kwh", tz="Europe/Berlin"))
    assert report.draft is not None
    assert report.draft.keys["units"] == {"_value": "kwh", "Low voltage board": "kwh"}
    assert f'called as no amount of energy: "{name}"' in report.draft.yaml()


def test_a_unit_that_one_of_several_columns_lacks_is_asked_for_and_money_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = (f"2025-03-{n:02} 12:00,{n % 3}.5,{n % 4}.5,{n % 5}.5,0.{n}\n" for n in range(1, 29))
    path.write_text("datum_tijd,levering,buitentemperatuur,UsageCostsWithTax,total_cost\n" + "".join(rows))
    draft = sniff_file(path, tz="Europe/Amsterdam").draft
    assert draft is not None
    assert list(draft.keys["values"]) == ["levering", "buitentemperatuur"]
    assert [(each.key, each.text) for each in draft.questions] == [("unit", "not in the columns' names")]
    known = sniff_file(path, facts=FileFacts(unit="kwh", tz="Europe/Amsterdam")).draft
    assert known is not None
    assert (known.keys["units"], known.questions) == ({"levering": "kwh", "buitentemperatuur": "degc"}, ())


@pytest.mark.parametrize("begins_anew_at", [None, 90])
def test_two_columns_of_one_counter_are_one_meter_and_asked_about_once(
    tmp_path: Path, begins_anew_at: int | None
) -> None:
    path = tmp_path / "statistics.csv"
    sums = [round(0.35 * n + 0.1 * (n // 5), 2) for n in range(120)]
    first = 4000 if begins_anew_at is None else -sums[begins_anew_at]
    states = [each + (first if begins_anew_at is None or n >= begins_anew_at else 50) for n, each in enumerate(sums)]
    rows = (f"2025-03-{n // 24 + 1:02}T{n % 24:02}:00Z,{states[n]:.2f},{sums[n]:.2f},{n % 7}.5\n" for n in range(120))
    path.write_text("start,state,sum,other\n" + "".join(rows))
    kept, gone = ("state", "sum") if begins_anew_at is None else ("sum", "state")
    draft = sniff_file(path).draft
    assert draft is not None
    assert set(draft.keys["values"]) == {kept, "other"}
    assert f'left out, since it rises by the steps of "{kept}": "{gone}"; both would count the same' in draft.remarks
    assert sum(line.startswith("unit:") for line in draft.yaml().splitlines()) == 1
    site = SiteDraft(time_zone="Europe/Berlin")
    site.add_file(path)
    assert f"it rises by the steps of '{kept}': skip it" in site.open_questions[f"column.{gone}"].text


def test_a_key_with_two_open_questions_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = (f"2025-03-{n // 24 + 1:02}T{n % 24:02}:00Z,{n % 7}.5,{n * 0.35 + n // 5:.2f}\n" for n in range(120))
    path.write_text("start,first,second\n" + "".join(rows))
    draft = sniff_file(path).draft
    assert draft is not None
    (question,) = draft.questions
    assert question.text.startswith("not in the columns' names; 'second' never falls and more than doubles")


@pytest.mark.parametrize(
    ("above", "row", "unit"),
    [
        ("Type;Grandeur;Unite\nCourbe de charge;Energie active;W\nHorodate;Valeur\n", "{at};{value}", "w"),
        ("Pas,Unité\nP1D,Wh\nHorodate,Valeur\n", "{at},{value}", "wh"),
        ("MPRN,Value,Read Type,End Time\n", "1,{value},Active Import Interval (kW),{at}", "kw"),
        ("Type;Grandeur;Remark\nCourbe de charge;Energie active;W\nHorodate;Valeur\n", "{at};{value}", None),
        ("MPRN,Value,Read Type,End Time\n", "1,{value},Active Import (estimated),{at}", None),
    ],
)
def test_a_text_of_the_file_names_the_unit_of_its_only_values(
    tmp_path: Path, above: str, row: str, unit: str | None
) -> None:
    path = tmp_path / "curve.csv"
    ends = (datetime(2025, 3, 3, tzinfo=UTC) + timedelta(minutes=30 * n + 30) for n in range(96))
    lines = (row.format(at=f"{at:%Y-%m-%dT%H:%M}:00Z", value=f"{300 + n * 37 % 900}.5") for n, at in enumerate(ends))
    path.write_text(above + "\n".join(lines) + "\n")
    report = sniff_file(path)
    assert report.proposal.get("unit") == unit
    assert [each.key for each in report.questions] == ([] if unit else ["unit"])
