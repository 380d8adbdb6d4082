"""Every broken or awkward file of the shared list gets the verdict of the list, and loses no good row."""

import csv
import re
from pathlib import Path

import pytest

from assets.readings.sniff_files import SniffReport, sniff_file

LIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "invalid" / "verdicts.csv"
ALLOWED = {
    "accept": {"accept"},
    "accept_with_warning": {"accept_with_warning"},
    "reject": {"reject"},
    "reject_or_quarantine": {"reject", "quarantine"},
}
# Another reason says as much as the list's word for it.
REASONS = {
    "no_data": {"no_data", "no_rows"},
    "dst_duplicate_hour": set(),
    "nonexistent_local_time": {"nonexistent_local_time"},
    "conflicting_duplicate": {"duplicate_conflict"},
    "negative_consumption": {"negative_consumption"},
    "missing_column": {"missing_column", "unknown_unit_column"},
    "ambiguous_decimal": {"field_count"},
    "implausible_magnitude": {"unit_suspected"},
    "ambiguous_date": {"ambiguous_date"},
    "empty_file": {"empty_file"},
}
WARNINGS = {"utf16": "utf16", "duplicate_row": "duplicate_rows", "gap": "gap_intervals", "unsorted": "unsorted"}


def listed() -> list[dict[str, str]]:
    if not LIST.exists():
        return []
    with LIST.open() as file:
        return list(csv.DictReader(file))


def sniffed(folder: Path, row: dict[str, str]) -> SniffReport:
    # Local times of the list are Berlin's; the other formats bring their own clock.
    return sniff_file(folder / row["file"], tz="Europe/Berlin" if row["format"] == "CSV" else None)


def test_the_list_is_whole(shared_data: Path) -> None:
    names = {row["file"] for row in listed()}
    assert names == {path.name for path in (shared_data / "invalid").iterdir()} - {"verdicts.csv"}


@pytest.mark.parametrize("row", listed(), ids=lambda row: row["file"])
def test_a_broken_file_gets_its_verdict(shared_data: Path, row: dict[str, str]) -> None:
    report = sniffed(shared_data / "invalid", row)
    assert report.verdict in ALLOWED[row["verdict"]], (report.reasons, report.warnings, report.message)
    if report.verdict == "reject":
        assert report.accepted_rows == 0
        assert row["file"] in report.message
        assert "\n" not in report.message
    if row["rule"] in REASONS and REASONS[row["rule"]] and report.verdict in {"reject", "quarantine"}:
        assert set(report.reasons) & REASONS[row["rule"]]
    if row["rule"] in WARNINGS:
        assert WARNINGS[row["rule"]] in report.warnings


@pytest.mark.parametrize(
    "row", [row for row in listed() if re.search(r"sum \d", row["detail"])], ids=lambda row: row["file"]
)
def test_no_good_row_is_lost(shared_data: Path, row: dict[str, str]) -> None:
    match = re.search(r"sum (\d+\.\d+)", row["detail"])
    assert match is not None
    report = sniffed(shared_data / "invalid", row)
    if report.verdict in {"accept", "accept_with_warning"}:
        assert report.channels[0].sum == pytest.approx(float(match[1]), abs=0.0005)
        assert report.channels[0].sum_kwh == pytest.approx(float(match[1]), abs=0.0005)


def test_one_bad_row_costs_only_itself(shared_data: Path) -> None:
    folder = shared_data / "invalid"
    negative = sniff_file(folder / "csv_negative_consumption.csv", tz="Europe/Berlin")
    assert (negative.accepted_rows, negative.rejected_rows) == (23, 1)
    conflict = sniff_file(folder / "csv_conflicting_duplicate.csv", tz="Europe/Berlin")
    assert (conflict.accepted_rows, conflict.rejected_rows) == (23, 2)
    gap = sniff_file(folder / "csv_gap_3h.csv", tz="Europe/Berlin")
    assert (gap.warnings["gap_intervals"], gap.channels[0].intervals) == (3, 21)
