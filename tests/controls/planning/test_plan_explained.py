"""Why a plan is so is stored with it, outside of its hash, and told on its asset and in a sentence a device."""

from pathlib import Path

import pytest

from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.optimiser.case import case_of
from controls.optimiser.explain.explain import explain
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_picture import picture_of_plan
from controls.planning.summary import blocks, device_sentences
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.time import FixedClock
from reports.texts.locales import page_word
from tests.controls.planning.examples import NOW, plan, request
from tests.reports.pseudo_language import pseudo_language, unwrapped


@pytest.fixture(scope="module")
def made() -> Plan:
    """A plan with its explanation."""
    case = case_of(request())
    solution = solve(case)
    assert isinstance(solution, Solution)
    why = explain(case, solution, time_zone="Europe/Prague")
    return make_plan(request(), solution, created_at_utc=NOW, version=1, explanation=why)


def test_why_is_no_part_of_the_hash_and_plans_without_it_open(made: Plan) -> None:
    without = plan()
    assert without.explanation is None
    assert (made.plan_id, made.plan_hash) == (without.plan_id, without.plan_hash)
    stored = without.model_dump(mode="json")
    # As earlier versions stored it.
    del stored["explanation"]
    assert Plan.model_validate(stored) == without


def test_a_stored_plan_keeps_why(made: Plan, store: Store) -> None:
    plans = PlanStore(store)
    plans.add_with_commands(made, [], FixedClock(NOW))
    stored = plans.latest("home")
    assert stored is not None
    assert stored.explanation == made.explanation
    assert picture_of_plan(stored).notes == picture_of_plan(made).notes
    assert len(picture_of_plan(stored).notes) > 0


def test_no_word_of_a_plan_is_outside_the_catalogues(made: Plan, tmp_path: Path) -> None:
    said = [*device_sentences(made, time_zone="Europe/Prague")]
    said += [each.sentence for each in blocks(made, time_zone="Europe/Prague")]
    assert len(said) > 2
    with pseudo_language(tmp_path / "languages") as code:
        # Names of devices are the site's.
        assert unwrapped([page_word(each, code) for each in said], frozenset({"battery", "pv"})) == {}
    assert page_word(said[0], "de").startswith("battery lädt ")


def test_each_device_has_a_sentence_and_says_which_choice_counts_most(made: Plan) -> None:
    battery, pv = device_sentences(made, time_zone="Europe/Prague")
    assert battery.startswith("battery charges ")
    assert " and discharges " in battery
    assert "would cost" in battery
    assert pv == "pv is left as it is."
    assert "would cost" not in device_sentences(plan(), time_zone="Europe/Prague")[0]
