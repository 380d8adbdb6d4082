"""A manual hold lasts until it ends or a person gives it back, over restarts."""

from datetime import timedelta
from math import inf
from typing import Any

import pytest

from assets.stores.schema.tables_control import hold_events
from assets.stores.transactions import Store, connect_store, site_transaction
from controls.ledger.device_holds import HOLD, Hold, is_held, open_holds, release_hold, select_holds, set_hold
from data_quality.contracts.errors import BadInput
from tests.controls.ledger.rows_of import BEN, CARLA, NOW, OLAF
from tests.stores.everything import change, give_keys, insert

POWER = "set_charge_power_kw"


def _set(store: Store, capability: str = POWER, hours: float = 2.0, device_id: str = "battery", **more: Any) -> None:
    values: dict[str, Any] = {"reason": "it reads 3 kW", "at_utc": NOW, "command_id": "c1"} | more
    with site_transaction(store, "home") as connection:
        set_hold(connection, "home", device_id, capability, until_utc=NOW + timedelta(hours=hours), **values)


def _release(store: Store, device_id: str = "battery", **more: Any) -> list[Hold]:
    values: dict[str, Any] = {"person": OLAF, "reason": "done", "at_utc": NOW} | more
    with site_transaction(store, "home") as connection:
        return release_hold(store, connection, "home", device_id, **values)


def test_a_hold_covers_its_capability_until_its_end_and_survives_a_restart(store: Store) -> None:
    assert timedelta(hours=2) == HOLD
    _set(store, value=3.0)
    second = connect_store(str(store.engine.url.render_as_string(hide_password=False)))
    (hold,) = open_holds(second, "home", NOW + HOLD - timedelta(seconds=1))
    assert (hold.value, hold.command_id, hold.until_utc) == (3.0, "c1", NOW + HOLD)
    assert [is_held([hold], *each) for each in (("battery", POWER), ("battery", "other"), ("pv", POWER))] == [
        True, False, False,
    ]  # fmt: skip
    assert open_holds(second, "home", NOW + HOLD) == []
    assert open_holds(second, "elsewhere", NOW) == []
    second.close()


def test_a_hold_of_the_device_or_the_site_covers_what_lies_below(store: Store) -> None:
    _set(store, "")
    holds = open_holds(store, "home", NOW)
    assert is_held(holds, "battery", "anything")
    assert not is_held(holds, "pv", POWER)
    _set(store, "", device_id="")
    with site_transaction(store, "home") as connection:
        assert is_held(select_holds(store, connection, "home", NOW), "pv", POWER)
    _release(store)
    assert [hold.device_id for hold in open_holds(store, "home", NOW)] == [""], "the site's is another one"


def test_a_second_hold_only_prolongs_the_first(store: Store) -> None:
    _set(store, hours=12, person=CARLA, command_id=None)
    _set(store, hours=2)
    (hold,) = open_holds(store, "home", NOW + timedelta(hours=11))
    assert hold.until_utc == NOW + timedelta(hours=12)
    _set(store, hours=20)
    assert open_holds(store, "home", NOW)[0].until_utc == NOW + timedelta(hours=20)


def test_a_person_gives_it_back_with_a_reason(store: Store) -> None:
    _set(store)
    for changes, reported in (({"person": BEN}, "role"), ({"reason": " "}, "reason"), ({"device_id": "pv"}, "is held")):
        with pytest.raises(BadInput, match=reported):
            _release(store, **changes)
    assert len(open_holds(store, "home", NOW)) == 1
    assert [hold.capability for hold in _release(store)] == [POWER]
    assert open_holds(store, "home", NOW) == []
    _set(store)
    assert len(open_holds(store, "home", NOW)) == 1, "it can be taken again"


def test_a_hold_in_the_past_or_of_nobody_is_refused(store: Store) -> None:
    for changes, reported in (
        ({"hours": 0.0}, "has passed"),
        ({"person": BEN}, "role"),
        ({"person": OLAF, "reason": ""}, "reason"),
        ({"device_id": ""}, "belongs to a device"),
        ({"person": CARLA, "value": inf}, "holds a number, got inf"),
    ):
        with pytest.raises(BadInput, match=reported):
            _set(store, **changes)
    assert store.rows(hold_events.select()) == []


def test_a_value_that_is_no_number_never_keeps_the_holds_from_being_read(store: Store) -> None:
    _set(store, value=inf)
    assert [hold.value for hold in open_holds(store, "home", NOW)] == [None]


def test_a_hold_that_was_changed_or_given_back_by_nobody_holds_the_whole_site(store: Store, tmp_path: Any) -> None:
    _set(store)
    values = {"site_id": "home", "device_id": "battery", "capability": POWER, "is_set": False, "reason": "x"}
    insert(store, hold_events, **values, person_id="olaf", recorded_at_utc=NOW)
    holds = open_holds(store, "home", NOW + timedelta(days=9))
    assert [(hold.device_id, hold.until_utc) for hold in holds] == [("", None)]
    assert is_held(holds, "pv", "anything")


def test_where_people_have_keys_a_hold_needs_none_and_giving_back_does(store: Store, tmp_path: Any) -> None:
    give_keys(store, tmp_path)
    _set(store)
    assert [hold.device_id for hold in open_holds(store, "home", NOW)] == ["battery"]
    _release(store)
    assert [hold.device_id for hold in open_holds(store, "home", NOW)] == [""], "nobody signed it"


def test_a_hold_whose_end_was_shortened_holds_the_whole_site(store: Store) -> None:
    _set(store)
    change(store, hold_events, hold_events.c.id == 1, until_utc=NOW)
    assert [hold.device_id for hold in open_holds(store, "home", NOW)] == [""]
