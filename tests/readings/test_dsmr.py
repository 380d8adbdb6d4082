"""P1 telegrams: values, checksums, meters, and the amounts between successive telegrams."""

import csv
import gzip
import math
import time
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from dsmr_parser import telegram_specifications as specifications
from dsmr_parser.objects import CosemObject, MBusObject
from dsmr_parser.parsers import TelegramParser
from hypothesis import given
from hypothesis import strategies as st

from assets.readings.cumulative.register_steps import State, steps_of_run
from assets.readings.readers.p1_format.dsmr import trusted_telegrams
from assets.readings.readers.p1_format.dsmr_text import checksums, fields_of
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, plant

SAMPLES = Path(__file__).parent / "samples"
FOUR, ONE, OLD = SAMPLES / "dsmr_v5_four.txt", SAMPLES / "dsmr_v5_one.txt", SAMPLES / "dsmr_v2_2.txt"
FORMATS = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats"
SPECIFICATIONS = {
    "telegram_v2_2.txt": specifications.V2_2,
    "telegram_v3.txt": specifications.V3,
    "telegram_v4_2.txt": specifications.V4,
    "DSMRParser.Net_v4_2_ok.txt": specifications.V5,
    "telegram_v5.txt": specifications.V5,
    "telegram_v5_two_mbus.txt": specifications.V5,
    "telegram_fluvius_v171.txt": specifications.BELGIUM_FLUVIUS,
    "telegram_fluvius_v171_alt.txt": specifications.BELGIUM_FLUVIUS,
    "telegram_v5_eon_hu.txt": specifications.EON_HUNGARY,
    "telegram_iskra_ie.txt": specifications.ISKRA_IE,
    "telegram_esy5q3db1024_v304.txt": specifications.Q3D,
    "telegram_esy5q3da1004_v304.txt": specifications.Q3D,
}


def telegram_files() -> list[Path]:
    return sorted((FORMATS / "dsmr").glob("*.txt"))


def signed(body: str) -> bytes:
    """A telegram's text from '/' to '!' with its checksum and CRLF line ends."""
    data = body.replace("\n", "\r\n").encode()
    return data + b"%04X\r\n" % checksums([data])[0]


def telegram(moment: str, import_kwh: float, *, lines: str = "") -> bytes:
    """A small DSMR 5 telegram; moment YYMMDDhhmmssX."""
    return signed(
        f"/MLM5\\TEST\n\n1-3:0.2.8(50)\n0-0:1.0.0({moment})\n0-0:96.1.1(4530303031323334)\n"
        f"1-0:1.8.0({import_kwh:010.3f}*kWh)\n{lines}!"
    )


def telegram_values(path: Path) -> pl.DataFrame:
    """Every value of every telegram that the reader trusts, as written there; raises BadInput as the reader."""
    rows = [
        (path.name, telegram.number, each.obis, each.position, each.value, each.unit, each.line)
        for telegram in trusted_telegrams(path).telegrams
        for each in fields_of(telegram)
    ]
    names = ("file", "telegram", "obis", "position", "value", "unit", "line")
    schema = {name: pl.Int64 if name in {"telegram", "line"} else pl.String for name in names}
    return pl.DataFrame(rows, schema=schema, orient="row")


def sniffed(tmp_path: Path, data: bytes, tz: str | None = "Europe/Amsterdam") -> SniffReport:
    path = tmp_path / "p1.log"
    path.write_bytes(data)
    return sniff_file(path, tz=tz)


def test_every_value_of_every_real_telegram_is_as_listed(shared_data: Path) -> None:
    with (shared_data / "formats" / "expected_dsmr_values.csv").open() as file:
        listed = [tuple(row.values()) for row in csv.DictReader(file)]
    found = []
    for path in telegram_files():
        rows = telegram_values(path).select("file", "obis", "position", "value", "unit").iter_rows()
        found += [(f"formats/dsmr/{row[0]}", *row[1:]) for row in rows]
    assert len(listed) == 487
    assert sorted(found) == sorted(listed)


@pytest.mark.parametrize("path", telegram_files(), ids=lambda path: path.name)
def test_a_real_telegram_is_one_register_read(path: Path) -> None:
    report = sniff_file(path)
    assert (report.format, report.verdict, report.accepted_rows) == ("dsmr", "accept_with_warning", 0)
    assert report.warnings["single_register_read"] >= 1
    assert len(report.values) == telegram_values(path).height
    assert all(each.intervals == 0 and each.reading is not None for each in report.channels)


