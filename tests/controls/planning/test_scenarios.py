"""From forecasts with courses to scenarios: weights, levels, moments, and the report where something is missing."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan, unplanned_cost
from controls.planning.scenarios import fast_forward, with_scenarios
from controls.planning.summary import summarise
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import FORECAST_FROM, Objective, PlanRequest
from data_quality.contracts.control.plan_scenario import Risk
from tests.controls.planning.examples import NOW, forecast, published, request


def uncertain_forecast(target: str, kwh: float, *, seed: int, count: int = 20) -> Forecast:
    """A flat forecast with courses that go up or down as a whole, and hour by hour."""
    plain, drawn = forecast(target, kwh), np.random.default_rng(seed)
    whole, each = drawn.normal(0, 0.2, (count, 1)), drawn.normal(0, 0.05, (count, len(plain.rows)))
    courses = np.maximum(kwh * (1 + whole + each), 0)
    return plain.model_copy(update={"trajectories": tuple(map(tuple, courses.tolist()))})


def scenario_request(
    risk: Risk | None = None, *, load: Forecast | None = None, sun: Forecast | None = None
) -> PlanRequest:
    """The home's request with scenarios."""
    load, sun = load or uncertain_forecast("house", 0.8, seed=1), sun or uncertain_forecast("pv", 0.3, seed=2)
    plain = request(load_forecast=load, pv_forecast=sun)
    return with_scenarios(plain, risk or Risk(), {"load": load, "pv": sun}, price_forecast=None)


def test_swanson_takes_whole_courses_at_three_levels_with_three_weights() -> None:
    found = scenario_request().uncertain
    assert found is not None
    assert [one.name for one in found.scenarios][:3] == ["load_low-sun_low", "load_low-sun_mid", "load_low-sun_high"]
    weights = {one.name: one.weight for one in found.scenarios}
    assert weights["load_low-sun_low"] == pytest.approx(0.09)
    assert weights["load_mid-sun_mid"] == pytest.approx(0.16)
    load = uncertain_forecast("house", 0.8, seed=1)
    starts = [at for at, row in enumerate(load.rows) if row.time_utc >= NOW.replace(minute=0)]
    sums = sorted(sum(course[at] for at in starts[:24]) for course in load.trajectories)
    low = next(one for one in found.scenarios if one.name == "load_low-sun_mid")
    # The third lowest of twenty, as far as the plan goes; its quarter hours sum up to its hours.
    assert sum(low.load_kw or ()) / 4 == pytest.approx(sums[2], rel=0.03)


def test_the_weights_of_all_factors_multiply_to_27_where_prices_are_open_too() -> None:
    load, sun = uncertain_forecast("house", 0.8, seed=1), uncertain_forecast("pv", 0.3, seed=2)
    plain = request(load_forecast=load, pv_forecast=sun)
    middle = f"{NOW.replace(minute=0) + timedelta(hours=12):%Y-%m-%dT%H:%MZ}"
    plain = plain.model_copy(update={"inputs": plain.inputs | {FORECAST_FROM: middle}, "bills": ()})
    found = with_scenarios(plain, Risk(), {"load": load, "pv": sun}, price_forecast=None)
    assert found.uncertain is not None
    weights = {one.name: one.weight for one in found.uncertain.scenarios}
    assert len(weights) == 27
    assert weights["load_low-sun_low-price_low"] == pytest.approx(0.027)
    assert weights["load_mid-sun_mid-price_mid"] == pytest.approx(0.064)
    assert found.inputs["scenarios"] == "27 scenarios, swanson"
    dear = next(one for one in found.uncertain.scenarios if one.name == "load_mid-sun_mid-price_high")
    shares = np.array(dear.import_price_per_kwh) / np.array(plain.import_price_per_kwh)
    # What is published is known; the rest may be a fifth dearer.
    assert shares[:40] == pytest.approx(np.ones(40), abs=1e-3)
    assert shares[-40:] == pytest.approx(np.full(40, 1.2), abs=1e-3)


def test_scenarios_say_how_wide_they_are_beside_their_forecast() -> None:
    inputs = scenario_request().inputs
    assert inputs["scenarios"] == "9 scenarios, swanson; fewer than the 27 asked for: all prices are published"
    assert "standard deviation" in inputs["scenarios_load"]
    assert "not as wide" not in inputs["scenarios_load"]
    narrow = scenario_request(Risk(method="selected", scenarios=1)).inputs
    assert narrow["scenarios_load"].endswith("not as wide as the forecast")


def test_without_courses_the_plan_says_that_it_rests_on_one_course() -> None:
    plain = scenario_request(load=forecast("house", 0.8))
    assert plain.uncertain is None
    assert plain.inputs["scenarios"] == "the load forecast has no courses for these hours: planned on its P50 alone"
    half = scenario_request(sun=forecast("pv", 0.3))
    assert half.uncertain is not None
    assert "no courses of pv: its P50 in all of them" in half.inputs["scenarios"]


def test_an_order_of_goals_is_planned_without_scenarios_and_says_so() -> None:
    load = uncertain_forecast("house", 0.8, seed=1)
    plain = request(load_forecast=load).model_copy(update={"objective": Objective(preset="peak_shaving")})
    found = with_scenarios(plain, Risk(), {"load": load}, price_forecast=None)
    assert found.uncertain is None
    assert found.inputs["scenarios"].startswith("the objective is an order of goals")


def test_selected_courses_stand_for_all_and_weigh_what_they_stand_for() -> None:
    found = scenario_request(Risk(method="selected", scenarios=12)).uncertain
    assert found is not None
    assert len(found.scenarios) == 12
    assert sum(one.weight for one in found.scenarios) == pytest.approx(1)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 3))
def test_each_course_chosen_is_the_best_to_add_to_those_before(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).normal(size=(8, 2))
    apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)

    def left(chosen: list[int]) -> float:
        return float(apart[:, chosen].min(axis=1).sum())

    chosen, weights = fast_forward(points, count)
    # One after another: that is rarely the best choice of so many at once, and may be far from it (seed 916, three).
    for place in range(count):
        before = chosen[:place]
        best = min(left([*before, n]) for n in range(8) if n not in before)
        assert left(chosen[: place + 1]) == pytest.approx(best)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() > 0


def test_a_plan_over_scenarios_is_stored_told_and_read_back() -> None:
    wanted = scenario_request()
    solution = solve(wanted)
    assert isinstance(solution, Solution)
    made = make_plan(wanted, solution, created_at_utc=NOW, version=1)
    assert published(made) == made
    assert made.risk is not None
    assert made.risk.value is not None
    assert made.risk.value >= -1e-6
    summary = summarise(made, time_zone="Europe/Prague")
    assert "the mean of 9 scenarios" in summary
    assert unplanned_cost(wanted, solution.series) >= made.paid - 1e-6


def test_a_request_without_scenarios_has_the_hash_that_it_ever_had() -> None:
    assert "uncertain" not in request().model_dump(mode="json")
