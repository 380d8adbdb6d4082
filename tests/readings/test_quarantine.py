"""Refused files and rows are kept once, with their reason, and cannot be changed."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.readings.parsed import REJECT_SCHEMA, bad_rows
from assets.stores.file_hashes import file_sha256
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.schema import tables_readings
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput, BadRow
from data_quality.contracts.time import FixedClock


def row(line: int, reason: str = "not_a_number") -> BadRow:
    return BadRow(file="a.csv", line=line, reason=reason, expected="a finite number", got="x")


@pytest.fixture
def quarantine(tmp_path: Path, store: Store) -> QuarantineStore:
    return QuarantineStore(tmp_path / "quarantine", store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("timestamp,kwh\n")
    return path


def test_a_file_is_kept_once_with_its_sentence(quarantine: QuarantineStore, path: Path, clock: FixedClock) -> None:
    fault = BadInput("there is a header but no row", file="a.csv", line=1, reason="no_rows")
    first = quarantine.keep_file(path, fault, site_id="plant", clock=clock)
    assert quarantine.keep_file(path, fault, site_id="plant", clock=clock) == first
    item = quarantine.show(first)
    assert item["message"] == "a.csv, line 1: there is a header but no row"
    assert item["recorded_at_utc"] == clock.now_utc()
    assert (quarantine.root / item["kept_path"]).read_bytes() == path.read_bytes()
    assert [each["item_id"] for each in quarantine.items()] == [first]


def test_a_file_of_two_sites_is_kept_for_each(quarantine: QuarantineStore, path: Path, clock: FixedClock) -> None:
    fault = BadInput("no", reason="no_rows")
    for site_id in ("plant", "annex"):
        quarantine.keep_file(path, fault, site_id=site_id, clock=clock)
    assert [item["site_id"] for item in quarantine.items()] == ["plant", "annex"]
    assert len(quarantine.items("annex")) == 1


def test_rows_are_counted_by_reason(quarantine: QuarantineStore, path: Path, clock: FixedClock) -> None:
    rows = [row(2), row(3), row(4, "unknown_meter")]
    counts = {"not_a_number": 2, "unknown_meter": 1}
    ids = quarantine.keep_rows(path, rows, counts=counts, site_id="plant", clock=clock)
    assert len(set(ids)) == 3
    assert quarantine.counts() == counts
    assert quarantine.counts("annex") == {}
    assert quarantine.keep_rows(path, rows, counts=counts, site_id="plant", clock=clock) == ids
    assert quarantine.counts("plant") == counts


def test_rows_beyond_the_kept_ones_are_stated(quarantine: QuarantineStore, path: Path, clock: FixedClock) -> None:
    quarantine.keep_rows(path, [row(2)], counts={"not_a_number": 5}, site_id="plant", clock=clock)
    assert quarantine.items()[0]["message"] == "a.csv: 4 more rows"


def test_an_unknown_item_is_named(quarantine: QuarantineStore) -> None:
    with pytest.raises(BadInput, match="no quarantine item 'nope'"):
        quarantine.show("nope")


def test_items_can_be_neither_changed_nor_deleted(quarantine: QuarantineStore, path: Path, clock: FixedClock) -> None:
    quarantine.keep_rows(path, [row(2)], counts={"not_a_number": 1}, site_id="plant", clock=clock)
    for statement in (tables_readings.quarantine.update().values(reason="fine"), tables_readings.quarantine.delete()):
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), quarantine.store.begin() as connection:
            connection.execute(statement)
    assert quarantine.counts() == {"not_a_number": 1}


def test_no_half_copied_file_stays_behind(
    quarantine: QuarantineStore, path: Path, clock: FixedClock, monkeypatch
) -> None:
    def stop(*_args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("assets.stores.whole_file.shutil.copyfile", stop)
    with pytest.raises(OSError, match="disk full"):
        quarantine.keep_rows(path, [row(2)], counts={"not_a_number": 1}, site_id="plant", clock=clock)
    assert [each for each in quarantine.root.rglob("*") if each.is_file()] == []
    assert quarantine.items() == []


def test_rejects_become_faults_in_line_order_up_to_a_limit() -> None:
    import polars as pl

    frame = pl.DataFrame([(9, "a", "b", None), (3, "a", "b", "c")], schema=REJECT_SCHEMA, orient="row")
    faults = bad_rows(frame, "f.csv", limit=5)
    assert [str(fault) for fault in faults] == [
        "f.csv, line 3: expected b, got 'c'",
        "f.csv, line 9: expected b, got 'nothing'",
    ]
    assert len(bad_rows(frame, "f.csv", limit=1)) == 1


def test_the_hash_of_a_file_is_that_of_its_bytes(path: Path) -> None:
    assert len(file_sha256(path)) == 64
    before = file_sha256(path)
    path.write_text("timestamp,kwH\n")
    assert file_sha256(path) != before
