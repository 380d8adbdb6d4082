"""Green Button files: units, links, registers, qualities, and what cannot be a reading."""

import csv
import gzip
import time
import xml.etree.ElementTree as Tree
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.readings.parsed import Channel
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, plant

SAMPLE = Path(__file__).parent / "samples" / "espi_quarters.xml"
LIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats" / "expected_sums.csv"
START = 1735689600  # 2025-01-01T00:00Z
KWH_TYPE = "<uom>72</uom><powerOfTenMultiplier>3</powerOfTenMultiplier>"


def expected() -> list[dict[str, str]]:
    if not LIST.exists():
        return []
    with LIST.open() as file:
        return [row for row in csv.DictReader(file) if row["format"] == "ESPI"]


def reading(start: object, value: object, duration: object = 900, quality: str = "") -> str:
    graded = f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>" if quality else ""
    period = f"<timePeriod><duration>{duration}</duration><start>{start}</start></timePeriod>"
    return f"<IntervalReading>{graded}{period}<value>{value}</value></IntervalReading>\n"


def document(readings: str, reading_type: str | None = KWH_TYPE, service: str = "0") -> str:
    """One meter reading `u/1/MeterReading/1`, linked as the Green Button Alliance's own files are."""
    kind = "" if reading_type is None else f"<ReadingType>{reading_type}</ReadingType>"
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom">\n'
        '<entry><link rel="self" href="u/1"/><content><UsagePoint><ServiceCategory>'
        f"<kind>{service}</kind></ServiceCategory></UsagePoint></content></entry>\n"
        '<entry><link rel="self" href="u/1/MeterReading/1"/><link rel="related" href="ReadingType/7"/>'
        "<content><MeterReading/></content></entry>\n"
        f'<entry><link rel="self" href="ReadingType/7"/><content>{kind}</content></entry>\n'
        '<entry><link rel="up" href="u/1/MeterReading/1/IntervalBlock"/><content><IntervalBlock>\n'
        f"{readings}</IntervalBlock></content></entry>\n</feed>\n"
    )


def sniffed(tmp_path: Path, text: str | bytes, name: str = "usage.dat") -> SniffReport:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sniff_file(path)


def only(report: SniffReport) -> Channel:
    assert len(report.channels) == 1, report
    return report.channels[0]


@pytest.mark.parametrize("row", expected(), ids=lambda row: Path(row["file"]).name)
def test_a_real_file_gives_its_intervals_and_its_sum(shared_data: Path, row: dict[str, str]) -> None:
    report = sniff_file(shared_data / row["file"])
    channel = only(report)
    assert (channel.meter, channel.intervals) == (row["channel"], int(row["n_intervals"]))
    power = int(row["unit"].partition("10^")[2])
    assert channel.sum is not None
    assert Decimal(str(channel.sum)) == Decimal(row["sum_native"]).scaleb(power)
    assert channel.sum_kwh == (float(row["sum_kwh"]) if row["sum_kwh"] else None)
    assert channel.start_utc is not None
    assert int(channel.start_utc.timestamp()) == int(row["note"].partition("first_start=")[2].partition(";")[0])
    assert report.rejected_rows == 0


def test_a_year_of_hours_is_read_in_less_than_a_second(shared_data: Path) -> None:
    path = next((shared_data / "formats" / "greenbutton").glob("*.gz"))
    sniff_file(path)
    began = time.process_time()
    assert sniff_file(path).accepted_rows == 8760
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "verdict", "word"),
    [
        ("espi_truncated.xml", "reject", "not_well_formed"),
        ("espi_wrong_unit_w_for_wh.xml", "reject", "unit_kind_mismatch"),
        ("espi_missing_reading_type.xml", "reject", "no_reading_type"),
        ("espi_float_timestamp.xml", "accept_with_warning", "non_integer_epoch"),
    ],
)
def test_a_broken_real_file_gets_its_verdict(shared_data: Path, name: str, verdict: str, word: str) -> None:
    report = sniff_file(shared_data / "invalid" / name)
    assert report.verdict == verdict
    assert word in report.reasons | report.warnings