def test_checksums_of_real_telegrams_are_those_listed(shared_data: Path) -> None:
    with (shared_data / "formats" / "expected_sums.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["format"] == "DSMR"]
    for row in rows:
        note = dict(part.split("=") for part in row["note"].split(";") if "=" in part)
        data = (shared_data / row["file"]).read_bytes()
        body = data[: data.index(b"\r\n!") + 3]
        assert f"{checksums([body])[0]:04X}" == note["crc_computed"]
        has_none = "no_checksum" in sniff_file(shared_data / row["file"]).warnings
        assert has_none == (note["crc_in_file"] == "none")
    assert len(rows) == 16


def test_the_checksum_is_the_one_of_the_catalogue() -> None:
    """CRC-16/ARC of "123456789" is BB3D; lengths may differ within one call."""
    assert checksums([b"123456789", b"", b"/!", b"\x00123456789"]) == [0xBB3D, 0, checksums([b"/!"])[0], 0xBB3D]


@pytest.mark.parametrize("name", sorted(SPECIFICATIONS))
def test_an_independent_parser_reads_the_same_values(shared_data: Path, name: str) -> None:
    path = shared_data / "formats" / "dsmr" / name
    text = path.read_bytes().decode("latin-1")
    parsed = TelegramParser(SPECIFICATIONS[name], apply_checksum_validation=True).parse(text)
    ours = telegram_values(path)
    numbers = ours.filter(pl.col("value").str.contains(r"^[0-9]+(\.[0-9]+)?$"))
    items = [item for _, item in parsed if not isinstance(item, list)]
    devices = [item for device in getattr(parsed, "MBUS_DEVICES", []) for _, item in device]
    checked = 0
    for item in items + devices:
        if not isinstance(item, CosemObject | MBusObject) or not isinstance(item.value, Decimal) or not item.unit:
            continue
        # Before DSMR 4 the unit of gas stands in a bracket of its own.
        same = numbers.filter(pl.col("unit").is_in([item.unit, ""]))
        assert item.value in {Decimal(value) for value in same["value"]}
        checked += 1
    assert checked >= 4


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("dsmr_bad_crc.txt", "crc_mismatch"),
        ("dsmr_truncated.txt", "no_end_marker"),
        ("dsmr_v2_2_mangled.txt", "garbled_lines"),
    ],
)
def test_a_broken_real_telegram_gets_its_verdict(shared_data: Path, name: str, word: str) -> None:
    report = sniff_file(shared_data / "invalid" / name)
    assert (report.verdict, set(report.reasons), report.accepted_rows) == ("reject", {word}, 0)


def test_values_keep_their_text_position_and_line() -> None:
    values = telegram_values(OLD)
    gas = values.filter(obis="0-1:24.3.0").select("position", "value", "unit", "line").rows()
    assert gas[:2] == [("0", "161107190000", "", 10), ("1", "00", "", 10)]
    assert gas[-2:] == [("5", "m3", "", 10), ("cont", "00001.001", "", 11)]
    assert values.row(1) == ("dsmr_v2_2.txt", 0, "1-0:1.8.1", "0", "00001.001", "kWh", 4)


def test_one_telegram_states_its_registers_and_makes_no_interval() -> None:
    report = sniff_file(ONE, tz="Europe/Amsterdam")
    shown = {
        each.channel: (each.meter, each.commodity, each.unit, each.reading, each.sum_kwh) for each in report.channels
    }
    assert report.warnings == {"single_register_read": 3}
    assert shown["1-0:1.8.1"] == ("E0001234567", "electricity", "kWh", 100.0, 100.0)
    assert shown["1-0:1.7.0"] == ("E0001234567", "electricity", "kW", 0.244, None)
    assert shown["0-1:24.2.1"] == ("G0009876543", "natural_gas", "m3", 50.0, None)
    when = {each.start_utc for each in report.channels}
    assert when == {datetime(2024, 12, 31, 23, tzinfo=UTC)}


def test_one_telegram_brings_no_interval_and_its_state_is_kept_for_the_next(bench: Bench) -> None:
    mapping = ColumnMap(meters={"E0001234567": "main", "G0009876543": "gas"}, other_meters="skip")
    report = bench.ingest(ONE, mapping=mapping)
    assert (report.verdict, report.new_rows) == ("quarantine", 0)
    assert report.reasons == {"unknown_register": 1}
    assert report.warnings == {"single_register_read": 2}


