"""A schedule held against its case, step by step, without any solver: whose answer it is does not matter."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import numbers
from controls.optimiser.objective import GOALS
from controls.optimiser.phases import phase_errors
from controls.optimiser.solution import Series, cost_of, costs_of
from data_quality.contracts.model import Model

# A milliwatt: far above the nine decimals kept of a series, far below what a device can tell apart.
TOLERANCE = 1e-6


class Replay(Model):
    """Cost of the schedule, and every sentence that it breaks by more than the tolerance."""

    cost: float
    problems: tuple[str, ...]
    worst_error: float


def replay_case(case: DispatchCase, series: Series, *, tolerance: float = TOLERANCE) -> Replay:
    """Check every constraint of the case on the series (kW, kWh). Raises ValueError where a series has another length.

    Source: formulas 5.18; the sentences are those of the case's own statement.
    """
    for columns in (series.connection, *series.devices.values()):
        for name, values in columns.items():
            if len(values) != len(case.step_h):
                raise ValueError(f"{name} has {len(values)} values, the case {len(case.step_h)} steps")
    errors = list(_errors(case, series))
    broken = tuple(f"{name} by {error:.3g}" for name, error in errors if error > tolerance)
    return Replay(
        cost=cost_of(case, series),
        problems=broken,
        worst_error=max((error for _, error in errors), default=0.0),
    )


def _errors(case: DispatchCase, series: Series) -> Iterator[tuple[str, float]]:
    known = {device.device_id: device for device in case.devices}
    columns = {name: numbers(found) for name, found in series.devices.items()}
    for name in columns.keys() - known.keys():
        # Not an error by itself: a device that does nothing changes no sum.
        most = max((float(np.abs(values).max()) for values in columns[name].values()), default=0.0)
        yield f"{name}: a device that is not there", most
    connection, step_h = numbers(series.connection), np.array(case.step_h)
    yield from _each("", "balance", np.abs(case.net_kw(columns) + case.connection.drawn_kw(connection)))
    for sentence, error in case.connection.errors(connection, step_h):
        yield from _each("", sentence, error)
    for sentence, error in phase_errors(case, columns):
        yield from _each("", sentence, error)
    for name, device in known.items():
        for sentence, error in device.errors(columns[name], step_h):
            yield from _each(f"{name}, ", sentence, error)
    for sentence, error in case.aims.errors(connection, step_h):
        yield from _each("", sentence, error)
    costs = costs_of(case, series)
    for goal, most in case.bounds.items():
        value = sum(cost for kind, cost in costs.items() if kind in GOALS[goal])
        # A sum over all steps carries the noise of each.
        yield f"{goal} above its bound", (value - most) / max(1.0, abs(most))


def _each(whose: str, sentence: str, error: ArrayLike) -> Iterator[tuple[str, float]]:
    """One entry a step where a rule holds in each, and is broken in some."""
    worst = float(np.max(error, initial=-np.inf))
    if np.ndim(error) == 0 or worst <= TOLERANCE:
        yield f"{whose}{sentence}", worst
    else:
        yield from ((f"{whose}step {t}: {sentence}", each) for t, each in enumerate(np.asarray(error).tolist()))
