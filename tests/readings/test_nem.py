"""NEM12 and NEM13: every expected sum, every verdict, quality, time, and what is never loaded."""

import csv
import gzip
import logging
import random
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.market_formats.nem12 import Nem12
from assets.readings.readers.market_formats.nem13 import Nem13
from assets.readings.readers.reader_list import reader_for
from assets.readings.sniff_files import SniffReport, sniff_file
from assets.readings.tables.normalise import normalise
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Site
from tests.readings.rooms import Bench, plant

SAMPLES = Path(__file__).parent / "samples"
Sniff = Callable[..., SniffReport]
TWO_CHANNELS = (SAMPLES / "nem12_two_channels.csv").read_bytes()
QUALITIES = (SAMPLES / "nem12_qualities.csv").read_text()
HEADER = "100,NEM12,202501020304,MDP1,RETAILER\n"
CHANNEL = "200,6001000001,E1,E1,E1,N1,MTR1,kWh,30,\n"


def day(date: str = "20250101", *, value: str = "1", count: int = 48, flag: str = "A") -> str:
    """A 300 record of equal values."""
    return f"300,{date},{','.join([value] * count)},{flag},,,20250102030405,\n"


def nem12(*lines: str) -> str:
    return HEADER + "".join(lines) + "900\n"


@pytest.fixture
def sniff(tmp_path: Path) -> Sniff:
    def run(text: str | bytes, **how: object) -> SniffReport:
        path = tmp_path / "delivery.dat"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return sniff_file(path, **how)  # type: ignore[arg-type]

    return run


def read(path: Path) -> Parsed:
    return reader_for(path).read(path, ReadRequest())


def australia(**changes: object) -> Site:
    """One meter with import, export and a controlled load, known to the market by its NMI."""
    meter = Meter(
        meter_id="main",
        registers=(Register(), Register(register_id="export"), Register(register_id="controlled")),
    )
    maps = (ColumnMap(match="*", meters={"6001000001": "main", "6001000004": "main"}),)
    fields: dict[str, object] = {"time_zone": "Australia/Sydney", "country": "AU", "currency": "AUD"}
    return plant(meters=(meter,), drivers=(), column_maps=maps, **(fields | changes))


