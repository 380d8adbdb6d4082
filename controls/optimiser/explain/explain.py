"""Why a plan does what it does in each slot: what binds, what a kWh is worth, what another choice would have cost.

Every figure comes from a problem that was solved: prices are duals with all integers held, a difference is the cost of
the best plan in which one decision is forced, less the cost of this one (formulas 5.18).
"""

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import groupby

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Outcome
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device, Forced
from controls.optimiser.explain.solved_case import NOISE, SolvedCase, Views, views_of, without_noise
from controls.optimiser.explain.words import acting, sentence
from controls.optimiser.lp_build import label_of
from controls.optimiser.solution import Solution
from data_quality.contracts.control.explanation import Alternative, Binding, Explanation, Moved, Slot
from data_quality.contracts.errors import OurFault

Progress = Callable[[int, int], None]


def explain(
    case: DispatchCase,
    solution: Solution,
    *,
    time_zone: str = "UTC",
    budget_s: float = 30.0,
    progress: Progress = lambda *_: None,
) -> Explanation:
    """Every slot of a solved case. time_zone: of the times in sentences. progress: slots done, and of how many.

    Slots that are not reached within `budget_s` say so; what binds in them, and their prices, are known all the same.
    The first hour comes first, then one slot of each run in which the same devices act.
    Raises OurFault for a solution without its solver's values. Source: formulas 5.18.
    """
    if not solution.values:
        raise OurFault("a solution that was stored without its values cannot be explained")
    started = time.perf_counter()
    # Goals that came first hold for every other choice too.
    case = case.model_copy(update={"kept": solution.kept})
    views = views_of(case, solution)
    case = views.shown.case
    whole, binding = _bound_rows(views)
    slots = [_slot(views, t, binding[t]) for t in range(len(case.step_h))]
    for done, t in enumerate(_order(slots, case)):
        progress(done, len(slots))
        left_s = budget_s - (time.perf_counter() - started)
        if left_s <= 0:
            break
        found = _choices(views, t, left_s)
        if found is not None:
            possible = sorted((one for one in found if one.difference is not None), key=lambda one: one.difference or 0)
            known = {
                "alternatives": tuple(possible),
                "best_alternative": possible[0] if possible else None,
                "impossible": tuple(one for one in found if one.difference is None),
                "is_explained": True,
            }
            slots[t] = slots[t].model_copy(update=known)
    explanation = Explanation(
        currency=case.currency,
        time_zone=time_zone,
        objective=solution.objective,
        noise=max(views.shown.noise, views.whole.noise),
        whole=whole,
        slots=tuple(slots),
        scenario=views.scenario,
        scenarios=views.scenarios,
    )
    with_sentences = (slot.model_copy(update={"sentence": sentence(slot, explanation, case.devices)}) for slot in slots)
    return explanation.model_copy(update={"slots": tuple(with_sentences)})


def _order(slots: list[Slot], case: DispatchCase) -> list[int]:
    """In which order slots are explained where time is short."""
    runs = groupby(range(len(slots)), key=lambda t: acting(slots[t], case.devices))
    first = [t for t in range(len(slots)) if (slots[t].time_utc - case.start_utc) < timedelta(hours=1)]
    return list(dict.fromkeys([*first, *(next(run) for _, run in runs), *range(len(slots))]))


def _choices(views: Views, t: int, left_s: float) -> list[Alternative] | None:
    """Other choices of all devices, each asked where it belongs; None where time was over."""
    started, found = time.perf_counter(), list[Alternative]()
    for is_shared in (False, True):
        devices = [one for one in views.shown.case.devices if views.is_shared(one, t) == is_shared]
        solved = views.whole if is_shared else views.shown
        spare_s = left_s - (time.perf_counter() - started)
        choices = other_choices(solved, devices, t, spare_s) if devices else []
        if choices is None:
            return None
        found += [one.model_copy(update={"is_shared": is_shared}) for one in choices]
    return found


def _slot(views: Views, t: int, binding: list[Binding]) -> Slot:
    """Facts of a step from the solution alone."""
    solved, connection = views.shown, views.shown.case.connection
    return Slot(
        time_utc=solved.case.windows_utc[t][0],
        step_h=solved.case.step_h[t],
        powers_kw={
            device.device_id: {
                name: float(solved.columns[device.device_id][name][t])
                for name in dict.fromkeys([*device.columns, *device.moves])
            }
            for device in solved.case.devices
        },
        import_kw=solved.solution.series.connection["import_kw"][t],
        export_kw=solved.solution.series.connection["export_kw"][t],
        import_price_per_kwh=connection.import_price_per_kwh[t],
        export_price_per_kwh=connection.export_price_per_kwh[t],
        marginal_price=views.marginal_price(t),
        binding=tuple(binding),
        is_shared=t in views.soon,
    )


