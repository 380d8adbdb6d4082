"""Explanation of a plan: every figure is that of a problem solved again, every sentence only has figures."""

import re
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from highspy import HighsModelStatus
from hypothesis import given, settings

from controls.optimiser.backends.program import Row
from controls.optimiser.backends.solvers import engine_of, run_from_basis, run_solver
from controls.optimiser.case import DispatchCase
from controls.optimiser.case_file import load_case
from controls.optimiser.explain.explain import explain
from controls.optimiser.explain.solved_case import ForcedSolve
from controls.optimiser.explain.words import figure, folded
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Solution
from controls.planning.plan_picture import picture_of
from data_quality.contracts.control.explanation import Alternative, Explanation, Slot
from data_quality.contracts.control.plan import Objective
from data_quality.contracts.errors import OurFault
from orchestration.previews_plan import plan_picture
from tests.controls.optimiser.test_flexible_loads import dishes, house
from tests.controls.optimiser.test_properties import cases, solved
from tests.controls.optimiser.toys import TOY, changed

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TIME = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d:\d\d")


def explained(case: DispatchCase, **options: Any) -> tuple[Solution, Explanation]:
    answer = solved(case)
    return answer, explain(case, answer, **options)


def independent(case: DispatchCase, slot: int, one: Alternative, *, solver: str) -> float:
    """The cost of the choice by a problem written anew, with the choice as a row, and by the solver asked for."""
    problem = build_problem(case)
    choice = problem.variables[one.device_id][one.variable][slot]
    high = np.inf if one.upper is None else one.upper
    for name, row in (("low", choice >= one.lower), ("high", choice <= high)):
        problem.program.add("chosen", "chosen", Row("chosen", name, row), steps=len(case.step_h))
    outcome = run_solver(problem.program, solver=solver, gap=1e-10, time_limit_s=60.0, weights=case.weights)
    assert outcome.objective is not None
    return outcome.objective


def numbers_in(value: Any) -> list[float]:
    """Every number of a document, at any depth; those within texts are none."""
    if isinstance(value, dict):
        return list(chain.from_iterable(map(numbers_in, value.values())))
    if isinstance(value, list | tuple):
        return list(chain.from_iterable(map(numbers_in, value)))
    return [float(value)] if isinstance(value, float | int) and not isinstance(value, bool) else []


def assert_only_own_numbers(slot: Slot) -> None:
    known = numbers_in(slot.model_dump(mode="json"))
    # Figures within the words of a choice are its bounds, with digits of their own.
    for reported in _NUMBER.findall(_TIME.sub("", slot.sentence)):
        digits = len(reported.partition(".")[2])
        assert any(round(number, digits) == float(reported) for number in known), (slot.sentence, reported)


def impossible(slot: Slot) -> tuple[str, ...]:
    return tuple(f"{one.device_id} {one.words}" for one in slot.impossible)


def test_the_toy_day_says_what_a_person_adds_up() -> None:
    _, why = explained(TOY)
    first, second = why.slots
    # 1 kWh bought at 0.10 gives 0.9 * 0.9 = 0.81 kWh at 0.30, of which wear takes 0.01 each.
    assert first.best_alternative is not None
    assert first.best_alternative.difference == pytest.approx(0.81 * (0.30 - 0.01) - 0.10)
    assert first.best_alternative.words == "not charging"
    moved = first.best_alternative.moved
    assert moved is not None
    assert (moved.words, moved.energy_kwh, moved.price_per_kwh) == ("more bought", pytest.approx(0.81), 0.30)
    assert moved.time_utc == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert (first.marginal_price, second.marginal_price) == pytest.approx((0.10, 0.30))
    assert first.sentence == (
        "Bat charges 1 kW, while 2 kW are bought at 0.1 EUR/kWh, because not charging would cost 0.135 EUR more"
        " (0.81 kWh more bought at 0.3 EUR/kWh, as on Thu 01:00); bat charges at its limit (1 kW), where one kWh more"
        " room would save 0.135 EUR."
    )
    assert [(one.label, one.value, one.unit) for one in first.binding] == [("charge_limit", 1.0, "kw")]


