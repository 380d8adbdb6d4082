"""Corrections: another value in a later file is a new row, twice in one file is a conflict; nothing is overwritten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from assets.readings.ingest.ingest_file import IngestReport
from assets.readings.ingest.published_reports import closed_periods
from assets.stores.schema.tables_reports import report_decisions, report_revisions
from assets.stores.seals import append, append_row
from assets.stores.transactions import Store
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, plant, quarter_rows

QUARTERS = ColumnMap(meter="meter", value="kwh", unit="kwh", interval_minutes=15)
HOURS = QUARTERS.model_copy(update={"interval_minutes": 60})
HEADER = "meter,timestamp,kwh\n"


def file(*values: float, start: str = "2025-01-01T00:00") -> str:
    return HEADER + quarter_rows("main", list(values), start)


def land(bench: Bench, text: str, **given: Any) -> IngestReport:
    """A file whose rows are quarter hours, however few they are."""
    return bench.ingest(text, mapping=given.pop("mapping", QUARTERS), **given)


def publish(store: Store, period: str, *, status: str = "published", revision: int = 1) -> None:
    """A stored revision of a report, as publishing leaves it."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    row = {
        "report_id": f"enpi_quarter/plant/{period}",
        "revision": revision,
        "name": "enpi_quarter",
        "site_id": "plant",
        "period": period,
        "status": status,
        "content_sha256": "0" * 64,
        "content": {},
        "as_of_utc": moment,
        "recorded_at_utc": moment,
    }
    decision = {name: row[name] for name in ("report_id", "revision", "site_id", "period", "content_sha256")}
    with store.begin() as connection:
        append(connection, report_revisions, [row])
        if status == "published":
            append_row(
                connection,
                report_decisions,
                **decision,
                step="published",
                is_synthetic=False,
                person_id="dirk",
                role="publisher",
                reason="reviewed",
                allowed={},
                recorded_at_utc=moment,
            )


def recorded(bench: Bench) -> list[datetime]:
    """Recorded times of all batches that changed something, oldest first."""
    return sorted({entry["recorded_at_utc"] for entry in bench.lake.manifest("plant")})


def test_a_chain_of_corrections_keeps_every_word_and_shows_the_last(bench: Bench) -> None:
    for number, value in enumerate([1.0, 2.0, 3.5]):
        report = land(bench, file(value, 7.0), name=f"{number}.csv")
        assert (report.new_rows, report.corrected_rows, report.unchanged_rows) == (
            (2, 0, 0) if number == 0 else (0, 1, 1)
        )
    assert bench.values() == [3.5, 7.0]
    history = bench.lake.history("plant").filter(pl.col("value") != 7.0)
    assert history["value"].to_list() == [1.0, 2.0, 3.5]
    views = [bench.lake.current("plant", as_of_utc=moment)["value"][0] for moment in recorded(bench)]
    assert views == [1.0, 2.0, 3.5]


def test_a_correction_back_to_the_first_value_is_a_third_row_and_not_the_first_again(bench: Bench) -> None:
    land(bench, file(1.0), name="first.csv")
    land(bench, file(2.0), name="second.csv")
    # The same bytes as the first file are that file again: a correction back needs a file of its own.
    second = land(bench, file(1.0), name="first.csv")
    assert (second.is_repeat, bench.values()) == (True, [2.0])
    back = land(bench, file(1.0) + "press,2025-01-01T00:00Z,4\n", name="third.csv")
    assert (back.new_rows, back.corrected_rows, bench.values()) == (1, 1, [1.0])
    assert bench.lake.history("plant", meters=["main"])["value"].to_list() == [1.0, 2.0, 1.0]


def test_an_equal_correction_changes_nothing_and_touches_no_partition(bench: Bench) -> None:
    land(bench, file(1.0, 2.0), name="first.csv")
    entries = bench.lake.manifest("plant")
    report = land(bench, HEADER + "main,2025-01-01T00:15Z,2.000\nmain,2025-01-01T00:00Z,1\n", name="second.csv")
    assert (report.new_rows, report.corrected_rows, report.unchanged_rows) == (0, 0, 2)
    assert (report.partitions, bench.lake.manifest("plant")) == ((), entries)


def test_another_length_of_the_same_energy_is_a_correction(bench: Bench) -> None:
    """Four quarter hours of 1 kWh say more than one hour of 4: `source_minutes` is part of what is known."""
    hour = "meter,timestamp,kwh\nmain,2025-01-01T00:00Z,4\nmain,2025-01-01T01:00Z,4\n"
    land(bench, hour, name="hours.csv", mapping=HOURS)
    report = land(bench, file(1.0, 1.0, 1.0, 1.0), name="quarters.csv")
    assert (report.new_rows, report.corrected_rows) == (0, 4)
    assert bench.values() == [1.0] * 8


