"""Two arms of advice: who is shown which, and who wins."""

from collections import Counter

import numpy as np
import pytest

from assets.experiments.two_arms import AnsweredAdvice, Comparison, compared, draw_arms
from data_quality.contracts.finding import Finding

PAIRS = [(f"site{n}", f"kind{k}") for n in range(20) for k in range(10)]


def test_arms_are_drawn_from_the_seed_balanced_by_kind_and_site_and_what_is_known_stays() -> None:
    drawn = draw_arms(PAIRS, {}, seed=1)
    assert drawn == draw_arms(PAIRS[::-1], {}, seed=1)
    assert drawn != draw_arms(PAIRS, {}, seed=2)
    by_kind = Counter(kind for (_, kind), arm in drawn.items() if arm)
    assert set(by_kind.values()) == {10}
    some = draw_arms(PAIRS[:50], {}, seed=1)
    assert some.items() <= draw_arms(PAIRS, some, seed=9).items()


def answers(seed: int, rules: float, model: float, *, kinds_matter: bool = False) -> list[AnsweredAdvice]:
    """One a pair, in random order. kinds_matter: two kinds are accepted by four in five, the others by one in five."""
    chance = np.random.default_rng(seed)
    drawn = draw_arms(PAIRS, {}, seed=seed)
    order = chance.permutation(len(PAIRS))
    found = []
    for site, kind in (PAIRS[n] for n in order):
        share = (rules, model)[drawn[site, kind]]
        if kinds_matter:
            share = 0.8 if kind in ("kind1", "kind2") else 0.2
        found.append(AnsweredAdvice(site, kind, of_other=drawn[site, kind], is_accepted=bool(chance.random() < share)))
    return found


def test_the_better_arm_is_named_with_an_interval() -> None:
    found = compared(answers(3, 0.2, 0.8))
    assert isinstance(found, Comparison)
    assert found.winner == "model"
    assert found.shown_by_then < 200
    assert found.interval[0] <= 0.6 <= found.interval[1]
    assert [(arm.name, arm.shown) for arm in found.arms] == [("rules", 100), ("model", 100)]
    for arm in found.arms:
        assert arm.interval[0] < arm.accepted / arm.shown < arm.interval[1]


def test_equal_arms_seldom_have_a_winner_though_a_kind_is_liked_more() -> None:
    named = 0
    for seed in range(80):
        found = compared(answers(seed, 0.4, 0.4, kinds_matter=True))
        assert isinstance(found, Comparison)
        named += found.winner is not None
    # 5 % and three standard deviations of 80.
    assert named <= 9


def test_before_the_first_look_nothing_is_told() -> None:
    found = compared(answers(1, 0.2, 0.8)[:49])
    assert isinstance(found, Finding)
    assert found.code == "insufficient"
    one_sided = compared([AnsweredAdvice("a", "b", of_other=False, is_accepted=True)] * 60)
    assert isinstance(one_sided, Comparison)
    assert one_sided.winner is None
    assert one_sided.interval == pytest.approx((-4.33, 4.33), abs=0.01)