def test_a_full_battery_and_a_connection_at_its_limit_are_named_with_their_figures() -> None:
    case = changed(TOY, soc_max_kwh=0.45, load_kw=(1.0, 3.0), import_max_kw=2.7)
    _, why = explained(case)
    assert "bat is as full as it may be (0.45 kWh)" in why.slots[0].sentence
    limits = {(one.device_id, one.words, one.value, one.unit) for one in why.slots[1].binding}
    assert ("bat", "is as empty as it may be", 0.0, "kwh") in limits
    tight = changed(TOY, import_max_kw=1.5)
    _, why = explained(tight)
    assert ("", "imports all that it may", 1.5, "kw") in {
        (one.device_id, one.words, one.value, one.unit) for slot in why.slots for one in slot.binding
    }


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_stated_difference_is_that_of_a_problem_written_anew(shared_data: Path, solver: str) -> None:
    week = load_case(shared_data / "hems" / "cases" / "H1_battery_pv_negative_prices_week.json")
    # Two days with negative prices, which need integers: the whole week is a long run.
    case = first_steps(week, 30, from_step=24)
    answer, why = explained(case)
    for t, slot in list(enumerate(why.slots))[:: 6 if solver == "highs" else 15]:
        assert slot.best_alternative is not None
        for one in slot.alternatives:
            assert one.difference is not None
            second = independent(case, t, one, solver=solver)
            assert one.difference == pytest.approx(second - answer.objective, abs=1e-6), (t, one)


def first_steps(case: DispatchCase, count: int, *, from_step: int = 0) -> DispatchCase:
    """A part of a case, with every series cut."""
    kept = slice(from_step, from_step + count)
    cut = {}
    for part in case.parts:
        for name in part.per_step:
            cut |= {name: series[kept]} if (series := getattr(part, name)) else {}
    return changed(case, step_h=case.step_h[kept], load_kw=case.load_kw[kept], **cut)


@settings(max_examples=10, deadline=None)
@given(cases())
def test_every_number_of_a_sentence_is_in_its_slot_and_no_choice_beats_the_plan(case: DispatchCase) -> None:
    answer, why = explained(case)
    assert why.left_open == 0
    for t, slot in enumerate(why.slots):
        assert_only_own_numbers(slot)
        shown = [slot.best_alternative] if slot.best_alternative else []
        for one in {*slot.alternatives, *shown}:
            assert one.difference is not None
            assert one.difference >= -1e-6
            # What makes no difference is claimed as no cause.
            if one.difference <= 1e-6:
                assert f"because {one.words}" not in slot.sentence
            assert one.difference == pytest.approx(
                independent(case, t, one, solver="highs") - answer.objective, abs=1e-6
            )
    assert sum(1 for _ in folded(why, case.devices)) <= len(why.slots)


def test_where_every_price_is_the_same_no_cause_is_claimed() -> None:
    flat = changed(
        TOY, import_price_per_kwh=(0.2, 0.2), charge_efficiency=1.0, discharge_efficiency=1.0, wear_per_kwh=0.0
    )
    _, why = explained(flat)
    for slot in why.slots:
        assert "because" not in slot.sentence
        assert "would make no difference" in slot.sentence


def test_a_marginal_price_is_what_a_little_more_load_costs() -> None:
    case = changed(TOY, step_h=(0.5, 0.25), load_kw=(1.0, 2.0))
    answer, why = explained(case)
    for t, slot in enumerate(why.slots):
        load = [power + (1e-3 / case.step_h[t] if step == t else 0.0) for step, power in enumerate(case.load_kw)]
        dearer = solved(changed(case, load_kw=tuple(load)))
        assert slot.marginal_price == pytest.approx((dearer.objective - answer.objective) / 1e-3, abs=1e-6)


def test_what_no_plan_can_do_is_said_to_be_impossible() -> None:
    # It must keep what it has, and a kilowatt of discharge would need 1.1 kWh that nobody may buy.
    case = changed(TOY, import_max_kw=1.0)
    _, why = explained(case)
    assert impossible(why.slots[0]) == ("bat charging 1 kW", "bat discharging 1 kW")
    assert "would be impossible" in why.slots[0].sentence


def test_a_battery_is_tried_at_what_it_may_move_in_that_step_not_at_its_rating() -> None:
    derated = {"charge_most_kw": (0.5, 0.0), "discharge_most_kw": (0.0, 0.4)}
    _, why = explained(changed(TOY, import_price_per_kwh=(0.10, 0.10), **derated))
    assert [impossible(slot) for slot in why.slots] == [(), ()]
    # Of 0.5 kWh bought 0.4 can be given an hour later; 0.4 kWh given need 0.4 / 0.81 kWh bought before.
    (charging,), (discharging,) = (slot.alternatives for slot in why.slots)
    assert (charging.words, discharging.words) == ("charging 0.5 kW", "discharging 0.4 kW")
    assert charging.difference == pytest.approx(0.5 * 0.10 - 0.4 * 0.09)
    assert discharging.difference == pytest.approx(0.4 / 0.81 * 0.10 - 0.4 * 0.09)