def test_two_values_in_one_file_are_a_conflict_and_none_is_believed(bench: Bench) -> None:
    land(bench, file(5.0, 6.0), name="first.csv")
    report = land(bench, file(1.0, 7.0) + quarter_rows("main", [2.0]), name="second.csv")
    assert (report.verdict, report.reasons, report.rejected_rows) == ("quarantine", {"duplicate_conflict": 2}, 2)
    assert (report.corrected_rows, bench.values()) == (1, [5.0, 7.0])
    assert {item["reason"] for item in bench.quarantine.items("plant")} == {"duplicate_conflict"}


def test_the_same_value_twice_in_one_file_is_no_conflict(bench: Bench) -> None:
    report = land(bench, file(1.0, 2.0) + quarter_rows("main", [1.0]))
    assert (report.verdict, report.warnings["duplicate_rows"], bench.values()) == ("accept_with_warning", 1, [1.0, 2.0])


def test_fault_f19_three_weeks_late_and_in_any_order_the_touched_months_are_named(bench: Bench) -> None:
    land(bench, file(1.0, start="2025-02-10T00:00"), name="february.csv")
    bench.clock.advance(timedelta(weeks=3))
    late = land(bench, file(2.0, 3.0, start="2025-01-31T22:45"), name="late.csv")
    assert late.partitions == ("plant|2025-01", "plant|2025-02")
    correction = land(bench, file(9.0, start="2025-01-31T22:45"), name="correction.csv")
    assert (correction.partitions, correction.corrected_rows) == (("plant|2025-01",), 1)
    assert bench.values() == [9.0, 3.0, 1.0]


def test_fault_f19_the_order_of_files_without_corrections_does_not_matter(bench: Bench) -> None:
    parts = [file(float(n), start=f"2025-01-0{n}T00:00") for n in (3, 1, 2)]
    for number, text in enumerate(parts):
        land(bench, text, name=f"{number}.csv")
    assert bench.values() == [1.0, 2.0, 3.0]


def test_a_correction_for_a_closed_period_is_named_with_its_report(bench: Bench, store: Store) -> None:
    land(bench, file(1.0, 2.0), name="first.csv")
    publish(store, "2025-Q1")
    report = land(bench, file(1.5, 2.0), name="late.csv")
    assert (report.verdict, report.warnings, bench.values()) == (
        "accept_with_warning",
        {"closed_period": 1},
        [1.5, 2.0],
    )
    (finding,) = report.findings
    assert (finding.code, finding.scope) == ("closed_period", "enpi_quarter/plant/2025-Q1@1")
    assert "1 quarter hours changed" in finding.message


def test_a_late_first_reading_for_a_closed_period_is_named_too(bench: Bench, store: Store) -> None:
    publish(store, "2025-Q1")
    assert land(bench, file(1.0)).warnings == {"closed_period": 1}


def test_what_changes_nothing_or_lies_outside_closes_nothing(bench: Bench, store: Store) -> None:
    land(bench, file(1.0), name="first.csv")
    publish(store, "2025-Q1")
    publish(store, "2025-Q2", status="draft")
    same = land(bench, file(1.0) + quarter_rows("press", [1.0], "2025-04-01T00:00"), name="second.csv")
    assert (same.new_rows, same.findings, same.warnings) == (1, (), {})


def test_a_dry_run_names_the_closed_period_and_writes_nothing(bench: Bench, store: Store) -> None:
    publish(store, "2025-01")
    report = land(bench, file(1.0), dry_run=True)
    assert (report.warnings, bench.values()) == ({"closed_period": 1}, [])


@pytest.mark.parametrize(
    ("start", "is_inside"),
    [("2024-12-31T22:45", False), ("2024-12-31T23:00", True), ("2025-03-31T21:45", True), ("2025-03-31T22:00", False)],
)
def test_a_closed_period_is_of_local_days_and_half_open(
    bench: Bench, store: Store, start: str, is_inside: bool
) -> None:
    """Berlin: the quarter runs from 23:00 UTC in winter to 22:00 UTC in summer time."""
    publish(store, "2025-Q1")
    assert bool(land(bench, file(1.0, start=start)).findings) == is_inside


def test_the_newest_published_revision_of_a_report_closes_its_period_once(store: Store) -> None:
    for revision, status in ((1, "published"), (2, "published"), (3, "draft")):
        publish(store, "2025-Q1", status=status, revision=revision)
    (closed,) = closed_periods(store, plant())
    assert (closed.revision, closed.period.days) == (2, 90)
    assert store.rows(sa.select(sa.func.count().label("n")).select_from(report_revisions))[0]["n"] == 3