def expected_rows(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "formats" / "expected_sums.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["format"] in ("NEM12", "NEM13")]


def test_every_expected_sum_is_reached(shared_data: Path) -> None:
    rows = expected_rows(shared_data)
    assert len(rows) == 42
    reports = {name: sniff_file(shared_data / name) for name in {row["file"] for row in rows}}
    for row in rows:
        report = reports[row["file"]]
        meter, _, label = row["channel"].partition("/")
        (channel,) = [each for each in report.channels if (each.meter, each.channel) == (meter, label)]
        assert (row["channel"], channel.intervals) == (row["channel"], int(row["n_intervals"]))
        assert Decimal(repr(channel.sum)) == Decimal(row["sum_native"])
        assert channel.unit == row["unit"].lower()
        if row["sum_kwh"]:
            assert channel.sum_kwh == pytest.approx(float(row["sum_kwh"]), rel=1e-9)
        else:
            assert channel.sum_kwh is None
        assert report.rejected_rows == 0
        assert report.accepted_rows == sum(each.intervals for each in report.channels)


def test_every_channel_of_the_shared_files_is_expected(shared_data: Path) -> None:
    rows = expected_rows(shared_data)
    files = {path.relative_to(shared_data).as_posix() for path in (shared_data / "formats").glob("nem1[23]/*")}
    assert files == {row["file"] for row in rows}
    found = sum(len(sniff_file(shared_data / name).channels) for name in files)
    assert found == len(rows)


def test_the_bad_files_get_their_verdicts(shared_data: Path) -> None:
    folder = shared_data / "invalid"
    with (folder / "verdicts.csv").open() as file:
        listed = [row for row in csv.DictReader(file) if row["format"] == "NEM12"]
    assert len(listed) == 8
    for row in listed:
        report = sniff_file(folder / row["file"])
        assert (row["file"], report.verdict, report.reasons) == (row["file"], "reject", {row["rule"]: 1})
        assert row["file"] in report.message


def test_values_and_times_agree_with_nemreader(shared_data: Path) -> None:
    """The library's clock is naive market time; its flags of V days come from the same 400 records."""
    from nemreader import NEMFile

    logging.disable(logging.WARNING)
    compared = 0
    for path in [*sorted((shared_data / "formats" / "nem12").glob("*")), *sorted(SAMPLES.glob("nem12*"))]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = NEMFile(str(path), strict=True).get_data_frame()
        assert frame is not None
        theirs = {
            (row.nmi, row.suffix, row.t_start.to_pydatetime(), round(row.value, 6))
            for row in frame.itertuples()
            if not row.quality.startswith("N")
        }
        naive = pl.col("interval_start_utc").dt.offset_by("10h").dt.replace_time_zone(None)
        rows = read(path).rows.select("meter_id", "register", naive, pl.col("value").round(6)).rows()
        assert (path.name, set(rows)) == (path.name, theirs)
        compared += len(rows)
    logging.disable(logging.NOTSET)
    assert compared > 7000


def test_the_first_value_of_a_day_starts_at_midnight_of_market_time() -> None:
    """UTC+10 all year: Sydney's summer time does not move it."""
    rows = read(SAMPLES / "nem12_two_channels.csv").rows.filter(pl.col("register") == "E1")
    assert rows["interval_start_utc"][0] == datetime(2024, 12, 31, 14, tzinfo=UTC)
    assert rows["interval_start_utc"][-1] == datetime(2025, 1, 2, 13, 45, tzinfo=UTC)
    assert rows["source_line"].unique().sort().to_list() == [3, 4]


def test_each_quality_range_gets_its_code_and_a_missing_value_is_not_stored() -> None:
    parsed = read(SAMPLES / "nem12_qualities.csv")
    codes = parsed.rows.sort("interval_start_utc")["quality_code"].to_list()
    reference, linear = QualityCode.ESTIMATED_REFERENCE_DAY, QualityCode.ESTIMATED_INTERPOLATED
    assert codes == [QualityCode.VALID] * 10 + [reference] * 10 + [linear] * 20
    assert parsed.warnings == {"missing_intervals": 8, "estimated_intervals": 30}
    assert parsed.rejects.is_empty()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("400,21,30,F17", "400,22,30,F17"),
        ("400,21,30,F17", "400,20,30,F17"),
        ("400,41,48,N", "400,41,49,N"),
        ("400,41,48,N,,\n", ""),
        ("400,11,20,E52", "400,11,20,V"),
        ("400,11,20,E52", "400,11,20,V17"),
        ("400,11,20,E52", "400,11,x,E52"),
    ],
)
def test_quality_ranges_that_do_not_cover_the_day_reject_the_day(sniff: Sniff, old: str, new: str) -> None:
    text = QUALITIES.replace("\r\n", "\n")
    assert old in text
    report = sniff(text.replace(old, new))
    assert (report.verdict, report.reasons) == ("reject", {"quality_range": 1})
    good_day = day("20250102", value="5")
    report = sniff(text.replace(old, new).replace("900\n", f"{good_day}900\n"))
    assert (report.verdict, report.accepted_rows, report.reasons) == ("quarantine", 48, {"quality_range": 48})


def test_five_minutes_sum_to_quarter_hours_exactly() -> None:
    rows = read(SAMPLES / "nem12_five_minutes.csv").rows
    quarters = normalise(rows)
    assert quarters.height == 96
    assert quarters["value"][0] == 6.0
    assert quarters["value"].sum() == pytest.approx(41_616.0, abs=1e-9)


def test_a_cut_file_is_held_whole_at_every_byte(sniff: Sniff) -> None:
    whole = sniff(TWO_CHANNELS)
    assert whole.accepted_rows == 288
    for place in range(1, len(TWO_CHANNELS) - 2):
        report = sniff(TWO_CHANNELS[:place])
        assert (place, report.verdict, report.accepted_rows) == (place, "reject", 0)
    assert sniff(TWO_CHANNELS[:-2]).channels == whole.channels