def test_one_telegram_of_an_unknown_meter_is_refused(bench: Bench) -> None:
    report = bench.ingest(ONE)
    assert (report.verdict, report.new_rows, report.reasons) == ("reject", 0, {"unknown_meter": 1})


def test_successive_telegrams_become_quarter_hours(bench: Bench) -> None:
    """Tariff 1 gives 0.25 kWh, tariff 2 gives 0.75 and, over half an hour, 1.0; gas its own hour."""
    gas = Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="m3"),))
    main = Meter(meter_id="main", registers=(Register(), Register(register_id="export")))
    mapping = ColumnMap(match="*", meters={"E0001234567": "main", "G0009876543": "gas"})
    site = plant(meters=(main, gas), drivers=(), column_maps=(mapping,))
    report = bench.ingest(FOUR, site=site)
    assert (report.verdict, report.new_rows, report.rejected_rows) == ("accept", 12, 0)
    assert bench.values("main") == [0.25, 0.75, 0.5, 0.5]
    assert bench.values("main", "export") == [0.1, 0.0, 0.0, 0.0]
    assert bench.values("gas") == [0.12, 0.12, 0.12, 0.12]
    assert bench.starts()[0] == datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert bench.ingest(FOUR, site=site).is_repeat


def test_the_raw_id_names_a_meter_as_well_as_its_text(bench: Bench) -> None:
    mapping = ColumnMap(meters={"4530303031323334": "main"})
    data = telegram("250101000000W", 1) + telegram("250101001500W", 2)
    report = bench.ingest(data, mapping=mapping, name="p1.txt")
    assert (report.new_rows, bench.values()) == (1, [1.0])


def test_a_row_knows_the_line_of_its_later_state() -> None:
    rows = read_file(FOUR, tz="Europe/Amsterdam").rows.filter(register="export")
    lines = FOUR.read_bytes().split(b"\r\n")
    assert lines[rows["source_line"][0] - 1] == b"1-0:2.8.1(000010.100*kWh)"


def test_states_beside_the_quarter_hour_are_interpolated_and_marked(tmp_path: Path) -> None:
    """00:10 and 00:20 tell the quarter at 00:15; 00:30:30 stands for 00:30."""
    moments = [("250101000000W", 1), ("250101001000W", 2), ("250101002000W", 4), ("250101003030W", 5)]
    path = tmp_path / "p1.log"
    path.write_bytes(b"".join(telegram(moment, value) for moment, value in moments))
    rows = read_file(path, tz="Europe/Amsterdam").rows
    # 00:30 lies between 00:20 (4) and 00:30:30 (5): 4 + 600/630.
    assert rows["value"].to_list() == [2.0, math.floor((4 + 600 / 630 - 3) * 10**9) / 10**9]
    assert rows["quality_code"].to_list() == [9, 9]


