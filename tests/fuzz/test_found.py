"""What mutated files have shown stays mended: one file each, as small as it gets."""

import time
from pathlib import Path

import polars as pl
import pytest

from assets.readings.sniff import FileRead, read_file
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
    assert found.rows["value"].max() < 10
