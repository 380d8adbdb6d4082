"""MSCONS: every expected sum, every verdict, EDIFACT's structure, codes, times, and what is never loaded."""

import csv
import gzip
import random
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.readings.parsed import ReadRequest
from assets.readings.readers.market_formats.edifact import Interchange, is_edifact
from assets.readings.readers.market_formats.mscons import Mscons
from assets.readings.readers.market_formats.mscons_codes import instant, obis_facts, period_minutes
from assets.readings.sniff_files import SniffReport, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, plant

SAMPLES = Path(__file__).parent / "samples"
GERMAN = (SAMPLES / "mscons_german.edi").read_text()
SWISS = (SAMPLES / "mscons_swiss.edi").read_text()
LOCATION = "DE0001234567890000000000000000001"
Sniff = Callable[..., SniffReport]


@pytest.fixture
def sniff(tmp_path: Path) -> Sniff:
    def run(text: str | bytes, **how: object) -> SniffReport:
        path = tmp_path / "delivery.dat"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
        return sniff_file(path, **how)  # type: ignore[arg-type]

    return run


def recounted(text: str) -> str:
    """The text of one message with its UNT count made right."""
    count = text[text.index("UNH+") : text.index("UNT+")].replace("?'", "").count("'") + 1
    start = text.index("UNT+") + 4
    return text[:start] + str(count) + text[text.index("+", start) :]


def test_every_expected_sum_is_reached(shared_data: Path) -> None:
    with (shared_data / "formats" / "expected_sums.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["format"] == "MSCONS"]
    assert len(rows) == 10
    names = {path.relative_to(shared_data).as_posix() for path in (shared_data / "formats" / "mscons").glob("*")}
    assert names == {row["file"] for row in rows}
    reports = {name: sniff_file(shared_data / name) for name in names}
    assert sum(len(report.channels) for report in reports.values()) == len(rows)
    for row in rows:
        meter, _, label = row["channel"].partition("/")
        channels = reports[row["file"]].channels
        # The Swiss load profile writes its location as a name, where the list has nothing.
        (channel,) = [each for each in channels if each.channel == label and meter in ("", each.meter)]
        assert (row["channel"], channel.intervals) == (row["channel"], int(row["n_intervals"]))
        assert Decimal(repr(channel.sum)) == Decimal(row["sum_native"])
        if row["sum_kwh"]:
            assert channel.sum_kwh == pytest.approx(float(row["sum_kwh"]), rel=1e-9)


def test_the_shared_files_are_read_whole_but_for_times_that_contradict_themselves(shared_data: Path) -> None:
    """One sample had 2015 replaced by 2016 in its times of day too: a quarter to nine reads 20:16."""
    for path in sorted((shared_data / "formats" / "mscons").glob("*")):
        report = sniff_file(path)
        if path.name == "MSCONS_TL_SAMPLE01.edi":
            assert (report.verdict, report.accepted_rows + report.rejected_rows) == ("quarantine", 2976)
            assert set(report.reasons) <= {
                "duplicate_conflict",
                "no_interval",
                "off_grid",
                "incomplete_quarter",
                "overlapping_interval",
            }
        else:
            assert (path.name, report.verdict in ("accept", "accept_with_warning")) == (path.name, True)
            assert report.accepted_rows == sum(channel.intervals for channel in report.channels)


def test_the_bad_files_get_their_verdicts(shared_data: Path) -> None:
    folder = shared_data / "invalid"
    with (folder / "verdicts.csv").open() as file:
        listed = [row for row in csv.DictReader(file) if row["format"] == "MSCONS"]
    assert len(listed) == 2
    for row in listed:
        report = sniff_file(folder / row["file"])
        assert (row["file"], report.verdict) == (row["file"], row["verdict"])
        assert row["rule"] in {**report.reasons, **report.warnings}


def test_segments_agree_with_pydifact(shared_data: Path) -> None:
    """The library splits the same segments; it neither counts them nor says where they stand."""
    from pydifact.exceptions import MissingImplementationWarning
    from pydifact.parser import Parser

    for path in [*sorted((shared_data / "formats" / "mscons").glob("*")), *sorted(SAMPLES.glob("*.edi"))]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingImplementationWarning)
            found = list(Parser().parse(path.read_text("latin-1")))
        theirs = [
            (segment.tag, [each if isinstance(each, list) else [each] for each in segment.elements])
            for segment in found
            if segment.tag not in ("UNA", "UNB", "UNH", "UNT", "UNZ")
        ]
        ours = [(segment.tag, segment.elements[1:]) for _, segment in Interchange(path).parts() if segment is not None]
        assert (path.name, ours) == (path.name, theirs)