def test_clock_change_hours_follow_their_letter(tmp_path: Path) -> None:
    """2025-10-26: 02:30 twice; S is the first pass, W the second."""
    data = telegram("251026023000S", 1) + telegram("251026023000W", 2) + telegram("251026030000W", 4)
    report = sniffed(tmp_path, data)
    first = report.channels[0]
    assert (first.intervals, first.sum_kwh) == (2, 3.0)
    assert (first.start_utc, first.end_utc) == (
        datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
        datetime(2025, 10, 26, 2, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize("moment", ["250101003000S", "250701003000W", "251330003000W", "250101007000W", "2501010030"])
def test_a_time_that_is_none_of_the_zone_makes_no_interval(tmp_path: Path, moment: str) -> None:
    report = sniffed(tmp_path, telegram("250101000000W", 1) + telegram(moment, 2))
    assert report.accepted_rows == 0
    assert "single_register_read" in report.warnings


def test_a_zone_that_nobody_declared_is_told(tmp_path: Path) -> None:
    data = telegram("250101000000W", 1) + telegram("250101001500W", 2)
    assert sniffed(tmp_path, data, tz=None).warnings == {"assumed_zone": 1}
    assert sniffed(tmp_path, data, tz="Europe/Vilnius").channels[0].start_utc == datetime(2024, 12, 31, 22, tzinfo=UTC)
    assert sniffed(tmp_path, data, tz="Mars/Base").reasons == {"wrong_zone": 1}


def test_a_register_that_falls_is_not_crossed(tmp_path: Path) -> None:
    values = [100, 101, 3, 5]
    data = b"".join(telegram(f"2501010{n}0000W", value) for n, value in enumerate(values))
    report = sniffed(tmp_path, data)
    assert (report.channels[0].sum_kwh, report.reasons) == (3.0, {"register_decrease": 1})


def test_a_clock_that_jumps_makes_no_amount_of_decades(tmp_path: Path) -> None:
    data = telegram("250101000000W", 1) + telegram("250101001500W", 2) + telegram("950101000000W", 3)
    report = sniffed(tmp_path, data)
    assert (report.channels[0].sum_kwh, report.reasons) == (1.0, {"unknown_interval": 1})


def test_two_states_at_one_time_are_none(tmp_path: Path) -> None:
    data = telegram("250101000000W", 1) + telegram("250101000000W", 2) + telegram("250101010000W", 4)
    report = sniffed(tmp_path, data)
    assert report.reasons == {"duplicate_conflict": 2}
    assert report.accepted_rows == 0


def test_an_object_that_stands_twice_refuses_its_telegram(tmp_path: Path) -> None:
    twice = telegram("250101001500W", 2, lines="1-0:1.8.0(000007.000*kWh)\n")
    report = sniffed(tmp_path, telegram("250101000000W", 1) + twice + telegram("250101003000W", 3))
    assert (report.channels[0].sum_kwh, report.reasons) == (2.0, {"duplicate_conflict": 1})
    assert sniffed(tmp_path, twice).reasons == {"no_rows": 1}


def test_a_tariff_that_is_missing_once_is_not_taken_for_energy(tmp_path: Path) -> None:
    """Tariff 2 (500 kWh) lacks in the second telegram: neither a fall to 1 nor a rise by 500."""
    moments = ["250101000000W", "250101001500W", "250101003000W"]
    data = b"".join(
        signed(
            f"/MLM5\\TEST\n\n1-3:0.2.8(50)\n0-0:1.0.0({moment})\n0-0:96.1.1(4530303031323334)\n"
            f"1-0:1.8.1({n}.000*kWh)\n{'' if n == 1 else '1-0:1.8.2(500.000*kWh)' + chr(10)}!"
        )
        for n, moment in enumerate(moments)
    )
    report = sniffed(tmp_path, data)
    assert (report.channels[0].sum_kwh, report.channels[0].intervals, report.reasons) == (2.0, 1, {})


def test_a_broken_telegram_among_good_ones_costs_only_itself(tmp_path: Path) -> None:
    broken = telegram("250101001500W", 2).replace(b"00002.000", b"00009.000")
    cut = telegram("250101001500W", 2)[:60] + b"\r\n"
    data = telegram("250101000000W", 1) + broken + cut + telegram("250101003000W", 3)
    report = sniffed(tmp_path, data)
    assert (report.verdict, report.reasons) == ("quarantine", {"crc_mismatch": 1, "no_end_marker": 1})
    assert (report.channels[0].sum_kwh, report.channels[0].intervals) == (2.0, 1)


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (ONE.read_bytes().replace(b"\r\n", b"\n"), "line_ends_changed"),
        (ONE.read_bytes() + b"meter 7\r\n", "outside_telegram"),
        (b"rest of an older one\r\n" + ONE.read_bytes(), "outside_telegram"),
        (OLD.read_bytes(), "no_checksum"),
    ],
)
def test_what_is_odd_but_proven_is_told(tmp_path: Path, data: bytes, warning: str) -> None:
    report = sniffed(tmp_path, data)
    assert (report.verdict, report.reasons) == ("accept_with_warning", {})
    assert warning in report.warnings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\n", b"\n"),
        (b"1-0:1.8.1(", b"1-0:1.8.1["),
        (b"1-0:1.8.2(00002.002*kWh)", b"(00002.002*kWh)"),
        (b"1-0:1.8.2(", b"1-0:1.8(8.2("),
        (b"OLD-METER", b"OLD-MET\xc3R"),
        (b"kWh)\r\n1-0:1.8.2", b"kWh) 1-0:1.8.2"),
    ],
)
def test_an_unproven_telegram_must_be_as_the_meter_sent_it(tmp_path: Path, old: bytes, new: bytes) -> None:
    assert sniffed(tmp_path, OLD.read_bytes().replace(old, new)).reasons == {"garbled_lines": 1}


def test_a_version_with_checksum_that_has_none_is_cut(tmp_path: Path) -> None:
    data = ONE.read_bytes()
    assert sniffed(tmp_path, data[: data.index(b"!") + 1]).reasons == {"no_end_marker": 1}


