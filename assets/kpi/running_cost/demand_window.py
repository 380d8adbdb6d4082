"""The demand window that a supply is in at each quarter hour, and what it has drawn in it so far (formulas 5.11).

The window is that of the demand charge whose period holds at the quarter hour; hours that are free of every charge go
by the first one's. Without a demand charge it is the capacity charge's, without either a quarter hour.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.tariffs.calendar_layout import FREE
from assets.tariffs.compiled import Grid, compile_tariff
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.billing.tariff_charges import DemandCharge
from data_quality.contracts.time import CANONICAL_MINUTES


class Blocks(NamedTuple):
    """Per quarter hour: energy of its window so far (1e-9 kWh, -1 over a gap), minutes so far, whole window, charge."""

    energy: np.ndarray
    so_far: np.ndarray
    window: np.ndarray
    charge: list[str | None]


def blocks_of(
    parts: Sequence[tuple[Tariff | None, Load]], *, time_zone: str, day_types: Mapping[date, DayType]
) -> Blocks:
    """The blocks of consecutive loads, each with the tariff that is in force over it, or none."""
    found = [_blocks(tariff, load, time_zone, day_types) for tariff, load in parts]
    return Blocks(
        energy=np.concatenate([each.energy for each in found]),
        so_far=np.concatenate([each.so_far for each in found]),
        window=np.concatenate([each.window for each in found]),
        charge=[charge for each in found for charge in each.charge],
    )


def running_block(load: Load, window_minutes: int, *, is_rolling: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Energy (1e-9 kWh) and minutes of the demand window so far at the end of each interval; energy -1 over a gap.

    A fixed block counts from the load's start; a rolling window is the last window_minutes.
    """
    per = max(1, window_minutes // load.step_minutes)
    after = np.arange(1, load.size + 1)
    begins = np.maximum(0, after - per) if is_rolling else (after - 1) // per * per
    total = np.concatenate([[0], np.cumsum(load.imported(is_gross=False))])
    missing = np.concatenate([[0], np.cumsum(~load.is_present)])
    # A gap anywhere in the window leaves its energy unknown: what was read would look like a low demand.
    energy = np.where(missing[after] > missing[begins], -1, total[after] - total[begins])
    return energy, (after - begins) * load.step_minutes


def _blocks(tariff: Tariff | None, load: Load, time_zone: str, day_types: Mapping[date, DayType]) -> Blocks:
    charges = tariff.demand if tariff is not None else ()
    if not charges:
        window = tariff.capacity[0].window_minutes if tariff is not None and tariff.capacity else CANONICAL_MINUTES
        energy, so_far, minutes = _window(load, window, is_rolling=False)
        return Blocks(energy, so_far, minutes, [None] * load.size)
    blocks = [_window(load, each.window_minutes, is_rolling=each.method == "rolling") for each in charges]
    chosen = _chosen(tariff, charges, load, time_zone, day_types) if tariff is not None else np.zeros(load.size)
    row = np.maximum(chosen, 0).astype(np.int64)
    slots = np.arange(load.size)
    energy, so_far, minutes = (np.stack([block[part] for block in blocks])[row, slots] for part in range(3))
    return Blocks(energy, so_far, minutes, [charges[int(each)].charge_id if each >= 0 else None for each in chosen])


def _window(load: Load, minutes: int, *, is_rolling: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # A window finer than the readings, or one that they do not fill, cannot be followed: the quarter hour is.
    if minutes % CANONICAL_MINUTES:
        minutes, is_rolling = CANONICAL_MINUTES, False
    energy, so_far = running_block(load, minutes, is_rolling=is_rolling)
    return energy, so_far, np.full(load.size, minutes)


def _chosen(
    tariff: Tariff, charges: Sequence[DemandCharge], load: Load, time_zone: str, day_types: Mapping[date, DayType]
) -> np.ndarray:
    """Number of the first charge with a price at each quarter hour; -1 where none has one."""
    grid = Grid(load.start_utc, load.step_minutes, load.size, time_zone)
    compiled = compile_tariff(tariff, grid, day_types=dict(day_types))
    chosen = np.full(load.size, -1)
    # Backwards, so that the first charge that holds is written last and stays.
    for number in reversed(range(len(charges))):
        periods = compiled.demand[charges[number].charge_id]
        is_priced = np.array([any(tier.price for tier in period.blocks) for period in charges[number].periods])
        # FREE as an index takes the last period; such hours are masked beside it.
        holds = (periods != FREE) & is_priced[np.maximum(periods, 0)]
        chosen = np.where(holds, number, chosen)
    return chosen
