"""The device's contract: order is kept, time runs out, and the safe value stands after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.lease import Outcome, SetPointLease


def lease() -> SetPointLease:
    return SetPointLease(safe_value=0.0, minimum=-5.0, maximum=5.0, max_ttl_s=60.0)


def test_a_fresh_device_holds_its_safe_value() -> None:
    state = lease().state(0.0)
    assert (state.value, state.remaining_s, state.epoch, state.seq) == (0.0, 0.0, 0, 0)


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ({"seq": 6, "value": 2.0}, Outcome.APPLIED),
        ({"seq": 5, "value": 1.0}, Outcome.REPEATED),
        ({"seq": 5, "value": 2.0}, Outcome.OLD_SEQ),
        ({"seq": 4, "value": 1.0}, Outcome.OLD_SEQ),
        ({"seq": 1, "epoch": 3}, Outcome.APPLIED),
        ({"seq": 9, "epoch": 1}, Outcome.OLD_EPOCH),
        ({"seq": 6, "value": 5.01}, Outcome.OUT_OF_RANGE),
        ({"seq": 6, "value": float("nan")}, Outcome.OUT_OF_RANGE),
        ({"seq": 6, "ttl_s": 0}, Outcome.NO_LEASE),
        ({"seq": 6, "ttl_s": 61}, Outcome.NO_LEASE),
        ({"seq": 6, "ttl_s": float("nan")}, Outcome.NO_LEASE),
    ],
)
def test_what_follows_seq_5_of_epoch_2(second: dict[str, float], outcome: Outcome) -> None:
    device = lease()
    first = {"value": 1.0, "ttl_s": 30.0, "epoch": 2, "seq": 5}
    assert device.offer(**first, now_s=0.0) is Outcome.APPLIED
    assert device.offer(**(first | second), now_s=10.0) is outcome
    held = device.state(10.0)
    assert held.value == (second.get("value", 1.0) if outcome.is_accepted else 1.0)
    assert held.remaining_s == (30.0 if outcome is Outcome.APPLIED else 20.0)


def test_a_lease_that_ran_out_is_not_renewed_by_its_own_echo() -> None:
    device = lease()
    first = {"value": 1.0, "ttl_s": 30.0, "epoch": 1, "seq": 1}
    device.offer(**first, now_s=0.0)
    assert not device.tick(29.9)
    assert device.tick(30.0)
    assert not device.tick(30.0)
    assert device.offer(**first, now_s=31.0) is Outcome.OLD_SEQ
    assert device.state(31.0).value == 0.0


offers = st.tuples(st.floats(-8, 8), st.floats(-1, 80), st.integers(0, 3), st.integers(0, 4), st.floats(0, 40))


@given(st.lists(offers, max_size=30), st.floats(0, 100))
def test_no_value_outlives_its_time_and_order_never_goes_back(
    rows: list[tuple[float, float, int, int, float]], wait_s: float
) -> None:
    device, now_s = lease(), 0.0
    newest, deadline_s, value = (-1, -1), 0.0, 0.0
    for offered, ttl_s, epoch, seq, later_s in rows:
        now_s += later_s
        outcome = device.offer(value=offered, ttl_s=ttl_s, epoch=epoch, seq=seq, now_s=now_s)
        if outcome is Outcome.APPLIED:
            assert (epoch, seq) >= newest
            assert -5.0 <= offered <= 5.0
            assert 0 < ttl_s <= 60.0
            newest, deadline_s, value = (epoch, seq), now_s + ttl_s, offered
    now_s += wait_s
    assert device.state(now_s).value == (value if now_s < deadline_s else 0.0)
