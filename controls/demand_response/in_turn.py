"""Loads taken in turn, step by step: a plan at once, not the best, from which the optimiser begins."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from controls.optimiser.backends.expressions import INF, Floats

if TYPE_CHECKING:
    # Alone it would stand before the other kinds, whose order is that of their import.
    from controls.optimiser.devices.sheddable_load import SheddableLoad

_HAIR = 1e-9


class _Turn:
    """A load while steps go by: hours of its present shed, since the last one, and in all."""

    def __init__(self, load: "SheddableLoad") -> None:
        self.load, self.most_kw = load, load.most_kw.tolist()
        self.run_h, self.rest_h, self.all_h = 0.0, INF, 0.0

    def can(self, t: int, hours: float) -> bool:
        """True where its terms let it be shed in this step."""
        load = self.load
        is_rested = self.run_h > 0 or self.rest_h >= (load.min_rest_h or 0.0) - _HAIR
        is_short = self.run_h + hours <= (load.max_duration_h or INF) + _HAIR
        return self.most_kw[t] > load.least_kw and is_rested and is_short and self.all_h + hours <= (load.max_h or INF)

    def step(self, is_shed: bool, hours: float) -> None:
        """One more step, shed or not."""
        if is_shed:
            self.run_h, self.rest_h, self.all_h = self.run_h + hours, 0.0, self.all_h + hours
        else:
            self.run_h, self.rest_h = 0.0, self.rest_h + hours


def in_turn(loads: Sequence["SheddableLoad"], step_h: Sequence[float], target_kw: float) -> Floats | None:
    """Shed power of each load in each step, kW, one row a load; None where loads in turn do not give the target.

    The cheapest of two turns: the cheapest loads first, or those first that are down already.
    """

    def price(turn: _Turn) -> tuple[float, ...]:
        return (turn.load.price_per_kwh,)

    def stays(turn: _Turn) -> tuple[float, ...]:
        return (turn.run_h == 0, turn.load.price_per_kwh)

    found = [each for rank in (price, stays) if (each := _by(rank, loads, step_h, target_kw)) is not None]
    prices = np.array([load.price_per_kwh for load in loads])
    return min(found, key=lambda kw: float(prices @ kw @ np.array(step_h)), default=None)


def _by(
    rank: Callable[[_Turn], tuple[float, ...]],
    loads: Sequence["SheddableLoad"],
    step_h: Sequence[float],
    target_kw: float,
) -> Floats | None:
    turns = [_Turn(load) for load in loads]
    shed_kw = np.zeros((len(loads), len(step_h)))
    for t, hours in enumerate(step_h):
        able = sorted((n for n, turn in enumerate(turns) if turn.can(t, hours)), key=lambda n: (*rank(turns[n]), n))
        missing_kw = target_kw
        for n in able:
            if missing_kw > _HAIR:
                most_kw = turns[n].most_kw[t]
                shed_kw[n, t] = most_kw if loads[n].is_whole else min(most_kw, max(missing_kw, loads[n].least_kw))
                missing_kw -= shed_kw[n, t]
        if missing_kw > _HAIR:
            return None
        for n in reversed(able):
            # The last contact may bring so much that what came before it is not needed.
            if 0 < shed_kw[n, t] <= -missing_kw:
                missing_kw += shed_kw[n, t]
                shed_kw[n, t] = 0.0
            elif shed_kw[n, t] and not loads[n].is_whole:
                less_kw = min(max(-missing_kw, 0.0), shed_kw[n, t] - loads[n].least_kw)
                shed_kw[n, t] -= less_kw
                missing_kw += less_kw
        for n, turn in enumerate(turns):
            turn.step(shed_kw[n, t] > 0, hours)
    return shed_kw