def _bound_rows(views: Views) -> tuple[tuple[Binding, ...], list[list[Binding]]]:
    """Limits that rows lie at: of all steps together, and of each step."""
    solved = views.whole
    whole: list[Binding] = []
    found: list[list[Binding]] = [[] for _ in solved.case.step_h]
    devices = {device.device_id: device for device in solved.case.devices}
    activity = solved.arrays.activity(solved.values)
    units = {
        label_of(solved.case, part, name): unit for part in solved.case.parts for name, unit in part.limits.items()
    }
    for family in solved.problem.program.families:
        part = solved.parts.get(family.prefix)
        if part is None or (family.label not in units and family.name not in part.limit_words):
            continue
        for number in range(family.size):
            t = int(family.at[number]) if family.at.size else None
            value = _limit_at(solved, family.first + number, activity)
            price = abs(views.price(family.first + number, devices.get(part.device_id), t))
            # A peak is no limit that somebody chose: it lies where the import of this step does.
            is_peak = family.label in ("bill", "peak") and t is not None
            if is_peak and value is not None:
                value = solved.solution.series.connection["import_kw"][t or 0]
            unit = units.get(family.label, "kw" if is_peak else "")
            # A power that lies at its rating for no money's sake says nothing; a full battery is worth a word.
            if value is None or (unit != "kwh" and price <= NOISE):
                continue
            hours = solved.case.step_h[t] if unit == "kw" and t is not None else 1.0
            words = part.limit_words.get(family.name, f"is at its {family.name.replace('_', ' ')}")
            place = whole if t is None else found[t]
            place.append(
                Binding(
                    label=family.label,
                    device_id=part.device_id,
                    words=words,
                    value=without_noise(value),
                    unit=unit,
                    saves_per_kwh=without_noise(price / hours) if unit in {"kw", "kwh"} else None,
                )
            )
    return tuple(whole), found


def _limit_at(solved: SolvedCase, row: int, activity: Floats) -> float | None:
    """The limit that a row lies at, with its integers held; None where it lies at none, or a switch is the limit."""
    arrays = solved.arrays
    low, high = float(arrays.row_lower[row]), float(arrays.row_upper[row])
    for bound in (high, low):
        if np.isfinite(bound) and abs(activity[row] - bound) <= NOISE:
            held = [(column, value) for column, value in arrays.row(row) if arrays.is_integer[column]]
            limit = bound - sum(value * round(solved.values[column]) for column, value in held)
            return None if held and abs(limit) <= NOISE else abs(limit)
    return None


def other_choices(solved: SolvedCase, devices: Iterable[Device], t: int, left_s: float) -> list[Alternative] | None:
    """The cheapest other choice of each device, and those that are impossible; None where time was over."""
    started, found = time.perf_counter(), list[Alternative]()
    for device in devices:
        tried = [
            (forced, int(solved.problem.variables[device.device_id][forced.variable].column[t]))
            for forced in device.alternatives(solved.columns[device.device_id], t)
        ]
        bounds = [(solved.forced.relaxed(column, one.lower, one.upper), one, column) for one, column in tried]
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
                outcome = solved.forced.exact(column, one.lower, one.upper, time_limit_s=spare_s)
            if outcome.status == "infeasible":
                found.append(_named(device, one))
            elif outcome.status != "optimal" or outcome.objective is None:
                return None
            elif cheapest is None or outcome.objective < (cheapest[0].objective or 0.0):
                cheapest = outcome, one
        if cheapest:
            outcome, one = cheapest
            if outcome.objective is None or outcome.values is None:
                raise OurFault("a choice without a cost")
            difference = outcome.objective - solved.objective
            moved = _moved(solved, outcome.values, t) if difference > solved.noise else None
            found.append(_named(device, one).model_copy(update={"difference": difference, "moved": moved}))
    return found


def _moved(solved: SolvedCase, values: Floats, t: int) -> Moved | None:
    """Energy bought or sold otherwise in other steps than t, at the price where that counts most against t."""
    variables, connection = solved.problem.variables[""], solved.case.connection
    step_h = np.array(solved.case.step_h)
    # What is bought, then what is sold, as one row.
    columns = np.concatenate([variables[name].column for name in ("import_kw", "export_kw")])
    change_kwh = (values[columns] - solved.values[columns]) * np.tile(step_h, 2)
    prices = np.concatenate([connection.import_price_per_kwh, connection.export_price_per_kwh])
    is_sold = np.arange(columns.size) >= step_h.size
    paid = change_kwh * np.where(is_sold, -prices, prices)
    is_here = np.arange(columns.size) % step_h.size == t
    adverse_cost = paid * (-np.sign(paid[is_here].sum()) or 1.0)
    # By price: among steps of one price another plan may choose freely, and that is no consequence.
    levels, level = np.unique(np.stack([is_sold, prices]), axis=1, return_inverse=True)
    counted = np.bincount(level[~is_here], adverse_cost[~is_here], minlength=levels.shape[1])
    best = int(counted.argmax())
    if counted[best] <= NOISE:
        return None
    members = np.flatnonzero((level == best) & ~is_here)
    place, energy_kwh = int(members[adverse_cost[members].argmax()]), float(change_kwh[members].sum())
    return Moved.model_validate(
        {
            "time_utc": solved.case.windows_utc[place % step_h.size][0],
            "words": f"{'more' if energy_kwh > 0 else 'less'} {'sold' if is_sold[place] else 'bought'}",
            "energy_kwh": without_noise(abs(energy_kwh)),
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