def test_the_golden_reading_is_450_wh() -> None:
    """Formulas 5.14: value 450, multiplier 0, uom 72, 900 s is 0.45 kWh."""
    rows = read_file(SAMPLE).rows.filter(register="import")
    assert rows["value"].to_list() == [450.0, 430.0, 410.0]
    assert rows["unit"].unique().to_list() == ["wh"]
    assert rows["source_minutes"].unique().to_list() == [15]
    assert rows["quality_code"].to_list() == [8, 14, 14]
    lines = SAMPLE.read_text().splitlines()
    assert [lines[line - 1].strip() for line in rows["source_line"]] == ["<IntervalReading>"] * 3
    assert lines[rows["source_line"][0] + 3].strip() == "<value>450</value>"


def test_flow_and_multiplier_come_from_the_linked_type() -> None:
    report = sniff_file(SAMPLE)
    shown = {(each.meter, each.channel): (each.sum, each.sum_kwh, each.commodity) for each in report.channels}
    base = "/espi/1_1/resource/UsagePoint/A/MeterReading"
    assert shown == {
        (f"{base}/in", "import"): (1290.0, 1.29, "electricity"),
        (f"{base}/out", "export"): (70.0, 0.07, "electricity"),
    }
    assert report.verdict == "accept"


def test_a_site_names_the_usage_point_once_for_both_directions(bench: Bench) -> None:
    meter = Meter(meter_id="main", registers=(Register(), Register(register_id="export")))
    mapping = ColumnMap(match="*.xml", meters={"/espi/1_1/resource/UsagePoint/A": "main"})
    site = plant(meters=(meter,), drivers=(), column_maps=(mapping,))
    report = bench.ingest(SAMPLE, site=site)
    assert (report.new_rows, report.rejected_rows, report.verdict) == (4, 0, "accept")
    assert bench.values("main", "import") == [0.45, 0.43, 0.41]
    assert bench.values("main", "export") == [0.07]
    assert bench.ingest(SAMPLE, site=site).is_repeat


def test_a_meter_that_no_map_names_is_not_of_the_site(bench: Bench) -> None:
    report = bench.ingest(SAMPLE)
    assert (report.verdict, report.reasons) == ("reject", {"unknown_meter": 1})
    assert "column map" in report.message


def test_a_register_that_the_meter_has_not_is_rejected_alone(bench: Bench) -> None:
    mapping = ColumnMap(meters={"/espi/1_1/resource/UsagePoint/A": "main"})
    report = bench.ingest(SAMPLE, mapping=mapping)
    assert (report.accepted_rows, report.reasons) == (3, {"unknown_register": 1})


def test_other_meters_of_a_file_may_be_skipped(bench: Bench) -> None:
    mapping = ColumnMap(meters={"/espi/1_1/resource/UsagePoint/A/MeterReading/in": "main"}, other_meters="skip")
    report = bench.ingest(SAMPLE, mapping=mapping)
    assert (report.accepted_rows, report.rejected_rows, report.warnings) == (3, 0, {"other_meters": 1})


def test_local_days_of_23_and_25_hours_keep_their_energy(bench: Bench, tmp_path: Path) -> None:
    """Berlin's clock changes of 2025, and a month: each spread over its quarter hours, to the last quantum."""
    days = (
        reading(1743289200, 23, 82800)  # 2025-03-30, 23 h
        + reading(1761429600, 25, 90000)  # 2025-10-26, 25 h
        + reading(1738364400, 28.000000001, 28 * 86400)  # February
    )
    path = tmp_path / "days.xml"
    path.write_text(document(days))
    site = plant(column_maps=(ColumnMap(match="*", meters={"u/1": "main"}),))
    report = bench.ingest(path, site=site)
    values = bench.values()
    assert report.new_rows == len(values) == 4 * (23 + 25 + 28 * 24)
    assert round(sum(round(value * 10**9) for value in values)) == (23 + 25 + 28) * 10**9 + 1
    assert set(report.partitions) == {"plant|2025-02", "plant|2025-03", "plant|2025-10"}


@pytest.mark.parametrize(
    ("fields", "unit", "total", "kwh"),
    [
        ("<uom>72</uom>", "wh", 2000.0, 2.0),
        ("<uom>72</uom><powerOfTenMultiplier>-3</powerOfTenMultiplier>", "wh", 2.0, 0.002),
        ("<uom>169</uom>", "therm", 2000.0, 58614.2),
        ("<uom>132</uom>", "btu", 2000.0, 0.58614214),
        ("<uom>71</uom>", "vah", 2000.0, None),
        ("<uom>73</uom>", "varh", 2000.0, None),
        ("<uom>61</uom><kind>37</kind>", "va", None, None),
        ("<uom>42</uom>", "m3", 2000.0, None),
        ("<uom>119</uom>", "ft3", 2000.0, None),
        ("<uom>31</uom><powerOfTenMultiplier>6</powerOfTenMultiplier>", "mj", 2000.0, 555.555555556),
        ("<uom>38</uom><kind>37</kind><accumulationBehaviour>12</accumulationBehaviour>", "w", None, 0.5),
    ],
)
def test_units_are_those_of_the_type(tmp_path: Path, fields: str, unit: str, total: float, kwh: float) -> None:
    channel = only(sniffed(tmp_path, document(reading(START, 2000), fields)))
    assert (channel.unit, channel.sum, channel.sum_kwh) == (unit, total, kwh)


