"""Faults shown by mutated files stay mended: one file each, as small as it gets."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.readings.sniff_files import FileRead, read_file
from data_quality.contracts.errors import BadInput
from tests.fuzz.cases import Seed
from tests.fuzz.mutate_tables import archive, parts_of
from tests.fuzz.mutate_text import recount, resealed
from tests.fuzz.seeds import seeds_of

SHEET = "xl/worksheets/sheet1.xml"


def good(form: str, name: str) -> Seed:
    return next(seed for seed in seeds_of(form) if seed.name == name)


def read(folder: Path, seed: Seed, data: bytes) -> FileRead:
    path = folder / seed.name
    path.write_bytes(data)
    return read_file(path, mapping=seed.mapping, site=seed.site, tz=seed.tz)


def refusal(folder: Path, seed: Seed, data: bytes) -> str:
    with pytest.raises(BadInput) as caught:
        read(folder, seed, data)
    return caught.value.reason


def test_an_interval_reading_of_1970_is_of_a_clock_that_was_never_set(tmp_path: Path) -> None:
    seed = good("espi", "amounts.xml")
    found = read(tmp_path, seed, seed.data.replace(b"<start>1735689600<", b"<start>0<"))
    assert found.report.reasons == {"clock_suspect": 1}
    assert found.report.accepted_rows == 3


def test_a_value_with_its_power_of_ten_is_the_nearest_float(tmp_path: Path) -> None:
    seed = good("espi", "amounts.xml")
    data = seed.data.replace(b">1500<", b">370001<").replace(b">2500<", b">751.6850<")
    assert read(tmp_path, seed, data).rows["value"].to_list()[:2] == [370.001, 0.751685]


def test_a_code_behind_a_quantity_does_not_rename_it(tmp_path: Path) -> None:
    seed = good("mscons", "mscons_german.edi")
    data = recount(seed.data.replace(b"QTY+67:2,25'", b"PIA+5+1-1?:2.29.0:SRW'QTY+67:2,25'"))
    assert refusal(tmp_path, seed, data) == "bad_segment"


def test_a_byte_order_mark_costs_no_telegram(tmp_path: Path) -> None:
    seed = good("dsmr", "dsmr_v5_four.txt")
    marked = read(tmp_path, seed, b"\xef\xbb\xbf" + seed.data)
    assert marked.rows.equals(read(tmp_path, seed, seed.data).rows)


def test_a_register_that_stands_twice_still_counts_in_the_total(tmp_path: Path) -> None:
    seed = good("dsmr", "dsmr_v5_four.txt")
    line = b"1-0:1.8.1(000100.250*kWh)\r\n"
    twice = resealed(seed.data.replace(line, line + line))
    assert (
        read(tmp_path, seed, twice).rows["value"].to_list() == read(tmp_path, seed, seed.data).rows["value"].to_list()
    )


def test_what_the_other_tariffs_add_up_to_is_no_total(tmp_path: Path) -> None:
    seed = good("dsmr", "dsmr_v5_four.txt")
    data = resealed(seed.data.replace(b"1-0:1.8.1(000100.250*kWh)", b"1-0:1.8.1(0001OO.250*kWh)"))
    found = read(tmp_path, seed, data)
    assert found.report.reasons == {"not_a_number": 3}
    assert found.rows.filter(register="import", meter_id="E0001234567").is_empty()


def test_a_telegram_that_lost_its_head_is_a_reject(tmp_path: Path) -> None:
    seed = good("dsmr", "dsmr_v5_four.txt")
    place = seed.data.rindex(b"/MLM5")
    found = read(tmp_path, seed, seed.data[:place] + b"X" + seed.data[place + 1 :])
    assert found.report.reasons == {"garbled_lines": 1}
    assert found.rejects["source_line"].to_list() == [seed.data[:place].count(b"\n") + 3]


def test_a_quoted_decimal_comma_is_no_number_and_no_two_of_them(tmp_path: Path) -> None:
    seed = good("nem12", "nem12_two_channels.csv")
    found = read(tmp_path, seed, seed.data.replace(b"0.250", b'"1,5"', 1))
    assert found.report.reasons == {"not_a_number": 1}
    assert found.report.accepted_rows == 287


def test_a_value_both_read_and_estimated_counts_as_estimated_whichever_stands_first(tmp_path: Path) -> None:
    seed = good("nem13", "nem13_two_registers.csv")
    line = next(each for each in seed.data.splitlines(keepends=True) if b",96.0," in each)
    guessed = line.replace(b",A,,,", b",E62,,,")
    for data in (seed.data.replace(line, line + guessed), seed.data.replace(line, guessed + line)):
        found = read(tmp_path, seed, data)
        assert found.report.warnings["duplicate_rows"] == 1
        assert found.rows.filter(pl.col("value") == 96)["quality_code"].to_list() == [8]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"</row></sheetData>", b"</sheetData>"),
        (b"</sheetData></worksheet>", b""),
        (b'<c r="B5"><v>3.25</v></c>', b'<c r="B5"><v>3.25</w></c>'),
        (b'<c r="A1" t="s"><v>0</v></c>', b'<c r="A1" t="s"><v>1e3</v></c>'),
        (b'<c r="A1" t="s"><v>0</v></c>', b'<c r="A1" t="s"><v>99999999999999999999</v></c>'),
    ],
    ids=["a row not closed", "cut", "another tag", "text by no number", "text by too large a number"],
)
def test_a_sheet_that_is_not_whole_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    seed = good("xlsx", "plain.xlsx")
    parts = parts_of(seed.data)
    assert old in parts[SHEET]
    parts[SHEET] = parts[SHEET].replace(old, new, 1)
    assert refusal(tmp_path, seed, archive(parts)) == "truncated"


def test_a_cell_beyond_the_last_column_is_refused_at_once(tmp_path: Path) -> None:
    seed = good("xlsx", "plain.xlsx")
    parts = parts_of(seed.data)
    parts[SHEET] = parts[SHEET].replace(b'r="B5"', b'r="ZZZZ5"')
    begun = time.perf_counter()
    assert refusal(tmp_path, seed, archive(parts)) == "too_many_columns"
    assert time.perf_counter() - begun < 5
    # The last one that there is, XFD, is another matter: it is only too far.
    parts[SHEET] = parts[SHEET].replace(b'r="ZZZZ5"', b'r="XFD5"')
    assert refusal(tmp_path, seed, archive(parts)) == "too_many_columns"


def test_a_name_with_what_nobody_sees_is_no_meter(tmp_path: Path) -> None:
    seed = good("csv", "units.tsv")
    for unseen in ("\xa0", "\x1a", "\x04"):
        data = seed.data.replace(b"main", f"ma{unseen}in".encode(), 1)
        assert read(tmp_path, seed, data).report.reasons == {"unknown_meter": 1}


def test_a_carriage_return_inside_an_unclosed_quote_is_one_bad_line(tmp_path: Path) -> None:
    seed = good("csv", "plain.csv")
    lines = seed.data.split(b"\n")
    lines[2] = b'"' + lines[2]
    lines[3] = lines[3][:5] + b"\r" + lines[3][5:]
    assert read(tmp_path, seed, b"\n".join(lines)).report.reasons["field_count"] >= 2


def test_a_channel_whose_unit_changes_counts_no_heat_as_gas(tmp_path: Path) -> None:
    seed = good("dsmr", "dsmr_v5_four.txt")
    place = seed.data.rindex(b"*m3)")
    text = seed.data[:place] + b"*GJ)" + seed.data[place + 4 :]
    found = read(tmp_path, seed, resealed(text))
    assert "crc_mismatch" not in found.report.reasons
    # Gas stands still in the first three telegrams; what the fourth says is heat, and alone.
    assert found.rows.filter(pl.col("unit") == "m3")["value"].sum() == 0
    assert max(found.rows["value"].to_list()) < 10


def test_a_cell_keeps_all_its_decimals(tmp_path: Path) -> None:
    seed = good("xlsx", "plain.xlsx")
    parts = parts_of(seed.data)
    for old, new in ((b"<v>1.25</v>", b"<v>0.1234567891</v>"), (b"<v>2.25</v>", b"<v>1e-10</v>")):
        assert old in parts[SHEET]
        parts[SHEET] = parts[SHEET].replace(old, new, 1)
    assert read(tmp_path, seed, archive(parts)).rows["value"].to_list()[:4] == [0.25, 0.1234567891, 1e-10, 3.25]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'<c r="A1" t="s"><v>0</v></c>', b'<c r="A1" t="s"><v>1 000</v></c>'),
        (b'<c r="A1" t="s"><v>0</v></c>', b'<c r="A1" t="s"><v> </v></c>'),
        (b'<c r="B5">', b'<c :="B5">'),
        (b'<c r="B5">', b'<c x:r="B5">'),
        (b"schemas.openxmlformats.org", b"sche}as.openxmlformats.org"),
    ],
    ids=[
        "text by two numbers",
        "text by a blank",
        "an attribute without a name",
        "a prefix without a namespace",
        "an odd namespace",
    ],
)
def test_a_sheet_that_other_programs_cannot_read_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    seed = good("xlsx", "plain.xlsx")
    parts = parts_of(seed.data)
    assert old in parts[SHEET]
    parts[SHEET] = parts[SHEET].replace(old, new, 1)
    assert refusal(tmp_path, seed, archive(parts)) == "truncated"


def test_two_sheets_whose_names_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    seed = good("xlsx", "plain.xlsx")
    parts = parts_of(seed.data)
    parts[SHEET.upper()] = parts[SHEET]
    assert refusal(tmp_path, seed, archive(parts)) == "truncated"


def test_a_link_with_what_nobody_sees_is_no_meter(tmp_path: Path) -> None:
    seed = good("espi", "amounts.xml")
    data = seed.data.replace(b"/U/1/MeterReading", "/U/1\xa0/MeterReading".encode())
    assert refusal(tmp_path, seed, data) == "unknown_meter"


def test_a_quantity_does_not_take_the_times_of_the_next_one_whose_head_is_lost(tmp_path: Path) -> None:
    seed = good("mscons", "mscons_german.edi")
    pieces = seed.data.split(b"'")
    heads = [place for place, piece in enumerate(pieces) if piece.strip().startswith(b"QTY+")]
    # A release character before the end mark makes the next segment a part of this one.
    pieces[heads[1] - 1] += b"?"
    data = recount(b"'".join(pieces))
    whole, found = read(tmp_path, seed, seed.data), read(tmp_path, seed, data)
    assert found.report.reasons["no_interval"] == 1
    lost = whole.rows.join(found.rows, on=["meter_id", "register", "interval_start_utc", "value"], how="anti")
    assert lost.height == 2
    assert found.rows.height == whole.rows.height - 2


@pytest.mark.parametrize("cell", [b'""2025-01-01T00:30Z""', b'"2025-01-01T00:30Z"x'])
def test_a_quote_that_begins_or_ends_no_field_is_no_quote(cell: bytes, tmp_path: Path) -> None:
    seed = good("csv", "long.csv")
    assert b"2025-01-01T00:30Z" in seed.data
    found = read(tmp_path, seed, seed.data.replace(b"2025-01-01T00:30Z", cell))
    assert "bad_timestamp" in found.report.reasons


@pytest.mark.parametrize("dtype", [pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Date()], ids=str)
def test_a_time_beyond_the_calendar_is_one_bad_row(dtype: pl.DataType, tmp_path: Path) -> None:
    most = 2**31 - 1 if dtype == pl.Date else 2**63 - 1
    step = 1 if dtype == pl.Date else 86_400_000 if dtype == pl.Datetime("ms") else 86_400_000_000
    places = [20_000 * step, most, -most, 20_001 * step]
    times = pl.Series(places).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    path = tmp_path / "table.parquet"
    pl.DataFrame({"timestamp": times, "kwh": [1.0, 2.0, 3.0, 4.0]}).write_parquet(path)
    found = read_file(path, tz="UTC")
    assert found.report.reasons == {"bad_timestamp": 2}
    assert found.rows["value"].to_list() == [1.0, 4.0]


def test_a_table_of_a_thousand_meters_takes_no_longer_than_one_of_ten(tmp_path: Path) -> None:
    seed = good("csv", "plain.csv")
    names = [f"m{place}_kwh" for place in range(1000)]
    lines = [",".join(["timestamp", *names])]
    lines += [",".join([f"2025-01-01T{hour:02}:00Z", *["1.5"] * len(names)]) for hour in range(4)]
    begun = time.perf_counter()
    found = read(tmp_path, Seed(seed.name, b"", ".csv"), "\n".join([*lines, ""]).encode())
    assert len(found.report.channels) == 1000
    assert {channel.sum for channel in found.report.channels} == {6.0}
    assert time.perf_counter() - begun < 5


def test_a_name_without_a_letter_is_none_in_any_format(tmp_path: Path) -> None:
    path, start = tmp_path / "table.parquet", datetime(2025, 1, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=15 * place) for place in range(4)]
    frame = {"timestamp": times, "meter": ["a", "a", "", "a"], "register": ["", "", "", "export"], "kwh": [1, 2, 3, 4]}
    pl.DataFrame(frame).write_parquet(path)
    found = read_file(path)
    assert found.report.reasons == {"unknown_meter": 1}
    assert found.rows.select("register", "value").rows() == [("export", 4.0), ("import", 1.0), ("import", 2.0)]
