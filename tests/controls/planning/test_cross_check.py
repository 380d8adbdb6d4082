"""CBC, by arrays written apart for PuLP, finds the optimum of a stored plan again, or says what differs."""

import html
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pulp.apis import coin_api

from assets.sites.load_sites import load_site
from controls.defs import optimum_agrees_with_cbc
from controls.optimiser.backends.program import Arrays, Program
from controls.planning.replay.cross_check import TOLERANCE, cross_checked
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.resources import ProjectResource
from tests.controls.planning.examples import HOME, NOW, forecast, paid, plan
from tests.controls.planning.test_demo_home import HOME_FILE, home_request, planned
from tests.orchestration.test_cli import run
from tests.web.asking import PAGE
from tests.web.marts_world import Asking


def code_and_message(found: Plan) -> tuple[str, str]:
    """Code and sentence of what the check has to say."""
    checked = cross_checked(found)
    assert checked.finding is not None
    assert not checked.is_passed
    return checked.finding.code, checked.finding.message


def test_a_plan_of_the_demo_home_costs_what_cbc_finds() -> None:
    """With its battery, car, tank and PV: the only ones that move."""
    made, _ = planned(
        load_site(HOME_FILE), home_request(paid(-5, load_site(HOME_FILE)), pv_forecast=forecast("pv", 7.0))
    )
    found = cross_checked(made)
    assert found.finding is None
    assert found.is_passed
    assert found.optimum == pytest.approx(made.objective, rel=TOLERANCE)


def test_a_stored_plan_whose_prices_were_altered_differs_by_energy() -> None:
    made = plan()
    dearer = tuple(1.01 * price for price in made.request.import_price_per_kwh)
    changed = made.request.model_copy(update={"import_price_per_kwh": dearer})
    code, message = code_and_message(made.model_copy(update={"request": changed}))
    assert code == "optimum_differs"
    assert "most by energy" in message


@pytest.mark.parametrize("bent", ["value", "upper", "row_upper", "cost"])
def test_a_coefficient_that_one_writing_bends_is_found(monkeypatch: pytest.MonkeyPatch, bent: str) -> None:
    made, whole = plan(), Program.arrays

    def altered(self: Program, *given: Any) -> Arrays:
        arrays = whole(self, *given)
        numbers = getattr(arrays, bent)
        return replace(arrays, **{bent: np.where(np.isfinite(numbers), 0.8 * numbers, numbers)})

    monkeypatch.setattr(Program, "arrays", altered)
    assert code_and_message(made)[0] == "optimum_differs"


def test_a_problem_without_a_plan_is_told() -> None:
    made = plan()
    code, message = code_and_message(
        made.model_copy(update={"request": made.request.model_copy(update={"import_max_kw": 0.1})})
    )
    assert (code, "infeasible" in message) == ("optimum_differs", True)


def test_what_time_does_not_suffice_for_is_said_and_contradicts_nothing() -> None:
    found = cross_checked(plan(), time_limit_s=0.0)
    assert found.finding is not None
    assert (found.finding.code, found.finding.severity) == ("optimum_not_proven", "info")


def test_the_daily_check_tells_a_missing_cbc(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "home.yaml").write_text(HOME.model_dump_json(exclude_unset=True))
    project = ProjectResource(root=str(tmp_path))
    project.plans.add_with_commands(plan(), (), FixedClock(NOW))
    # From its first quarter hour on: only then is it one of the last day.
    clock = FixedClock(plan().request.start_utc.replace(hour=23))
    good: Any = optimum_agrees_with_cbc(project=project, clock=clock)
    assert (good.passed, good.metadata["plans"].value) == (True, 1)
    monkeypatch.setattr(coin_api, "pulp_cbc_path", "/nowhere/cbc")
    bad: Any = optimum_agrees_with_cbc(project=project, clock=clock)
    project.close()
    assert not bad.passed
    assert "CBC is not part of this installation" in bad.metadata["findings"].value


def test_what_contradicts_a_plan_is_a_finding_where_people_look_until_a_plan_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "people.yaml").write_text("people: []")
    (tmp_path / "sites" / "home.yaml").write_text(HOME.model_dump_json(exclude_unset=True))
    project, whole = ProjectResource(root=str(tmp_path)), Program.arrays
    project.plans.add_with_commands(plan(), (), FixedClock(NOW))
    clock = FixedClock(plan().request.start_utc.replace(hour=23))
    monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: clock)

    def places() -> dict[str, str]:
        """Text of each place."""
        olga = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR,))
        page = Asking(project, clock, olga).get("/board/ops", [PAGE], site="home")
        words = (("doctor",), ("next", "--site", "home"), ("dispatch", "status", "--site", "home"))
        return {"board": html.unescape(page.text)} | {
            each[0]: run(*each, "--json", "--project", str(tmp_path))[1] for each in words
        }

    def altered(self: Program, *given: Any) -> Arrays:
        arrays = whole(self, *given)
        return replace(arrays, cost=0.8 * arrays.cost)

    monkeypatch.setattr(Program, "arrays", altered)
    optimum_agrees_with_cbc(project=project, clock=clock)
    for place, words in places().items():
        assert "cross-check of the plan: plan" in words, place
        assert "meterloom plan --site home makes it again" in words, place
    monkeypatch.setattr(Program, "arrays", whole)
    clock = FixedClock(clock.now_utc() + timedelta(minutes=1))
    optimum_agrees_with_cbc(project=project, clock=clock)
    for place, words in places().items():
        assert "cross-check of the plan" not in words, place
    project.close()
