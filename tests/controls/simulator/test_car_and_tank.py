"""The simulated car and tank: what they take of a set-point, when the car is there, and what a thermostat does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.simulator.physics.car import Car, accepted_kw, charged, trip_of, whereabouts
from controls.simulator.physics.hot_water import HotWater, TankState, drawn_kw, heated
from controls.simulator.physics.stores import ParkedCar

CAR = Car(capacity_kwh=60, max_kw=7.4)
TANK = HotWater(
    capacity_kwh=10, empty_degc=40, full_degc=80, loss_kw=0.1, relays_kw=(1, 2), thermostat_on_degc=44,
    thermostat_off_degc=60,
)  # fmt: skip
ZONE, SEED = "Europe/Prague", 7


@pytest.mark.parametrize(
    ("stored_kwh", "asked_kw", "drawn"),
    [
        (30, 9.0, 7.4),
        (30, 3.0, 3.0),
        (30, 1.37, 0.0),
        (54, 7.4, (7.4 + 1.5) / 2),
        (54, 2.0, 2.0),
        (60, 7.4, 0.0),
    ],
)
def test_a_car_takes_what_its_charge_allows_and_nothing_below_six_amperes(
    stored_kwh: float, asked_kw: float, drawn: float
) -> None:
    assert accepted_kw(CAR, stored_kwh=stored_kwh, set_point_kw=asked_kw) == pytest.approx(drawn)


def test_a_car_stays_until_it_departs_and_comes_home_with_less() -> None:
    start = datetime(2026, 3, 3, 20, tzinfo=UTC)
    seen = []
    for hour in range(1, 24):
        is_there, _ = whereabouts(CAR, start + timedelta(hours=hour), since_utc=start, time_zone=ZONE, seed=SEED)
        seen.append(is_there)
    leaves, comes, trip_kwh = trip_of(CAR, datetime(2026, 3, 4, tzinfo=UTC).date(), time_zone=ZONE, seed=SEED)
    assert f"{leaves:%H:%M}" == "06:30"
    assert 16 <= comes.hour + comes.minute / 60 <= 17
    assert 6 <= trip_kwh <= 12
    assert seen == [True] * 10 + [False] * 10 + [True] * 3 or seen == [True] * 10 + [False] * 9 + [True] * 4
    parked = ParkedCar(CAR, kwh=50, wanted_kwh=60)
    assert parked.run([True, True, False], [trip_kwh, 0.0, 0.0], setpoint_kw=0.0, step_h=1.0).tolist() == [0.0] * 3
    assert parked.kwh == pytest.approx(50 - trip_kwh)


@given(st.floats(0, 60), st.floats(0, 9), st.floats(1e-6, 1))
def test_what_a_car_draws_is_what_it_stores(stored_kwh: float, asked_kw: float, step_h: float) -> None:
    power_kw, after_kwh = charged(CAR, stored_kwh=stored_kwh, set_point_kw=asked_kw, step_h=step_h)
    assert after_kwh <= 60
    assert after_kwh - stored_kwh == pytest.approx(0.9 * power_kw * step_h, abs=1e-9)


def test_a_thermostat_heats_a_cold_tank_whatever_the_relays_say_and_a_full_one_takes_nothing() -> None:
    state = TankState(stored_kwh=0.9)
    powers = []
    for _ in range(4):
        state = heated(TANK, state, relays=(False, False), draw_kw=0.0, step_h=0.5)
        powers.append(state.power_kw)
    # From 44 degrees up to 60, which are 5 of the 10 kWh.
    assert powers == [3.0, 3.0, 3.0, 0.0]
    full = heated(TANK, TankState(stored_kwh=10), relays=(True, True), draw_kw=0.0, step_h=0.5)
    assert full.power_kw == 0.0
    assert heated(TANK, TankState(stored_kwh=7), relays=(False, True), draw_kw=1.0, step_h=1.0).stored_kwh == 7.9


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 9)), max_size=40))
def test_no_switching_takes_the_tank_out_of_its_limits(steps: list[tuple[bool, bool, float]]) -> None:
    state = TankState(stored_kwh=5)
    for first, second, draw_kw in steps:
        state = heated(TANK, state, relays=(first, second), draw_kw=draw_kw, step_h=0.25)
        assert 0 <= state.stored_kwh <= 10
        assert state.power_kw in (0, 1, 2, 3)


def test_water_is_drawn_by_the_hour_the_same_whenever_it_is_asked() -> None:
    tank = TANK.model_copy(update={"draw_kw": tuple(float(hour) for hour in range(24))})
    at = datetime(2026, 3, 3, 19, tzinfo=UTC)
    words = [drawn_kw(tank, at + timedelta(minutes=m), time_zone=ZONE, seed=SEED) for m in (0, 30, 59)]
    assert words[0] == words[1] == words[2]
    assert 20 * 2 / 3 <= words[0] <= 20 * 4 / 3
    assert drawn_kw(tank, at + timedelta(days=1), time_zone=ZONE, seed=SEED) != words[0]
