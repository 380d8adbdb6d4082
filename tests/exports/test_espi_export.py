"""Green Button files that leave: exact sums, intervals as delivered, quality codes, summer time, a signed manifest."""

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from greenbutton_objects.parse import parse_feed
from typer.testing import CliRunner

from assets.readings.readers.clock_changes import _changes_of_rules, _changes_of_zone
from assets.readings.sniff_files import read_file, sniff_file
from assets.sites.view import site_readings
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Site
from orchestration.cli.main import build_app
from reports.exports.espi_channels import Channel, amounts
from reports.exports.espi_document import document
from reports.exports.summer_time import local_time
from tests.exports.standards import espi_faults
from tests.readings.conftest import bench  # noqa: F401  the fixture
from tests.readings.rooms import Bench, plant

LIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats" / "expected_sums.csv"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
RUNNER = CliRunner()


def expected() -> list[dict[str, str]]:
    """The public files whose readings have a unit."""
    if not LIST.exists():
        return []
    with LIST.open() as file:
        return [row for row in csv.DictReader(file) if row["format"] == "ESPI" and row["sum_kwh"]]


def exported(site: Site, taken: Bench, path: Path) -> list[Channel]:
    """All readings of the site as a file."""
    channels, _ = amounts(site, site_readings(taken.lake, site))
    clock = local_time(site.time_zone, 2011, 2022)
    pieces = document(site.site_id, channels, clock=clock, zone=site.time_zone, updated_utc=NOW)
    path.write_text("".join(pieces))
    return channels


def foreign(path: Path) -> dict[str, tuple[int, Decimal, Counter[int]]]:
    """Usage point -> intervals, sum in the unit and quality codes, by a reader that is not ours, of a file that is as
    the standard's schema has it.
    """
    elements, faults = espi_faults(path)
    assert elements > 3
    assert faults == []
    found = {}
    for point in parse_feed(str(path)):
        for reading in point.meterReadings:
            scale = reading.readingType.powerOfTenMultiplier
            rows = list(reading.intervalReadings)
            usual = reading.readingType.defaultQuality.value
            codes = Counter(next((each.quality.value for each in row.readingQualities), usual) for row in rows)
            total = sum((Decimal(row._value).scaleb(scale) for row in rows), Decimal(0))
            found[reading.link_self.rpartition("/MeterReading/")[2] + "@" + point.link_self] = len(rows), total, codes
    return found


@pytest.mark.parametrize("row", expected(), ids=lambda row: Path(row["file"]).name)
def test_a_public_file_comes_out_as_it_came_in(
    bench: Bench,  # noqa: F811
    shared_data: Path,
    tmp_path: Path,
    row: dict[str, str],
) -> None:
    source = shared_data / row["file"]
    is_gas = "therm" in row["unit"]
    register = read_file(source).rows["register"][0]
    meter = Meter(
        meter_id="main",
        carrier=Carrier.NATURAL_GAS if is_gas else Carrier.ELECTRICITY,
        registers=(Register(register_id=register),),
    )
    mapping = ColumnMap(match="*", meters={row["channel"]: "main"})
    site = plant(meters=(meter,), drivers=(), column_maps=(mapping,), time_zone="America/New_York")
    assert bench.ingest(source, site=site).rejected_rows == 0
    before = read_file(source).rows
    path = tmp_path / "out.xml"
    exported(site, bench, path)

    after = read_file(path).rows
    assert sniff_file(path).channels[0].sum_kwh == float(row["sum_kwh"])
    whole = ["interval_start_utc", "source_minutes", "quality_code"]
    assert after.height == int(row["n_intervals"])
    assert after.select(whole).sort(whole).equals(before.select(whole).sort(whole))
    ((count, total, codes),) = foreign(path).values()
    assert (count, total / 1000) == (int(row["n_intervals"]), Decimal(row["sum_kwh"]))
    assert codes == Counter(before["quality_code"])