def test_each_quantity_has_its_own_interval_quality_and_segment() -> None:
    parsed = Mscons().read(SAMPLES / "mscons_german.edi", ReadRequest())
    rows = parsed.rows.filter(pl.col("register") == "1-1:1.29.0")
    assert rows["value"].to_list() == [1.5, 2.25, 0.0]
    assert rows["interval_start_utc"][0] == datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert set(rows["source_minutes"]) == {15}
    assert rows["quality_code"].to_list() == [
        QualityCode.VALID,
        QualityCode.ESTIMATED_REFERENCE_DAY,
        QualityCode.VALID,
    ]
    lines = GERMAN.splitlines()
    assert [lines[line - 1].startswith("QTY+") for line in parsed.rows["source_line"]] == [True] * 11
    assert parsed.warnings == {"missing_intervals": 1, "estimated_intervals": 1}


def test_quantities_without_times_follow_each_other() -> None:
    rows = Mscons().read(SAMPLES / "mscons_swiss.edi", ReadRequest()).rows
    first = datetime(2024, 12, 30, 23, tzinfo=UTC)
    assert rows["interval_start_utc"].to_list() == [first + place * timedelta(minutes=15) for place in range(4)]
    assert rows["value"].to_list() == [20.8, 9.6, 14.4, 7.2]
    assert rows["quality_code"].to_list() == [0, QualityCode.DERIVED, 0, 0]
    assert set(rows["meter_id"]) == {"CH1000000000000000000000000000001"}


def test_a_lost_or_repeated_quantity_moves_no_other(sniff: Sniff) -> None:
    """Places tell the time here: the line is rejected, or the file where the sender's own count disagrees too."""
    assert sniff(SWISS.replace("QTY+79:9.6:KWH'", "")).reasons == {"truncated": 1}
    assert sniff(SWISS.replace("QTY+79:9.6:KWH'", "QTY+79:9.6:KWH'" * 2)).reasons == {"unt_count": 1}
    assert sniff(recounted(SWISS.replace("QTY+79:9.6:KWH'", ""))).reasons == {"quantity_count": 1}
    longer = recounted(SWISS.replace("QTY+79:9.6:KWH'", "QTY+79:9.6:KWH'" * 2))
    assert sniff(longer).reasons == {"quantity_count": 1}
    unusable = sniff(SWISS.replace("QTY+79:9.6", "QTY+20:9.6"))
    assert (unusable.accepted_rows, unusable.warnings) == (3, {"missing_intervals": 1, "gap_intervals": 1})


