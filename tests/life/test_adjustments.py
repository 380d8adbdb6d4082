"""Adjustments: two people, append-only, as known then, exact, and in every figure that rests on expected energy."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.enpi.daily import adjusted_days, adjustment_of_day_kwh
from assets.kpi.enpi.enpi_result import EnpiResult
from assets.kpi.incremental.stage import versions_texts
from assets.stores.ledgers.adjustments import AdjustmentStore, adjustments_sha256
from assets.stores.published.evidence import BY_SITE, carried_rows, restore
from assets.stores.schema.tables_baselines import adjustments as table
from assets.stores.transactions import DatabaseError, open_store
from data_quality.contracts.baselines.baseline import Adjustment, AdjustmentStatus, BaselineType
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.people import Person
from data_quality.contracts.time import parse_period
from data_quality.contracts.work.work_port import Result, task_finding
from ml.baselines.lifecycle.fit_site import expected_of_site
from reports.figures.trace import current_sha256
from tests.life.world import ANNA, BEN, CARL, Works

LINE = "works/line/enb"
APRIL = parse_period("2025-04", "Europe/Berlin")


def adjustment(**changes: object) -> Adjustment:
    fields: dict[str, object] = {
        "baseline_id": LINE,
        "start": date(2025, 4, 1),
        "end": date(2025, 5, 1),
        "kwh_per_day": Decimal(10),
        "reason": "a third shift",
        "method": "submeter",
        "evidence": "work order 4711",
    }
    return Adjustment(**{**fields, **changes})  # type: ignore[arg-type]


def approve(works: Works, given: Adjustment) -> str:
    ledger = AdjustmentStore(works.lake.store)
    works.clock.advance(timedelta(minutes=1))
    record = ledger.propose(given, BEN, works.clock)
    works.clock.advance(timedelta(minutes=1))
    ledger.approve(record.adjustment_id, ANNA, "checked", works.clock)
    works.clock.advance(timedelta(minutes=1))
    return record.adjustment_id


def april(works: Works, version: int | None = None) -> EnpiResult:
    return works.request("line", version=None if version is None else works.store.get(LINE, version)).assess(APRIL)


def test_only_an_approved_adjustment_enters_expected_energy_and_only_from_then_on(works: Works) -> None:
    ledger, before = AdjustmentStore(works.lake.store), april(works)
    record = ledger.propose(adjustment(), BEN, works.clock)
    works.clock.advance(timedelta(minutes=1))
    assert april(works).expected_kwh == before.expected_kwh
    then = works.clock.now_utc()
    works.clock.advance(timedelta(minutes=1))
    ledger.approve(record.adjustment_id, ANNA, "checked", works.clock)
    works.clock.advance(timedelta(minutes=1))
    after = april(works)
    assert after.expected_kwh - before.expected_kwh == Decimal(300)
    assert after.adjustment_kwh == Decimal(300)
    sites_as_of = replace(works.request("line"), as_of_utc=then).assess(APRIL)
    assert sites_as_of.expected_kwh == before.expected_kwh
    works.clock.advance(timedelta(minutes=1))
    ledger.withdraw(record.adjustment_id, CARL, "the shift never came", works.clock)
    assert april(works).expected_kwh == before.expected_kwh
    found = ledger.get(record.adjustment_id)
    assert (found.status, found.withdrawn_because) == (AdjustmentStatus.WITHDRAWN, "the shift never came")


def test_marts_and_traces_take_the_same_adjustment_and_become_stale_by_it(works: Works) -> None:
    sources = works.sources()
    version = works.versions["line"]
    then = sources.adjustments_input(LINE, 1, works.clock.now_utc())
    text = versions_texts([works.site], works.store)[works.site.site_id]
    approve(works, adjustment(kwh_per_day=None, percent=Decimal("2.5")))
    assert versions_texts([works.site], works.store)[works.site.site_id] != text
    second = works.sources()
    assert current_sha256(then, second) != then.sha256
    marts = expected_of_site(works.site, lake=works.lake, store=works.store).filter(
        (pl.col("seu_id") == "line") & pl.col("local_date").is_between(APRIL.start, APRIL.end, closed="left")
    )
    pairs = second.pairs(works.site, "line", (LINE, version.version), APRIL, works.clock.now_utc())
    assert [Decimal(repr(value)) for value in marts["expected_kwh"]] == [pair.expected_kwh for pair in pairs]


def test_expected_days_that_nobody_could_compute_are_not_left_out(works: Works) -> None:
    def nobody(*_: Any, what: str) -> Iterator[Result[Any]]:
        yield Result(task_finding("no_workers", f"{what}: nobody is left to work"))

    with pytest.raises(Unreachable, match="expected days: nobody is left"):
        expected_of_site(works.site, lake=works.lake, store=works.store, fan_out=nobody)


def test_a_version_that_was_trained_on_the_change_does_not_take_it(works: Works) -> None:
    approve(works, adjustment())
    late = works.fit("line", date(2024, 7, 1), date(2025, 7, 1))
    second = works.store.add(late, "run", "2" * 64, "ben", works.clock)
    ledger = AdjustmentStore(works.lake.store)
    assert len(ledger.in_force(LINE, works.versions["line"].baseline)) == 1
    assert ledger.in_force(LINE, second.baseline) == ()
    assert april(works, 2).adjustment_kwh == 0


@pytest.mark.parametrize(
    ("person", "step", "message"),
    [
        (ANNA, "propose", "has not the role 'analyst'"),
        (BEN, "approve", "has not the role 'approver'"),
        (CARL, "own", "proposed this adjustment and cannot approve it"),
    ],
)
def test_two_people_are_needed(works: Works, person: Person, step: str, message: str) -> None:
    ledger = AdjustmentStore(works.lake.store)
    with pytest.raises(BadInput, match=message):
        _walk(ledger, works, proposer={"propose": person, "own": CARL}.get(step, BEN), approver=person)
    assert ledger.in_force(LINE, works.versions["line"].baseline) == ()


def _walk(ledger: AdjustmentStore, works: Works, *, proposer: Person, approver: Person) -> None:
    record = ledger.propose(adjustment(), proposer, works.clock)
    ledger.approve(record.adjustment_id, approver, "fine", works.clock)


def test_who_proposed_may_take_back_a_proposal_but_not_an_approved_adjustment(works: Works) -> None:
    ledger = AdjustmentStore(works.lake.store)
    first = ledger.propose(adjustment(), CARL, works.clock).adjustment_id
    ledger.withdraw(first, CARL, "a mistake", works.clock)
    second = ledger.propose(adjustment(reason="another"), CARL, works.clock).adjustment_id
    ledger.approve(second, ANNA, "fine", works.clock)
    with pytest.raises(BadInput, match="cannot withdraw its approval"):
        ledger.withdraw(second, CARL, "changed my mind", works.clock)
    with pytest.raises(BadInput, match="has not the role 'approver'"):
        ledger.withdraw(second, BEN, "no", works.clock)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda ledger, clock: ledger.approve("nothing", ANNA, "fine", clock), "unknown_adjustment"),
        (lambda ledger, clock: ledger.get("nothing"), "unknown_adjustment"),
        (lambda ledger, clock: ledger.propose(adjustment(baseline_id="works/x/enb"), BEN, clock), "unknown_baseline"),
        (lambda ledger, clock: ledger.propose(adjustment(start=date(2024, 6, 1)), BEN, clock), "inside_training"),
        (lambda ledger, clock: [ledger.propose(adjustment(), BEN, clock) for _ in range(2)], "proposed_already"),
        (lambda ledger, clock: ledger.approve(_id(ledger, clock), ANNA, " ", clock), "no_reason"),
        (lambda ledger, clock: ledger.withdraw(_id(ledger, clock), ANNA, "", clock), "no_reason"),
        (lambda ledger, clock: _twice(ledger, clock, "approve"), "decided_already"),
        (lambda ledger, clock: _twice(ledger, clock, "withdraw"), "decided_already"),
    ],
)
def test_a_wrong_request_is_refused_by_name(works: Works, call: object, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        call(AdjustmentStore(works.lake.store), works.clock)  # type: ignore[operator]
    assert caught.value.reason == reason


def _id(ledger: AdjustmentStore, clock: object) -> str:
    return ledger.propose(adjustment(), BEN, clock).adjustment_id  # type: ignore[arg-type]


def _twice(ledger: AdjustmentStore, clock: object, step: str) -> None:
    name = _id(ledger, clock)
    for _ in range(2):
        getattr(ledger, step)(name, ANNA, "fine", clock)


def test_a_monitoring_baseline_is_neither_adjusted_nor_approved(works: Works) -> None:
    made = works.versions["line"].baseline.model_copy(update={"baseline_type": BaselineType.MONITORING})
    works.store.add(made, "run", "3" * 64, "meterloom", works.clock)
    with pytest.raises(BadInput, match="adjustments are for enb and mv_project"):
        AdjustmentStore(works.lake.store).propose(adjustment(baseline_id="works/line/monitoring"), BEN, works.clock)
    with pytest.raises(BadInput, match="never approved"):
        works.store.approve("works/line/monitoring", 1, ANNA, "fine", {}, works.clock)


def test_rows_of_the_ledger_cannot_be_changed(works: Works) -> None:
    approve(works, adjustment())
    for statement in (sa.update(table).values(reason="x"), sa.delete(table)):
        with pytest.raises(DatabaseError, match="append-only"), works.lake.store.begin() as connection:
            connection.execute(statement)


@pytest.mark.parametrize(
    "changes",
    [
        {"end": date(2025, 4, 1)},
        {"percent": Decimal(3)},
        {"kwh_per_day": None},
        {"kwh_per_day": Decimal(0)},
        {"kwh_per_day": Decimal("1e-10")},
        {"kwh_per_day": Decimal("NaN")},
        {"kwh_per_day": None, "percent": Decimal(-100)},
        {"reason": "  "},
        {"evidence": ""},
        {"evidence_sha256": "abc"},
    ],
)
def test_an_adjustment_that_says_nothing_or_two_things_is_none(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"adjustment|kwh_per_day|percent|reason|evidence|sha256|finite"):
        adjustment(**changes)


def test_a_day_takes_amounts_and_shares_of_the_model_exactly() -> None:
    both = [adjustment(), adjustment(kwh_per_day=None, percent=Decimal("-2.5"))]
    assert adjustment_of_day_kwh(both, date(2025, 4, 30), Decimal("400.000000001")) == Decimal("0.000000000")
    assert adjustment_of_day_kwh(both, date(2025, 5, 1), Decimal(400)) == 0
    frame = pl.DataFrame(
        {
            "local_date": [date(2025, 4, 1), date(2025, 4, 2), date(2025, 5, 1)],
            "expected_kwh": [100.0, None, 100.0],
            "is_extrapolated": [False, False, True],
        }
    )
    found = adjusted_days(frame, [adjustment()])
    assert found["expected_kwh"].to_list() == [110.0, None, 100.0]
    assert found["adjustment_kwh"].to_list() == [10.0, 0.0, 0.0]


@given(
    st.lists(st.decimals(min_value=-99, max_value=500, places=4).filter(bool), min_size=1, max_size=4),
    st.integers(min_value=0, max_value=10**15),
)
def test_the_order_of_adjustments_changes_nothing(percents: list[Decimal], nano_kwh: int) -> None:
    every = [adjustment(kwh_per_day=None, percent=each) for each in percents]
    expected = Decimal(nano_kwh).scaleb(-9)
    day = date(2025, 4, 15)
    forward = adjustment_of_day_kwh(every, day, expected)
    assert forward == adjustment_of_day_kwh(every[::-1], day, expected)
    assert forward == forward.quantize(Decimal("1e-9"))
    assert adjustments_sha256(every) == adjustments_sha256(every[::-1])


def test_the_ledger_leaves_with_an_evidence_pack_and_means_the_same_elsewhere(works: Works, tmp_path: Path) -> None:
    name = approve(works, adjustment())
    until = works.clock.now_utc() + timedelta(days=1)
    assert BY_SITE[table.name] == "site_id"
    rows = {
        each: carried_rows(works.lake.store, each, {"site_id": ["works"]}, until=until)
        for each in ("adjustments", "baseline_versions")
    }
    elsewhere = open_store(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    restore(elsewhere, rows)
    baseline = works.versions["line"].baseline
    found = AdjustmentStore(elsewhere).in_force(LINE, baseline)
    assert [each.adjustment_id for each in found] == [name]
    assert found == AdjustmentStore(works.lake.store).in_force(LINE, baseline)
    elsewhere.close()
