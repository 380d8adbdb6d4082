"""The answer as numbers: series per step, cost, and how good it is proven to be; held against its case step by step,
without any solver.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_serializer

from controls.optimiser.case import DispatchCase, phase_errors, phase_spare_kw
from controls.optimiser.devices.device import DECIMALS, MONEY, Columns, Numbers, numbers
from controls.optimiser.objective import GOALS
from data_quality.contracts.control.plan import GoalName
from data_quality.contracts.control.plan_scenario import RiskFigures
from data_quality.contracts.model import Model

# The command line's answer has these in this order, zero where the case has no such device; others follow.
_ANSWER = (
    "import_kw",
    "export_kw",
    "curtailed_kw",
    "battery_charge_kw",
    "battery_discharge_kw",
    "soc_end_kwh",
    "ev_kw",
    "relays_kw",
    "tank_end_kwh",
)


class Series(Model):
    """One value a step: mean powers in kW at the AC side, amounts in kWh at the end of the step.

    connection: `import_kw` and `export_kw`. devices: the series of each, by its id.
    """

    connection: Columns
    devices: dict[str, Columns]

    @model_serializer
    def columns(self) -> dict[str, list[float]]:
        """By name, in the order of the command line's answer; what several devices have is added up."""
        parts = (self.connection, *self.devices.values())
        nothing = (0.0,) * len(self.connection["import_kw"])
        names = dict.fromkeys([*_ANSWER, *(name for part in parts for name in part)])
        return {
            name: [sum(values) for values in zip(*(part.get(name, nothing) for part in parts), strict=True)]
            for name in names
        }


class Solution(Model):
    """`objective` is the cost of `series` as they stand; no plan costs less than `bound`. Currency of the case.

    costs: the same by kind, before any weight; what is paid are the kinds of MONEY. measures: what the site exchanges
    with the grid, units in the names. values: of the problem's columns, for who asks more of it. kept: the most of each
    goal that came first; `case.model_copy(update={"kept": kept})` is the case that was solved last.
    """

    status: Literal["optimal", "feasible", "ruled"] = Field(
        description="feasible: stopped at the time limit, see gap; ruled: by habit, and the best of nothing"
    )
    objective: float
    bound: float
    gap: float = Field(ge=0, description="(objective - bound) / |objective|, a share")
    build_seconds: float
    solve_seconds: float
    solver: str
    costs: dict[str, float] = {}
    measures: dict[str, float] = {}
    kept: dict[GoalName, float] = {}
    series: Series
    risk: RiskFigures | None = Field(default=None, description="Of a plan over scenarios")
    values: tuple[float, ...] = Field(default=(), exclude=True, repr=False)

    @property
    def money(self) -> float:
        """Money paid, in the case's currency: the kinds of MONEY, unweighted."""
        return sum(cost for kind, cost in self.costs.items() if kind in MONEY) if self.costs else self.objective


def series_of(case: DispatchCase, values: Mapping[str, Numbers]) -> Series:
    """All series from the decisions of each device (by its id): import, export and stored amounts follow exactly.

    Import and export come out of one net power, so they are never both; solver noise of 1e-9 is rounded away before
    anything is derived, and PV that could as well be exported is not curtailed.
    """
    step_h = np.array(case.step_h)
    devices = {device.device_id: device.solved(values[device.device_id], step_h) for device in case.devices}
    for device in case.devices:
        net_kw = case.net_kw(devices)
        spare_kw = np.minimum(case.connection.spare_kw(net_kw), phase_spare_kw(case, devices, device))
        # Where nothing may be exported, more sun can only replace what is drawn.
        held = case.aims.held_steps
        spare_kw[held] = np.minimum(spare_kw[held], np.maximum(net_kw[held], 0.0))
        devices[device.device_id] = device.trimmed(devices[device.device_id], spare_kw)
    # Rounded before import and export are split: a nano-kilowatt of both would count as "both at once".
    closing = case.connection.closing(np.round(case.net_kw(devices), DECIMALS))
    return Series(connection=_columns(closing), devices={name: _columns(found) for name, found in devices.items()})


def _columns(found: Numbers) -> Columns:
    return {name: tuple(np.asarray(values, np.float64).tolist()) for name, values in found.items()}


def costs_of(case: DispatchCase, series: Series) -> dict[str, float]:
    """Cost of the series by kind in the case's currency, before any weight. Source: formulas 5.18."""
    step_h = np.array(case.step_h)
    found = dict[str, float]()
    for part in case.parts:
        columns = series.devices[part.device_id] if part.device_id else series.connection
        for kind, term in part.cost(numbers(columns), step_h):
            found[kind] = found.get(kind, 0.0) + float(np.sum(term))
    return found


def cost_of(case: DispatchCase, series: Series, weights: Mapping[str, float] | None = None) -> float:
    """Weighted cost of the series: every kind of cost by its weight (None: the case's own)."""
    weighed = case.weights if weights is None else weights
    return sum(weighed.get(kind, 1.0) * cost for kind, cost in costs_of(case, series).items())


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
