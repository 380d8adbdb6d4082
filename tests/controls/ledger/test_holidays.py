"""A holiday holds until its end or until a person ends it; rows are added, never changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import holiday_events
from assets.stores.transactions import Store, connect_store, site_transaction
from controls.ledger.chain import verify_chain
from controls.ledger.modes import end_holiday, holiday_history, open_holiday, set_holiday
from data_quality.contracts.control.holiday import LONGEST, Holiday
from data_quality.contracts.errors import BadInput
from tests.controls.ledger.rows_of import BEN, EVE, NOW, OLAF
from tests.stores.everything import change, give_keys


def _set(store: Store, days: float = 7.0, **more: Any) -> None:
    values: dict[str, Any] = {"person": OLAF, "reason": "skiing", "at_utc": NOW} | more
    with site_transaction(store, "home") as connection:
        set_holiday(connection, "home", until_utc=values.pop("until_utc", NOW + timedelta(days=days)), **values)


def _end(store: Store, **more: Any) -> Holiday:
    values: dict[str, Any] = {"person": OLAF, "reason": "snow is gone", "at_utc": NOW + timedelta(days=1)} | more
    with site_transaction(store, "home") as connection:
        return end_holiday(store, connection, "home", **values)


def test_it_holds_to_its_end_and_survives_a_restart(store: Store) -> None:
    assert open_holiday(store, "home", NOW) is None
    _set(store)
    second = connect_store(str(store.engine.url.render_as_string(hide_password=False)))
    found = open_holiday(second, "home", NOW + timedelta(days=7, seconds=-1))
    assert found == Holiday(
        site_id="home", until_utc=NOW + timedelta(days=7), person_id="olaf", reason="skiing", since_utc=NOW
    )
    assert open_holiday(second, "home", NOW + timedelta(days=7)) is None, "it ends by itself, and nobody writes a row"
    assert open_holiday(second, "elsewhere", NOW) is None
    second.close()


@pytest.mark.parametrize(
    ("until", "hours"),
    # Prague goes back an hour on 25 October 2026 and on an hour on 29 March.
    [("2026-10-26T00:00:00+01:00", 25), ("2026-03-30T00:00:00+02:00", 23)],
)
def test_on_both_days_of_a_clock_change_it_ends_at_the_instant_that_was_said(
    store: Store, until: str, hours: int
) -> None:
    until_utc = datetime.fromisoformat(until).astimezone(UTC)
    began_utc = until_utc - timedelta(hours=hours)
    _set(store, until_utc=until_utc, at_utc=began_utc)
    held = [open_holiday(store, "home", began_utc + timedelta(hours=h)) is not None for h in range(hours + 2)]
    assert held == [True] * hours + [False, False]


def test_a_later_row_moves_it_and_a_person_ends_it(store: Store) -> None:
    _set(store)
    _set(store, days=3, at_utc=NOW + timedelta(hours=1), person=EVE)
    found = open_holiday(store, "home", NOW + timedelta(days=1))
    assert found is not None
    assert (found.until_utc, found.person_id) == (NOW + timedelta(days=3), "eve")
    assert _end(store).until_utc == NOW + timedelta(days=3)
    assert open_holiday(store, "home", NOW + timedelta(days=1)) is None
    rows = [(each["is_set"], each["person_id"], each["reason"]) for each in holiday_history(store, "home")]
    assert rows == [(True, "olaf", "skiing"), (True, "eve", "skiing"), (False, "olaf", "snow is gone")]
    before = open_holiday(store, "home", NOW, as_of_utc=NOW + timedelta(minutes=5))
    assert before is not None, "as it was known then"
    assert before.until_utc == NOW + timedelta(days=7)


def test_what_cannot_be_is_refused_and_writes_nothing(store: Store) -> None:
    for changes, reason in (
        ({"days": 0}, "end_has_passed"), ({"days": -1}, "end_has_passed"),
        ({"days": LONGEST.days + 1}, "end_too_far"), ({"reason": " "}, "missing_reason"),
        ({"person": BEN}, "missing_role"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as fault:
            _set(store, **changes)
        assert fault.value.reason == reason
    with pytest.raises(BadInput, match="no holiday holds at home"):
        _end(store)
    assert holiday_history(store, "home") == []


def test_rows_are_refused_a_change_and_one_that_was_changed_counts_as_none(store: Store) -> None:
    _set(store)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), store.begin() as connection:
        connection.execute(holiday_events.update().values(reason="x"))
    change(store, holiday_events, holiday_events.c.id == 1, until_utc=NOW + timedelta(days=99))
    assert open_holiday(store, "home", NOW) is None
    assert any("holiday_events" in each for each in verify_chain(store, "home"))


def test_where_people_have_keys_it_needs_none(store: Store, tmp_path: Any) -> None:
    give_keys(store, tmp_path)
    _set(store)
    assert open_holiday(store, "home", NOW) is not None
    assert verify_chain(store, "home") == []
