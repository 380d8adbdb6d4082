"""A car at a charger: days whose optimum a person can add up, every rule broken once, and other ways to the optimum."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.devices.components.ev_params import FeedIn, PowerRange, Session, Taper
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Series, Solution, replay_case
from controls.optimiser.solve import solve, start_of
from data_quality.contracts.control.plan import PhaseLimits
from data_quality.contracts.finding import Finding
from tests.controls.optimiser.toys import TOY, changed


def stay(**changes: object) -> Session:
    """Three hours at 1.4 to 11 kW and a lossless cable, 6 kWh wanted."""
    plain = {"from_step": 0, "to_step": 3, "energy_kwh": 6.0, "min_kw": 1.4, "max_kw": 11.0, "efficiency": 1.0}
    return Session.model_validate(plain | changes)


def with_car(*stays: Session, prices: tuple[float, ...] = (0.3, 0.1, 0.2), **changes: object) -> DispatchCase:
    """A house without a load of its own, without battery, and with a car."""
    steps = len(prices)
    plain: dict[str, object] = {
        "step_h": (1.0,) * steps,
        "load_kw": (0.0,) * steps,
        "pv_kw": (0.0,) * steps,
        "import_price_per_kwh": prices,
        "export_price_per_kwh": (0.0,) * steps,
        "import_max_kw": 50.0,
    }
    case = changed(TOY, battery=None, **(plain | changes))
    car = EvCharger(device_id="car", sessions=stays, capacity_kwh=40.0)
    return DispatchCase.model_validate(dict(case) | {"devices": (*case.devices, car)})


def solved(case: DispatchCase, **options: str) -> Solution:
    answer = solve(case, **options)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    return answer


def power_kw(case: DispatchCase) -> tuple[float, ...]:
    return solved(case).series.devices["car"]["ev_kw"]


def test_a_car_charges_in_the_cheapest_hour_and_has_its_energy_when_it_leaves() -> None:
    answer = solved(with_car(stay()))
    assert answer.series.devices["car"]["ev_kw"] == pytest.approx((0.0, 6.0, 0.0))
    assert answer.series.devices["car"]["ev_stored_kwh"] == pytest.approx((0.0, 6.0, 6.0))
    assert answer.objective == pytest.approx(0.6)
    assert answer.series.columns()["ev_kw"] == pytest.approx([0.0, 6.0, 0.0])


def test_what_the_cable_loses_is_bought_too() -> None:
    assert solved(with_car(stay(efficiency=0.9))).objective == pytest.approx(0.6 / 0.9)


def test_below_its_least_power_it_does_not_charge() -> None:
    # 10 kW in the cheapest hour and the last kWh would be the second's: it takes 1.4 there, and 9.6 in the first.
    case = with_car(stay(energy_kwh=11.0), import_max_kw=10.0)
    assert power_kw(case) == pytest.approx((0.0, 9.6, 1.4))
    free = with_car(stay(energy_kwh=11.0, min_kw=0.0), import_max_kw=10.0)
    assert power_kw(free) == pytest.approx((0.0, 10.0, 1.0))


def test_a_car_charges_only_while_it_is_there() -> None:
    assert power_kw(with_car(stay(from_step=2))) == pytest.approx((0.0, 0.0, 6.0))
    assert power_kw(with_car(stay(to_step=1))) == pytest.approx((6.0, 0.0, 0.0))


def test_two_cars_after_one_another_are_two_accounts() -> None:
    case = with_car(stay(to_step=1, energy_kwh=2.0), stay(from_step=1, energy_kwh=5.0))
    answer = solved(case)
    assert answer.series.devices["car"]["ev_kw"] == pytest.approx((2.0, 5.0, 0.0))
    assert answer.series.devices["car"]["ev_stored_kwh"] == pytest.approx((2.0, 5.0, 5.0))


def test_a_charger_that_switches_takes_the_little_sun_on_one_phase_and_the_rest_on_three() -> None:
    # 2 kW of sun are below the 4.14 kW of three phases, and above the 1.38 kW of one.
    sun = {"prices": (0.3, 0.3, 0.3), "pv_kw": (2.0, 0.0, 0.0)}
    three = {"min_kw": 4.14, "max_kw": 11.04}
    assert solved(with_car(stay(**three), **sun)).objective == pytest.approx(0.3 * (6.0 - 2.0))
    fixed = with_car(stay(**three, energy_kwh=2.0), **sun)
    assert solved(fixed).objective == pytest.approx(0.3 * (4.14 - 2.0))
    switched = with_car(stay(**three, energy_kwh=2.0, one_phase=PowerRange(min_kw=1.38, max_kw=3.68)), **sun)
    answer = solved(switched)
    assert answer.objective == pytest.approx(0.0)
    assert answer.series.devices["car"]["ev_phases"] == (1.0, 0.0, 0.0)


def test_on_one_phase_all_its_power_lies_on_one_fuse() -> None:
    # 3 kWh in one hour: 3 kW on one phase; where each phase carries 2 kW it must be the 4.14 kW of three.
    switched = stay(to_step=1, energy_kwh=3.0, min_kw=4.14, one_phase=PowerRange(min_kw=1.38, max_kw=3.68))
    case = with_car(switched)
    assert solved(case).series.devices["car"]["ev_phases"] == (1.0, 0.0, 0.0)
    narrow = changed(case, phases=PhaseLimits(import_max_kw=(2.0,) * 3, export_max_kw=(2.0,) * 3))
    assert power_kw(narrow) == pytest.approx((4.14, 0.0, 0.0))
    # The same fuse holds a charger that has but one phase, which is L1 where nobody says another.
    single = solve(changed(with_car(stay(to_step=1, energy_kwh=3.0)), phase_count=1, phases=narrow.connection.phases))
    assert isinstance(single, Finding)
    assert single.facts["families"] == "import_limit_l1,ev_departure"


def test_a_schedule_tells_the_modes_behind_it_to_the_next_search() -> None:
    v2g = FeedIn(min_kw=1.0, max_kw=3.0, efficiency=0.8, floor_kwh=5.0)
    one = PowerRange(min_kw=1.38, max_kw=3.68)
    car = stay(energy_kwh=0.5, start_kwh=8.0, ceiling_kwh=20.0, min_kw=4.14, feed_in=v2g, one_phase=one)
    case = with_car(car, prices=(0.1, 0.5, 0.2), load_kw=(0.0, 3.0, 0.0))
    problem, answer = build_problem(case), solved(case)
    start = start_of(case, problem, answer.series)
    columns = np.concatenate([each.column for each in problem.variables["car"].values()])
    assert start[columns] == pytest.approx(np.array(answer.values)[columns], abs=1e-6)


def test_a_fuller_car_takes_less() -> None:
    # From 4 kW at 10 kWh down to none at 18: an hour at p ends with 10 + p, so p <= 4 - p / 2.
    line = Taper(from_kwh=10.0, full_kwh=18.0, end_kw=0.0)
    full = {"start_kwh": 10.0, "min_kw": 0.0, "max_kw": 4.0, "taper": line}
    case = with_car(stay(energy_kwh=4.0, **full), prices=(0.1, 0.2, 0.3))
    first = 4 / 1.5
    assert power_kw(case) == pytest.approx((first, 4.0 - first, 0.0))
    # p' <= 4 - (p + p') / 2 in the hour after, and so on: what is left to 18 kWh shrinks to two thirds each hour.
    too_much = solve(with_car(stay(energy_kwh=6.0, **full), prices=(0.1, 0.2, 0.3)))
    assert isinstance(too_much, Finding)
    assert too_much.facts["ev_departure_kwh"] == pytest.approx(6.0 - 8.0 * (1 - (2 / 3) ** 3))


def test_a_taper_that_ends_above_what_the_charger_gives_takes_nothing_away() -> None:
    line = Taper(from_kwh=10.0, full_kwh=18.0, end_kw=5.0)
    car = stay(energy_kwh=4.0, start_kwh=1.0, ceiling_kwh=18.0, min_kw=0.0, max_kw=4.0, taper=line)
    assert power_kw(with_car(car, prices=(0.2, 0.1, 0.3))) == pytest.approx((0.0, 4.0, 0.0))


def test_a_car_gives_back_at_a_high_price_what_it_took_at_a_low_one_and_leaves_with_what_it_wants() -> None:
    v2g = FeedIn(min_kw=1.0, max_kw=3.0, efficiency=0.8, floor_kwh=5.0, wear_per_kwh=0.01)
    case = with_car(
        stay(energy_kwh=0.0, start_kwh=8.0, ceiling_kwh=20.0, feed_in=v2g),
        prices=(0.1, 0.5, 0.2),
        load_kw=(0.0, 4.0, 0.0),
    )
    answer = solved(case)
    # 3 kW at 0.8 are 3.75 kWh of the battery, bought back at 0.1; the other kW of the load is bought.
    assert answer.series.devices["car"]["ev_kw"] == pytest.approx((3.75, 0.0, 0.0))
    assert answer.series.devices["car"]["ev_discharge_kw"] == pytest.approx((0.0, 3.0, 0.0))
    assert answer.objective == pytest.approx(0.375 + 0.5 + 0.03)
    assert solved(without_control(case)).objective == pytest.approx(2.0)


def test_a_car_gives_nothing_below_its_floor_and_nothing_below_its_least_power() -> None:
    v2g = FeedIn(min_kw=1.0, max_kw=3.0, efficiency=1.0, floor_kwh=7.5)
    case = with_car(stay(energy_kwh=0.0, start_kwh=8.0, feed_in=v2g), prices=(0.5, 0.5, 0.1), load_kw=(1.0, 1.0, 0.0))
    assert solved(case).series.devices["car"]["ev_discharge_kw"] == (0.0, 0.0, 0.0)


def test_a_car_that_cannot_have_what_it_wants_is_told_with_figures() -> None:
    found = solve(with_car(stay(energy_kwh=40.0)))
    assert isinstance(found, Finding)
    assert found.facts["families"] == "ev_power,ev_departure"
    assert found.facts["ev_departure_kwh"] == pytest.approx(7.0)
    assert "ev_departure (car gets 40 kWh before it leaves)" in found.message
    assert "the car is 7.0 kWh short, it could have 33.0 of the 40.0 kWh" in found.message


def test_a_narrow_connection_and_a_hungry_car_are_named_together() -> None:
    found = solve(with_car(stay(energy_kwh=30.0), import_max_kw=8.0))
    assert isinstance(found, Finding)
    assert found.facts["families"] == "import_limit,ev_departure"
    assert found.facts["import_limit_kw"] == pytest.approx(2.0)
    assert found.facts["ev_departure_kwh"] == pytest.approx(6.0)


def test_uncontrolled_it_charges_from_when_it_comes_until_it_has_its_energy() -> None:
    case = with_car(stay(energy_kwh=12.0))
    alone = solved(without_control(case))
    # 11 kWh in the first hour would leave less than its least power for the second.
    assert alone.series.devices["car"]["ev_kw"] == pytest.approx((10.6, 1.4, 0.0))
    assert alone.objective == pytest.approx(10.6 * 0.3 + 1.4 * 0.1)
    assert solved(case).objective == pytest.approx(10.6 * 0.1 + 1.4 * 0.2)


def test_commands_are_absolute_and_silent_while_no_car_is_there() -> None:
    car = EvCharger(device_id="car", sessions=(stay(from_step=1, to_step=2),))
    assert car.commands({"ev_kw": 0.0, "ev_discharge_kw": 0.0}, 0) == {}
    assert car.commands({"ev_kw": 0.0, "ev_discharge_kw": 0.0}, 1) == {"set_charge_power_kw": 0.0}
    assert car.commands({"ev_kw": 0.0, "ev_discharge_kw": 3.0}, 1) == {"set_charge_power_kw": -3.0}
    switched = {"ev_kw": 2.0, "ev_discharge_kw": 0.0, "ev_phases": 1.0}
    assert car.commands(switched, 1) == {"set_phases_count": 1.0, "set_charge_power_kw": 2.0}


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("ev_kw", (0.0, 1.0, 5.0), "step 2: a power without a car"),
        ("ev_kw", (1.0, 5.0, 0.0), "a power that the charger does not have by 0.4"),
        ("ev_kw", (12.0, 0.0, 0.0), "a power that the charger does not have by 1"),
        ("ev_kw", (4.0, 0.0, 0.0), "the car leaves with too little"),
        ("ev_kw", (10.0, 8.0, 0.0), "the car is fuller than it may be"),
        ("ev_kw", (3.0, 7.0, 0.0), "more than so full a car takes"),
        ("ev_kw", (8.0, 3.0, 0.0), "more than its strategy allows"),
        ("ev_kw", (0.0, 7.0, 0.0), "later than its strategy allows"),
        ("ev_phases", (3.0, 1.0, 0.0), "a power that its phases do not have"),
        ("ev_discharge_kw", (6.0, 0.0, 0.0), "a power that the car does not give by 3"),
        ("ev_discharge_kw", (3.0, 3.0, 0.0), "the car is emptier than it may be"),
        ("ev_discharge_kw", (0.0, 2.0, 0.0), "charge and discharge at once"),
        ("ev_stored_kwh", (9.0, 9.0, 9.0), "stored energy"),
    ],
)
def test_the_check_sees_every_broken_rule_of_a_car(column: str, values: tuple[float, ...], words: str) -> None:
    case = with_car(
        stay(
            to_step=2, start_kwh=4.0, ceiling_kwh=20.0, min_kw=2.0, cap_kw=(7.0, 11.0), pace_kwh=(5.0, 0.0),
            taper=Taper(from_kwh=10.0, full_kwh=16.0, end_kw=0.0), one_phase=PowerRange(min_kw=1.4, max_kw=1.5),
            feed_in=FeedIn(min_kw=1.0, max_kw=3.0, efficiency=1.0, floor_kwh=3.5),
        )
    )  # fmt: skip
    good = solved(case).series
    car = good.devices["car"] | {column: values}
    if column != "ev_stored_kwh":
        into, out = car["ev_kw"], car["ev_discharge_kw"]
        car["ev_stored_kwh"] = tuple(
            4.0 + sum(into[: min(t, 1) + 1]) - sum(out[: min(t, 1) + 1]) for t in range(len(into))
        )
    broken = replay_case(case, Series(connection=good.connection, devices=good.devices | {"car": car}))
    assert any(words in problem for problem in broken.problems), broken.problems


ENERGIES = st.integers(0, 12).map(float)
PRICES = st.lists(st.integers(-10, 50).map(lambda cents: cents / 100), min_size=4, max_size=4).map(tuple)
POWERS = st.lists(st.integers(0, 6).map(float), min_size=4, max_size=4).map(tuple)


@st.composite
def cases(draw: st.DrawFn) -> DispatchCase:
    """Four hours in which every car can have what it wants at any whole power; 1 kW is less than the least."""
    cut = draw(st.integers(1, 3))
    stays = [
        stay(from_step=a, to_step=b, energy_kwh=min(draw(ENERGIES), 4.0 * (b - a)), min_kw=2.0, max_kw=4.0)
        for a, b in ((0, cut), (cut, 4))
    ]
    return with_car(*stays, prices=draw(PRICES), pv_kw=draw(POWERS), load_kw=draw(POWERS), import_max_kw=10.0)


def cheapest_by_hand(case: DispatchCase) -> float:
    """Every combination of whole powers. With whole sun, load and energy, some optimum is whole."""
    (car,) = (one for one in case.devices if isinstance(one, EvCharger))
    (sun,) = (one.pv_kw for one in case.devices if one.kind == "pv")
    best = float("inf")
    for powers in itertools.product((0, 2, 3, 4), repeat=4):
        if any(sum(powers[one.steps]) < one.energy_kwh for one in car.sessions):
            continue
        cost = 0.0
        for t, power in enumerate(powers):
            net, price = power + case.load_kw[t] - sun[t], case.connection.import_price_per_kwh[t]
            # At a negative price even the sun is curtailed, and the load is bought.
            cost += price * (power + case.load_kw[t]) if price < 0 else price * max(net, 0.0)
        best = min(best, cost)
    return best


@settings(max_examples=12, deadline=None)
@given(cases())
def test_both_solvers_find_what_trying_everything_finds(case: DispatchCase) -> None:
    expected = pytest.approx(cheapest_by_hand(case), abs=1e-6)
    assert solved(case).objective == expected
    assert solved(case, solver="cbc").objective == expected
    assert solved(without_control(case)).objective >= solved(case).objective - 1e-6
