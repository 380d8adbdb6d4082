"""Factors in two times: nothing is replaced, and every view at T stays what it was."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.schema.tables_factors import emission_factors
from assets.stores.transactions import DatabaseError, Store, open_store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, Factor, FactorSet, StoredFactor
from data_quality.contracts.time import FixedClock
from tests.carbon.cases import factor, held

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_set(*rows: Factor, sha256: str = "ab" * 32) -> FactorSet:
    return FactorSet(path="factors.csv", sha256=sha256, factors=rows)


def spans(found: tuple[StoredFactor, ...]) -> list[tuple[str, date, date]]:
    return sorted((each.factor.factor_id, each.factor.valid_from, each.factor.valid_to) for each in found)


def test_a_newer_row_supersedes_on_its_days_and_the_older_stays_known_as_it_was(
    store: Store, clock: FixedClock
) -> None:
    factors = FactorStore(store)
    first = factors.add(a_set(factor("0.2", factor_id="old")), clock=clock)
    clock.advance(timedelta(days=1))
    second = factors.add(a_set(factor("0.3", factor_id="new", valid_from=date(2024, 7, 1))), clock=clock)
    assert (first.new_rows, second.new_rows) == (1, 1)
    assert spans(factors.known()) == [
        ("new", date(2024, 7, 1), date(2025, 1, 1)),
        ("old", date(2024, 1, 1), date(2024, 7, 1)),
    ]
    assert spans(factors.known(as_of_utc=first.recorded_at_utc)) == [("old", date(2024, 1, 1), date(2025, 1, 1))]
    assert factors.known(as_of_utc=NOW - timedelta(days=1)) == ()
    assert [each.factor.factor_id for each in factors.history()] == ["old", "new"]
    assert factors.known()[0].factor.sha256 == "ab" * 32


def test_a_row_in_the_middle_leaves_both_ends_of_the_older(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    factors.add(a_set(factor(factor_id="old")), clock=clock)
    factors.add(a_set(factor(factor_id="new", valid_from=date(2024, 3, 1), valid_to=date(2024, 4, 1))), clock=clock)
    assert [each[0] for each in spans(factors.known())] == ["new", "old", "old"]


def test_what_is_known_already_is_not_recorded_again(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    rows = (factor(), factor("0.18", activity="natural gas", scope=1, factor_id="gas"))
    factors.add(a_set(*rows), clock=clock)
    second = factors.add(a_set(*rows), clock=clock)
    assert (second.new_rows, second.unchanged_rows, second.recorded_at_utc) == (0, 2, None)
    changed = factors.add(a_set(rows[0], factor("0.19", activity="natural gas", scope=1, factor_id="gas")), clock=clock)
    assert (changed.new_rows, changed.unchanged_rows) == (1, 1)
    assert len(factors.history()) == 3


def test_gases_of_one_factor_are_superseded_together(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    gases = [factor(None, gas=gas, kg_per_unit="1", factor_id=gas) for gas in ("CO2", "CH4")]
    factors.add(a_set(*gases), clock=clock)
    factors.add(a_set(factor(None, gas="CO2", kg_per_unit="2", factor_id="CO2"), gases[1]), clock=clock)
    assert {each.factor.gas: each.factor.kg_per_unit for each in factors.known()} == {"CO2": 2, "CH4": 1}
    factors.add(a_set(factor("0.5", factor_id="total")), clock=clock)
    assert [each.factor.factor_id for each in factors.known()] == ["total"]


def test_tenants_see_their_own_factors_and_those_of_all(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    factors.add(a_set(factor(factor_id="all")), clock=clock)
    factors.add(a_set(factor(factor_id="mine")), clock=clock, tenant="plant")
    factors.add(a_set(factor(factor_id="theirs")), clock=clock, tenant="tower")
    assert {each.factor.factor_id for each in factors.known(tenant="plant")} == {"all", "mine"}
    assert {each.factor.factor_id for each in factors.known()} == {"all", "mine", "theirs"}
    assert {each.tenant for each in factors.history(tenant="tower")} == {"tower"}


def test_the_store_refuses_two_at_one_time_and_an_empty_set(store: Store, clock: FixedClock) -> None:
    with pytest.raises(BadInput, match="overlap on 2024-01-01"):
        FactorStore(store).add(a_set(factor(factor_id="a"), factor(factor_id="b")), clock=clock)
    with pytest.raises(BadInput, match="has no factors"):
        FactorStore(store).add(a_set(), clock=clock)


def test_a_withdrawn_factor_holds_no_longer_and_is_known_as_it_was(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    first = factors.add(a_set(factor("0.2", factor_id="grid")), clock=clock)
    clock.advance(timedelta(days=1))
    done = factors.withdraw("grid", reason="a typing error", clock=clock, end=date(2024, 4, 1))
    assert spans(factors.known()) == [("grid", date(2024, 4, 1), date(2025, 1, 1))]
    assert spans(factors.known(as_of_utc=first.recorded_at_utc)) == [("grid", date(2024, 1, 1), date(2025, 1, 1))]
    assert [each.withdrawn for each in factors.history()] == ["", "a typing error"]
    assert factors.history()[1].recorded_at_utc == done.recorded_at_utc
    with pytest.raises(BadInput, match="no factor 'grid' of all sites holds on those days"):
        factors.withdraw("grid", reason="again", clock=clock, end=date(2024, 4, 1))
    clock.advance(timedelta(days=1))
    assert factors.add(a_set(factor("0.2", factor_id="grid")), clock=clock).new_rows == 1
    assert spans(factors.known()) == [("grid", date(2024, 1, 1), date(2025, 1, 1))]


def test_gases_are_withdrawn_together(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    factors.add(
        a_set(*(factor(None, gas=gas, kg_per_unit="1", factor_id="eGRID") for gas in ("CO2", "CH4"))), clock=clock
    )
    assert factors.withdraw("eGRID", reason="x", clock=clock).new_rows == 1
    assert factors.known() == ()


def test_a_contract_recorded_anew_replaces_its_amount_and_one_withdrawn_goes_whole(
    store: Store, clock: FixedClock
) -> None:
    factors = FactorStore(store)
    ppa = held(Basis.CONTRACT, "0", factor_id="PPA", instrument_kwh="300")
    factors.add(a_set(ppa), clock=clock, tenant="plant")
    fewer = ppa.model_copy(update={"instrument_kwh": Decimal(200), "valid_from": date(2024, 3, 1)})
    factors.add(a_set(fewer), clock=clock, tenant="plant")
    assert [(each.factor.valid_from, each.factor.instrument_kwh) for each in factors.known()] == [
        (date(2024, 3, 1), 200)
    ]
    factors.withdraw("PPA", reason="sold", clock=clock, tenant="plant", end=date(2024, 4, 1))
    assert factors.known() == ()


def test_a_certificate_of_one_site_is_refused_for_another(store: Store, clock: FixedClock) -> None:
    factors = FactorStore(store)
    rego = held(Basis.CERTIFICATE, "0", factor_id="REGO", instrument_kwh="300")
    factors.add(a_set(rego), clock=clock, tenant="plant")
    with pytest.raises(BadInput, match=r"factors.csv, line 2: certificate 'REGO' is recorded for plant already"):
        factors.add(a_set(rego), clock=clock, tenant="tower")
    factors.withdraw("REGO", reason="sold to the tower", clock=clock, tenant="plant")
    assert factors.add(a_set(rego), clock=clock, tenant="tower").new_rows == 1


def test_recorded_factors_cannot_be_changed_or_removed(store: Store, clock: FixedClock) -> None:
    FactorStore(store).add(a_set(factor()), clock=clock)
    for statement in (sa.update(emission_factors).values(unit="MWh"), sa.delete(emission_factors)):
        with pytest.raises(DatabaseError, match="append-only"), store.begin() as connection:
            connection.execute(statement)


def test_the_store_means_the_same_on_postgresql(postgres_url: str, clock: FixedClock) -> None:
    opened = open_store(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    factors = FactorStore(opened)
    first = factors.add(a_set(factor("0.20707429", factor_id="old")), clock=clock, tenant="plant")
    clock.advance(timedelta(days=1))
    factors.add(a_set(factor("0.3", factor_id="new", valid_from=date(2024, 7, 1))), clock=clock, tenant="plant")
    assert spans(factors.known(tenant="plant")) == [
        ("new", date(2024, 7, 1), date(2025, 1, 1)),
        ("old", date(2024, 1, 1), date(2024, 7, 1)),
    ]
    (then,) = factors.known(as_of_utc=first.recorded_at_utc)
    assert then.factor.kg_co2e_per_unit == Decimal("0.20707429")
    with pytest.raises(DatabaseError, match="append-only"), opened.begin() as connection:
        connection.execute(sa.delete(emission_factors))
    opened.close()


histories = st.lists(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(1, 12), st.decimals(0, 2, places=4), st.sampled_from(["GB", "DE"])),
        min_size=1,
        max_size=3,
        unique_by=lambda row: row[3],
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=int(os.environ.get("METERLOOM_FACTOR_HISTORIES", "8")), deadline=None)
@given(histories)
def test_no_later_recording_changes_an_earlier_view_and_one_factor_holds_a_day(
    history: list[list[tuple[int, int, Decimal, str]]],
) -> None:
    opened = open_store("sqlite:///:memory:")
    factors, clock = FactorStore(opened), FixedClock(NOW)
    truth: dict[tuple[str, int], Decimal] = {}
    views: list[tuple[datetime, tuple[StoredFactor, ...]]] = []
    for batch in history:
        rows = []
        for first, length, value, region in batch:
            last = min(12, first + length)
            rows.append(
                factor(str(value), region=region, valid_from=date(2020 + first, 1, 1), valid_to=date(2020 + last, 1, 1))
            )
            truth |= {(region, year): value for year in range(first, last)}
        factors.add(a_set(*rows), clock=clock)
        clock.advance(timedelta(hours=1))
        views.append((clock.now_utc(), factors.known()))
        clock.advance(timedelta(hours=1))
    for moment, view in views:
        assert factors.known(as_of_utc=moment) == view
    for (region, year), value in truth.items():
        day = date(2020 + year, 6, 1)
        held = [
            each.factor.kg_co2e_per_unit
            for each in factors.known()
            if each.factor.region == region and each.factor.valid_from <= day < each.factor.valid_to
        ]
        assert held == [value]
    opened.close()
