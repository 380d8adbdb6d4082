"""Plans over scenarios: sums by hand, what is shared, what risk costs, and what thinking of scenarios is worth."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controls.optimiser.backends.solvers import run_highs
from controls.optimiser.case import DispatchCase
from controls.optimiser.case_file import load_case
from controls.optimiser.devices.tank import Tank
from controls.optimiser.explain.explain import explain
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.optimiser.stochastic.two_stage import TwoStage, mean_case, risk_figures, weighed
from data_quality.contracts.control.plan_scenario import (
    CostBand,
    Risk,
    RiskFigures,
    Scenario,
    ScenarioCost,
    ScenarioSet,
)
from data_quality.contracts.errors import BadInput
from tests.controls.optimiser.rooms_toy import house
from tests.controls.optimiser.toys import TOY, changed
from tests.orchestration.test_cli import run


def uncertain(case: DispatchCase, *loads: tuple[float, ...], risk: Risk | None = None) -> DispatchCase:
    """The case with equally likely loads."""
    scenarios = tuple(Scenario(name=f"load{n}", weight=1 / len(loads), load_kw=load) for n, load in enumerate(loads))
    known = ScenarioSet(risk=risk or Risk(cvar_weight=0, shared_h=1), scenarios=scenarios)
    return case.model_copy(update={"uncertain": known})


def planned(case: DispatchCase) -> Solution:
    """Its plan."""
    found = solve(case)
    assert isinstance(found, Solution)
    return found


def test_what_is_stored_first_must_do_for_both_evenings() -> None:
    """By hand: a kWh stored at 0.10 saves 0.81 * 0.30 - 0.009 = 0.234 in the second hour, where it is needed.

    Without export it is needed up to the evening's load: 0.4 or 0.8 kW. Charging c kW gives 0.81 c. Up to 0.4 / 0.81 it
    serves both evenings; beyond that half of the time, for 0.117 a kWh: still worth its 0.10. So 0.8 / 0.81 is stored.
    """
    case = changed(TOY, load_kw=(1.0, 0.8))
    found = planned(uncertain(case, (1.0, 0.4), (1.0, 0.8)))
    (charge, _) = found.series.devices["bat"]["battery_charge_kw"]
    assert charge == pytest.approx(0.8 / 0.81, abs=1e-6)
    assert found.risk is not None
    low, high = (one.cost for one in found.risk.costs)
    wear = 0.01
    assert high == pytest.approx(0.1 * (1 + charge) + wear * 0.8, abs=1e-6)
    assert low == pytest.approx(0.1 * (1 + charge) + wear * 0.4, abs=1e-6)
    assert found.objective == pytest.approx((low + high) / 2)
    # The mean evening would store 0.6 / 0.81, and buy the rest of 0.2 kWh in the dearer one.
    assert found.risk.mean_plan == pytest.approx((0.1 * (1 + 0.6 / 0.81) * 2 + wear * (0.4 + 0.6) + 0.3 * 0.2) / 2)
    assert found.risk.value is not None
    assert found.risk.value > 0.004
    # Who may decide nothing later gives both evenings 0.8 kW, half of it away in the calm one: only wear is lost.
    assert found.risk.blind == pytest.approx(0.1 * (1 + 0.8 / 0.81) + wear * 0.8)
    perfect = [planned(changed(case, load_kw=load)).objective for load in ((1.0, 0.4), (1.0, 0.8))]
    assert found.risk.perfect == pytest.approx(sum(perfect) / 2)


def test_why_is_told_for_all_scenarios_first_and_for_the_one_shown_after() -> None:
    """By hand, as above: a kWh more at first costs 0.10 in both evenings; in the calm one it is given away later."""
    case = changed(TOY, load_kw=(1.0, 0.8))
    known, wear = uncertain(case, (1.0, 0.4), (1.0, 0.8)), 0.01
    found = planned(known)
    why = explain(known, found)
    first, second = why.slots
    assert (why.scenarios, first.is_shared, second.is_shared, why.left_open) == (2, True, False, 0)
    assert first.marginal_price == pytest.approx(0.1)
    (full,) = first.alternatives
    # Charged in full: 1 - 0.8 / 0.81 kWh are bought that nobody needs.
    assert (full.words, full.is_shared) == ("charging 1 kW", True)
    assert full.difference == pytest.approx(0.1 * (1 - 0.8 / 0.81))
    assert first.sentence.startswith("In all 2 scenarios bat charges 0.988 kW, while 1.99 kW are bought at 0.1")
    assert "charging 1 kW (bat, in all scenarios) would cost" in first.sentence
    # Later, with what was stored held: 0.8 kWh bought at 0.30 instead of drawn at 0.01, in this scenario alone.
    (rests,) = second.alternatives
    assert (why.scenario, rests.words, rests.is_shared) == ("load1", "not discharging", False)
    assert rests.difference == pytest.approx((0.3 - wear) * 0.8)
    assert second.sentence.startswith("In scenario load1 bat discharges 0.8 kW")
    # Known to be possible, one kWh more there would be stored for half of all cases.
    assert second.marginal_price == pytest.approx(2 * (0.1 / 0.81 + wear / 2))


def test_marginal_prices_over_scenarios_lie_between_what_a_little_less_and_a_little_more_load_costs() -> None:
    base = house(0, steps=12, scenarios=True)
    assert base.uncertain is not None
    known = base.uncertain.model_copy(update={"risk": Risk(cvar_weight=0, shared_h=2)})
    base = base.model_copy(update={"uncertain": known})
    found, step = planned(base), 1e-3
    why = explain(base, found)
    weight = {one.name: one.weight for one in known.scenarios}[why.scenario]

    def costs(t: int, more: float) -> float:
        """Of a kWh in the step: in all scenarios while nobody knows which comes, then in the one that is shown."""
        scenarios = tuple(
            one.model_copy(update={"load_kw": tuple(np.array(one.load_kw) + more * (np.arange(12) == t))})
            if t < 2 or one.name == why.scenario
            else one
            for one in known.scenarios
        )
        changed = base.model_copy(update={"uncertain": known.model_copy(update={"scenarios": scenarios})})
        return (planned(changed).objective - found.objective) / more / (1.0 if t < 2 else weight)

    for t in (0, 1, 2, 7, 11):
        assert costs(t, -step) - 2e-3 <= why.slots[t].marginal_price <= costs(t, step) + 2e-3


def test_a_value_at_risk_and_the_mean_beyond_it() -> None:
    scenarios = tuple(Scenario(name=str(n), weight=0.1) for n in range(10))
    known = ScenarioSet(risk=Risk(cvar_level=0.8, cvar_weight=0.5), scenarios=scenarios)
    found = risk_figures(known, [float(n) for n in range(10)])
    assert (found.expected_cost, found.promised_cost) == (pytest.approx(4.5), 7.0)
    # Of ten equal cases eight lie between the first and the ninth, ends included.
    assert found.cost_band == CostBand(low=0.0, high=8.0, coverage=0.8, scenarios=10)
    # The dearest fifth: 8 and 9.
    assert found.cvar == pytest.approx(8.5)
    assert weighed(found) == pytest.approx(6.5)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-50, 50)), min_size=1, max_size=27))
def test_a_cost_band_holds_its_share_of_all_cases_and_is_no_wider_than_need_be(rows: list[tuple[int, float]]) -> None:
    total = sum(weight for weight, _ in rows)
    costs = [ScenarioCost(name=str(n), weight=weight / total, cost=cost) for n, (weight, cost) in enumerate(rows)]
    known = RiskFigures(level=0.9, cvar_weight=0.2, expected_cost=0, promised_cost=0, cvar=0, costs=tuple(costs))
    band = known.cost_band
    assert sum(each.weight for each in costs if band.low <= each.cost <= band.high) >= band.coverage - 1e-9
    assert sum(each.weight for each in costs if each.cost < band.low) < 0.1
    assert sum(each.weight for each in costs if each.cost > band.high) <= 0.1 + 1e-9


def test_a_tank_heats_the_same_in_every_scenario_to_the_end() -> None:
    tank = Tank(
        device_id="tank",
        relays_kw=(1.0, 1.0),
        draw_kw=(0.0,) * 6 + (1.5, 1.5),
        max_kwh=6,
        init_kwh=1.0,
        end_min_kwh=1.0,
    )
    base = house(0, steps=8, scenarios=True)
    both = TwoStage(base.model_copy(update={"devices": (*base.devices, tank)}))
    outcome = run_highs(both.arrays, gap=1e-6, time_limit_s=60)
    assert outcome.values is not None
    heats = np.array([one.devices["tank"]["relays_kw"] for one in both.series(outcome.values)])
    assert heats.sum(axis=1) == pytest.approx(np.full(len(heats), 3.0))
    assert (heats == heats[0]).all()


def test_who_fears_risk_pays_more_on_average_and_less_at_worst() -> None:
    base = house(0, steps=24, scenarios=True)
    assert base.uncertain is not None
    plans = []
    for weight in (0.0, 1.0):
        risk = base.uncertain.risk.model_copy(update={"cvar_weight": weight, "shared_h": 20})
        plans.append(planned(base.model_copy(update={"uncertain": base.uncertain.model_copy(update={"risk": risk})})))
    calm, afraid = (one.risk for one in plans)
    assert calm is not None
    assert afraid is not None
    assert afraid.expected_cost >= calm.expected_cost - 1e-6
    assert afraid.cvar < calm.cvar - 1e-3


def test_soon_is_the_same_in_every_scenario_and_later_is_not() -> None:
    both = TwoStage(house(0, steps=24, scenarios=True))
    outcome = run_highs(both.arrays, gap=1e-6, time_limit_s=60)
    assert outcome.values is not None
    charge = np.array([one.devices["bat"]["battery_charge_kw"] for one in both.series(outcome.values)])
    assert charge[:, :2] == pytest.approx(np.tile(charge[0, :2], (len(charge), 1)), abs=1e-6)
    assert np.ptp(charge[:, 2:], axis=0).max() > 0.1
    assert any(family.label == "shared" for family in both.problems[0].program.families)


# The solver takes parts of so small a weight for zero, and the value at risk was without a limit.
@example(seed=0, level=0.0, weight=2e-9, shared_h=0)
@settings(max_examples=15)
@given(seed=st.integers(0, 1000), level=st.floats(0, 0.95), weight=st.floats(0, 1), shared_h=st.integers(0, 12))
def test_thinking_of_scenarios_is_never_worth_less_than_nothing(
    seed: int, level: float, weight: float, shared_h: int
) -> None:
    base = house(1, steps=12, seed=seed, scenarios=True)
    assert base.uncertain is not None
    risk = Risk(cvar_level=level, cvar_weight=weight, shared_h=shared_h)
    found = planned(base.model_copy(update={"uncertain": base.uncertain.model_copy(update={"risk": risk})}))
    assert found.risk is not None
    assert found.risk.perfect is not None
    assert found.risk.value is not None
    assert found.risk.value >= -1e-6
    assert found.risk.blind is not None
    assert found.risk.perfect <= found.objective + 1e-5 <= found.risk.blind + 2e-5
    assert found.risk.cvar >= found.risk.promised_cost - 1e-9
    assert weighed(found.risk) == pytest.approx(found.objective)


def test_one_scenario_that_is_the_forecast_is_the_plain_plan() -> None:
    base = house(1, steps=12)
    sure = ScenarioSet(scenarios=(Scenario(name="only", weight=1.0),))
    alone = planned(base.model_copy(update={"uncertain": sure}))
    assert alone.objective == pytest.approx(planned(base).objective, abs=1e-5)


def test_rooms_and_scenarios_together_by_schedules_as_by_the_plain_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    base = house(2, steps=10, scenarios=True, most_kw=5.0)
    plain = planned(base)
    assert "rooms by" not in plain.solver
    monkeypatch.setattr("controls.optimiser.stochastic.solve_scenarios.MANY", 1)
    found = solve(base, gap=0.02)
    assert isinstance(found, Solution)
    assert "rooms by" in found.solver
    assert "6 scenarios" in found.solver
    assert found.bound <= plain.objective + 1e-6
    assert plain.bound - 1e-6 <= found.objective <= plain.objective * 1.02
    # What rooms do is decided before anybody knows.
    assert found.risk is not None
    assert len(found.risk.costs) == 6


def test_a_mean_case_has_the_mean_of_what_may_come() -> None:
    base = house(0, steps=24, scenarios=True)
    assert mean_case(base).load_kw == pytest.approx(base.load_kw)
    sun = next(device for device in mean_case(base).devices if device.device_id == "pv")
    assert sun.pv_kw == pytest.approx([0.85 * value for value in base.devices[0].pv_kw])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weight": 0.7}, "the weights of 2 scenarios add up to 1.2, expected 1"),
        ({"name": "b"}, "two scenarios have one name"),
        ({"load_kw": [1.0]}, "scenario a: load_kw has 1 values, the case 4 steps"),
        ({"given_kw": {"roof": [0, 0, 0, 0]}}, "scenario a: no device with a forecast is called roof"),
    ],
)
def test_bad_scenarios_of_a_case_file(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    content = {
        "id": "x", "currency": "EUR", "start_utc": "2026-01-05T00:00:00Z", "dt_h": 1, "load": [1, 1, 1, 1],
        "p_imp": [0.1, 0.2, 0.3, 0.4], "p_exp": [0, 0, 0, 0], "imp_max": 10, "exp_max": 10,
        "pv": [0, 0, 0, 0],
        "uncertain": {"scenarios": [{"name": "a", "weight": 0.5} | change, {"name": "b", "weight": 0.5}]},
    }  # fmt: skip
    (tmp_path / "case.json").write_text(json.dumps(content))
    with pytest.raises(BadInput, match=sentence):
        load_case(tmp_path / "case.json")


def test_an_order_of_goals_and_scenarios_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match="give the objective prices instead of an order of goals"):
        changed(uncertain(TOY, (1.0, 1.0)), objective={"preset": "peak_shaving"})


def test_what_no_connection_carries_in_one_scenario_is_a_conflict() -> None:
    case = uncertain(changed(TOY, import_max_kw=2.0), (1.0, 1.0), (1.0, 9.0))
    found = solve(case)
    assert not isinstance(found, Solution)
    assert found.code == "infeasible"
    assert "load1" in found.message


def test_a_case_with_scenarios_is_planned_and_written_out_by_the_command(tmp_path: Path) -> None:
    content = {
        "id": "x", "currency": "EUR", "start_utc": "2026-01-05T00:00:00Z", "dt_h": 1, "load": [1, 1],
        "p_imp": [0.1, 0.2], "p_exp": [0, 0], "imp_max": 10, "exp_max": 10, "pv": [0, 0],
        "uncertain": {"scenarios": [
            {"name": "calm", "weight": 0.5}, {"name": "busy", "weight": 0.5, "load_kw": [1, 3]},
        ]},
    }  # fmt: skip
    path, lp = tmp_path / "case.json", tmp_path / "x.lp"
    path.write_text(json.dumps(content))
    code, out, error = run("plan", str(path), "--explain", "--write-lp", str(lp))
    assert code == 0
    # 0.3 or 0.7: 0.5 on average, and 0.7 in the dearest tenth; a fifth of the weight is the risk's.
    assert "over the scenarios 0.5000 on average; 90% of all cases cost no more than 0.7000, the others 0.7000" in out
    assert "objective 0.540000" in out
    assert "planning for the mean scenario alone would cost 0.0000 more" in out
    assert "to decide nothing later, 0.5400: what can be kept lies between the plan and this" in out
    assert error.strip().splitlines()[-1] == "asking what other choices would cost"
    assert "the rest is as scenario calm has it" in out
    now, later = (line for line in out.splitlines() if line.startswith("Mon"))
    assert "there is nothing to plan (in all scenarios)" in now
    assert "in all scenarios" not in later
    assert "s01_site_import_kw_001" in lp.read_text()
    code, _, error = run("plan", str(path), "--solver", "cbc")
    assert (code, "scenarios are solved by highs, not by cbc" in error) == (2, True)