def test_a_battery_that_may_not_charge_at_its_rating_is_at_its_limit() -> None:
    _, why = explained(changed(TOY, charge_most_kw=(0.5, 0.0)))
    assert "bat charges at its limit (0.5 kW)" in why.slots[0].sentence


def test_a_machine_that_could_run_at_another_hour_is_explained() -> None:
    case = house(dishes(), prices=(0.3, 0.2, 0.4, 0.1))
    answer, why = explained(case)
    assert why.left_open == 0
    first, second = why.slots[:2]
    # From hour 0 it would cost 0.7, from hour 1 it costs 0.6.
    assert first.best_alternative is not None
    assert (first.best_alternative.words, first.best_alternative.upper) == ("running now", None)
    assert first.best_alternative.difference == pytest.approx(0.1)
    # From hour 2 on it would cost 0.85.
    assert "because not running now would cost 0.25 EUR more" in second.sentence
    assert Explanation.model_validate_json(why.model_dump_json()) == why
    assert "(1 runs)" not in " ".join(slot.sentence for slot in why.slots)
    assert answer.objective == pytest.approx(why.objective)


def test_other_choices_keep_the_goals_that_came_first() -> None:
    free = changed(TOY, load_kw=(1.0, 2.0))
    _, why = explained(free)
    assert impossible(why.slots[0]) == ("bat discharging 1 kW",)
    # Only one charge makes both hours draw the same, and any other a higher peak.
    _, why = explained(free.model_copy(update={"objective": Objective(first=({"goal": "peak"},))}))
    assert impossible(why.slots[0]) == ("bat not charging", "bat charging 1 kW", "bat discharging 1 kW")


def test_slots_that_time_did_not_reach_say_so_and_none_is_missing() -> None:
    _, why = explained(TOY, budget_s=0.0)
    assert len(why.slots) == why.left_open == 2
    for slot in why.slots:
        assert not slot.is_explained
        assert "not explained, the time given was over" in slot.sentence
        assert slot.binding
    assert next(spell.other_choice for spell in folded(why, TOY.devices)).startswith("not explained")


def test_a_rounded_answer_is_the_searched_one() -> None:
    case = changed(TOY, load_kw=(1.0, 0.4), import_price_per_kwh=(0.1, 0.3))
    problem, answer = build_problem(case), solved(case)
    second = ForcedSolve(problem.program.arrays(), np.array(answer.values))
    column = int(problem.variables["bat"]["battery_charge_kw"].column[0])
    rounded = second.relaxed(column, 0.2, 0.2)
    assert rounded.status == "optimal"
    assert rounded.objective == pytest.approx(second.exact(column, 0.2, 0.2, time_limit_s=9.0).objective, abs=1e-8)
    # The bounds are as they were: the next question is not about the last.
    assert second.relaxed(column, 0.0, 1.0).objective == pytest.approx(answer.objective, abs=1e-8)


def test_a_problem_that_has_no_answer_from_the_last_basis_is_solved_from_the_beginning() -> None:
    problem = build_problem(TOY)
    engine = engine_of(problem.program.arrays(), gap=0.0, time_limit_s=9.0, is_relaxed=True)
    # Without a step from its basis the solver says as little as one that lost its way.
    engine.setOptionValue("simplex_iteration_limit", 0)
    lost = Mock(wraps=engine)
    lost.clearSolver.side_effect = lambda: engine.setOptionValue("simplex_iteration_limit", 10_000)
    assert run_from_basis(lost) == HighsModelStatus.kOptimal
    assert lost.clearSolver.call_count == 1


def test_a_solution_without_its_values_is_not_explained() -> None:
    with pytest.raises(OurFault, match="without its values"):
        explain(TOY, solved(TOY).model_copy(update={"values": ()}))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0812, "0.0812"), (3.2, "3.2"), (1204.4, "1204"), (0.30000000000000004, "0.3"), (-0.5, "-0.5"), (0.0, "0")],
)
def test_a_figure_has_three_digits_that_count(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_picture_stacks_as_much_above_as_below_and_is_the_same_twice() -> None:
    case = changed(TOY, pv_kw=(3.0, 0.5), export_price_per_kwh=(-0.1, 0.0))
    answer, why = explained(case)
    picture = picture_of(case, answer.series, why)
    assert sum(picture.gives_kw.values()) == pytest.approx(sum(picture.takes_kw.values()))
    assert picture.unused_kw["pv"][0] > 0
    assert picture.stored[0].amounts.tolist() == pytest.approx([0.0, 0.9, 0.0], abs=1.0)
    drawn = [plan_picture(picture, title="toy", time_zone="Europe/Prague") for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(b"\x89PNG")
