"""Ingestion stores what is new, keeps what is bad, and changes nothing twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import ColumnMap, Driver
from tests.readings.rooms import Bench, plant, quarter_rows

HEADER = "meter,timestamp,kwh\n"


def lake_files(bench: Bench) -> set[Path]:
    return set(bench.lake.root.rglob("*"))


def test_a_file_becomes_readings_with_its_lines_and_batch(bench: Bench) -> None:
    report = bench.ingest(HEADER + quarter_rows("main", [1.5, 2.25]) + quarter_rows("press", [0.5]))
    assert (report.verdict, report.accepted_rows, report.new_rows) == ("accept", 3, 3)
    rows = bench.lake.current("plant")
    assert rows["source_line"].to_list() == [2, 3, 4]
    assert rows["value"].to_list() == [1.5, 2.25, 0.5]
    assert set(rows["batch_id"]) == {report.batch_id}
    assert set(rows["unit"]) == {"kwh"}
    assert set(rows["register"]) == {"import"}
    assert not rows["is_synthetic"].any()


def test_the_same_file_twice_changes_nothing(bench: Bench) -> None:
    text = HEADER + quarter_rows("main", [1, 2, "x"])
    first = bench.ingest(text)
    files, items = lake_files(bench), bench.quarantine.items()
    second = bench.ingest(text, name="renamed.csv")
    assert second.is_repeat
    assert (second.batch_id, second.new_rows, second.partitions) == (first.batch_id, 0, ())
    assert lake_files(bench) == files
    assert bench.quarantine.items() == items
    assert len(bench.lake.manifest("plant")) == 1


def test_the_same_content_in_another_file_writes_no_reading(bench: Bench) -> None:
    bench.ingest(HEADER + quarter_rows("main", [1, 2]))
    second = bench.ingest(HEADER.replace("kwh", "wh") + quarter_rows("main", [1000, 2000]), name="b.csv")
    assert (second.new_rows, second.corrected_rows, second.unchanged_rows) == (0, 0, 2)
    assert second.partitions == ()
    assert bench.lake.history("plant").height == 2


def test_a_later_value_corrects_without_losing_the_earlier_one(bench: Bench) -> None:
    first = bench.ingest(HEADER + quarter_rows("main", [1, 2, 3]))
    bench.clock.advance(timedelta(hours=1))
    later = bench.ingest(HEADER + quarter_rows("main", [1, 9, 3, 4]), name="b.csv")
    assert (later.new_rows, later.corrected_rows, later.unchanged_rows) == (1, 1, 2)
    assert bench.values() == [1, 9, 3, 4]
    then = bench.clock.now_utc() - timedelta(minutes=30)
    assert bench.lake.current("plant", as_of_utc=then)["value"].to_list() == [1, 2, 3]
    assert first.batch_id != later.batch_id


def test_a_late_reading_touches_only_its_local_month(bench: Bench) -> None:
    # 2025-01-31T23:00Z is midnight of the first of February in Berlin.
    report = bench.ingest(HEADER + quarter_rows("main", [1, 1], "2025-01-31T22:45"))
    assert report.partitions == ("plant|2025-01", "plant|2025-02")
    late = bench.ingest(HEADER + quarter_rows("main", [1, 5], "2025-01-31T22:45"), name="late.csv")
    assert late.partitions == ("plant|2025-02",)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(bench: Bench) -> None:
    bench.ingest(HEADER + quarter_rows("main", [1, 4.5]))
    files = lake_files(bench)
    report = bench.ingest(HEADER + quarter_rows("main", [3, 4, "x"]), name="b.csv", dry_run=True)
    assert (report.new_rows, report.corrected_rows, report.rejected_rows) == (0, 2, 1)
    assert report.batch_id is None
    refused = bench.ingest("", name="empty.csv", dry_run=True)
    assert refused.verdict == "reject"
    assert lake_files(bench) == files
    assert bench.quarantine.items() == []
    assert not bench.quarantine.root.exists()


def test_bad_rows_are_kept_with_line_and_reason_and_the_good_ones_stored(bench: Bench) -> None:
    text = HEADER + quarter_rows("main", [1, "NaN", 3]) + "ghost,2025-01-01T00:00Z,7\n"
    report = bench.ingest(text)
    assert report.verdict == "quarantine"
    assert report.reasons == {"not_a_number": 1, "unknown_meter": 1}
    assert bench.values() == [1, 3]
    items = bench.quarantine.items("plant")
    assert [(item["kind"], item["line"], item["reason"]) for item in items] == [
        ("row", 3, "not_a_number"),
        ("row", 5, "unknown_meter"),
    ]
    assert "meters.csv, line 5: expected a meter of plant: main, press" in items[1]["message"]
    kept = bench.quarantine.root / items[0]["kept_path"]
    assert kept.read_text() == text


def test_a_refused_file_is_kept_whole_and_the_landing_file_untouched(bench: Bench) -> None:
    path = bench.file("timestamp,foo\n2025-01-01T00:00Z,1\n")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    report = bench.ingest(path)
    assert (report.verdict, report.reasons) == ("reject", {"unknown_unit_column": 1})
    assert report.message.startswith(f"{path}, line 1: no column is named with a known unit (found timestamp, foo)")
    (item,) = bench.quarantine.items()
    assert (item["kind"], item["source_sha256"]) == ("file", report.sha256)
    assert (bench.quarantine.root / item["kept_path"]).read_bytes() == before[0]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    bench.ingest(path)
    assert len(bench.quarantine.items()) == 1


def test_a_directory_or_missing_file_is_named_in_quarantine_without_a_copy(bench: Bench) -> None:
    folder = bench.folder / "landing" / "sub"
    folder.mkdir(parents=True)
    assert bench.ingest(folder).reasons == {"directory": 1}
    assert bench.ingest(bench.folder / "none.csv").reasons == {"no_such_file": 1}
    assert [item["kept_path"] for item in bench.quarantine.items()] == ["", ""]


def test_a_mended_site_file_reads_a_known_file_again(bench: Bench) -> None:
    text = HEADER + quarter_rows("main", [1, 2]) + quarter_rows("annex", [5])
    assert bench.ingest(text).reasons == {"unknown_meter": 1}
    wider = plant(meters=(*plant().meters, Meter(meter_id="annex")))
    report = bench.ingest(text, site=wider)
    assert not report.is_repeat
    assert (report.new_rows, report.unchanged_rows) == (1, 2)
    assert bench.ingest(text, site=wider).is_repeat


def test_thousands_of_bad_rows_are_all_counted_and_few_kept(bench: Bench) -> None:
    text = HEADER + quarter_rows("main", [1, *["x"] * 2500])
    report = bench.ingest(text)
    assert (report.accepted_rows, report.rejected_rows) == (1, 2500)
    items = bench.quarantine.items()
    assert len(items) == 1001
    assert items[0]["line"] == 0
    assert items[0]["message"] == "meters.csv: 1500 more rows"


def test_meter_names_that_look_like_code_are_only_unknown_meters(bench: Bench) -> None:
    evil = ["m1'; drop table batches; --", "{{ 7*7 }}", "../../etc/passwd", "=cmd()"]
    text = HEADER + quarter_rows("main", [1, 2]) + "".join(quarter_rows(name, [2]) for name in evil)
    assert bench.ingest(text).reasons == {"unknown_meter": 4}
    assert bench.values() == [1, 2]


def test_a_synthetic_file_marks_its_readings_and_a_mixed_one_is_refused(bench: Bench) -> None:
    header = "meter,timestamp,kwh,is_synthetic\n"
    bench.ingest(header + "main,2025-01-01T00:00Z,1,true\nmain,2025-01-01T00:15Z,1,True\n")
    assert bench.lake.current("plant")["is_synthetic"].all()
    assert bench.lake.manifest("plant")[0]["is_synthetic"]
    mixed = bench.ingest(header + "main,2025-01-01T00:00Z,1,true\nmain,2025-01-01T00:15Z,1,false\n", name="m.csv")
    assert mixed.reasons == {"mixed_synthetic": 1}
    assert ", line 3:" in mixed.message
    odd = bench.ingest(header + "main,2025-01-01T00:00Z,1,maybe\n", name="o.csv")
    assert odd.reasons == {"bad_synthetic_flag": 1}


def test_a_future_reading_is_rejected_by_the_given_clock(bench: Bench) -> None:
    rows = "main,2025-12-31T23:45Z,1\nmain,2026-01-01T00:00Z,2\nmain,2026-01-01T00:15Z,3\nmain,9999-01-01T00:00Z,4\n"
    report = bench.ingest(HEADER + rows)
    assert report.reasons == {"future_timestamp": 2}
    assert bench.values() == [1, 2]


def test_prices_may_be_known_three_days_ahead_and_no_other_stream(bench: Bench) -> None:
    price = Driver(driver_id="price", unit="per_kwh", aggregation="mean")
    other = Driver(driver_id="factor", unit="per_kwh", aggregation="mean")
    site = plant(drivers=(price, other), price_stream="price")
    rows = "2026-01-01T00:00Z,1,1\n2026-01-04T00:00Z,2,2\n2026-01-04T00:15Z,3,3\n"
    mapping = ColumnMap(values={"price": "price", "factor": "factor"}, interval_minutes=15)
    report = bench.ingest("timestamp,price,factor\n" + rows, site=site, mapping=mapping)
    assert report.reasons == {"future_timestamp": 3}
    assert bench.values("price", "value") == [1, 2]
    assert bench.values("factor", "value") == [1]


def test_readings_of_one_site_do_not_meet_those_of_another(bench: Bench) -> None:
    text = HEADER + quarter_rows("main", [1, 2])
    bench.ingest(text)
    other = bench.ingest(text, site=plant(site_id="annex"))
    assert (other.is_repeat, other.new_rows, other.partitions) == (False, 2, ("annex|2025-01",))


def test_a_stop_between_quarantine_and_lake_loses_no_reject(bench: Bench, monkeypatch) -> None:
    text = HEADER + quarter_rows("main", [1, "x"])

    def stop(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bench.lake, "write_decided", stop)
        with pytest.raises(KeyboardInterrupt):
            bench.ingest(text)
    assert bench.lake.current("plant").is_empty()
    assert not bench.ingest(text).is_repeat
    assert bench.quarantine.counts() == {"not_a_number": 1}
    assert bench.values() == [1]


def test_the_lake_reads_back_what_a_year_of_rows_said(bench: Bench) -> None:
    starts = pl.datetime_range(
        datetime(2024, 12, 31, 23, tzinfo=UTC), datetime(2025, 12, 31, 22, 45, tzinfo=UTC), "15m", eager=True
    )
    frame = pl.DataFrame({"meter": "main", "timestamp": starts, "kwh": [0.0001 * (n % 977) for n in range(35040)]})
    path = bench.folder / "year.parquet"
    frame.write_parquet(path)
    report = bench.ingest(path)
    assert (report.new_rows, len(report.partitions)) == (35040, 12)
    assert bench.values() == [round(value, 9) for value in frame["kwh"]]