def test_a_cut_accumulation_file_is_held_whole_at_every_byte(sniff: Sniff) -> None:
    data = (SAMPLES / "nem13_two_registers.csv").read_bytes()
    for place in range(1, len(data) - 2):
        report = sniff(data[:place])
        assert (place, report.verdict, report.accepted_rows) == (place, "reject", 0)
    assert sniff(data[:-2]).accepted_rows == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CHANNEL + day() + "900\n", "missing_100"),
        (HEADER + day() + "900\n", "bad_record"),
        (nem12(CHANNEL.replace(",30,", ",20,"), day()), "bad_record"),
        (nem12(CHANNEL, day(count=47)), "interval_count"),
        (nem12(CHANNEL, day(count=49)), "interval_count"),
        (nem12(CHANNEL, day(flag="Z9")), "interval_count"),
        (nem12(CHANNEL, day(), "oops,1,2\n"), "bad_record"),
        (nem12(CHANNEL, "400,1,48,A,,\n"), "bad_record"),
        (nem12(CHANNEL.replace("6001000001", "m1'; drop table t; --"), day()), "bad_record"),
        (nem12(CHANNEL.replace("6001000001", "{{ 7*7 }}"), day()), "bad_record"),
        (nem12(CHANNEL.replace("6001000001", "../../etc"), day()), "bad_record"),
        (nem12(CHANNEL, day()).replace("900\n", "900\n100,NEM13,2025,A,B\n"), "bad_record"),
        (nem12(CHANNEL, day(value="1" * 1_100_000, count=1)), "line_too_long"),
        (nem12(CHANNEL, day()).replace("MTR1", "M\0"), "not_text"),
        (nem12(CHANNEL), "no_data"),
        (nem12(CHANNEL, '300,"', "x" * 200_000, '\n"'), "bad_record"),
    ],
)
def test_a_file_whose_records_do_not_fit_is_refused_with_a_sentence(sniff: Sniff, text: str, reason: str) -> None:
    report = sniff(text)
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert "delivery.dat, line " in report.message


@pytest.mark.parametrize("value", ["nan", "inf", "1e5", "1_0", "0x1", "", "1,5", "--1", "٣"])
def test_what_is_no_plain_number_is_never_stored(sniff: Sniff, value: str) -> None:
    report = sniff(nem12(CHANNEL, day().replace("300,20250101,1,", f"300,20250101,{value},")))
    if "," in value:
        assert report.reasons == {"interval_count": 1}
    else:
        assert (report.verdict, report.accepted_rows, report.reasons) == ("quarantine", 47, {"not_a_number": 1})


def test_bad_rows_are_counted_and_the_others_kept(sniff: Sniff) -> None:
    lines = (
        CHANNEL,
        day("20250101"),
        day("20250101"),
        day("20250102"),
        day("20250102", value="2"),
        day("20250230"),
        day("20250103", value="-1"),
        day("20250104", value="2000000000"),
        CHANNEL.replace(",E1,E1,E1,", ",E1,E1,X7,").replace("kWh", "furlong"),
        day("20250101"),
    )
    report = sniff(nem12(*lines))
    assert report.reasons == {
        "bad_timestamp": 48,
        "duplicate_conflict": 96,
        "implausible": 48,
        "negative_consumption": 48,
        "unknown_unit": 48,
    }
    assert report.accepted_rows == 48
    assert report.warnings["duplicate_rows"] == 48


def test_two_interval_lengths_of_one_channel_may_follow_but_not_overlap(sniff: Sniff) -> None:
    quarter = CHANNEL.replace(",30,", ",15,")
    report = sniff(nem12(CHANNEL, day("20250101"), quarter, day("20250102", count=96)))
    assert [(each.channel, each.intervals) for each in report.channels] == [("E1/15min", 96), ("E1/30min", 48)]
    assert report.verdict == "accept"
    report = sniff(nem12(CHANNEL, day("20250101"), quarter, day("20250101", count=96), day("20250102", count=96)))
    assert (report.accepted_rows, sum(report.reasons.values())) == (96, 144)


