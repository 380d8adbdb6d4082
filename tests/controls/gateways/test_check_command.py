"""The last check before the wire: nothing is clamped, nothing outlives its window."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.capabilities import NotSent
from controls.gateways.check_command import checked
from controls.templates.load_templates import load_template
from data_quality.contracts.time import FixedClock, parse_instant
from tests.controls.devices import command

BATTERY = load_template("sim_battery_10kwh")
CLOCK = FixedClock(parse_instant("2026-01-01T00:00:00Z"))
NOW = CLOCK.now_utc()


def of(**changes: object) -> object:
    made = command(CLOCK, device_id="battery", capability="set_charge_power_kw", value=2.0)
    return checked(made.model_copy(update=changes), BATTERY, device_id="battery", now_utc=NOW)


def test_a_good_command_passes_with_its_time_to_live() -> None:
    assert of()[1] == 30


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"device_id": "pv"}, "is for device 'pv', not 'battery'"),
        ({"capability": "read_power_kw"}, "cannot 'read_power_kw'; it can set_charge_power_kw"),
        ({"unit": "w"}, "takes kw, got 'w'"),
        ({"value": 5.001}, "5.001 is outside -5.0..5.0 kw"),
        ({"value": -5.001}, "outside"),
        ({"value": float("nan")}, "outside"),
        ({"value": float("inf")}, "outside"),
        ({"valid_from_utc": NOW + timedelta(seconds=1)}, "not valid before 2026-01-01T00:00:01Z"),
        ({"valid_until_utc": NOW}, "less than one second"),
        ({"valid_until_utc": NOW - timedelta(hours=1)}, "less than one second"),
        ({"ttl_s": 61.0}, "longer than the device's 60.0 s"),
        ({"ttl_s": 0.5}, "less than one second"),
    ],
)
def test_a_command_that_may_not_leave_is_not_sent(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(NotSent, match=sentence):
        of(**changes)


@given(st.floats(1, 60), st.floats(1, 5000))
def test_the_time_to_live_never_reaches_past_the_window(ttl_s: float, window_s: float) -> None:
    made = command(CLOCK, device_id="battery", capability="set_charge_power_kw", value=1.0, ttl_s=ttl_s)
    made = made.model_copy(update={"valid_until_utc": NOW + timedelta(seconds=window_s)})
    _, held_s = checked(made, BATTERY, device_id="battery", now_utc=NOW)
    assert 1 <= held_s <= ttl_s
    assert NOW + timedelta(seconds=held_s) <= made.valid_until_utc
