"""Columns that are called as those which the reader makes: read right, or refused in one sentence, never lost."""

import re
from pathlib import Path

import polars as pl
import pytest

from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.site_file.site import ColumnMap

ROOM = Path(__file__).parents[2] / "assets" / "readings"
# Every name of ours that stands in the sources, and some that other programs write.
OURS = sorted(
    {
        name
        for folder in ("tables", "readers/table_formats", "drafts", "bulk")
        for path in (ROOM / folder).glob("*.py")
        for name in re.findall(r"[\"( ](_[a-z][a-z_]*)(?:\"|=)", path.read_text())
    }
)
OTHERS = [
    "*",
    "^.*$",
    "_file",
    "__index_level_0__",
    "row_nr",
    "index",
    "value",
    "line",
    "slot",
    "source_line",
    "own_unit",
    "len",
]
TIMES = [f"2025-03-01 {n // 4:02}:{n % 4 * 15:02}" for n in range(96)]
SUM_KWH = sum(1.5 + n % 7 for n in range(96))
BASE = {"unit": "kwh", "zone": "Europe/Berlin"}


def roles(name: str) -> dict[str, tuple[list[str], ColumnMap]]:
    """Header of time, value and meter, and a map for it, by what the name is given to."""
    return {
        "time": ([name, "kwh", "of"], ColumnMap(timestamp=name, value="kwh", **BASE)),
        "value": (["at", name, "of"], ColumnMap(timestamp="at", value=name, **BASE)),
        "wide": (["at", name, "of"], ColumnMap(timestamp="at", values={name: "m"}, **BASE)),
        "meter": (["at", "kwh", name], ColumnMap(timestamp="at", value="kwh", meter=name, **BASE)),
        "other": (["at", "kwh", name], ColumnMap(timestamp="at", value="kwh", **BASE)),
    }


def rows(kind: str) -> str:
    """Rows as such, between quotes, and with one that has too few fields."""
    mark = '"' if kind == "quoted" else ""
    lines = [",".join(f"{mark}{cell}{mark}" for cell in (at, 1.5 + n % 7, "m")) for n, at in enumerate(TIMES)]
    return "\n".join([*lines, *(["1,2"] if kind == "ragged" else [])]) + "\n"


@pytest.mark.parametrize("name", [*OURS, *OTHERS])
def test_a_column_called_as_one_of_ours_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.csv"
    # The ways of taking a text apart differ in the names that they use themselves.
    for kind in ("plain", "quoted", "ragged") if name in ("_line", "_text", "_fields") else ("plain",):
        for role, (header, mapping) in roles(name).items():
            path.write_text(",".join(header) + "\n" + rows(kind))
            report = sniff_file(path, mapping=mapping)
            if report.verdict == "reject":
                assert report.reasons == {"duplicate_column": 1}, (role, report.message)
                assert f"{name!r}, as " in report.message
                assert report.message.endswith("give it another name")
            else:
                assert (report.accepted_rows, report.channels[0].sum) == (96, SUM_KWH), role
    assert "\n" not in sniff_file(path, tz="Europe/Berlin").message


@pytest.mark.parametrize("twice", ["_line", "kwh"])
def test_no_reading_becomes_the_names_of_a_draft(tmp_path: Path, twice: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"at,kwh,{twice}\n" + rows("plain"))
    report = sniff_file(path, tz="Europe/Berlin")
    assert (report.verdict, report.reasons, report.draft) == ("reject", {"duplicate_column": 1}, None)


def test_the_names_of_ours_are_found_in_the_sources() -> None:
    assert {"_line", "_text", "_by", "_start", "_clock", "_raw"} <= set(OURS)


def test_a_time_of_day_beside_a_column_called_clock(tmp_path: Path) -> None:
    hours = {f"{hour:02}:00": f"{hour:02}:00" for hour in range(24)}
    path = tmp_path / "m.csv"
    path.write_text("at,_clock," + ",".join(hours) + "\n2025-03-01,m" + ",1.5" * 24 + "\n")
    found = read_file(path, mapping=ColumnMap(timestamp="at", clocks=hours, **BASE))
    assert found.rows["value"].sum() == 36.0


def test_a_workbook_and_a_parquet_file_with_a_column_of_our_name_are_refused(tmp_path: Path) -> None:
    frame = pl.DataFrame({"timestamp": TIMES, "kwh": [1.5] * 96, "_line": range(96)})
    frame.write_parquet(tmp_path / "m.parquet")
    frame.write_excel(tmp_path / "m.xlsx")
    for suffix in ("parquet", "xlsx"):
        report = sniff_file(tmp_path / f"m.{suffix}", tz="UTC")
        assert (report.verdict, report.reasons) == ("reject", {"duplicate_column": 1})
        assert "a column is called '_line', as the number of a row is here; give it another name" in report.message