def test_a_missing_day_is_a_gap(sniff: Sniff) -> None:
    report = sniff(nem12(CHANNEL, day("20250101"), day("20250103")))
    assert (report.verdict, report.warnings) == ("accept_with_warning", {"gap_intervals": 48})


def test_two_files_in_one_and_quotes_blank_lines_and_gzip_are_read(sniff: Sniff) -> None:
    first, second = nem12(CHANNEL, day("20250101")), nem12(CHANNEL, day("20250102"))
    assert sniff(first + second).accepted_rows == 96
    quoted = first.replace("100,NEM12", '"100","NEM12"').replace("6001000001", '"6001000001"')
    assert sniff("\ufeff\r\n" + quoted).channels == sniff(first).channels
    assert sniff(gzip.compress(first.encode())).channels == sniff(first).channels
    assert sniff(first + second[:-2]).reasons == {"truncated": 1}


def test_channels_become_registers_of_the_sites_meter(bench: Bench) -> None:
    site = australia()
    report = bench.ingest(TWO_CHANNELS, site=site, name="a.dat")
    assert (report.verdict, report.new_rows, report.rejected_rows) == ("accept", 288, 0)
    assert sum(bench.values("main", "import")) == pytest.approx(28.0)
    assert sum(bench.values("main", "export")) == pytest.approx(8.0)
    assert {each.meter for each in report.channels} == {"main"}
    second = bench.ingest(TWO_CHANNELS, site=site, name="b.dat")
    assert (second.is_repeat, second.new_rows) == (True, 0)


def test_a_second_import_channel_is_not_added_to_the_first_unasked(bench: Bench) -> None:
    text = nem12(CHANNEL, day(), CHANNEL.replace(",E1,E1,E1,", ",E1E2,E2,E2,"), day(value="3"))
    report = bench.ingest(text, site=australia())
    assert (report.verdict, report.reasons) == ("quarantine", {"unknown_register": 48})
    named = ColumnMap(meters={"6001000001": "main"}, values={"6001000001/E2": "main.controlled"})
    report = bench.ingest(text, site=australia(), mapping=named)
    assert (report.verdict, report.new_rows) == ("accept", 96)
    assert set(bench.values("main", "controlled")) == {1.5}
    skip = ColumnMap(meters={"6001000001": "main"}, other_meters="skip")
    report = bench.ingest(text, site=australia(), mapping=skip, dry_run=True)
    assert report.warnings == {"other_meters": 48}
    shared = ColumnMap(meters={"6001000001": "main"}, values={"6001000001/E2": "main.import"})
    report = bench.ingest(text, site=australia(), mapping=shared, dry_run=True)
    assert (report.verdict, report.reasons) == ("reject", {"shared_register": 1})


def test_another_meters_rows_and_another_kind_of_unit_are_rejected(bench: Bench) -> None:
    other = nem12(CHANNEL.replace("6001000001", "6009999999"), day(), CHANNEL.replace("kWh", "kVArh"), day())
    report = bench.ingest(other, site=australia())
    assert report.verdict == "reject"
    assert set(report.reasons) <= {"unknown_meter", "unit_mismatch"}
    report = bench.ingest(nem12(CHANNEL, day("20270101"), day("20250101")), site=australia())
    assert report.reasons == {"future_timestamp": 48}


