"""Limits of a test that looks early: those of the textbooks, and the error that they hold."""

import numpy as np
import pytest

from assets.experiments.sequential import LOOKS, effect_of, first_exceedance, limits, widened


def test_the_limits_are_those_of_the_tables_of_lan_and_demets() -> None:
    # Jennison and Turnbull, Group Sequential Methods (2000), spending like O'Brien and Fleming, 5 %, four looks.
    assert limits(LOOKS, 0.05) == pytest.approx((4.3326, 2.9631, 2.3590, 2.0141), abs=2e-4)
    assert limits((1.0,), 0.05) == pytest.approx((1.95996,), abs=1e-4)


@pytest.mark.parametrize("shares", [(), (0.5, 0.5), (0.5, 0.4), (0.5, 1.2), (0.0, 1.0)])
def test_shares_that_do_not_rise_to_one_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        limits(shares)


def test_a_path_without_an_effect_leaves_the_limits_as_often_as_was_said() -> None:
    chance = np.random.default_rng(3)
    steps = chance.normal(size=(40_000, 4))
    z = steps.cumsum(axis=1) / np.sqrt(np.arange(1, 5))
    for alpha in (0.05, 0.1):
        left = (np.abs(z) > np.array(limits(LOOKS, alpha))).any(axis=1).mean()
        # Three standard deviations of 40,000 draws.
        assert left == pytest.approx(alpha, abs=0.0045)


def test_a_limit_is_wider_where_its_error_is_estimated_from_few() -> None:
    assert widened(1.96, 10) == pytest.approx(2.228, abs=1e-3)
    assert widened(1.96, 1e6) == pytest.approx(1.96, abs=1e-3)


def test_the_first_look_that_leaves_its_limit_is_told() -> None:
    assert first_exceedance([1.0, -3.0, 5.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]) == 1
    assert first_exceedance([1.0], [1.0], [2.0]) is None


def test_what_is_drawn_together_is_one_piece_of_evidence() -> None:
    chance = np.random.default_rng(1)
    alone, arm = chance.normal(size=40), (np.arange(40) % 2).astype(np.float64)
    nothing = np.zeros((400, 0))
    once = effect_of(alone, arm, np.zeros((40, 0)))
    ten_times = effect_of(np.repeat(alone, 10), np.repeat(arm, 10), nothing, np.repeat(np.arange(40), 10).tolist())
    assert ten_times[0] == pytest.approx(once[0])
    assert ten_times[1] == pytest.approx(once[1], rel=0.06)
    assert effect_of(np.repeat(alone, 10), np.repeat(arm, 10), nothing)[1] < once[1] / 2
