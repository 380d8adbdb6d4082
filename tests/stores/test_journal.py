"""Base of every store over append-only tables: one recorded time, seals, and views as known at any instant."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_content
from assets.stores.journal import AppendOnly, Ledger, document_in, fields_of, row_of
from assets.stores.schema.tables_baselines import promotions
from assets.stores.schema.tables_bills import tariff_overrides
from assets.stores.schema.tables_findings import anomaly_labels, job_outcomes
from assets.stores.schema.tables_reports import site_versions
from assets.stores.seals import append, bound_facts, give_numbers_back, head_of
from assets.stores.transactions import Store, next_known_at, open_store
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.anomaly_event import AnomalyLabel
from data_quality.contracts.time import FixedClock
from tests.stores.everything import change

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = FixedClock(NOW)


class Override(Model):
    """Some columns of a tariff override."""

    account: str
    tariff_id: str
    valid_from: date


OVERRIDES = AppendOnly(tariff_overrides, fields_of(Override), order=("id",), is_proven=True)
TOLD = AppendOnly(job_outcomes, dict)
DECIDED = AppendOnly(promotions, dict, order=("id",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The store on each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("store")
    else:
        url = str(request.getfixturevalue("postgres_url")).replace("postgresql://", "postgresql+psycopg://", 1)
        opened = open_store(url)
        yield opened
        opened.close()


def override(account: str, tariff_id: str) -> dict[str, Any]:
    made = Override(account=account, tariff_id=tariff_id, valid_from=date(2026, 1, 1))
    others = {"site_id": "home", "valid_to": date(2027, 1, 1), "person_id": "anna", "reason": "test"}
    return row_of(tariff_overrides, made, **others)


def names(found: list[Override]) -> list[str]:
    return [each.tariff_id for each in found]


def test_rows_that_are_added_together_share_one_recorded_time_after_every_other(store: Store) -> None:
    first = OVERRIDES.add(store, CLOCK, override("a", "one"), override("b", "two"))
    second = OVERRIDES.add(store, CLOCK, override("a", "three"))
    assert (first, second) == (NOW, NOW + timedelta(microseconds=1))
    assert [row["recorded_at_utc"] for row in OVERRIDES.rows(store)] == [first, first, second]


def test_every_view_is_as_known_then(any_store: Store) -> None:
    first = OVERRIDES.add(any_store, CLOCK, override("a", "one"), override("b", "two"))
    OVERRIDES.add(any_store, CLOCK, override("a", "three"))
    assert names(OVERRIDES.history(any_store)) == ["one", "two", "three"]
    assert names(OVERRIDES.history(any_store, as_of_utc=first)) == ["one", "two"]
    assert names(OVERRIDES.all_as_of(any_store, "account")) == ["three", "two"]
    assert names(OVERRIDES.all_as_of(any_store, "account", as_of_utc=first)) == ["one", "two"]
    newest, older = OVERRIDES.latest(any_store, account="a"), OVERRIDES.latest(any_store, account="a", as_of_utc=first)
    assert newest is not None
    assert older is not None
    assert (newest.tariff_id, older.tariff_id) == ("three", "one")
    assert OVERRIDES.latest(any_store, as_of_utc=NOW - timedelta(seconds=1)) is None


def test_a_condition_is_a_value_or_one_of_several_and_none_asks_for_nothing(store: Store) -> None:
    OVERRIDES.add(store, CLOCK, override("a", "one"), override("b", "two"), override("c", "three"))
    assert names(OVERRIDES.history(store, account="b", site_id=None)) == ["two"]
    assert names(OVERRIDES.history(store, account=("a", "c"))) == ["one", "three"]
    assert OVERRIDES.history(store, account=[]) == []
    assert OVERRIDES.rows(store, "tariff_id", account="b") == [{"tariff_id": "two"}]
    assert OVERRIDES.newest(store, "tariff_id") == {"tariff_id": "three"}


def test_a_thing_is_added_once_and_a_second_time_moves_no_clock(store: Store) -> None:
    kept = AppendOnly(site_versions, document_in("site", Override))
    row = {
        "sha256": "a" * 64,
        "site_id": "home",
        "site": {"account": "a", "tariff_id": "t", "valid_from": "2026-01-01"},
    }
    assert kept.add_once(store, CLOCK, row)
    later = next_known_at(store, NOW)
    assert not kept.add_once(store, CLOCK, {**row, "site_id": "other"})
    assert next_known_at(store, NOW) == later
    assert kept.history(store) == [Override(account="a", tariff_id="t", valid_from=date(2026, 1, 1))]


def test_models_are_put_and_read_back_as_they_were_recorded(store: Store) -> None:
    labels = Ledger(anomaly_labels, AnomalyLabel)
    fields = {"event_id": "e" * 32, "site_id": "home", "person_id": "anna", "reason": "seen", "recorded_at_utc": NOW}
    given = [AnomalyLabel.model_validate({**fields, "cause": cause}) for cause in ("waste", "weather")]
    assert labels.put(store, CLOCK) == []
    first, second = labels.put(store, CLOCK, given[0]), labels.put(store, CLOCK, *given)
    assert labels.history(store) == [*first, *second]
    assert [each.recorded_at_utc - NOW for each in (*first, *second)] == [timedelta(microseconds=n) for n in (0, 1, 1)]
    whole = Ledger(site_versions, Override, "site")
    made = Override(account="a", tariff_id="t", valid_from=date(2026, 1, 1))
    assert whole.put(store, CLOCK, made, sha256="a" * 64, site_id="home") == [made] == whole.history(store)


def test_a_ledger_has_a_column_for_what_its_model_must_say() -> None:
    with pytest.raises(OurFault, match="promotions has no column for account, tariff_id, valid_from of Override"):
        Ledger(promotions, Override)
    with pytest.raises(OurFault, match="promotions has no column for said of Override"):
        Ledger(promotions, Override, "said")


def test_a_sealed_table_gets_its_seal_and_a_log_none(store: Store) -> None:
    with store.begin() as connection:
        before = head_of(connection)
    fields = {"site_id": "home", "job": "j", "outcome": "o", "sentence": "s", "run_id": "r", "ended_utc": NOW}
    TOLD.add(store, CLOCK, fields)
    with store.begin() as connection:
        assert head_of(connection) == before
    DECIDED.add(store, CLOCK, {"model_name": "m", "decision": {}}, {"model_name": "n", "decision": {}})
    with store.begin() as connection:
        assert head_of(connection)[0] == before[0] + 1
    assert bad_content(store) == []


def test_a_row_that_was_changed_is_refused_where_rows_must_be_proven(store: Store) -> None:
    OVERRIDES.add(store, CLOCK, override("a", "one"), override("b", "two"))
    change(store, tariff_overrides, tariff_overrides.c.account == "a", tariff_id="cheap")
    for view in (OVERRIDES.history, OVERRIDES.latest, OVERRIDES.rows):
        with pytest.raises(BadInput, match="tariff_overrides 1: the row is not what was written"):
            view(store, account="a")
    assert OVERRIDES.rows(store, "tariff_id", account="a") == [{"tariff_id": "cheap"}]


def test_what_fails_together_leaves_nothing(store: Store) -> None:
    def stopped() -> None:
        with store.together():
            DECIDED.add(store, CLOCK, {"model_name": "m", "decision": {}})
            assert len(DECIDED.history(store)) == 1
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stopped()
    assert (DECIDED.history(store), next_known_at(store, NOW)) == ([], NOW)


def test_an_act_that_is_rolled_back_for_its_signature_has_the_same_numbers_when_it_is_done(any_store: Store) -> None:
    def marks(*, is_done: bool) -> Any:
        rows: Any = []
        with suppress(InterruptedError), any_store.begin() as connection:
            rows = [override("a", each) | {"recorded_at_utc": NOW} for each in ("one", "two")]
            append(connection, tariff_overrides, rows)
            rows = bound_facts(connection)["rows"]
            if not is_done:
                give_numbers_back(connection)
                raise InterruptedError
        return rows

    assert marks(is_done=False) == marks(is_done=False) == marks(is_done=True)
    assert marks(is_done=True) != marks(is_done=True)