@pytest.mark.parametrize("name", ["mscons_german.edi", "mscons_swiss.edi"])
def test_a_cut_file_is_held_whole_at_every_byte(sniff: Sniff, name: str) -> None:
    data = (SAMPLES / name).read_bytes().rstrip()
    assert sniff(data).accepted_rows > 0
    for place in range(9, len(data)):
        report = sniff(data[:place])
        assert (place, report.verdict, report.accepted_rows) == (place, "reject", 0)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("UNZ+1+REF1'", "", "missing_unz"),
        ("UNZ+1+REF1'", "UNZ+2+REF1'", "truncated"),
        ("UNZ+1+REF1'", "UNZ+1+REF9'", "wrong_reference"),
        ("UNZ+1+REF1'", "UNZ+x+REF1'", "bad_count"),
        ("UNH+1+", "UNH+2+", "wrong_reference"),
        ("UNH+1+MSCONS", "UNH+1+APERAK", "not_mscons"),
        ("BGM+7+DOC1+9'", "UNH+1+MSCONS:D'BGM+7+DOC1+9'", "missing_unt"),
        ("UNZ+1+REF1'", "UNZ+1+REF1'UNT+2+1'", "missing_unb"),
        ("UNB+UNOC", "UNH+UNOC", "missing_unb"),
        ("UNH+1+MSCONS:D:04B:UN:2.4c'", "", "missing_unh"),
        ("BGM+7+DOC1+9'", "UNB+UNOC:3'", "missing_unz"),
        ("BGM+7+DOC1+9'", "UNZ+1+REF1'", "missing_unt"),
        ("UNA:+,? '", "UNA:+,+ '", "bad_service_string"),
        (f"LOC+172+{LOCATION}'", "LOC+172+{{ 7*7 }}'", "bad_identifier"),
        (f"LOC+172+{LOCATION}'", "LOC+172+m1?'; drop table t; --'", "bad_identifier"),
        (f"LOC+172+{LOCATION}'", "LOC+172+'", "bad_identifier"),
        ("CTA+IC+", "CTA+IC+\x00", "not_text"),
        ("CTA+IC+", "CTA+IC+" + "x" * 200_000, "line_too_long"),
    ],
)
def test_an_interchange_whose_parts_do_not_fit_is_refused(sniff: Sniff, old: str, new: str, reason: str) -> None:
    assert old in GERMAN
    report = sniff(GERMAN.replace(old, new, 1))
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert "delivery.dat, line " in report.message


def test_fewer_segments_announced_than_there_are_is_a_warning(sniff: Sniff) -> None:
    count = recounted(GERMAN).partition("UNT+")[2].partition("+")[0]
    report = sniff(GERMAN.replace(f"UNT+{count}+", "UNT+2+"))
    assert (report.verdict, report.warnings["unt_count"], report.accepted_rows) == ("accept_with_warning", 1, 11)
    report = sniff(GERMAN.replace(f"UNT+{count}+", f"UNT+{int(count) + 1}+"))
    assert report.reasons == {"truncated": 1}
    assert sniff(GERMAN.replace("UNZ+1+", "UNZ+0+")).warnings["unz_count"] == 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("QTY+220:1,5'", "QTY+220:1,5,0'", "not_a_number"),
        ("QTY+220:1,5'", "QTY+220:nan'", "not_a_number"),
        ("QTY+220:1,5'", "QTY+220'", "not_a_number"),
        ("QTY+220:1,5'", "QTY+220:-1,5'", "negative_consumption"),
        ("QTY+220:1,5'", "QTY+220:1500000000'", "implausible"),
        ("QTY+220:1,5'", "QTY+220:1,5:ZZZ'", "unknown_unit"),
        ("QTY+220:1,5'", "QTY+187:1,5'", "forecast_value"),
        ("QTY+220:1,5'", "QTY+Z99:1,5'", "unknown_qualifier"),
        ("DTM+163:202412312300?+00:303'\nDTM+164:202412312315", "DTM+9:202412312315", "register_read"),
        ("DTM+163:202412312300?+00:303'\nDTM+164:202412312315", "DTM+164:202412312315", "no_interval"),
        ("DTM+164:202412312315?+00:303'", "DTM+164:202412312245?+00:303'", "no_interval"),
        ("DTM+164:202412312315?+00:303'", "DTM+164:202413312315?+00:303'", "bad_timestamp"),
        ("DTM+164:202412312315?+00:303'", "DTM+164:202412312315:303'", "bad_timestamp"),
        ("DTM+164:202412312315?+00:303'", "DTM+164:202412312315?+00:999'", "bad_timestamp"),
    ],
)
def test_a_quantity_that_cannot_be_is_rejected_alone(sniff: Sniff, old: str, new: str, reason: str) -> None:
    place = GERMAN.index("LIN+1'")
    assert old in GERMAN[place:]
    report = sniff(recounted(GERMAN[:place] + GERMAN[place:].replace(old, new, 1)))
    assert (report.verdict, report.reasons, report.accepted_rows) == ("quarantine", {reason: 1}, 10)


