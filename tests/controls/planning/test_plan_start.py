"""Warm start by the plan before where time runs out: what is proven stays as without it, and its worth is reported."""

from datetime import timedelta

import pytest

from controls.optimiser.case import case_of
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning import plan_start
from controls.planning.frozen_plan import make_plan, series_of
from controls.planning.plan_start import is_better, moved_series, solved_from, start_sentence
from data_quality.contracts.control.plan import Plan, PlanRequest
from tests.controls.planning.examples import NOW, plan, prices, published, request

HOUR = timedelta(hours=1)


def later() -> PlanRequest:
    """The request of an hour later."""
    return request(now_utc=NOW + HOUR, soc_kwh=4.0)


@pytest.mark.parametrize("before", [plan(), plan(prices=prices(night=5.0, day=1.0), soc_kwh=9.0)], ids=["near", "far"])
def test_a_proven_plan_is_the_same_whatever_was_planned_before(before: Plan) -> None:
    dispatch_request = later()
    found, start = solved_from(dispatch_request, before)
    alone = solve(dispatch_request)
    assert isinstance(found, Solution)
    assert isinstance(alone, Solution)
    assert (found.status, found.series, found.gap) == ("optimal", alone.series, alone.gap)
    assert start.plan_id == before.plan_id
    assert start.first_gap is not None
    assert start_sentence(start).startswith("with the switchings of the plan before it would be at most ")
    made = make_plan(dispatch_request, found, created_at_utc=NOW, version=2, start=start)
    without = make_plan(dispatch_request, alone, created_at_utc=NOW, version=2)
    assert (made.plan_id, made.plan_hash) == (without.plan_id, without.plan_hash)
    assert published(made).start == start


def test_where_time_is_over_the_plan_before_gives_one_and_says_what_it_was_worth() -> None:
    requested, best = later(), solve(later())
    found, start = solved_from(requested, plan(), time_limit_s=0.0)
    assert isinstance(found, Solution)
    assert isinstance(best, Solution)
    # It may come out otherwise than without a start, and so is never called the best there is.
    assert found.status == "feasible"
    assert found.objective == pytest.approx(best.objective, abs=1e-4)
    assert (start.plan_id, start.gap_alone, start.gap) == (plan().plan_id, None, found.gap)
    assert start_sentence(start).startswith("the search ended without a plan; begun from the plan before it came to ")


def test_the_plan_before_is_moved_by_its_times_and_goes_on_as_a_day_before() -> None:
    before = plan()
    moved = moved_series(before, case_of(later()))
    assert not isinstance(moved, str)
    old = series_of(before).connection["import_kw"]
    assert moved.connection["import_kw"] == (*old[4:], *old[:4])


def test_where_none_is_used_the_plan_says_why() -> None:
    dispatch_request = later()
    assert solved_from(dispatch_request, None)[1].why == "there is no plan before"
    fewer = dispatch_request.model_copy(update={"devices": dispatch_request.devices[:1]})
    assert solved_from(fewer, plan())[1].why == "the plan before is of other devices"
    half = plan().model_copy(
        update={
            "steps": tuple(
                s.model_copy(update={"start_utc": s.start_utc + HOUR / 8, "end_utc": s.end_utc + HOUR / 8})
                for s in plan().steps
            )
        }
    )
    start = solved_from(dispatch_request, half)[1]
    assert (start.plan_id, start.why) == ("", "the plan before is of other steps")
    assert start_sentence(start) == "started from scratch: the plan before is of other steps"
    assert (
        solved_from(dispatch_request.model_copy(update={"follows": "habit"}), plan())[1].why
        == "a day by habit is not searched"
    )


def test_a_plan_before_that_could_not_be_priced_in_time_is_a_start_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_start, "HELD_S", 0.0)
    found, start = solved_from(later(), plan())
    assert isinstance(found, Solution)
    assert (found.status, start.plan_id, start.first_gap, start.why) == ("optimal", plan().plan_id, None, "")
    assert start_sentence(start).startswith("what the switchings of the plan before cost was not known in time; found ")
    found, start = solved_from(later(), plan(), time_limit_s=0.0)
    assert isinstance(found, Solution)
    assert (start.plan_id, start.gap) == (plan().plan_id, found.gap)


def test_where_the_search_from_the_plan_before_finds_nothing_it_was_no_start_and_says_so() -> None:
    found, start = solved_from(later(), plan(), time_limit_s=0.0, more_s=0.0)
    assert not isinstance(found, Solution)
    assert start_sentence(start) == "started from scratch: the search from the plan before found none in time"


def test_of_two_plans_the_one_that_is_better_by_the_goals_that_come_first_holds_though_it_costs_more() -> None:
    found = solve(later())
    assert isinstance(found, Solution)
    clean, cheap = (
        found.model_copy(update={"kept": {"carbon": most}, "objective": cost})
        for most, cost in ((1.0, 5.0), (2.0, 3.0))
    )
    assert is_better(clean, cheap)
    assert not is_better(cheap, clean)
    as_clean = cheap.model_copy(update={"kept": {"carbon": 1.0 + 1e-9}})
    assert is_better(as_clean, clean)
