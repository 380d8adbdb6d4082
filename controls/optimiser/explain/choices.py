"""What every device could do in a slot instead, and what the best plan that does so costs more."""

import time
from collections.abc import Iterable

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Outcome
from controls.optimiser.devices.device import Device, Forced
from controls.optimiser.explain.solved_case import NOISE, SolvedCase, kept
from data_quality.contracts.control.explanation import Alternative, Moved
from data_quality.contracts.errors import OurFault


def other_choices(solved: SolvedCase, devices: Iterable[Device], t: int, left_s: float) -> list[Alternative] | None:
    """The cheapest other choice of each device, and those that are impossible; None where time was over."""
    started, found = time.perf_counter(), list[Alternative]()
    for device in devices:
        tried = [
            (forced, _column(solved, device, forced, t))
            for forced in device.alternatives(solved.columns[device.device_id], t)
        ]
        bounds = [(solved.again.relaxed(column, one.lower, one.upper), one, column) for one, column in tried]
        found += [_named(device, one) for outcome, one, _ in bounds if outcome.status == "infeasible"]
        possible = [each for each in bounds if each[0].bound is not None]
        cheapest: tuple[Outcome, Forced] | None = None
        # The most promising first: whoever cannot be cheaper by its bound is not searched.
        for bound, one, column in sorted(possible, key=lambda each: each[0].bound or 0.0):
            if cheapest and (bound.bound or 0.0) >= (cheapest[0].objective or 0.0):
                break
            spare_s = left_s - (time.perf_counter() - started)
            outcome = bound
            if bound.status != "optimal":
                if spare_s <= 0:
                    return None
                outcome = solved.again.exact(column, one.lower, one.upper, time_limit_s=spare_s)
            if outcome.status == "infeasible":
                found.append(_named(device, one))
            elif outcome.status != "optimal" or outcome.objective is None:
                return None
            elif cheapest is None or outcome.objective < (cheapest[0].objective or 0.0):
                cheapest = outcome, one
        if cheapest:
            found.append(_told(solved, device, *cheapest, t))
    return found


def _column(solved: SolvedCase, device: Device, forced: Forced, t: int) -> int:
    return int(solved.problem.variables[device.device_id][forced.variable].column[t])


def _told(solved: SolvedCase, device: Device, outcome: Outcome, forced: Forced, t: int) -> Alternative:
    if outcome.objective is None or outcome.values is None:
        raise OurFault("a choice without a cost")
    difference = outcome.objective - solved.objective
    moved = _moved(solved, outcome.values, t) if difference > solved.noise else None
    return _named(device, forced).model_copy(update={"difference": difference, "moved": moved})


def _moved(solved: SolvedCase, values: Floats, t: int) -> Moved | None:
    """What is bought or sold otherwise in other steps than t, at the price where that counts most against t."""
    variables, connection = solved.problem.variables[""], solved.case.connection
    step_h = np.array(solved.case.step_h)
    # What is bought, then what is sold, as one row.
    columns = np.concatenate([variables[name].column for name in ("import_kw", "export_kw")])
    change_kwh = (values[columns] - solved.values[columns]) * np.tile(step_h, 2)
    prices = np.concatenate([connection.import_price_per_kwh, connection.export_price_per_kwh])
    is_sold = np.arange(columns.size) >= step_h.size
    paid = change_kwh * np.where(is_sold, -prices, prices)
    is_here = np.arange(columns.size) % step_h.size == t
    against = paid * (-np.sign(paid[is_here].sum()) or 1.0)
    # By price: among steps of one price another plan may choose freely, and that is no consequence.
    levels, level = np.unique(np.stack([is_sold, prices]), axis=1, return_inverse=True)
    counted = np.bincount(level[~is_here], against[~is_here], minlength=levels.shape[1])
    best = int(counted.argmax())
    if counted[best] <= NOISE:
        return None
    members = np.flatnonzero((level == best) & ~is_here)
    place, energy_kwh = int(members[against[members].argmax()]), float(change_kwh[members].sum())
    return Moved.model_validate(
        {
            "time_utc": solved.case.windows_utc[place % step_h.size][0],
            "words": f"{'more' if energy_kwh > 0 else 'less'} {'sold' if is_sold[place] else 'bought'}",
            "energy_kwh": kept(abs(energy_kwh)),
            "price_per_kwh": float(prices[place]),
        }
    )


def _named(device: Device, forced: Forced) -> Alternative:
    return Alternative(
        device_id=device.device_id,
        words=forced.words,
        variable=forced.variable,
        lower=forced.lower,
        upper=forced.upper if np.isfinite(forced.upper) else None,
        difference=None,
    )
