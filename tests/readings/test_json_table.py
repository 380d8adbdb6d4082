"""JSON that portals and web services answer is a table, however deep its list of objects stands."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets.readings.drafts.map_draft import FileFacts
from assets.readings.readers.table_formats import json_table
from assets.readings.readers.table_formats.json_rows import MAX_BYTES
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.site_file.site import ColumnMap

HOURS = range(24)
TIMES = [f"2025-03-01T{n:02}:00" for n in HOURS]
PAIRS = [[at, 1.5] for at in TIMES]


def sniffed(folder: Path, document: Any, facts: FileFacts | None = None) -> SniffReport:
    path = folder / "answer.json"
    path.write_text(json.dumps(document))
    return sniff_file(path, tz="Europe/Berlin", facts=facts or FileFacts())


def read_as_proposed(report: SniffReport) -> dict[str, float | None]:
    mapping = ColumnMap.model_validate(report.proposal)
    return {channel.meter: channel.sum for channel in read_file(Path(report.path), mapping=mapping).report.channels}


def test_pages_of_half_hours_newest_first_are_read(tmp_path: Path) -> None:
    rows = [
        {"consumption": n / 8, "interval_start": f"2025-03-01T{n:02}:00:00+0100", "interval_end": "2025-03-01T00:00Z"}
        for n in reversed(HOURS)
    ]
    answer = {"count": 24, "next": None, "results": rows}
    report = sniffed(tmp_path, answer, FileFacts(unit="kwh"))
    assert (report.format, report.proposal["timestamp"], report.proposal["value"]) == (
        "json_table", "interval_start", "consumption",
    )  # fmt: skip
    assert read_as_proposed(report) == {"": 24 * 23 / 16}


def test_a_unit_that_stands_once_beside_the_list_is_the_unit_of_its_rows(tmp_path: Path) -> None:
    rows = [{"date": f"2025-03-01 {n:02}:00:00", "value": str(n * 100)} for n in HOURS]
    answer = {"meter_reading": {"usage_point_id": "0012", "reading_type": {"unit": "W"}, "interval_reading": rows}}
    report = sniffed(tmp_path, answer)
    assert report.proposal["unit"] == "meter_reading.reading_type.unit"
    read = read_file(Path(report.path), mapping=ColumnMap.model_validate(report.proposal)).report
    assert [channel.sum_kwh for channel in read.channels] == [24 * 23 / 2 / 10]


def test_prices_beside_the_energy_have_not_the_unit_of_the_rows(tmp_path: Path) -> None:
    nodes = [
        {"from": f"2025-03-01T{n:02}:00:00+01:00", "cost": 0.4, "unitPrice": 0.3, "used": n, "usedUnit": "kWh"}
        for n in HOURS
    ]
    report = sniffed(tmp_path, {"data": {"homes": [{"consumption": {"nodes": nodes}}]}})
    assert report.proposal["units"] == {"used": "kwh"}
    assert "cost" not in report.proposal["values"]


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        (
            {"timezone": "GMT", "tags": ["a"], "hourly": {"time": TIMES, "temperature_2m": [1.5] * 24}},
            {"timestamp": "time", "value": "temperature_2m", "unit": "degc", "zone": "UTC"},
        ),
        (
            {"results": [{"series": [{"name": "kWh", "columns": ["at", "mean_kwh"], "values": PAIRS}]}]},
            {"timestamp": "at", "value": "mean_kwh", "unit": "kwh", "zone": "Europe/Berlin"},
        ),
    ],
)
def test_lists_beside_each_other_and_names_beside_rows_are_columns(
    tmp_path: Path, document: Any, keys: dict[str, str]
) -> None:
    report = sniffed(tmp_path, document)
    assert {name: report.proposal.get(name) for name in keys} == keys
    assert report.draft is not None
    assert report.draft.reads == 24


def test_an_object_a_line_is_a_row_and_a_bad_line_keeps_its_number(tmp_path: Path) -> None:
    lines = [json.dumps({"ts": at, "power_w": 5.5}) for at in TIMES]
    path = tmp_path / "log.json"
    path.write_text("\n".join(lines))
    draft = sniff_file(path, tz="Europe/Berlin").draft
    assert draft is not None
    assert (draft.keys["value"], draft.reads) == ("power_w", 24)
    path.write_text("\n".join([*lines[:2], "{torn}", *lines[2:]]))
    report = sniff_file(path, tz="Europe/Berlin")
    assert (report.reasons, "line 3: " in report.message) == ({"not_json": 1}, True)


def test_lists_beside_a_list_of_objects_do_not_hide_it(tmp_path: Path) -> None:
    rows = [{"at": at, "kwh": 1.5} for at in TIMES]
    report = sniffed(tmp_path, {"ids": ["a", "b"], "names": ["x", "y"], "data": rows})
    assert (report.proposal["timestamp"], report.proposal["value"]) == ("at", "kwh")


def test_lists_within_rows_and_rows_of_two_meters_stay_what_they_are(tmp_path: Path) -> None:
    def rows(scale: int) -> list[dict[str, Any]]:
        return [
            {"at": f"2025-03-01T{n:02}:00:00Z", "energy": {"kwh": n * scale}, "phases": [{"a": 1}, {"a": 2}, {"a": 3}]}
            for n in HOURS
        ]

    answer = [{"meter": "one", "rows": rows(1)}, {"meter": "two", "rows": rows(2)}]
    report = sniffed(tmp_path, answer)
    assert (report.proposal["meter"], report.proposal["value"]) == ("meter", "energy.kwh")
    assert read_as_proposed(report) == {"one": 276.0, "two": 552.0}


@pytest.mark.parametrize(
    ("text", "reason", "sentence"),
    [
        ('{"error": "not found"}', "wrong_shape", "it holds no table; expected a list of objects"),
        ("[1, 2, 3]", "wrong_shape", "it holds no table"),
        ('{"rows": [{"at": "2025-03-01T00:00Z", "kwh": NaN}]}', "not_json", "NaN is no number of JSON"),
        ('{"rows":\n[{"at": "2025-03-0', "not_json", "line 2: this cannot be read as JSON"),
        ("[" * 100_000, "not_json", "nested too deep"),
        ('[{"at": "2025-03-01T00:00Z", "a.b": 1, "a": {"b": 2}}]', "duplicate_column", "two fields of one object"),
        ('[{"at": "2025-03-01T00:00Z", "of": "\\ud800"}]', "bad_encoding", "half a letter (\\ud800)"),
        ('[{"at": "2025-03-01T00:00Z", "_line": 1}]', "duplicate_column", "a column is called '_line'"),
        ('{"rows": [{"kwh": 1}]}', "missing_column", "expected a column 'timestamp', found kwh"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, text: str, reason: str, sentence: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    report = sniff_file(path)
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert sentence in report.message
    assert "\n" not in report.message


@pytest.mark.parametrize(
    "above", [{"of": "x" * 1_000_000}, {f"field {n}": n for n in range(2000)}, {"list": [{"a": "x" * 1_000_000}]}]
)
def test_a_small_answer_that_asks_for_much_memory_is_refused(tmp_path: Path, above: dict[str, Any]) -> None:
    rows = [{"at": "2025-03-01T00:00:00Z", "kwh": 1.5}] * 10_000
    inner = above["list"][0] | {"rows": rows} if "list" in above else above | {"rows": rows}
    report = sniffed(tmp_path, {"list": [inner]})
    assert (report.verdict, report.reasons) == ("reject", {"too_large": 1})
    assert "split the file by months or by meters" in report.message


@pytest.mark.parametrize("part", ["[],", '{"a":1},', "[1],"])
def test_many_small_lists_are_refused_before_they_are_taken_apart(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_table, "json_of", lambda *_: pytest.fail("taken apart"))
    path = tmp_path / "a.json"
    path.write_text("[" + part * 1_000_000 + part[:-1] + "]")
    report = sniff_file(path)
    assert (report.verdict, report.reasons) == ("reject", {"too_large": 1})
    assert "lists and objects, at most 1,000,000 are read; expected a list of objects" in report.message


def test_the_smallest_rows_that_a_document_can_hold_are_not_too_many() -> None:
    assert MAX_BYTES // len('{"t":1740787200,"v":1},') < json_table._MAX_PARTS


def test_fields_seldom_given_are_counted_before_they_are_columns(tmp_path: Path) -> None:
    report = sniffed(tmp_path, [{"at": "2025-03-01T00:00:00Z", f"of {n % 2000}": n} for n in range(10_000)])
    assert (report.verdict, report.reasons) == ("reject", {"too_many_columns": 1})


def test_every_row_is_read_or_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    good = [{"timestamp": f"2025-03-01T00:{minute:02}Z", "kwh": 1.25} for minute in (0, 15)]
    path.write_text(json.dumps([*good, {"timestamp": "x", "kwh": 1}, {"kwh": 2}]))
    report = read_file(path)
    assert (report.report.accepted_rows, report.report.rejected_rows) == (2, 2)
    assert sorted(report.rejects["source_line"].to_list()) == [3, 4]
