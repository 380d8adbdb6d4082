"""A plan's explanation is stored with it, outside of its hash, and shown on its asset and in a sentence a device."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.optimiser.case import case_of
from controls.optimiser.explain.explain import explain
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import HOLIDAY_UNTIL
from controls.planning.plan_picture import picture_of_plan
from controls.planning.summary import _as_sentence, blocks, device_sentences, summarise, why_rows
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.control.plan_scenario import RiskFigures, ScenarioCost
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.operations.control.plan import block_table
from reports.texts.locales import page_word
from tests.controls.planning.examples import HOME, NOW, plan, prices, request
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
    sentence = [*device_sentences(made, time_zone="Europe/Prague")]
    sentence += [each.sentence for each in blocks(made, time_zone="Europe/Prague")]
    sentence += [summarise(each, time_zone="Europe/Prague") for each in explained_plans(made)]
    assert len(sentence) > 2
    with pseudo_language(tmp_path / "languages") as code:
        # Names of devices are the site's.
        assert unwrapped([page_word(each, code) for each in sentence], frozenset({"battery", "pv"})) == {}
    assert page_word(sentence[0], "de").startswith("battery lädt ")


def moved_to(made: Plan, start_utc: datetime) -> Plan:
    """The plan as if it began at another instant."""
    assert made.explanation is not None
    more = start_utc - made.steps[0].start_utc
    steps = [
        one.model_copy(update={"start_utc": one.start_utc + more, "end_utc": one.end_utc + more}) for one in made.steps
    ]
    slots = [one.model_copy(update={"time_utc": one.time_utc + more}) for one in made.explanation.slots]
    why = made.explanation.model_copy(update={"slots": tuple(slots)})
    return made.model_copy(update={"steps": tuple(steps), "explanation": why})


@pytest.mark.parametrize("zone", ["Europe/Prague", "Australia/Lord_Howe"])
def test_a_repeated_hour_has_its_two_names_in_the_words_of_a_plan(made: Plan, zone: str) -> None:
    """In Prague the clock shows 02:45 twice on 25 October 2026, on Lord Howe 01:45 on 5 April."""
    change_utc, clock = {
        "Europe/Prague": (datetime(2026, 10, 25, 1, tzinfo=UTC), "Sun 02:45"),
        "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), "Sun 01:45"),
    }[zone]
    here, repeated = Site.model_validate(HOME.model_dump() | {"time_zone": zone}), set[str]()
    for quarters in range(1, 97):
        plan = moved_to(made, change_utc - timedelta(minutes=15 * quarters))
        spells, why = blocks(plan, time_zone=zone), why_rows(plan.model_copy(update={
            "explanation": plan.explanation and plan.explanation.model_copy(update={"time_zone": zone})
        }))  # fmt: skip
        told = [*(row[:2] for row in block_table(spells, here).cells({})), *(row[:2] for row in why)]
        assert all(start != end for start, end in told)
        assert all(f"from {start} to {end} at" in each.sentence
                   for (start, end), each in zip(told, spells, strict=False))  # fmt: skip
        repeated |= {text for row in told for text in row if text.startswith(clock)}
    assert repeated == {f"{clock} A", f"{clock} B"}


def explained_plans(made: Plan) -> list[Plan]:
    """The plan, one that does nothing, and others of which each has a remark more."""
    flat = plan(prices=prices(night=3.0, day=3.0))
    costs = (ScenarioCost(name="low", weight=0.5, cost=40.0), ScenarioCost(name="high", weight=0.5, cost=44.0))
    risk = RiskFigures.model_construct(level=0.9, costs=costs, promised_cost=43.0, cvar=44.0, value=1.5)
    away = {HOLIDAY_UNTIL: "2026-06-05T12:00:00Z", "battery_while_away": "15 °C are enough"}
    request = made.request.model_copy(update={"inputs": {**made.request.inputs, **away}})
    return [
        made, flat, made.model_copy(update={"status": "feasible", "gap": 0.031}), made.model_copy(update={"gap": 0.02}),
        made.model_copy(update={"status": "ruled"}), made.model_copy(update={"request": request}),
        *(made.model_copy(update={"risk": each}) for each in (risk, risk.model_copy(update={"value": None}))),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "note",
    [
        "car: 5% of its rating are below the least power, so it is left alone",
        "car: no departure is known, so the car is charged by the end of the plan",
        "car: the mode allows 3.70 kW, so it gets 7.4 of 9.1 kWh",
        "washer: nothing waits for a start, so no run is planned",
    ],
)
def test_a_stored_note_of_a_device_is_said_by_its_pattern(note: str) -> None:
    text = page_word(_as_sentence(note), "de")
    assert text.startswith(f"{note[0].upper()}{note[1 : note.index(':')]}: ")
    assert "so " not in text


def test_each_device_has_a_sentence_and_says_which_choice_counts_most(made: Plan) -> None:
    battery, pv = device_sentences(made, time_zone="Europe/Prague")
    assert battery.startswith("battery charges ")
    assert " and discharges " in battery
    assert "would cost" in battery
    german = page_word(battery, "de")
    assert re.search(r"kW am .* mehr kosten", german), german
    assert not re.search(r"\d\.\d", german), german
    assert pv == "pv is left as it is."
    assert "would cost" not in device_sentences(plan(), time_zone="Europe/Prague")[0]
