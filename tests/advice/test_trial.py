"""Two ways to advise in a real project: arms stored before they are shown, answers counted, an order that forgets."""

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.advice_acts import AdviceActs
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.schema.tables_advice import advice_acts, recommendations
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.advice_trial import AdviceTrial
from data_quality.contracts.reporting.recommendation import MeasuredSaving, Recommendation
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.views.advice_order import draw, ordered, preferences, trial_summary
from tests.advice.test_life import NOW, PEOPLE, SITE
from tests.orchestration.test_cli import run
from tests.stores.everything import change

TRIAL = AdviceTrial(trial_id="ab1", seed=7, compares="learnt", most_shown=40)
KINDS = ("base_load", "setpoint", "start_stop", "power_factor")


def at(minutes: int) -> FixedClock:
    return FixedClock(NOW.now_utc() + timedelta(minutes=minutes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trial")
    (folder / "plant.yaml").write_text(SITE)
    assert run("init", str(folder / "p"), "--site", str(folder / "plant.yaml"))[0] == 0
    people = [{"person_id": name, "name": name.title(), "roles": list(roles)} for name, roles in PEOPLE.items()]
    (folder / "p" / "people.yaml").write_text(json.dumps({"people": people}))
    return folder / "p"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Iterator[OpenProject]:
    shutil.copytree(made, tmp_path / "p")
    found = OpenProject(str(tmp_path / "p"))
    yield found
    found.close()


def one(name: str, kind: str, money: float) -> Recommendation:
    return Recommendation.model_validate({
        "recommendation_id": name, "site_id": "plant", "kind": kind, "scope": f"meter:{name}",
        "start": date(2025, 1, 1), "end": date(2026, 1, 1), "savings_kwh": 100, "interval_kwh": (90, 110),
        "savings_money": money, "interval_money": (money, money), "currency": "EUR", "savings_kgco2e": None,
        "interval_kgco2e": None, "cost_money": None, "cost_source": "", "payback_months": None,
        "interval_months": None, "difficulty": 1, "confidence": 0.9, "workflow": "recommendation_accepted",
        "sentences": (),
    })  # fmt: skip


def kept(project: OpenProject, count: int = 48) -> list[Recommendation]:
    """Recommendations of four kinds, those of the first kind the dearest."""
    ones = [one(f"r{n:02d}", KINDS[n % 4], 100.0 - 10 * (n % 4)) for n in range(count)]
    draw(project.store, ones, at(0))
    return Recommendations(project.store).add(ones, at(0))


def answer(project: OpenProject, of: Recommendation, *, yes: bool, minute: int, person: str = "bob") -> Recommendation:
    state: Any = "accepted" if yes else "dismissed"
    return Recommendations(project.store).move(of, state, at(minute), person_id=person, reason="said")


def kinds(found: list[Recommendation]) -> list[str]:
    return list(dict.fromkeys(each.kind for each in found))


def test_every_arm_is_stored_and_sealed_before_a_recommendation_of_it_is(project: OpenProject) -> None:
    AdviceActs(project.store).start(TRIAL, NOW, person_id="dan", reason="better?")
    kept(project)
    arms = AdviceActs(project.store).arms(TRIAL)
    assert {kind for _, kind in arms} == set(KINDS)
    assert sum(arms.values()) == 2
    first = min(row["recorded_at_utc"] for row in project.store.rows(recommendations.select()))
    [drawn] = [row for row in project.store.rows(advice_acts.select()) if row["act"] == "draw"]
    assert drawn["recorded_at_utc"] < first
    kept(project)
    assert AdviceActs(project.store).arms(TRIAL) == arms
    change(project.store, advice_acts, advice_acts.c.act == "draw", about="ab2")
    assert [each.table for each in bad_rows(project.store)] == ["advice_acts"]


def test_answers_are_counted_by_arm_and_the_better_one_is_named(project: OpenProject) -> None:
    acts = AdviceActs(project.store)
    acts.start(TRIAL, NOW, person_id="dan", reason="better?")
    ones, arms = kept(project), AdviceActs(project.store).arms(TRIAL)
    assert trial_summary(project.store)["verdict"] == "insufficient"
    for n, each in enumerate(ones):
        answer(project, each, yes=arms["plant", each.kind] or n % 5 == 0, minute=n + 1)
    trial = trial_summary(project.store)
    assert [arm["name"] for arm in trial["arms"]] == ["rules", "learnt"]
    assert [arm["shown"] for arm in trial["arms"]] == [24, 24]
    assert trial["arms"][1]["accepted"] == 24 > trial["arms"][0]["accepted"]
    assert (trial["verdict"], trial["arms"][0]["realised_kwh"]) == ("learnt", None)
    # What was known before the last answers is told as of then.
    assert trial_summary(project.store, as_of_utc=at(5).now_utc())["verdict"] == "insufficient"


def test_measured_savings_stand_with_their_arm(project: OpenProject) -> None:
    AdviceActs(project.store).start(TRIAL, NOW, person_id="dan", reason="better?")
    ones, ledger = kept(project, 8), Recommendations(project.store)
    arm = AdviceActs(project.store).arms(TRIAL)
    for n, each in enumerate([each for each in ones if arm["plant", each.kind]][:2]):
        answer(project, each, yes=True, minute=n + 1)
        saved = MeasuredSaving(
            start=date(2026, 7, 1), end=date(2026, 8, 1), days=31, savings_kwh=Decimal(10), baseline="b@1",
            interval_kwh=(Decimal(7), Decimal(13)),
        )  # fmt: skip
        ledger.move(each, "measured", at(9), person_id="dan", reason="asked", measured=saved)
    rules, learnt = trial_summary(project.store)["arms"]
    assert rules["realised_kwh"] is None
    assert learnt["realised_kwh"] == 20.0
    assert learnt["interval_kwh"] == pytest.approx((20 - 18**0.5, 20 + 18**0.5))


def test_while_it_runs_only_kinds_of_the_learnt_arm_move(project: OpenProject) -> None:
    acts = AdviceActs(project.store)
    for n, each in enumerate(kept(project, 16)):
        if each.kind in KINDS[:2]:
            answer(project, each, yes=False, minute=n)
    open_ones = [each for each in Recommendations(project.store).current() if each.is_open]
    later = one("late1", KINDS[0], 100.0), one("late2", KINDS[1], 90.0)
    listed = [*later, *open_ones]

    def order(person: str) -> list[str]:
        return kinds(ordered(project.store, listed, person_id=person, now_utc=at(60).now_utc()))

    assert order("") == order("ann") == list(KINDS)
    assert order("bob")[:2] == ["start_stop", "power_factor"]
    acts.start(TRIAL, at(30), person_id="dan", reason="better?")
    draw(project.store, listed, at(30))
    arms = acts.arms(TRIAL)
    stays = [kind for kind in KINDS[:2] if not arms["plant", kind]]
    assert order("bob")[: len(stays)] == stays
    assert order("bob") != list(KINDS)
    acts.stop(TRIAL, at(40), person_id="dan", reason="enough")
    assert order("bob")[:2] == ["start_stop", "power_factor"]


def test_what_is_forgotten_counts_no_more_and_stays_in_the_book(project: OpenProject) -> None:
    for n, each in enumerate(kept(project, 16)):
        answer(project, each, yes=each.kind == "setpoint", minute=n)
    folder = project.project.root
    code, out, error = run("advise", "preferences", "--as", "bob", "--as-of", str(at(60).now_utc()), "--json",
                           folder=folder)  # fmt: skip
    assert code == 0, error
    by_kind = {each["kind"]: each for each in json.loads(out)["preferences"]}
    assert by_kind["setpoint"]["accepted"] == by_kind["base_load"]["dismissed"] == 4
    assert by_kind["setpoint"]["effect"] > 1 > by_kind["base_load"]["effect"]
    AdviceActs(project.store).forget("base_load", at(70), person_id="bob", reason="other people now")
    assert "base_load" not in preferences(project.store, "bob", now_utc=at(80).now_utc())
    assert "base_load" in preferences(project.store, "bob", now_utc=at(80).now_utc(), as_of_utc=at(60).now_utc())
    assert "base_load" in preferences(project.store, "bob", now_utc=at(60).now_utc(), as_of_utc=at(60).now_utc())


def test_a_second_trial_waits_and_bad_words_are_refused_in_one_sentence(project: OpenProject) -> None:
    folder, reported = project.project.root, ("--as", "dan", "--reason", "why not")
    code, out, error = run("advise", "ab", "start", "--seed", "3", *reported, "--json", folder=folder)
    assert code == 0, error
    assert {"name", "shown", "accepted", "realised_kwh", "interval_kwh"} == set(json.loads(out)["arms"][0])
    for words, reason in (
        (("ab", "start", *reported), "trial_runs"),
        (("ab", "start", "--compare", "astrology", *reported), "bad_value"),
        (("ab", "start", "--shown", "3", *reported), "bad_number"),
        (("ab", "start", "--as", "dan", "--reason", " "), "no_reason"),
        (("preferences", "--forget", "setpoint", *reported), "no_preference"),
    ):
        code, _, error = run("advise", *words, folder=folder)
        assert (code, "Traceback" in error) == (2, False), reason
    assert run("advise", "ab", "stop", *reported, folder=folder)[0] == 0
    assert "stopped" in run("advise", "ab", "show", folder=folder)[1]
    code, _, error = run("advise", "ab", "start", "--as", "ann", "--reason", "I may not", folder=folder)
    assert code == 2, error


def test_what_was_never_tried_is_said(project: OpenProject) -> None:
    with pytest.raises(BadInput) as fault:
        trial_summary(project.store)
    assert fault.value.reason == "no_trial"
