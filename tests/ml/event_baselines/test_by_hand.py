"""Rules of programmes on fifty random events, against the same rules counted day by day in plain loops."""

import random
from statistics import fmean

import numpy as np
import pytest

from ml.event_baselines.day_steps import DaySteps
from ml.event_baselines.event_days import EventWindow
from ml.event_baselines.settle import Event, settle
from tests.ml.event_baselines.test_settle import office

_CHOSEN = {
    "10-in-10": (10, 10, 0.0),
    "10-in-10-adj20": (10, 10, 0.2),
    "10-in-10-adj40": (10, 10, 0.4),
    "high-5-of-10": (5, 10, 0.0),
    "high-5-of-10-adj20": (5, 10, 0.2),
    "high-4-of-5": (4, 5, 0.0),
}
_OTHERS = ("last-week", "matching-day", "before-after")


def by_hand(grid: DaySteps, event: Event, name: str) -> list[float]:
    """Baseline of the event's steps, kW."""
    window, load = event.window, grid.load_kw
    hours = range(window.start, window.end)
    if name == "last-week":
        return [load[event.day - 7][step] for step in hours]
    if name == "before-after":
        return [load[event.day][window.start - 1]] * len(hours)
    alike = [
        day for day in range(event.day) if grid.is_off[day] == grid.is_off[event.day] and not grid.is_excluded[day]
    ]
    if name == "matching-day":
        morning = range(window.adjust_end)
        gaps = {day: sum((load[day][step] - load[event.day][step]) ** 2 for step in morning) for day in alike[-45:]}
        nearest = sorted(gaps, key=lambda day: gaps[day])[:3]
        return [fmean(load[day][step] for day in nearest) for step in hours]
    chosen, days_of, cap = _CHOSEN[name]
    level = {day: fmean(load[day][step] for step in hours) for day in alike[-days_of:]}
    best = sorted(level, key=lambda day: -level[day])[:chosen]
    profile = [fmean(load[day][step] for day in best) for step in range(24)]
    before = range(window.adjust_start, window.adjust_end)
    ratio = sum(load[event.day][step] for step in before) / sum(profile[step] for step in before)
    times = min(max(ratio, 1 - cap), 1 + cap) if cap else 1.0
    return [times * profile[step] for step in hours]


@pytest.mark.parametrize("seed", range(50))
def test_baselines_of_rules_are_those_counted_by_hand(seed: int) -> None:
    draw, grid = random.Random(seed), office(120, seed)
    start = draw.randint(10, 20)
    window = EventWindow(start=start, end=start + draw.randint(1, 3), adjust_start=start - 4, adjust_end=start - 1)
    grid.is_excluded[draw.sample([day for day in range(50, 92) if day not in (83, 90)], 5)] = True
    grid.load_kw[90, start:] *= 0.5
    grid.load_kw[100, start - 4 : start] *= draw.choice([0.5, 1.0, 1.5])
    found = settle(grid, [Event(90, window), Event(100, window)], methods=[*_CHOSEN, *_OTHERS]).estimates
    assert len(found) == 2 * len([*_CHOSEN, *_OTHERS])
    grid = grid.excluding(np.array([90, 100]))
    for each in found:
        np.testing.assert_allclose(each.baseline_kw[window.event], by_hand(grid, each.event, each.method))