@pytest.mark.parametrize(
    ("fields", "register"),
    [
        ("<uom>71</uom><flowDirection>1</flowDirection>", "apparent_import"),
        ("<uom>73</uom><flowDirection>19</flowDirection>", "reactive_export"),
        ("<uom>72</uom><flowDirection>19</flowDirection>", "export"),
    ],
)
def test_reactive_and_apparent_energy_have_registers_of_their_own(tmp_path: Path, fields: str, register: str) -> None:
    assert only(sniffed(tmp_path, document(reading(START, 2000), fields))).channel == register


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("<uom>38</uom><kind>12</kind><accumulationBehaviour>4</accumulationBehaviour>", "unit_kind_mismatch"),
        ("<uom>38</uom><accumulationBehaviour>4</accumulationBehaviour>", "unit_kind_mismatch"),
        ("<uom>38</uom><kind>12</kind>", "unit_kind_mismatch"),
        ("<uom>72</uom><kind>37</kind>", "unit_kind_mismatch"),
        ("<uom>72</uom><accumulationBehaviour>12</accumulationBehaviour>", "unit_kind_mismatch"),
        ("<uom>72</uom><accumulationBehaviour>9</accumulationBehaviour>", "unsupported_accumulation"),
        ("<uom>65</uom>", "unknown_unit"),
        ("<uom>Wh</uom>", "no_reading_type"),
        ("<uom>72</uom><powerOfTenMultiplier>99</powerOfTenMultiplier>", "no_reading_type"),
        ("<uom>72</uom><flowDirection>2</flowDirection>", "unknown_register"),
        (None, "no_reading_type"),
    ],
)
def test_a_type_that_cannot_be_true_makes_no_reading(tmp_path: Path, fields: str | None, reason: str) -> None:
    report = sniffed(tmp_path, document(reading(START, 1), fields))
    assert (report.verdict, report.reasons, report.accepted_rows) == ("reject", {reason: 1}, 0)


def test_a_type_without_unit_leaves_a_sum_and_no_reading(tmp_path: Path, bench: Bench) -> None:
    text = document(reading(START, 12000, 86400) + reading(START + 86400, 15000, 86400), "", service="1")
    report = sniffed(tmp_path, text)
    channel = only(report)
    assert (report.verdict, report.accepted_rows, report.warnings) == ("accept_with_warning", 0, {"no_unit": 2})
    assert (channel.unit, channel.intervals, channel.sum, channel.sum_kwh) == ("", 2, 27000.0, None)
    assert channel.commodity == "natural_gas"
    stored = bench.ingest(text)
    assert (stored.new_rows, stored.verdict) == (0, "accept_with_warning")


def test_a_person_may_declare_the_unit_that_a_type_leaves_out(bench: Bench) -> None:
    gas = Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="kwh"),))
    mapping = ColumnMap(meters={"u/1": "gas"}, unit="therm")
    report = bench.ingest(
        document(reading(START, 2, 3600), "", "1"), site=plant(meters=(gas,), drivers=()), mapping=mapping
    )
    assert report.new_rows == 4
    assert sum(bench.values("gas")) == pytest.approx(2 * 29.3071)


