"""One agent a site, and an epoch that tells a new one from an old one."""

from datetime import timedelta

from assets.stores.transactions import Store
from controls.ledger.device_lease import LEASE_S, RENEW_S, STOP_S, acquire_lease, release_lease
from tests.controls.ledger.rows_of import NOW


def _after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_the_second_agent_waits_until_the_first_one_ran_out(store: Store) -> None:
    first = acquire_lease(store, "home", "a", now_utc=NOW)
    assert first is not None
    assert first.epoch == 1
    assert acquire_lease(store, "home", "b", now_utc=NOW + _after(LEASE_S - 0.001)) is None
    second = acquire_lease(store, "home", "b", now_utc=NOW + _after(LEASE_S))
    assert second is not None
    assert second.epoch == 2


def test_renewing_keeps_the_epoch_and_coming_back_late_does_not(store: Store) -> None:
    acquire_lease(store, "home", "a", now_utc=NOW)
    renewed = acquire_lease(store, "home", "a", now_utc=NOW + _after(10))
    assert renewed is not None
    assert (renewed.epoch, renewed.expires_utc) == (1, NOW + _after(10 + LEASE_S))
    late = acquire_lease(store, "home", "a", now_utc=NOW + _after(10 + LEASE_S))
    assert late is not None
    assert late.epoch == 2


def test_a_lease_that_was_given_back_is_free_at_once(store: Store) -> None:
    first = acquire_lease(store, "home", "a", now_utc=NOW)
    assert first is not None
    release_lease(store, first, now_utc=NOW + _after(1))
    second = acquire_lease(store, "home", "b", now_utc=NOW + _after(1))
    assert second is not None
    release_lease(store, first, now_utc=NOW + _after(2))
    assert acquire_lease(store, "home", "a", now_utc=NOW + _after(2)) is None


def test_a_lease_from_a_clock_that_was_ahead_does_not_lock_the_site(store: Store) -> None:
    assert acquire_lease(store, "home", "a", now_utc=NOW + timedelta(hours=2)) is not None
    assert acquire_lease(store, "home", "b", now_utc=NOW + timedelta(hours=2) - _after(2)) is None
    taken = acquire_lease(store, "home", "b", now_utc=NOW)
    assert taken is not None
    assert taken.epoch == 2


def test_a_holder_stops_before_another_may_begin() -> None:
    assert RENEW_S < STOP_S < LEASE_S
