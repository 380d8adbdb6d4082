"""The objective of a plan is chosen, priced in one currency or put in an order, and stated as it is."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.lp_build import build_problem
from controls.optimiser.objective import goal_weights
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from data_quality.contracts.control.plan import Objective, PlanRequest
from data_quality.contracts.finding import Finding
from tests.controls.optimiser.test_new_kind import Shed
from tests.controls.optimiser.toys import TOY, changed

# Three hours: cheap and dirty, dear and clean, in between; a lossless battery of 2 kWh and 1 kW.
DAY = changed(
    TOY,
    step_h=(1.0,) * 3,
    load_kw=(1.0, 2.0, 1.0),
    pv_kw=(0.0,) * 3,
    import_price_per_kwh=(0.10, 0.30, 0.20),
    export_price_per_kwh=(0.0,) * 3,
    charge_efficiency=1.0,
    discharge_efficiency=1.0,
    wear_per_kwh=0.0,
    soc_init_kwh=1.0,
    soc_end_min_kwh=1.0,
).model_copy(update={"carbon_kgco2e_per_kwh": (0.5, 0.1, 0.3)})


def aiming(case: DispatchCase = DAY, **objective: Any) -> DispatchCase:
    """The case with that objective."""
    return case.model_copy(update={"objective": Objective(**objective)})


def solved(case: DispatchCase, **options: Any) -> Solution:
    """Its solution, which keeps every rule of the case."""
    answer = solve(case, **options)
    assert isinstance(answer, Solution), answer
    assert replay_case(case.model_copy(update={"kept": answer.kept}), answer.series).problems == ()
    return answer


def test_each_preset_wins_by_its_own_measure() -> None:
    # By hand: 4 kWh are bought in all. Cheapest: 2 kWh at 0.10, 1 at 0.30, 1 at 0.20 = 0.70, or 2, 0, 2... the second
    # hour is freed by 1 kW: 2 x 0.10 + 1 x 0.30 + 1 x 0.20. Cleanest: 0 x 0.5 + 3 x 0.1 + 1 x 0.3 = 0.6 kg, or 0, 3, 1;
    # the third hour freed too needs 2 kWh stored: 0, 3, 1 or 1, 3, 0 = 0.8; Flattest: 4 / 3 kW.
    economic, clean = solved(aiming()), solved(aiming(preset="environmental"))
    flat = solved(aiming(preset="peak_shaving"))
    assert economic.money == pytest.approx(0.70)
    assert clean.measures["carbon_kgco2e"] == pytest.approx(0.6, abs=1e-5)
    assert flat.measures["peak_kw"] == pytest.approx(4 / 3, abs=1e-5)
    assert min(clean.money, flat.money) > economic.money + 0.01
    assert min(economic.measures["carbon_kgco2e"], flat.measures["carbon_kgco2e"]) > 0.61
    assert min(economic.measures["peak_kw"], clean.measures["peak_kw"]) > 1.4


def test_self_consumption_buys_least_and_does_not_curtail_the_sun() -> None:
    # Losses make shifting grid energy cost energy: it pays in money, and not in what is bought.
    sunny = changed(DAY, load_kw=(1.0, 1.0, 1.0), pv_kw=(0.0, 2.5, 0.0), charge_efficiency=0.9,
                    import_price_per_kwh=(0.10, 0.30, 0.90), export_price_per_kwh=(0.05,) * 3, soc_max_kwh=1.5,
                    soc_init_kwh=0.0, soc_end_min_kwh=0.0)  # fmt: skip
    own, cheap = solved(aiming(sunny, preset="self_consumption")), solved(sunny)
    # The second hour stores 0.9 of 1.0 kWh and exports 0.5: 1 kWh is bought in the first, 0.1 in the third.
    assert own.measures["imported_kwh"] == pytest.approx(1.1, abs=1e-5)
    assert own.measures["exported_kwh"] == pytest.approx(0.5, abs=1e-4)
    assert cheap.measures["imported_kwh"] >= own.measures["imported_kwh"] - 1e-9
    assert sum(own.series.devices["pv"]["curtailed_kw"]) == 0.0


def test_a_price_of_carbon_moves_the_plan_monotonically_from_cheap_to_clean() -> None:
    prices = (None, 100.0, 300.0, 700.0, 2000.0)
    plans = [solved(aiming(carbon_price_per_tonne=price)) for price in prices]
    money, carbon = [one.money for one in plans], [one.measures["carbon_kgco2e"] for one in plans]
    assert money == sorted(money)
    assert carbon == sorted(carbon, reverse=True)
    assert money[-1] > money[0] + 0.01
    assert carbon[-1] < carbon[0] - 0.01
    # Grams are no currency: 700 a tonne are 0.0007 a gram, and the sum is that of money and what carbon is worth.
    assert plans[3].objective == pytest.approx(money[3] + 0.7 * carbon[3], abs=1e-9)


def test_environmental_counts_a_stated_price_five_times_and_balanced_once() -> None:
    green, even = (solved(aiming(preset=name, carbon_price_per_tonne=100.0)) for name in ("environmental", "balanced"))
    assert green.objective == pytest.approx(green.money + 0.5 * green.measures["carbon_kgco2e"])
    assert even.objective == pytest.approx(even.money + 0.1 * even.measures["carbon_kgco2e"])


def test_comfort_weighs_ten_times_in_its_preset_three_in_balanced_and_is_never_money() -> None:
    cold = Cold(device_id="room", least_kw=0.0, most_kw=1.0, price_per_kwh=0.05, budget_kwh=9.0)
    case = TOY.model_copy(update={"devices": (cold,), "carbon_kgco2e_per_kwh": (0.0, 0.0)})
    # Heating less costs 0.05 a kWh of comfort: less than both prices, at ten times more than either, at three times
    # between them.
    economic, comfort = solved(aiming(case)), solved(aiming(case, preset="comfort"))
    balanced = solved(aiming(case, preset="balanced", carbon_price_per_tonne=1.0))
    assert [one.series.devices["room"]["shed_kw"] for one in (economic, balanced, comfort)] == [
        (1.0, 1.0), (0.0, 1.0), (0.0, 0.0),
    ]  # fmt: skip
    assert economic.money == pytest.approx(0.0)
    assert economic.objective == pytest.approx(0.10)


class Cold(Shed):
    """Sheds heat, which costs comfort."""

    def cost(self, x: Any, step_h: Any) -> Any:
        yield "comfort", step_h * self.price_per_kwh * x["shed_kw"]


def test_an_order_of_goals_equals_solving_them_one_after_the_other() -> None:
    both = solved(aiming(first=[{"goal": "peak", "tolerance": 0.1}, "carbon"]))
    # The same by hand: the least peak, then the least carbon up to 1.1 of it, then the least money within both.
    peak = least(DAY, "peak", {})
    carbon = least(DAY, "carbon", {"peak": 1.1 * peak})
    money = least(DAY, "money", {"peak": 1.1 * peak, "carbon": carbon})
    assert both.measures["peak_kw"] == pytest.approx(1.1 * peak, abs=1e-4)
    assert both.measures["carbon_kgco2e"] == pytest.approx(carbon, abs=1e-4)
    assert both.money == pytest.approx(money, abs=1e-4)
    assert set(both.kept) == {"peak", "carbon"}


def least(case: DispatchCase, goal: Any, most: dict[str, float]) -> float:
    """The best value of one goal under bounds, from the rows alone."""
    wide = aiming(case, first=["peak", "carbon"]).model_copy(update={"kept": {k: v + 1e-7 for k, v in most.items()}})
    program = build_problem(wide).program
    weights = goal_weights(goal, program.costs)
    found = run_solver(program, solver="highs", gap=1e-9, time_limit_s=10.0, weights=weights).objective
    assert found is not None
    return found


def test_a_goal_that_nothing_costs_leaves_the_choice_to_the_next() -> None:
    assert solved(aiming(first=["comfort"])).money == pytest.approx(0.70)


def test_a_bound_on_carbon_holds_and_costs_what_it_must() -> None:
    bound = solved(aiming(carbon_max_kgco2e=1.0))
    assert bound.measures["carbon_kgco2e"] == pytest.approx(1.0)
    assert 0.70 < bound.money < solved(aiming(preset="environmental")).money


def test_a_bound_on_carbon_that_nothing_keeps_is_a_conflict_with_its_figure() -> None:
    answer = solve(aiming(carbon_max_kgco2e=0.1))
    assert isinstance(answer, Finding)
    assert "carbon_max (imports are worth at most 0.1 kgCO2e)" in answer.message
    assert answer.facts["carbon_max_kgco2e"] == pytest.approx(0.5)


def test_nothing_is_exported_below_the_price_that_was_named() -> None:
    sunny = changed(TOY, battery=None, pv_kw=(5.0, 5.0), export_price_per_kwh=(0.02, 0.08))
    answer = solved(aiming(sunny, export_min_price_per_kwh=0.05))
    assert answer.series.connection["export_kw"] == pytest.approx((0.0, 4.0))
    assert answer.series.devices["pv"]["curtailed_kw"] == pytest.approx((4.0, 0.0))
    assert answer.money == pytest.approx(-0.32)


def test_sun_that_cannot_be_curtailed_contradicts_a_price_for_exports() -> None:
    sunny = changed(TOY, battery=None, pv_kw=(5.0, 5.0), export_price_per_kwh=(0.02, 0.08), limit_min_kw=5.0)
    answer = solve(aiming(sunny, export_min_price_per_kwh=0.05))
    assert isinstance(answer, Finding)
    assert answer.facts["families"] == "export_threshold,curtailment_limit"
    assert "nothing is exported below a price of 0.05" in answer.message


def test_the_counterfactual_wants_only_to_be_cheap() -> None:
    assert without_control(aiming(preset="peak_shaving", first=["carbon"])).objective.is_default


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "balanced"}, "give carbon_price_per_tonne"),
        ({"preset": "green"}, "preset"),
        ({"first": ["peak", "peak"]}, "names a goal twice"),
        ({"carbon_price_per_tonne": -1}, "carbon_price_per_tonne"),
        ({"carbon_weight": 0.3}, "carbon_weight"),
    ],
)
def test_an_objective_that_says_too_little_or_two_things_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Objective.model_validate(given)


def test_carbon_without_a_known_intensity_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="environmental counts carbon: carbon_kgco2e_per_kwh is not known"):
        build_problem(aiming(TOY, preset="environmental"))


def test_a_request_without_an_objective_is_stored_as_before_there_was_one() -> None:
    nothing = {"load_kw": (1.0,), "import_price_per_kwh": (0.1,), "export_price_per_kwh": (0.0,), "devices": ()}
    times = {"site_id": "s", "start_utc": TOY.start_utc, "step_h": 1.0, "known_at_utc": TOY.start_utc}
    plain: Any = nothing | times | {"import_max_kw": 9, "export_max_kw": 9, "currency": "EUR"}
    stored = json.loads(PlanRequest(**plain).model_dump_json())
    assert not {"objective", "carbon_kgco2e_per_kwh"} & set(stored)
    chosen = PlanRequest(**plain, objective="peak_shaving")
    assert PlanRequest.model_validate_json(chosen.model_dump_json()) == chosen
    assert json.loads(chosen.model_dump_json())["objective"]["preset"] == "peak_shaving"