def test_several_meters_their_directions_and_qualities_are_read_elsewhere(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    bench.ingest(
        "timestamp,meter,kwh\n2025-03-30T00:00:00Z,main,1.000000001\n2025-03-30T00:15:00Z,main,2\n"
        "2025-03-30T01:00:00Z,press,0.5\n"
    )
    bench.ingest("timestamp,meter,m3\n2025-03-30T00:00:00Z,gas,12.5\n2025-03-30T00:15:00Z,gas,0\n", name="gas.csv")
    fed_in = ColumnMap(timestamp="t", values={"B": "pv.export"}, unit="kwh")
    bench.ingest("t,B\n2025-03-30T00:00:00Z,3\n2025-03-30T00:15:00Z,1\n", name="pv.csv", mapping=fed_in)
    path = tmp_path / "out.xml"
    channels = exported(plant(), bench, path)
    base = "RetailCustomer/plant/UsagePoint"
    found = {name: (count, total) for name, (count, total, _) in foreign(path).items()}
    assert found == {
        f"import@{base}/main": (2, Decimal("3000.000001")),
        f"import@{base}/press": (1, Decimal(500)),
        f"import@{base}/gas": (2, Decimal("12.5")),
        f"export@{base}/pv": (2, Decimal(4000)),
    }
    assert {each.meter.meter_id: each.power_of_ten for each in channels} == {"gas": -1, "main": -6, "press": 0, "pv": 0}
    own = {(each.meter.rpartition("UsagePoint/")[2], each.channel, each.sum) for each in sniff_file(path).channels}
    assert own == {
        ("main/MeterReading/import", "import", 3000.000001),
        ("press/MeterReading/import", "import", 500.0),
        ("gas/MeterReading/import", "import", 12.5),
        ("pv/MeterReading/export", "export", 4000.0),
    }


def test_the_schema_of_the_standard_tells_an_altered_file(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "export.xml"
    test_several_meters_their_directions_and_qualities_are_read_elsewhere(bench, tmp_path)
    [source] = tmp_path.glob("*.xml")
    text = source.read_text()
    for old, new in (("<espi:uom>72<", "<espi:uom>kWh<"), ("<espi:duration>900<", "<espi:duration>quarter<")):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        assert len(espi_faults(path)[1]) >= 1, old


def test_a_corrected_quarter_hour_breaks_up_its_interval_and_no_other(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    bench.ingest("timestamp,meter,kwh\n" + "".join(f"2025-03-01T{hour:02}:00:00Z,main,4\n" for hour in range(3)))
    corrected = "timestamp,meter,kwh\n2025-03-01T01:15:00Z,main,7\n2025-03-01T01:30:00Z,main,1\n"
    bench.ingest(corrected, name="more.csv")
    (channel,) = exported(plant(), bench, tmp_path / "out.xml")
    lengths = channel.intervals["seconds"].to_list()
    assert (sum(lengths), channel.total) == (3 * 3600, Decimal(18))
    assert 3600 in lengths
    assert 900 in lengths


@pytest.mark.parametrize(
    ("days", "hours", "of_month"),
    [(("03-29", "03-30", "03-31", "04-01"), 23, 3), (("10-25", "10-26", "10-27", "10-28"), 25, 4)],
    ids=["spring", "autumn"],
)
def test_a_day_of_23_or_25_hours_leaves_as_the_one_interval_that_it_was(
    days: tuple[str, ...], hours: int, of_month: int, bench: Bench, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    rows = "".join(f"2025-{day},{kwh}\n" for day, kwh in zip(days, (24, hours, -5, 24), strict=True))
    mapping = ColumnMap(values={"kwh": "main.net"}, unit="kwh", zone="Europe/Berlin")
    meter = Meter(meter_id="main", registers=(Register(register_id="net"),))
    assert bench.ingest("timestamp,kwh\n" + rows, site=plant(meters=(meter,), drivers=()), mapping=mapping).new_rows
    (channel,) = exported(plant(meters=(meter,), drivers=()), bench, tmp_path / "out.xml")
    assert channel.intervals["seconds"].to_list() == [86_400, hours * 3600, 86_400, 86_400]
    assert (channel.flow, channel.total) == (4, Decimal(43 + hours))
    text = (tmp_path / "out.xml").read_text()
    assert "<espi:value>-5000</espi:value>" in text
    # A month of local days, one of which has another length.
    seconds = 86_400 * (of_month - 1) + hours * 3600
    assert f"<espi:interval><espi:duration>{seconds}</espi:duration>" in text


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
def test_rules_of_summer_time_give_the_changes_of_the_zone(zone: str) -> None:
    clock = local_time(zone, 2024, 2026)
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2024, 2027))
    own = {
        "dstOffset": str(clock.summer_s),
        "tzOffset": str(clock.offset_s),
        "dstStartRule": f"{clock.start_rule:08X}",
        "dstEndRule": f"{clock.end_rule:08X}",
    }
    assert clock.is_exact
    if clock.summer_s == 3600:
        ours, theirs = _changes_of_rules(own, begin, end), _changes_of_zone(zone, begin, end)
        assert [(each.epoch_s, each.seconds) for each in ours] == [(each.epoch_s, each.seconds) for each in theirs]


def test_every_zone_has_a_local_time_and_those_without_summer_no_rule() -> None:
    for zone in ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo"):
        clock = local_time(zone, 2025, 2025)
        assert (clock.summer_s, clock.start_rule, clock.end_rule, clock.is_exact) == (0, 0, 0, True)
    assert local_time("Asia/Kathmandu", 2025, 2025).offset_s == 20_700
    # Ramadan moves the clock of Morocco: no rule of two lines says when.
    assert not local_time("Africa/Casablanca", 2024, 2026).is_exact
    assert len(available_timezones()) > 400


def run(folder: Path, *words: str) -> tuple[int, Any, str]:
    """Exit code, JSON (or None) and standard error."""
    app = build_app(("init", "ingest", "export", "verify"))
    given = () if words[0] in ("init", "verify") else ("--project", str(folder))
    result = RUNNER.invoke(app, [*words, "--json", *given] if words[0] != "init" else list(words))
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else None, result.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with four quarter hours of its main meter."""
    folder = tmp_path_factory.mktemp("exports") / "p"
    assert run(folder, "init", str(folder))[0] == 0
    table = folder / "reads.csv"
    table.write_text("timestamp,kwh\n" + "".join(f"2025-01-01T00:{minute:02}Z,1.5\n" for minute in (0, 15, 30, 45)))
    code, _, error = run(folder, "ingest", str(table), "--site", "my_site")
    assert code == 0, error
    return folder


def test_the_command_writes_a_file_that_verify_knows(project: Path) -> None:
    path = project / "out.xml"
    code, answer, error = run(project, "export", "espi", "--site", "my_site", "--to", str(path))
    assert code == 0, error
    assert (answer["intervals"], answer["sum_kwh"], len(answer["usage_points"])) == (4, 6.0, 1)
    first = path.read_bytes()
    assert run(project, "export", "espi", "--site", "my_site", "--to", str(path))[0] == 0
    assert path.read_bytes() == first
    assert run(project, "verify", str(path))[1]["verified"] is True
    path.write_bytes(first.replace(b">1500<", b">1501<", 1))
    code, answer, _ = run(project, "verify", str(path))
    assert (code, answer["verified"], answer["problems"][0]["file"]) == (1, False, "out.xml")
    path.write_bytes(first)
    beside = path.with_name("out.xml.manifest.json")
    other = path.rename(path.with_name("2026.xml"))
    moved = beside.rename(path.with_name("2026.xml.manifest.json"))
    assert run(project, "verify", str(other))[1]["problems"][0]["problem"] == "it was signed as out.xml"
    other.rename(path)
    assert "cannot be read: No such file or directory" in run(project, "verify", str(other))[2]
    moved.rename(beside)
    code, answer, _ = run(project, "verify", str(path), "--people", str(project / "people.yaml"))
    assert (code, answer["is_vouched"]) == (1, False)
    assert answer["problems"][0]["problem"] == "signed by 'project', whom the people file does not name"
    beside.write_text(beside.read_text().replace('"intervals": 4', '"intervals": 5'))
    code, answer, _ = run(project, "verify", str(path))
    assert (code, answer["problems"][0]["problem"]) == (1, "its content is not what was signed")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--meter", "nobody"), "'nobody' is no meter of my_site"),
        (("--period", "2020"), "no readings with a unit that ESPI has in this span"),
        (("--registers",), "no states of cumulative registers in this span"),
        (("--to", "/dev/full/out.xml"), "cannot be written"),
        (("--to", __file__), "is there already, and is no export"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(project: Path, words: tuple[str, ...], sentence: str) -> None:
    to = () if "--to" in words else ("--to", str(project / "none.xml"))
    code, answer, error = run(project, "export", "espi", "--site", "my_site", *words, *to)
    assert (code, answer) == (2, None)
    assert sentence in error
    assert not (project / "none.xml").exists()
