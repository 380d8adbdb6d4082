"""Edits by a person: rows of their own with name and reason, and what may not be edited."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from pydantic import ValidationError

from assets.readings.ingest.amounts_again import recompute_registers
from assets.readings.ingest.edits import edit_reading
from assets.stores.lake.merges import batches_of_source, named_batches
from assets.stores.ledgers.meter_events import MeterEventStore
from assets.stores.ledgers.reading_edits import edits
from assets.stores.transactions import DatabaseError, Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.reading_edit import ReadingEdit
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.meter_event import MeterEvent
from data_quality.contracts.site_file.site import Site
from tests.readings.rooms import Bench, plant, quarter_rows
from tests.readings.test_corrections import publish
from tests.readings.test_register_join import counter, reads

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
HEADER = "meter,timestamp,kwh\n"


def wish(value: object = "2.5", **changes: object) -> ReadingEdit:
    fields: dict[str, object] = {
        "meter_id": "main",
        "register_id": "import",
        "start_utc": NOON,
        "end_utc": NOON + timedelta(minutes=15),
        "value": value,
        "unit": "kwh",
        "person_id": "anna",
        "role": Role.ENGINEER,
        "reason": "read off the display",
    }
    return ReadingEdit.model_validate(fields | changes)


@pytest.fixture
def known(bench: Bench) -> Bench:
    """Four quarter hours from noon."""
    bench.ingest(HEADER + quarter_rows("main", [1.0, 1.0, 1.0, 1.0], "2025-01-01T12:00"))
    return bench


def change(bench: Bench, edit: ReadingEdit, site: Site | None = None, **given: bool) -> object:
    return edit_reading(edit, site=site or plant(), lake=bench.lake, clock=bench.clock, **given)


def test_an_edit_is_a_row_with_quality_7_and_the_one_before_stays(known: Bench) -> None:
    report = edit_reading(wish(), site=plant(), lake=known.lake, clock=known.clock)
    assert (report.new_rows, report.corrected_rows, report.partitions) == (0, 1, ("plant|2025-01",))
    assert (report.before, report.after, report.unit) == (Decimal("1.0"), Decimal("2.5"), "kwh")
    rows = known.lake.history("plant", end_utc=NOON + timedelta(minutes=15))
    assert rows.select("value", "quality_code").rows() == [(1.0, 14), (2.5, 7)]
    assert known.values() == [2.5, 1.0, 1.0, 1.0]


def test_an_edit_says_who_and_why_in_its_batch_and_in_the_register_of_edits(known: Bench) -> None:
    report = edit_reading(wish(), site=plant(), lake=known.lake, clock=known.clock)
    (recorded,) = edits(known.lake.store, "plant")
    assert (recorded.person_id, recorded.role, recorded.reason) == ("anna", "engineer", "read off the display")
    assert recorded.batch_id == report.batch_id
    (batch,) = named_batches(known.lake.store, [str(report.batch_id)])
    assert (batch["reader"], batch["source_name"]) == ("edit", "edit by anna: read off the display")
    assert batch["mapping"] == {"person": "anna", "role": "engineer", "reason": "read off the display"}
    assert batches_of_source(known.lake.store, site_id="plant", source_sha256=recorded.edit_sha256) == [batch]


def test_the_view_before_an_edit_is_the_same_for_ever(known: Bench) -> None:
    before = known.lake.current("plant")
    moment = max(before["recorded_at_utc"])
    change(known, wish())
    assert known.lake.current("plant", as_of_utc=moment).equals(before)
    assert edits(known.lake.store, "plant", as_of_utc=moment) == []


def test_an_amount_over_a_span_is_split_to_the_last_quantum(known: Bench) -> None:
    change(known, wish("1.000000002", end_utc=NOON + timedelta(hours=1)))
    assert known.values() == [0.250000001, 0.250000001, 0.25, 0.25]


def test_a_level_holds_throughout_the_span(bench: Bench) -> None:
    edit = wish("21.5", meter_id="outdoor_degc", register_id="value", unit="degc", end_utc=NOON + timedelta(minutes=30))
    change(bench, edit)
    assert bench.values("outdoor_degc", "value") == [21.5, 21.5]


def test_power_is_the_energy_of_its_quarter_hours(known: Bench) -> None:
    change(known, wish("8", unit="kw"))
    assert known.values()[0] == 2.0


def test_a_quality_alone_is_a_change_and_the_same_edit_twice_is_none(known: Bench) -> None:
    edit = wish("1")
    report = edit_reading(edit, site=plant(), lake=known.lake, clock=known.clock)
    assert report.corrected_rows == 1
    with pytest.raises(BadInput, match="nothing would change"):
        change(known, edit)
    assert len(edits(known.lake.store, "plant")) == 1


def test_an_edit_back_and_forth_is_three_edits(known: Bench) -> None:
    for value in ("2", "3", "2"):
        change(known, wish(value))
    assert [each.edit["value"] for each in edits(known.lake.store, "plant")] == ["2", "3", "2"]
    assert len({each.batch_id for each in edits(known.lake.store, "plant")}) == 3
    assert known.values()[0] == 2.0


def test_a_later_file_with_another_value_is_the_later_word(known: Bench) -> None:
    change(known, wish())
    known.ingest(HEADER + quarter_rows("main", [4.0, 1.0], "2025-01-01T12:00"), name="later.csv")
    assert known.values() == [4.0, 1.0, 1.0, 1.0]


def test_an_edit_of_a_synthetic_reading_stays_synthetic(bench: Bench) -> None:
    text = "meter,timestamp,kwh,is_synthetic\nmain,2025-01-01T12:00Z,1,true\nmain,2025-01-01T12:15Z,1,true\n"
    bench.ingest(text)
    change(bench, wish())
    assert bench.lake.current("plant")["is_synthetic"].to_list() == [True, True]
    assert bench.values() == [2.5, 1.0]


def test_an_edit_where_nothing_was_is_synthetic_only_on_a_simulated_site(bench: Bench) -> None:
    change(bench, wish())
    change(bench, wish(meter_id="press"), plant(is_simulated=True))
    assert bench.lake.current("plant").select("meter_id", "is_synthetic").rows() == [("main", False), ("press", True)]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"meter_id": "mian"}, "unknown_meter", "did you mean 'main'"),
        ({"register_id": "export"}, "unknown_register", "it has import"),
        ({"unit": "m3"}, "unit_mismatch", "another kind"),
        ({"unit": "parsec"}, "unknown_unit", "unknown unit"),
        ({"start_utc": NOON + timedelta(minutes=7)}, "off_grid", "no quarter hour"),
        ({"end_utc": NOON + timedelta(minutes=20)}, "off_grid", "no quarter hour"),
        ({"value": "-1"}, "negative_consumption", "counts one way"),
        ({"value": "1e10"}, "implausible", "more than any meter"),
        ({"role": Role.ANALYST}, "missing_role", "needs the role 'engineer'"),
        (
            {"start_utc": datetime(2026, 1, 1, tzinfo=UTC), "end_utc": datetime(2026, 1, 1, 0, 15, tzinfo=UTC)},
            "future_timestamp",
            "has not been yet",
        ),
    ],
)
def test_what_no_reading_can_be_is_refused_and_nothing_is_written(
    known: Bench, changes: dict[str, object], reason: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        change(known, wish().model_copy(update={**changes, "value": Decimal(str(changes.get("value", "2.5")))}))
    assert refused.value.reason == reason
    assert (edits(known.lake.store, "plant"), known.values()) == ([], [1.0] * 4)


def test_an_edit_above_the_plate_is_refused(known: Bench) -> None:
    site = plant(meters=(Meter(meter_id="main", connected_load_kw=10),), drivers=())
    with pytest.raises(BadInput, match="40 kW is above 3 x the connected load of 10 kW"):
        change(known, wish("10"), site)
    change(known, wish("7.5"), site)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "  "},
        {"person_id": ""},
        {"value": "nan"},
        {"value": "inf"},
        {"end_utc": NOON},
        {"end_utc": NOON + timedelta(days=93)},
    ],
)
def test_an_edit_without_reason_person_number_or_span_cannot_be_said(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        wish(**changes)


def test_a_closed_period_is_refused_and_reopened_only_by_word(known: Bench, store: Store) -> None:
    publish(store, "2025-01")
    with pytest.raises(BadInput, match="closed by enpi_quarter/plant/2025-01@1") as refused:
        change(known, wish())
    assert (refused.value.reason, known.values()) == ("closed_period", [1.0] * 4)
    report = edit_reading(wish(), site=plant(), lake=known.lake, clock=known.clock, reopen=True)
    assert report.reopened == ("enpi_quarter/plant/2025-01@1",)
    (recorded,) = edits(store, "plant")
    assert recorded.reopened == ("enpi_quarter/plant/2025-01@1",)


def test_a_dry_run_says_what_would_change_and_writes_nothing(known: Bench) -> None:
    report = edit_reading(wish(), site=plant(), lake=known.lake, clock=known.clock, dry_run=True)
    assert (report.batch_id, report.corrected_rows) == (None, 1)
    assert (edits(known.lake.store, "plant"), known.values()) == ([], [1.0] * 4)


def test_an_edit_cannot_be_changed_or_taken_away(known: Bench, store: Store) -> None:
    import sqlalchemy as sa

    change(known, wish())
    for statement in ("UPDATE reading_edits SET person_id = 'ben'", "DELETE FROM reading_edits"):
        with pytest.raises(DatabaseError, match="append-only"), store.begin() as connection:
            connection.execute(sa.text(statement))


def test_registers_made_anew_leave_an_edit_as_it_is(bench: Bench) -> None:
    site = counter(load_kw=100)
    bench.ingest(reads(500, 505, 3, 8), site=site)
    start = datetime(2025, 1, 1, 2, tzinfo=UTC)
    change(bench, wish("9", start_utc=start, end_utc=start + timedelta(minutes=15)), site)
    event = MeterEvent(
        kind="reset", at=start - timedelta(minutes=30), final_read=507, person="anna", reason="display was cleared"
    )
    MeterEventStore(bench.lake.store).record(site, "main", event, bench.clock)
    (result,) = recompute_registers(site, lake=bench.lake, clock=bench.clock)
    assert (result.kept_edits, result.new_rows) == (1, 4)
    rows = bench.lake.current("plant").filter(pl.col("interval_start_utc") >= start)
    assert rows["value"].to_list() == [9.0, 1.25, 1.25, 1.25]
