"""Events settled by rules and by ours: figures of real meters, sheds, ramps, and days that are kept out."""

import numpy as np
import pytest

from ml.event_baselines.day_steps import DaySteps
from ml.event_baselines.event_days import EventDays, EventWindow
from ml.event_baselines.rules import RULES
from ml.event_baselines.settle import Event, half_widths, settle
from tests.bench.dr_bench import DATA, bdg2, cambridge, ramps, scores, sheds_held

WINDOW = EventWindow(start=16, end=19, adjust_start=12, adjust_end=15)
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")


def office(days: int = 300, seed: int = 1) -> DaySteps:
    """An office of 100 kW by day and 30 kW at night with days that differ by a tenth."""
    draw = np.random.default_rng(seed)
    shape = np.where((np.arange(24) >= 7) & (np.arange(24) < 20), 100.0, 30.0)
    index = np.arange(days)
    load = shape * (1 + 0.1 * draw.standard_normal((days, 1))) * (1 + 0.02 * draw.standard_normal((days, 24)))
    return DaySteps(load, None, index % 7 >= 5, index % 7 + 1, index // 30, np.zeros(days, dtype=bool))


@needs_data
def test_rules_and_ours_reach_their_figures_on_real_meters() -> None:
    for meter, rules, ours in (
        (next(cambridge(("b105",))), (5.0, 4.0), (3.1, 4.5)),
        (next(bdg2(("Bear_education_Rebecca",))), (4.0, 3.0), (2.0, 3.0)),
    ):
        found = scores(meter)
        assert found["regression"][0] <= ours[0]
        assert found["regression"][1] <= ours[1]
        assert abs(found["regression"][2]) <= 0.3
        assert 85 <= found["regression"][3] <= 95
        assert found["regression"][0] < found["10-in-10-adj20"][0] <= rules[1] < found["10-in-10"][0] or rules[0] == 4.0


@needs_data
def test_a_ramp_of_a_fifth_is_flagged_and_injected_sheds_lie_in_their_interval() -> None:
    meter = next(cambridge(("b105",)))
    flagged, false = ramps(meter)
    assert flagged >= 85
    assert false <= 5
    inside, all_sheds = sheds_held(meter)
    assert all_sheds == 25
    assert inside >= 20


def test_a_shed_is_found_and_its_day_is_kept_out_of_later_baselines() -> None:
    grid = office()
    grid.load_kw[280, 16:19] *= 0.5
    for name in ("10-in-10", "regression"):
        (first, second) = settle(grid, [Event(280, WINDOW), Event(281, WINDOW)], methods=[name]).estimates
        assert 40 < float((first.baseline_kw - grid.load_kw[280])[16:19].mean()) < 60
        assert first.half_width_kw < 35
        assert float(np.abs(second.baseline_kw - grid.load_kw[281])[16:19].mean()) < 20
    kept_in = RULES["10-in-10"](EventDays(grid, np.array([281]), WINDOW))[0, 16:19].mean()
    kept_out = RULES["10-in-10"](EventDays(grid.excluding(np.array([280])), np.array([281]), WINDOW))[0, 16:19].mean()
    assert kept_out - kept_in > 2


def test_a_ramp_before_an_event_is_flagged_with_what_it_adds() -> None:
    grid = office()
    grid.load_kw[280, 12:16] *= 1.3
    (found,) = settle(grid, [Event(280, WINDOW)], methods=["10-in-10-adj40"]).estimates
    assert found.is_ramp
    assert found.unramped_kw is not None
    assert 15 < float((found.baseline_kw - found.unramped_kw)[16:19].mean()) < 45
    (calm,) = settle(office(), [Event(280, WINDOW)], methods=["10-in-10-adj40"]).estimates
    assert not calm.is_ramp


def test_nothing_of_the_event_or_after_it_moves_the_baseline() -> None:
    grid, changed = office(), office()
    changed.load_kw[280, 15:] = 7.0
    changed.load_kw[281:] = 7.0
    for one, other in zip(*(settle(each, [Event(280, WINDOW)]).estimates for each in (grid, changed)), strict=True):
        if one.method != "before-after":
            np.testing.assert_allclose(one.baseline_kw[16:19], other.baseline_kw[16:19])
            assert one.half_width_kw == pytest.approx(other.half_width_kw)


def test_fewer_than_five_days_have_no_baseline() -> None:
    grid = office(5)
    found = settle(grid, [Event(4, WINDOW)])
    assert {each.name for each in found.scores if each.eligible} == {"before-after"}


def test_a_band_holds_its_share_of_days_on_a_meter_that_changes() -> None:
    draw = np.random.default_rng(3)
    errors = np.abs(draw.standard_normal(600)) * np.linspace(1, 4, 600)
    widths, _ = half_widths(errors)
    known = np.isfinite(widths)
    assert 0.88 <= float((errors <= widths)[known].mean()) <= 0.92