def test_reads_are_spread_between_their_quarter_hours_and_say_so(bench: Bench) -> None:
    named = ColumnMap(meters={"6001000004": "main"}, values={"6001000004/41": "main.controlled"})
    path = SAMPLES / "nem13_two_registers.csv"
    report = bench.ingest(path, site=australia(), mapping=named)
    assert (report.verdict, report.accepted_rows, report.new_rows) == ("accept_with_warning", 3, 96 + 97 + 96)
    assert report.warnings == {"spread_register_reads": 3, "estimated_intervals": 1}
    rows = bench.lake.current("plant")
    first = rows.filter((pl.col("register") == "import") & (pl.col("source_minutes") == 1440))
    assert set(first["value"]) == {1.0}
    assert set(first["quality_code"]) == {int(QualityCode.DERIVED)}
    second = rows.filter((pl.col("register") == "import") & (pl.col("source_minutes") == 1455))
    assert second["value"].sum() == pytest.approx(4.0, abs=1e-9)
    assert set(second["quality_code"]) == {int(QualityCode.ESTIMATED_REFERENCE_DAY)}
    assert first["interval_start_utc"].min() == datetime(2024, 9, 30, 23, tzinfo=UTC)
    assert second["interval_start_utc"].max() == datetime(2024, 10, 2, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("20241002090000,A,,,96.0", "20241001090000,A,,,96.0", "bad_timestamp"),
        ("20241002090000,A,,,96.0", "2024100209,A,,,96.0", "bad_timestamp"),
        ("20241002090000,A,,,96.0", "20241002090000,N,,,96.0", "missing_read"),
        ("20241002090000,A,,,96.0", "20241002090000,?,,,96.0", "quality_range"),
        ("20241002090000,A,,,96.0", "20241002090000,A,,,-96.0", "negative_consumption"),
        ("20241002090000,A,,,96.0", "20241002090000,A,,,", "not_a_number"),
        ("1000,20241001090000", "1000,20201001090000", "bad_interval"),
        ("1000,20241001090000", "1000,00011001090000", "clock_suspect"),
    ],
)
def test_a_read_that_cannot_be_is_rejected_alone(sniff: Sniff, old: str, new: str, reason: str) -> None:
    text = (SAMPLES / "nem13_two_registers.csv").read_text()
    assert old in text
    report = sniff(text.replace(old, new, 1))
    assert (report.verdict, report.accepted_rows, report.reasons) == ("quarantine", 2, {reason: 1})


def test_accumulation_records_that_do_not_fit_are_refused(sniff: Sniff) -> None:
    header = "100,NEM13,202501020304,A,B\n"
    assert sniff(header + "250,6001,1,2\n900\n").reasons == {"bad_record": 1}
    assert sniff(header + "200,6001\n900\n").reasons == {"bad_record": 1}
    assert sniff(header + "900\n").reasons == {"no_data": 1}
    assert sniff(header + "900\n" + HEADER).reasons == {"bad_record": 1}


def test_a_plain_table_is_none_of_these() -> None:
    head = b"timestamp,kwh\n2025-01-01T00:00Z,1\n"
    assert not Nem12().recognises(head, Path("nem12.csv"))
    assert not Nem13().recognises(head, Path("nem13.csv"))
    assert not Nem12().recognises(b"100,NEM13,1,A,B\n", Path("x"))
    assert Nem12().header(Path("x")) == Nem13().header(Path("x")) == []


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file damaged in one to four places."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        piece = rng.choice(
            [bytes([rng.randrange(256)]), b",", b"\n", b"900\n", b"-", b"9" * 30, b"\x00", b'"', b"200,"]
        )
        cut = rng.choice([0, 1, 1, rng.randrange(60)])
        data = data[:place] + piece + data[place + cut :]
    return data


@pytest.mark.parametrize("name", ["nem12_two_channels.csv", "nem12_qualities.csv", "nem13_two_registers.csv"])
def test_no_damaged_file_crashes_or_brings_a_number_that_is_none(sniff: Sniff, name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    for seed in range(100):
        damaged = mutated(data, random.Random(seed))
        if not any(reader.recognises(damaged[:4096], Path("x")) for reader in (Nem12(), Nem13())):
            continue
        report = sniff(damaged)
        assert report.verdict != "reject" or report.message
        assert all(channel.sum is not None and abs(channel.sum) < 1e40 for channel in report.channels)


def test_a_reader_hands_over_the_sentence_of_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(HEADER)
    with pytest.raises(BadInput, match="no end record 900"):
        Nem12().read(path, ReadRequest())