def test_a_cancelled_message_brings_nothing(sniff: Sniff) -> None:
    assert sniff(GERMAN.replace("BGM+7+DOC1+9'", "BGM+7+DOC1+1'")).reasons == {"cancelled": 1}


def test_either_decimal_mark_is_one_and_the_undeclared_one_is_told_of(sniff: Sniff) -> None:
    report = sniff(GERMAN.replace("QTY+67:2,25'", "QTY+67:2.25'"))
    assert report.channels == sniff(GERMAN).channels
    assert report.warnings["other_decimal_mark"] == 1


def test_a_repeated_message_is_counted_and_a_contradicting_one_rejected(sniff: Sniff) -> None:
    start, end = GERMAN.index("UNH+1+"), GERMAN.index("UNZ+")
    message = GERMAN[start:end]
    twice = GERMAN[:end] + message + GERMAN[end:].replace("UNZ+1+", "UNZ+2+")
    report = sniff(twice)
    assert (report.accepted_rows, report.warnings["duplicate_rows"]) == (11, 11)
    assert report.warnings["repeated_reference"] == 1
    report = sniff(
        GERMAN[:end] + message.replace("QTY+220:1,5'", "QTY+220:1,6'") + GERMAN[end:].replace("UNZ+1+", "UNZ+2+")
    )
    assert (report.accepted_rows, report.reasons) == (10, {"duplicate_conflict": 2})


def test_other_service_characters_gzip_and_a_mark_are_read(sniff: Sniff) -> None:
    released = {"?:": "\x01", "?+": "\x02", "?'": "\x03"}
    text = GERMAN
    for pair, mark in released.items():
        text = text.replace(pair, mark)
    text = text.translate(str.maketrans(":+?'", "/|!~"))
    # What had to be released is a plain character now.
    text = text.translate({ord(mark): pair[1] for pair, mark in released.items()})
    assert sniff(text).channels == sniff(GERMAN).channels
    assert sniff(gzip.compress(GERMAN.encode())).channels == sniff(GERMAN).channels
    assert sniff(b"\xef\xbb\xbf" + GERMAN.encode()).channels == sniff(GERMAN).channels


def test_local_times_need_a_zone_and_are_never_guessed(sniff: Sniff) -> None:
    local = GERMAN.replace("?+00:303", ":203")
    assert sniff(local).reasons == {"no_zone": 1}
    assert "--tz" in sniff(local).message
    assert sniff(local, tz="UTC").channels == sniff(GERMAN).channels
    berlin = sniff(local, tz="Europe/Berlin")
    assert berlin.channels[0].end_utc == datetime(2024, 12, 31, 23, tzinfo=UTC)


def test_registers_of_a_site_get_their_lines(bench: Bench) -> None:
    meter = Meter(meter_id="main", registers=(Register(), Register(register_id="export")))
    site = plant(
        meters=(meter,),
        column_maps=(ColumnMap(match="*", meters={LOCATION: "main"}, other_meters="skip"),),
    )
    report = bench.ingest(GERMAN, site=site, name="x.dat")
    assert (report.verdict, report.new_rows) == ("accept_with_warning", 7)
    assert report.warnings["other_meters"] == 4
    assert bench.values("main", "import") == [1.5, 2.25, 0.0]
    assert bench.values("main", "export") == [0.125] * 4
    assert bench.ingest(GERMAN, site=site, name="y.dat").is_repeat