def test_starts_that_are_all_one_fraction_cannot_be_told_apart(tmp_path: Path) -> None:
    text = document(reading("1735689600.25", 1, 86400) + reading("1735689600.25", 2, 86400), "<uom>169</uom>")
    report = sniffed(tmp_path, text)
    assert report.warnings == {"non_integer_epoch": 2, "same_start": 2}
    assert only(report).sum == 3.0
    whole = sniffed(tmp_path, document(reading(f"{START}.0", 1)))
    assert (whole.verdict, whole.accepted_rows, whole.warnings) == ("accept_with_warning", 1, {"non_integer_epoch": 1})


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (reading(START + 1800, "12x"), "not_a_number"),
        (reading(START + 1800, "NaN"), "not_a_number"),
        (reading(START + 1800, "1e309"), "not_a_number"),
        (reading(START + 1800, ""), "not_a_number"),
        (reading(START + 1800, 10**12), "implausible"),
        (reading(START + 1800, -5), "negative_consumption"),
        (reading("soon", 1), "bad_timestamp"),
        (reading("9999999999", 1), "bad_timestamp"),
        (reading(START + 1800.5, 1), "off_grid"),
        (reading(START + 1801, 1), "off_grid"),
        (reading(START + 1800, 1, 901), "unknown_interval"),
        (reading(START + 1800, 1, 0), "unknown_interval"),
        (reading(START + 1800, 1, "P1D"), "unknown_interval"),
        (reading(START + 1800, 1) + reading(START + 1800, 2), "duplicate_conflict"),
        (reading(START + 1800, 1, 1800) + reading(START + 2700, 2), "overlapping_interval"),
        ("<IntervalReading><value>3</value></IntervalReading>", "bad_timestamp"),
        (reading(START + 1800, "1</value><value>1"), "not_a_number"),
        (reading(START + 1800, "<IntervalReading><value>1</value></IntervalReading>"), "not_a_number"),
    ],
)
def test_one_bad_row_costs_only_itself(tmp_path: Path, broken: str, reason: str) -> None:
    report = sniffed(tmp_path, document(reading(START, 4) + broken + reading(START + 900, 5)))
    assert (report.verdict, report.accepted_rows) == ("quarantine", 2)
    assert set(report.reasons) == {reason}
    assert only(report).sum == 9000.0


def test_a_long_row_over_short_ones_rejects_all_it_covers(tmp_path: Path) -> None:
    rows = reading(START, 9, 3600) + "".join(reading(START + 900 * n, 1) for n in range(1, 5))
    report = sniffed(tmp_path, document(rows))
    assert (report.accepted_rows, report.reasons) == (1, {"overlapping_interval": 4})


def test_equal_rows_count_once_and_gaps_are_told(tmp_path: Path) -> None:
    report = sniffed(tmp_path, document(reading(START, 1) * 2 + reading(START + 2700, 2)))
    assert report.warnings == {"duplicate_rows": 1, "gap_intervals": 2}
    assert only(report).sum_kwh == 3.0


def test_readings_of_tomorrow_are_rejected(bench: Bench) -> None:
    mapping = ColumnMap(meters={"u/1": "main"})
    report = bench.ingest(document(reading(START, 1) + reading(1767999600, 1)), mapping=mapping)
    assert (report.new_rows, report.reasons) == (1, {"future_timestamp": 1})
    long = bench.ingest(document(reading(START + 900, 1) + reading(START + 1800, 1, 380 * 86400)), mapping=mapping)
    assert (long.new_rows, long.reasons) == (1, {"future_timestamp": 1})


def test_a_reading_ends_at_most_five_minutes_ahead_of_the_clock(bench: Bench) -> None:
    midnight = 1767225600
    bench.clock.advance(timedelta(minutes=10))
    text = document(reading(midnight, 1) + reading(midnight + 900, 1))
    report = bench.ingest(text, mapping=ColumnMap(meters={"u/1": "main"}))
    assert (report.new_rows, report.reasons) == (1, {"future_timestamp": 1})


@pytest.mark.parametrize(("codes", "kept"), [("0", 0), ("19", 19), ("17 9", 9), ("77", 10), ("x", 10), ("", 14)])
def test_the_worst_quality_of_a_row_counts(tmp_path: Path, codes: str, kept: int) -> None:
    graded = "</quality><quality>".join(codes.split())
    path = tmp_path / "q.xml"
    path.write_text(document(reading(START, 1, quality=graded)))
    assert read_file(path).rows["quality_code"].to_list() == [kept]
    path.write_text(document(reading(START, 1), KWH_TYPE + "<defaultQuality>17</defaultQuality>"))
    assert read_file(path).rows["quality_code"].to_list() == [17]


