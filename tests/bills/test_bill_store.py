"""Bills, audits, overrides and events: kept once, never changed, reported above the threshold."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.documents.read_bill import read_bill
from assets.bills.notice import facts, is_notable, overrides_of, record_audit, sentence
from assets.stores.ledgers.bill_ledger import BillStore, notifications_of, override_tariff
from assets.stores.transactions import Store, open_store
from data_quality.contracts.billing.supplier_bill import SupplierBill, VarianceThreshold
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from orchestration.doctor.kept_checks import check_copies
from tests.bills.seeded import register_scene

D = Decimal
CLOCK = FixedClock(datetime(2024, 7, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


def audited(folder: Path, name: str) -> tuple[Path, SupplierBill, Reconciliation]:
    scene = register_scene(name, 2)
    path = folder / f"{name}.csv"
    path.write_text(scene.paper.csv())
    bill = read_bill(path)
    return path, bill, reconcile(make_case(bill, scene.tariffs, reads=scene.reads, register=scene.register))


def test_a_bill_is_kept_once_with_its_lines_and_its_file(tmp_path: Path, store: Store) -> None:
    path, bill, _ = audited(tmp_path, "right")
    books = BillStore(tmp_path / "bills", store)
    bill_id = books.keep_bill(path, bill, site_id="works", clock=CLOCK)
    assert books.keep_bill(path, bill, site_id="works", clock=CLOCK) == bill_id
    assert books.bill(bill_id) == bill
    (row,) = books.bills("works", account="ACC")
    kept = tmp_path / "bills" / row["kept_path"]
    assert (kept.read_bytes(), books.altered()) == (path.read_bytes(), ())
    kept.write_bytes(path.read_bytes() + b"\n")
    assert books.altered() == (row["kept_path"],)
    (doctor,) = check_copies("bills", books.altered())
    assert (doctor["status"], row["kept_path"] in doctor["detail"]) == ("fail", True)
    assert D(row["total"]) == bill.total
    assert [D(line["amount"]) for line in books.lines(bill_id)] == [line.amount for line in bill.lines]
    assert books.bills("works", account="other") == []
    with pytest.raises(BadInput, match="no bill 'x'"):
        books.bill("x")


def test_what_was_not_read_is_shown_beside_the_kept_file(tmp_path: Path, store: Store) -> None:
    path, _, _ = audited(tmp_path, "right")
    path.write_text(path.read_text().replace("Currency,GBP", "Currency,pounds"))
    books = BillStore(tmp_path / "bills", store)
    bill_id = books.keep_bill(path, read_bill(path), site_id="works", clock=CLOCK)
    (part,) = books.unread(bill_id)
    assert part["text"] == "pounds"
    assert Path(part["picture"]).read_bytes() == path.read_bytes()


def test_a_stored_bill_cannot_be_changed(tmp_path: Path, store: Store) -> None:
    path, bill, _ = audited(tmp_path, "right")
    BillStore(tmp_path / "bills", store).keep_bill(path, bill, site_id="works", clock=CLOCK)
    for table in ("bills", "bill_lines"):
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), store.begin() as connection:
            connection.execute(sa.text(f"DELETE FROM {table}"))


def test_an_audit_above_the_threshold_makes_one_event(tmp_path: Path, store: Store) -> None:
    path, bill, audit = audited(tmp_path, "next_tariff")
    books = BillStore(tmp_path / "bills", store)
    bill_id = books.keep_bill(path, bill, site_id="works", clock=CLOCK)
    for _ in range(2):
        assert record_audit(
            books, bill_id, audit, site_id="works", threshold=VarianceThreshold(), clock=CLOCK
        )  # fmt: skip
    (event,) = notifications_of(store, "works")
    assert (event["kind"], event["subject"], event["facts"]["cause"]) == (
        "bill_variance",
        bill_id,
        "wrong_tariff_period",
    )
    assert f"{abs(audit.delta_total)} GBP" in event["message"] == sentence(audit)
    assert D(facts(audit)["delta_total"]) == audit.delta_total
    (kept,) = books.audits(bill_id)
    assert (kept["verdict"], D(kept["delta_total"])) == ("differs", audit.delta_total)


def test_a_variance_at_the_threshold_is_not_told_and_above_it_is(tmp_path: Path) -> None:
    _, _, audit = audited(tmp_path, "vat_rate")
    variance = abs(audit.delta_total)
    at = VarianceThreshold(amount=variance, share=D(1))
    assert not is_notable(audit, at)
    assert is_notable(audit, at.model_copy(update={"amount": variance - D("0.01")}))
    assert is_notable(audit, at.model_copy(update={"share": D("0.0001")}))


def test_a_right_bill_is_never_told(tmp_path: Path, store: Store) -> None:
    path, bill, audit = audited(tmp_path, "right")
    books = BillStore(tmp_path / "bills", store)
    bill_id = books.keep_bill(path, bill, site_id="works", clock=CLOCK)
    none = VarianceThreshold(amount=D(0), share=D(0))
    assert record_audit(books, bill_id, audit, site_id="works", threshold=none, clock=CLOCK) is None
    assert notifications_of(store, "works") == []


def test_an_override_names_person_and_reason(store: Store) -> None:
    row = {
        "site_id": "works", "account": "ACC", "tariff_id": "T-2", "valid_from": date(2024, 4, 1),
        "valid_to": date(2024, 5, 1), "person_id": "kim", "reason": "contract of March", "clock": CLOCK,
    }  # fmt: skip
    override_tariff(store, **row)  # type: ignore[arg-type]
    (found,) = overrides_of(store, "works")
    assert (found.account, found.tariff_id, found.person_id, found.reason) == ("ACC", "T-2", "kim", "contract of March")
    for change, words in (
        ({"reason": " "}, "needs a reason"),
        ({"person_id": ""}, "needs a person"),
        ({"valid_to": date(2024, 4, 1)}, "ends .2024-04-01. before it starts"),
    ):
        with pytest.raises(BadInput, match=words):
            override_tariff(store, **{**row, **change})  # type: ignore[arg-type]
