"""Faults of files (docs: meters and ingestion): what is promised for each, on tables and on any file."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, home, quarter_rows

HEADER = "meter,timestamp,kwh\n"
ROOT = Path(__file__).resolve().parents[2]
LONG = "timestamp,kwh\n" + "".join(f"2025-01-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}Z,{n}.{n * 37 % 1000:03}\n" for n in range(120))  # fmt: skip  # noqa: E501


def nothing_stored(bench: Bench) -> bool:
    return bench.lake.manifest("plant") == [] and not list(bench.lake.root.rglob("*.parquet"))


# F01


def test_fault_f01_a_csv_of_120_rows_cut_at_every_23rd_byte_and_its_last_42_rows_at_every_byte_gives_no_wrong_value(
    tmp_path: Path,
) -> None:
    header, *lines = LONG.splitlines(keepends=True)
    # Each byte of what crosses midnight and the step to three digits; of the whole, a place that moves from row to row.
    around, whole = (header + "".join(lines[78:])).encode(), LONG.encode()
    cuts = [around[:end] for end in range(len(around))]
    cuts += [whole[:end] for end in (*range(0, len(whole), 23), len(whole) - 1)]
    assert len(cuts) > 1200
    true_value = {row[:17]: float(row[18:]) for row in LONG.splitlines()[1:]}
    path, most = tmp_path / "cut.csv", 0
    for cut in cuts:
        path.write_bytes(cut)
        try:
            rows = read_file(path).rows
        except BadInput:
            continue
        times = rows["interval_start_utc"].dt.strftime("%Y-%m-%dT%H:%MZ").to_list()
        assert rows["value"].to_list() == [true_value[moment] for moment in times]
        most = max(most, len(times))
    assert most == 120


def test_fault_f01_a_cut_file_of_many_pieces_in_memory_is_refused_with_its_line(tmp_path: Path) -> None:
    note = "a remark of some length that makes the table one of several pieces"
    rows = [f"2025-01-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}Z,{note},{n}.5\n" for n in range(960)]
    path = tmp_path / "cut.csv"
    path.write_text("timestamp,note,kwh\nshort,1\n" + "".join(rows) + "2025-01-11T")
    with pytest.raises(BadInput, match=r"line 963: the last line is cut"):
        read_file(path)


def test_fault_f01_a_cut_file_is_held_whole(bench: Bench) -> None:
    for end in (len(LONG) - 8, len(LONG) - 20, len(LONG) // 2 + 3):
        cut = LONG[:end]
        if "," in cut.rsplit("\n", 1)[1]:
            continue
        report = bench.ingest(cut, site=home(), name=f"{end}.csv")
        assert (report.verdict, report.reasons) == ("reject", {"truncated": 1})
        assert (bench.quarantine.root / bench.quarantine.items()[-1]["kept_path"]).read_text() == cut
    assert nothing_stored(bench)


# F02: workbooks are cut in test_xlsx.py.


def test_fault_f02_packed_and_columnar_files_cut_anywhere_store_nothing(bench: Bench) -> None:
    packed = gzip.compress(LONG.encode(), mtime=0)
    frame = pl.DataFrame({"timestamp": [datetime(2025, 1, 1, tzinfo=UTC)] * 2, "kwh": [1.0, 2.0]})
    frame.write_parquet(bench.folder / "a.parquet")
    columnar = (bench.folder / "a.parquet").read_bytes()
    for data, suffix in ((packed, "csv.gz"), (columnar, "parquet")):
        for step in range(1, 11):
            cut = data[: len(data) * step // 11]
            report = bench.ingest(cut, site=home(), name=f"{step}.{suffix}")
            assert (report.verdict, set(report.reasons) <= {"truncated", "unknown_format"}) == ("reject", True)
    assert nothing_stored(bench)


# F04


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", datetime(2025, 3, 30), 23),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2025, 10, 26), 25),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2025, 4, 6), 24.5),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2025, 10, 5), 23.5),  # noqa: DTZ001
        ("America/St_Johns", datetime(2025, 3, 9), 23),  # noqa: DTZ001
        ("America/St_Johns", datetime(2025, 11, 2), 25),  # noqa: DTZ001
    ],
)
def test_fault_f04_local_quarter_hours_of_odd_days_keep_their_sum(
    bench: Bench, zone: str, day: datetime, hours: float
) -> None:
    start = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    moments = [start + timedelta(minutes=15 * n) for n in range(int(hours * 4))]
    assert moments[-1].astimezone(ZoneInfo(zone)).date() == day.date()
    text = "timestamp,kwh\n" + "".join(
        f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M},{n}.25\n" for n, moment in enumerate(moments)
    )
    report = bench.ingest(text, site=home(), mapping=ColumnMap(zone=zone))
    assert (report.verdict, report.accepted_rows) == ("accept", len(moments))
    assert bench.starts() == moments
    assert bench.values() == [n + 0.25 for n in range(len(moments))]


def test_fault_f04_an_hour_that_could_be_two_is_assumed_only_by_a_declared_rule(bench: Bench) -> None:
    text = "timestamp,kwh\n2025-10-26 01:00,4\n2025-10-26 02:00,8\n2025-10-26 03:00,12\n"
    strict = ColumnMap(zone="Europe/Berlin", interval_minutes=60)
    assert bench.ingest(text, site=home(), mapping=strict).reasons == {"ambiguous_local_time": 1}
    for rule, hour in (("first", 0), ("second", 1)):
        mapping = strict.model_copy(update={"repeated_hour": rule})
        report = sniff_file(bench.file(text), site=home(), mapping=mapping)
        assert report.warnings["repeated_hour_assumed"] == 1
        bench.ingest(text, site=home(), mapping=mapping)
        rows = bench.lake.current("plant").filter(pl.col("value") == 2)
        assert rows["interval_start_utc"].dt.hour().unique().to_list() == list(range(hour + 1))


@pytest.mark.parametrize("columns", ["{time},{value}", "plant,{time},{value}"])
def test_fault_f04_the_repeated_hour_of_a_file_with_the_newest_row_first_is_resolved_by_its_order(
    bench: Bench, columns: str
) -> None:
    moments = [datetime(2025, 10, 25, 22, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(12)]
    local = [moment.astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m-%d %H:%M") for moment in moments]
    lines = [columns.format(time=time, value=n + 0.5) + "\n" for n, time in enumerate(local)]
    mapping, head = (
        ColumnMap(zone="Europe/Berlin"),
        columns.format(time="timestamp", value="kwh").replace("plant", "meter"),
    )
    for order in (lines, lines[::-1]):
        rows = read_file(bench.file(head + "\n" + "".join(order)), mapping=mapping).rows.sort("interval_start_utc")
        assert rows["interval_start_utc"].to_list() == moments
        assert rows["value"].to_list() == [n + 0.5 for n in range(12)]
    shuffled = [lines[place * 5 % 12] for place in range(12)]
    found = read_file(bench.file(head + "\n" + "".join(shuffled)), mapping=mapping)
    assert found.report.reasons == {"ambiguous_local_time": 4}
    assert found.report.accepted_rows == 8


def test_fault_f04_a_day_may_end_at_24_00(bench: Bench) -> None:
    text = "timestamp,kwh\n2025-01-01 23:30,4\n2025-01-01 23:45,8\n2025-01-01 24:00,12\n2025-01-02 24:15,1\n"
    report = bench.ingest(text, site=home(), mapping=ColumnMap(zone="UTC"))
    assert report.reasons == {"bad_timestamp": 1}
    assert [f"{start:%d %H:%M}" for start in bench.starts()] == ["01 23:30", "01 23:45", "02 00:00"]
    declared = ColumnMap(zone="UTC", date_format="%d.%m.%Y %H:%M")
    text = "timestamp,kwh\n31.01.2025 23:45,4\n31.01.2025 24:00,8\n"
    bench.ingest(text, site=home(), mapping=declared, name="b.csv")
    assert bench.starts()[-1] == datetime(2025, 2, 1, tzinfo=UTC)


# F05


def test_fault_f05_the_last_year_of_the_calendar_is_refused_without_a_clock_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,2\n9999-12-31T23:45Z,3\n")
    found = read_file(path)
    assert (found.report.accepted_rows, found.report.reasons) == (2, {"future_timestamp": 1})


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=365), timedelta(days=2_900_000)])
def test_fault_f05_a_future_reading_never_moves_the_latest(bench: Bench, ahead: timedelta) -> None:
    now = bench.clock.now_utc()
    rows = f"main,{now - timedelta(minutes=15):%Y-%m-%dT%H:%MZ},1.5\nmain,{now:%Y-%m-%dT%H:%MZ},2.5\n"
    late = f"main,{now + ahead:%Y-%m-%dT%H:%MZ},3.5\n"
    assert bench.ingest(HEADER + rows + late).reasons == {"future_timestamp": 1}
    assert max(bench.starts()) <= now + timedelta(minutes=5)


# F06


def test_fault_f06_a_spike_is_kept_and_no_meters_amount_refused(bench: Bench) -> None:
    report = bench.ingest(
        "timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,900\n2025-01-01T00:30Z,1e10\n", site=home()
    )
    assert report.reasons == {"implausible": 1}
    assert bench.values() == [1, 900]


# F07

BAD_NUMBERS = ["NaN", "nan", "inf", "-inf", "Infinity", "1e309", "-1e309", "1.234,5", "", " ", "1 000", "0x1F", "1_000"]


@pytest.mark.parametrize("bad", BAD_NUMBERS)
@pytest.mark.parametrize("kind", ["csv", "semicolon", "xlsx", "parquet"])
def test_fault_f07_nothing_but_finite_numbers_is_stored(bench: Bench, kind: str, bad: str) -> None:
    cells = ["1.5", bad, "2.5"]
    times = [f"2025-01-01T00:{15 * n:02}:00Z" for n in range(3)]
    path = bench.folder / f"a.{kind}"
    if kind == "parquet":
        pl.DataFrame({"timestamp": times, "kwh": cells}).write_parquet(path)
    elif kind == "xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        page = book.active
        assert page is not None
        for row in [("timestamp", "kwh"), *zip(times, cells, strict=True)]:
            page.append(row)
        book.save(path)
    else:
        mark = ";" if kind == "semicolon" else ","
        lines = [f'{moment}{mark}"{cell}"' for moment, cell in zip(times, cells, strict=True)]
        path.write_text(f"timestamp{mark}kwh\n" + "\n".join(lines) + "\n")
    report = bench.ingest(path, site=home())
    assert report.reasons == {"not_a_number": 1}
    assert bench.values() == [1.5, 2.5]
    assert bench.lake.history("plant")["value"].is_finite().all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), None])
def test_fault_f07_typed_columns_are_no_way_round(bench: Bench, bad: float | None) -> None:
    path = bench.folder / "a.parquet"
    times = [datetime(2025, 1, 1, 0, 15 * n, tzinfo=UTC) for n in range(3)]
    pl.DataFrame({"timestamp": times, "kwh": [1.5, bad, 2.5]}).write_parquet(path)
    assert bench.ingest(path, site=home()).reasons == {"not_a_number": 1}
    assert bench.values() == [1.5, 2.5]


def test_fault_f07_a_decimal_comma_is_declared_or_shows_itself(bench: Bench) -> None:
    text = "timestamp;kwh\n2025-01-01T00:00Z;1,5\n2025-01-01T00:15Z;-0\n"
    assert bench.ingest(text, site=home()).rejected_rows == 0
    assert [str(value) for value in bench.values()] == ["1.5", "0.0"]
    quoted = 'timestamp,kwh\n2025-01-02T00:00Z,"1,5"\n2025-01-02T00:15Z,"2,5"\n'
    assert bench.ingest(quoted, site=home(), name="b.csv").verdict == "reject"
    declared = bench.ingest(quoted, site=home(), name="b.csv", mapping=ColumnMap(decimal=","))
    assert (declared.accepted_rows, bench.values()[2:]) == (2, [1.5, 2.5])
    point = bench.ingest(text, site=home(), name="c.csv", mapping=ColumnMap(decimal="."))
    assert point.reasons == {"not_a_number": 1}


# F08


def test_fault_f08_duplicates_are_idempotent_and_conflicts_kept_out(bench: Bench) -> None:
    rows = quarter_rows("main", [1.5, 2.5, 3.5])
    text = HEADER + rows + rows + "main,2025-01-01T00:15Z,9\n"
    report = bench.ingest(text)
    assert report.reasons == {"duplicate_conflict": 3}
    assert report.warnings["duplicate_rows"] == 2
    assert bench.values() == [1.5, 3.5]
    bench.clock.advance(timedelta(hours=1))
    assert bench.ingest(HEADER + quarter_rows("main", [1.5, 2, 4]), name="later.csv").corrected_rows == 1
    assert bench.lake.history("plant").height == 4


# F09

VARIANTS: dict[str, tuple[str | bytes, int | str]] = {
    "as it is": ("timestamp,kwh\n{rows}", 2),
    "reordered": ("kwh,timestamp\n1.5,2025-01-01T00:00Z\n2.5,2025-01-01T00:15Z\n", 2),
    "extra column": ("timestamp,kwh,note\n2025-01-01T00:00Z,1.5,a\n2025-01-01T00:15Z,2.5,b\n", 2),
    "unnamed extra column": ("timestamp,kwh,\n2025-01-01T00:00Z,1.5,\n2025-01-01T00:15Z,2.5,\n", 2),
    "byte-order mark": ("\ufefftimestamp,kwh\n{rows}", 2),
    "utf-16 little": (
        "timestamp,kwh\n{rows}".replace("{rows}", "2025-01-01T00:00Z,1.5\n2025-01-01T00:15Z,2.5\n").encode("utf-16"),
        2,
    ),
    "utf-16 big": (
        b"\xfe\xff" + "timestamp,kwh\n2025-01-01T00:00Z,1.5\n2025-01-01T00:15Z,2.5\n".encode("utf-16-be"),
        2,
    ),
    "carriage returns only": ("timestamp,kwh\r2025-01-01T00:00Z,1.5\r2025-01-01T00:15Z,2.5\r", 2),
    "crlf": ("timestamp,kwh\r\n2025-01-01T00:00Z,1.5\r\n2025-01-01T00:15Z,2.5\r\n", 2),
    "duplicate column": ("timestamp,kwh,kwh\n2025-01-01T00:00Z,1.5,9\n", "duplicate_column"),
    "missing column": ("timestamp,note\n2025-01-01T00:00Z,1.5\n", "unknown_unit_column"),
    "no names at all": (",,\n1,2,3\n", "no_header"),
    "cut utf-16": ("timestamp,kwh\n{rows}".encode("utf-16")[:-1], "bad_encoding"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_fault_f09_columns_are_known_by_name_in_any_writing(bench: Bench, variant: str) -> None:
    content, expected = VARIANTS[variant]
    if isinstance(content, str):
        content = content.replace("{rows}", "2025-01-01T00:00Z,1.5\n2025-01-01T00:15Z,2.5\n")
    report = bench.ingest(content, site=home())
    if isinstance(expected, int):
        assert (report.message, report.accepted_rows) == ("", expected)
        assert bench.values() == [1.5, 2.5]
    else:
        assert report.reasons == {expected: 1}
