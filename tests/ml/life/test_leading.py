"""Choice of the leading model: only a gain that chance does not explain moves the champion."""

from datetime import date, timedelta

import numpy as np
import pytest

from ml.forecasts.lifecycle.promotion import LEVEL, MIN_COMMON_DAYS, decide, paired_test

FIRST = date(2025, 3, 1)


def by_day(losses: np.ndarray) -> dict[date, float]:
    return {FIRST + timedelta(days=index): float(loss) for index, loss in enumerate(losses)}


def losses(days: int = 28, seed: int = 1) -> np.ndarray:
    return 1.0 + 0.2 * np.random.default_rng(seed).standard_normal(days)


def test_a_gain_on_most_days_takes_the_lead_and_says_by_how_much() -> None:
    champion = losses()
    found = decide(by_day(champion), by_day(champion * 0.9 + 0.02 * losses(seed=2) - 0.02))
    assert found.is_promoted
    assert found.test is not None
    assert found.test.days == 28
    assert found.test.p_value < LEVEL
    assert "28 days" in found.reason
    assert f"{found.test.gain:+.1%}" in found.reason


def test_a_lower_mean_that_one_day_made_keeps_the_champion() -> None:
    champion = losses()
    lucky = champion.copy()
    lucky[5] -= 0.9 * lucky[5]
    found = decide(by_day(champion), by_day(lucky))
    assert found.test is not None
    assert found.test.gain > found.test.least_gain
    assert not found.is_promoted
    assert "chance explains" in found.reason


def test_a_tie_and_a_gain_too_small_to_want_keep_the_champion() -> None:
    champion = losses()
    assert not decide(by_day(champion), by_day(champion)).is_promoted
    found = decide(by_day(champion), by_day(champion * 0.99))
    assert found.test is not None
    assert found.test.p_value < LEVEL
    assert not found.is_promoted
    assert "below 2%" in found.reason


def test_too_few_common_days_keep_the_champion_and_are_counted() -> None:
    champion = by_day(losses(MIN_COMMON_DAYS))
    late = dict.fromkeys(list(champion)[1:], 0.1)
    found = decide(champion, late)
    assert (found.is_promoted, found.test) == (False, None)
    assert found.reason.startswith(f"{MIN_COMMON_DAYS - 1} days are new")


@pytest.mark.parametrize(("memory", "most"), [(0.0, 0.09), (0.3, 0.13)])
def test_without_a_gain_the_lead_moves_about_as_rarely_as_the_level_says(memory: float, most: float) -> None:
    rng, found = np.random.default_rng(7), 0
    for seed in range(150):
        noise = rng.standard_normal(28)
        for day in range(1, 28):
            noise[day] += memory * noise[day - 1]
        found += paired_test(np.full(28, 10.0), 10.0 - noise, seed=seed).p_value < LEVEL
    assert found / 150 <= most


def test_the_same_losses_give_the_same_decision() -> None:
    one, other = by_day(losses()), by_day(losses(seed=3))
    assert decide(one, other, seed=4) == decide(one, other, seed=4)