def test_states_of_a_register_become_amounts(tmp_path: Path) -> None:
    """accumulationBehaviour 1 counts up; the third state falls, so nothing crosses it."""
    states = "".join(reading(START + 3600 * n, value, 0) for n, value in enumerate([100, 101, 103, 2, 5]))
    report = sniffed(tmp_path, document(states, KWH_TYPE + "<accumulationBehaviour>1</accumulationBehaviour>"))
    amounts, register = report.channels
    assert (amounts.intervals, amounts.sum_kwh, report.reasons) == (3, 6.0, {"register_decrease": 1})
    assert (register.channel, register.intervals, register.reading) == ("import register", 0, 5000.0)


def test_power_beside_energy_is_a_register_of_its_own(tmp_path: Path) -> None:
    text = document(reading(START, 1)).replace(
        "</feed>",
        '<entry><link rel="self" href="u/1/MeterReading/2"/><link rel="related" href="ReadingType/8"/><content>'
        '<MeterReading/></content></entry><entry><link rel="self" href="ReadingType/8"/><content><ReadingType><uom>38'
        "</uom><kind>37</kind></ReadingType></content></entry><entry>"
        '<link rel="up" href="u/1/MeterReading/2/IntervalBlock"/><content><IntervalBlock>'
        f"{reading(START, 4000)}</IntervalBlock></content></entry></feed>",
    )
    assert [each.channel for each in sniffed(tmp_path, text).channels] == ["import", "power_import"]


@pytest.mark.parametrize(
    "text",
    [
        f"<UsagePoint><MeterReading><ReadingType>{KWH_TYPE}</ReadingType><IntervalBlock>{reading(START, 7)}"
        "</IntervalBlock></MeterReading></UsagePoint>",
        f"<f><MeterReading/><ReadingType>{KWH_TYPE}</ReadingType>{reading(START, 7)}</f>",
        f"<IntervalBlock>{reading(START, 7)}<ReadingType>{KWH_TYPE}</ReadingType></IntervalBlock>",
        document(reading(START, 7)).replace("<", "<n:").replace("<n:/", "</n:"),
        document(reading(START, 7)).replace('href="u/', 'href="https://a.example/espi/u/'),
        document(reading(START, 7)).replace('href="ReadingType/7"', 'href="https://a.example/ReadingType/7"', 1),
        document(reading(START, 7)).replace('<link rel="related" href="ReadingType/7"/>', ""),
        document(reading(START, 7)).replace('<link rel="up" href="u/1/MeterReading/1/IntervalBlock"/>', ""),
    ],
    ids=["nested", "flat", "block alone", "prefix", "host", "one host", "no type link", "no block link"],
)
def test_parts_find_each_other_in_every_shape(tmp_path: Path, text: str) -> None:
    report = sniffed(tmp_path, text)
    assert (report.accepted_rows, only(report).sum_kwh) == (1, 7.0), report.message


def test_a_type_that_is_linked_but_absent_is_not_guessed(tmp_path: Path) -> None:
    text = document(reading(START, 7)).replace('related" href="ReadingType/7"', 'related" href="ReadingType/9"')
    assert sniffed(tmp_path, text).reasons == {"no_reading_type": 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_and_gzip_do_not_matter(tmp_path: Path, encoding: str) -> None:
    data = ('<?xml version="1.0"?>' + document(reading(START, 7))).encode(encoding)
    for each in (data, gzip.compress(data)):
        report = sniffed(tmp_path, each)
        assert (report.format, report.verdict, only(report).sum_kwh) == ("espi", "accept", 7.0)


# Below 4.6e9 in the unit of the file: beyond it a float no longer holds every quantum.
amounts = st.lists(st.integers(-(10**5), 10**6), min_size=1, max_size=40)


@given(amounts, st.integers(-6, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_those_of_a_plain_second_count(tmp_path: Path, values: list[int], power: int) -> None:
    """Whatever is accepted adds up to what a plain reader of the same text counts."""
    text = document(
        "".join(reading(START + 900 * n, value) for n, value in enumerate(values)),
        f"<uom>72</uom><powerOfTenMultiplier>{power}</powerOfTenMultiplier><flowDirection>4</flowDirection>",
    )
    numbers = [Decimal(found.text or "") for found in Tree.fromstring(text).iter("{http://www.w3.org/2005/Atom}value")]  # noqa: S314
    wanted = [number.scaleb(power) for number in numbers if abs(number.scaleb(power)) <= 10**12]
    report = sniffed(tmp_path, text)
    assert report.accepted_rows + report.rejected_rows == len(numbers) or report.verdict == "reject"
    if report.verdict == "accept":
        assert Decimal(str(only(report).sum)) == sum(wanted)