@pytest.mark.parametrize(
    ("obis", "facts"),
    [
        ("1-1:1.29.0", ("electricity", "import", "kwh")),
        ("1-1:2.29.0*255", ("electricity", "export", "kwh")),
        ("1-1:5.29.0", ("electricity", "", "kvarh")),
        ("1-1:1.6.0", ("electricity", "import", None)),
        ("1.8.0", ("electricity", "import", "kwh")),
        ("7-20:3.0.0", ("natural_gas", "import", None)),
        ("8-1:1.0.0", ("water", "import", None)),
        ("99-1:1.0.0", ("unknown", "", None)),
        ("9990000000053", ("unknown", "", None)),
        ("", ("unknown", "", None)),
    ],
)
def test_an_obis_code_tells_carrier_direction_and_unit(obis: str, facts: tuple[str, str, str | None]) -> None:
    assert obis_facts(obis) == facts


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("202503301230+02", "303", datetime(2025, 3, 30, 10, 30, tzinfo=UTC)),
        ("202503301230-0330", "303", datetime(2025, 3, 30, 16, tzinfo=UTC)),
        ("20250330123015+00", "304", datetime(2025, 3, 30, 12, 30, 15, tzinfo=UTC)),
        ("20250330", "102", datetime(2025, 3, 29, 23, tzinfo=UTC)),
        ("202503302400", "203", datetime(2025, 3, 30, 22, tzinfo=UTC)),
        ("20250330120000", "204", datetime(2025, 3, 30, 10, tzinfo=UTC)),
        ("202503300230", "203", "nonexistent_local_time"),
        ("202510260230", "203", "ambiguous_local_time"),
        ("202503301230+99", "303", "bad_timestamp"),
        ("202502301230+00", "303", "bad_timestamp"),
        ("2025", "203", "bad_timestamp"),
        ("202503301230x", "203", "bad_timestamp"),
        ("000101010000+14", "303", "bad_timestamp"),
        ("000101010000", "203", "bad_timestamp"),
        ("999912312400", "203", "bad_timestamp"),
    ],
)
def test_a_date_of_each_format_is_an_instant_or_a_reason(value: str, form: str, expected: datetime | str) -> None:
    assert instant(value, form, ZoneInfo("Europe/Berlin")) == expected


def test_a_registration_period_has_a_length() -> None:
    assert [period_minutes("15", "806"), period_minutes("1", "805")] == [15, 60]
    assert [period_minutes("0", "806"), period_minutes("x", "806"), period_minutes("1", "802")] == [None] * 3


def test_other_text_is_no_interchange(tmp_path: Path) -> None:
    assert not is_edifact(b"UNABLE,to,read\n")
    assert not is_edifact(b"UNB,UNH\n") or Mscons().header(tmp_path) == []
    path = tmp_path / "x.edi"
    path.write_text("UNA:+")
    with pytest.raises(BadInput, match="cut inside UNA"):
        Interchange(path)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file damaged in one to four places, its first segment left."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(9, len(data) + 1)
        piece = rng.choice([bytes([rng.randrange(256)]), b"'", b"+", b":", b"?", b"9" * 30, b"UNT+2+1'", b"QTY+220:1'"])
        data = data[:place] + piece + data[place + rng.choice([0, 1, 1, rng.randrange(60)]) :]
    return data


@pytest.mark.parametrize("name", ["mscons_german.edi", "mscons_swiss.edi"])
def test_no_damaged_file_crashes(sniff: Sniff, name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    for seed in range(100):
        damaged = mutated(data, random.Random(seed))
        if Mscons().recognises(damaged[:4096], Path("x")):
            report = sniff(damaged)
            assert report.verdict != "reject" or report.message


@given(st.lists(st.decimals(0, 10**6, places=3), min_size=1, max_size=20))
def test_written_values_are_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, values: list[Decimal]) -> None:
    head, tail = SWISS[: SWISS.index("QTY+")], SWISS[SWISS.index("UNT+") :]
    head = "'".join(part for part in head.split("'") if not part.startswith("DTM+164"))
    text = head + "".join(f"QTY+46:{value}:KWH'" for value in values) + tail
    path = tmp_path_factory.mktemp("edi") / "x"
    path.write_text(recounted(text))
    rows = Mscons().read(path, ReadRequest()).rows
    assert [Decimal(repr(value)) for value in rows["value"]] == values