def test_heat_water_and_belgian_gas_are_told_apart(shared_data: Path) -> None:
    folder = shared_data / "formats" / "dsmr"
    belgian = {each.channel: each.commodity for each in sniff_file(folder / "telegram_fluvius_v171.txt").channels}
    assert (belgian["0-1:24.2.3"], belgian["0-2:24.2.1"]) == ("natural_gas", "water")
    heat = sniff_file(folder / "telegram_unpadded_crc.txt").channels[0]
    assert (heat.commodity, heat.unit, heat.reading) == ("heat", "GJ", 240.86)
    assert heat.sum_kwh == pytest.approx(240.86 / 3.6e-3)


def test_a_packed_log_reads_as_a_plain_one(tmp_path: Path) -> None:
    assert (
        sniffed(tmp_path, gzip.compress(FOUR.read_bytes())).channels == sniff_file(FOUR, tz="Europe/Amsterdam").channels
    )


def test_a_day_of_telegrams_keeps_its_energy_and_is_quick(tmp_path: Path) -> None:
    """8,640 telegrams, one every ten seconds, 1 Wh each."""
    moments = [datetime.fromtimestamp(1736895600 + 10 * n, UTC) for n in range(8641)]  # 2025-01-15 in Amsterdam
    local = [f"{moment.astimezone(ZoneInfo('Europe/Amsterdam')):%y%m%d%H%M%S}W" for moment in moments]
    bodies = [telegram(moment, 100 + n / 1000)[:-6] for n, moment in enumerate(local)]
    data = b"".join(body + b"%04X\r\n" % crc for body, crc in zip(bodies, checksums(bodies), strict=True))
    began = time.process_time()
    report = sniffed(tmp_path, data)
    assert time.process_time() - began < 3
    assert (report.accepted_rows, report.channels[0].sum_kwh, report.warnings) == (96, 8.64, {})


def test_values_of_a_file_that_cannot_be_trusted_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "p1.txt"
    path.write_bytes(ONE.read_bytes()[:-20])
    with pytest.raises(BadInput):
        telegram_values(path)


times = st.lists(st.tuples(st.integers(0, 86_400), st.integers(0, 10**12)), min_size=1, max_size=60)


@given(times)
def test_amounts_add_up_to_the_registers_own_difference(drawn: list[tuple[int, int]]) -> None:
    """Of a register that never falls: steps follow each other, and none is below zero or beyond what was counted."""
    moments = sorted({moment for moment, _ in drawn})
    states, total = [], 0
    for line, (moment, (_, growth)) in enumerate(zip(moments, drawn, strict=False), 1):
        total += growth
        states.append(State(moment, total, line))
    steps = steps_of_run(states)
    assert all(step.quanta >= 0 and step.start_s % 900 == 0 and step.minutes % 15 == 0 for step in steps)
    assert all(a.start_s + 60 * a.minutes == b.start_s for a, b in pairwise(steps))
    assert sum(step.quanta for step in steps) <= states[-1].quanta - states[0].quanta
    whole = [state for state in states if state.epoch_s % 900 == 0]
    if len(whole) > 1:
        inner = [step for step in steps if whole[0].epoch_s <= step.start_s < whole[-1].epoch_s]
        assert sum(step.quanta for step in inner) == whole[-1].quanta - whole[0].quanta


sparse_times = st.lists(st.tuples(st.integers(901, 10**7), st.integers(0, 10**12)), min_size=1, max_size=20)


@given(sparse_times)
def test_reads_that_nobody_took_on_the_quarter_hour_lose_nothing(drawn: list[tuple[int, int]]) -> None:
    states, moment, total = [State(0, 0, 1)], 0, 0
    for line, (wait, growth) in enumerate(drawn, 2):
        moment, total = moment + wait, total + growth
        states.append(State(moment, total, line))
    assert sum(step.quanta for step in steps_of_run(states, is_sparse=True)) == total


@pytest.mark.parametrize(
    ("kind", "commodity"), [(6, "water"), (8, "unknown"), (10, "cooling"), (12, "heat"), (13, "unknown"), (22, "water")]
)
def test_a_device_measures_what_its_type_says(tmp_path: Path, kind: int, commodity: str) -> None:
    path = tmp_path / "p1.txt"
    lines = f"0-1:24.1.0({kind:03})\n0-1:96.1.0(4730303039383736353433)\n0-1:24.2.1(250101000000W)(1.000*m3)\n"
    path.write_bytes(telegram("250101000000W", 1, lines=lines))
    assert [each.commodity for each in sniff_file(path).channels if each.unit == "m3"] == [commodity]
