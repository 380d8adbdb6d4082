"""Numbers of a plan's picture: who gives and who takes in each step, prices, stored amounts, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.device import numbers
from controls.optimiser.explain.words import acts
from controls.optimiser.solution import Series
from controls.planning.frozen_plan import series_of
from data_quality.contracts.control.explanation import Explanation, Slot
from data_quality.contracts.control.plan import Plan

GRID, LOAD = "grid", "load"
# More would hide the picture; all of them stand in the table.
_NOTES = 4


@dataclass(frozen=True)
class Stored:
    """A stored amount of a device at every edge of the steps. scale: of a full one; 0 where not given."""

    words: str
    unit: str
    scale: float
    amounts: Floats
    device_id: str = ""

    @property
    def percent(self) -> tuple[float | None, ...]:
        """The amounts in percent of a full one; None where its size is not given."""
        return tuple(float(each) / self.scale * 100 if self.scale else None for each in self.amounts)


Band = Literal["cheap", "mid", "dear"]


def price_bands(prices: Sequence[float]) -> tuple[Band, ...]:
    """Of each price whether it is in the lowest or highest third of what these prices span; of equal ones: mid."""
    low, high = min(prices, default=0.0), max(prices, default=0.0)
    third = (high - low) / 3
    return tuple("cheap" if each - low < third else "dear" if high - each < third else "mid" for each in prices)


@dataclass(frozen=True)
class PlanPicture:
    """A plan over its steps. edges_utc: one more than steps. Powers in kW, never below zero, by part.

    kinds: of the devices by their ids. unused_kw: what could have been given and was not. marginal_price: empty where
    nobody asked for it. notes: a slot's start and its sentence, where a choice counts most.
    """

    edges_utc: tuple[datetime, ...]
    kinds: dict[str, str]
    gives_kw: dict[str, Floats]
    takes_kw: dict[str, Floats]
    unused_kw: dict[str, Floats]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    marginal_price: tuple[float, ...]
    stored: tuple[Stored, ...]
    notes: tuple[tuple[datetime, str], ...]
    currency: str


def picture_of(case: DispatchCase, series: Series, why: Explanation | None = None) -> PlanPicture:
    """The picture of a solved case; both stacks add up to the same in every step."""
    load_kw = np.array(case.load_kw)
    # A load below zero feeds in: it gives.
    drawn = {LOAD: load_kw}
    unused, stored = dict[str, Floats](), list[Stored]()
    for device in case.devices:
        columns = numbers(series.devices[device.device_id])
        drawn[device.device_id] = np.asarray(device.drawn_kw(columns), np.float64)
        unused[device.device_id] = device.unused_kw(columns)
        if (state := device.state) is not None:
            amounts = np.concatenate([[state.start], columns[state.column]])
            words = f"{device.device_id} {state.words}"
            stored.append(Stored(words, state.unit, state.scale, amounts, device.device_id))
    bought, sold = (np.array(series.connection[name]) for name in ("import_kw", "export_kw"))
    gives = {name: np.maximum(-power, 0.0) for name, power in drawn.items()} | {GRID: bought}
    takes = {name: np.maximum(power, 0.0) for name, power in drawn.items()} | {GRID: sold}
    return PlanPicture(
        edges_utc=(case.start_utc, *(end for _, end in case.windows_utc)),
        kinds={device.device_id: device.kind for device in case.devices},
        gives_kw={name: power for name, power in gives.items() if power.any()},
        takes_kw={name: power for name, power in takes.items() if power.any()},
        unused_kw={name: power for name, power in unused.items() if power.any()},
        import_price_per_kwh=case.connection.import_price_per_kwh,
        export_price_per_kwh=case.connection.export_price_per_kwh,
        marginal_price=tuple(slot.marginal_price for slot in why.slots) if why else (),
        stored=tuple(stored),
        notes=tuple(_notes(case, why)) if why else (),
        currency=case.currency,
    )


def picture_of_plan(plan: Plan) -> PlanPicture:
    """The same of a stored plan, with its explanation where it has one."""
    return picture_of(case_of(plan.request), series_of(plan), plan.explanation)


def _notes(case: DispatchCase, why: Explanation) -> Iterator[tuple[datetime, str]]:
    """Of each run of slots in which the same devices act, the slot whose choice counts most; the dearest few."""

    def worth(slot: Slot) -> float:
        acting = acts(slot, case.devices)
        return max((one.difference or 0.0 for one in slot.alternatives if one.device_id in acting), default=0.0)

    runs = groupby(why.slots, key=lambda slot: tuple(acts(slot, case.devices)))
    most = [max(run, key=worth) for acting, run in runs if acting]
    noted = sorted((slot for slot in most if worth(slot) > why.noise), key=worth, reverse=True)[:_NOTES]
    for slot in sorted(noted, key=lambda each: each.time_utc):
        yield slot.time_utc, slot.sentence
