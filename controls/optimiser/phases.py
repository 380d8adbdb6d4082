"""Loads of the three phases of a connection: what a plan holds, what breaks it, what is left over.

Each phase by itself: what one feeds in does not relieve the fuse of another, however the meter adds them up.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Row
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device, Numbers, Values


def phase_kw(case: DispatchCase, values: Mapping[str, Values]) -> list[Any]:
    """Power drawn on each phase in each step, kW, below zero for feed-in: of variables, or of numbers (by device)."""
    limits = case.connection.phases
    if limits is None:
        return []
    found = []
    for phase, share in enumerate(limits.load_share):
        drawn: Any = share * np.array(case.load_kw)
        for device in case.devices:
            drawn = drawn + device.phase_kw(values[device.device_id], phase)
        found.append(drawn)
    return found


def phase_rows(case: DispatchCase, variables: Mapping[str, Values]) -> Iterator[Row]:
    """Import and export of each phase up to what it carries; families `import_limit_l1` and so on."""
    limits = case.connection.phases
    for number, drawn in enumerate(phase_kw(case, variables), start=1):
        # A phase on which nothing is planned has no variable: what its load needs is no choice of a plan.
        if limits is not None and not isinstance(drawn, np.ndarray):
            most_in, most_out = limits.import_max_kw[number - 1], limits.export_max_kw[number - 1]
            yield Row(f"import_limit_l{number}", f"import_max_l{number}", drawn <= most_in)
            yield Row(f"export_limit_l{number}", f"export_max_l{number}", drawn >= -most_out)


def phase_errors(case: DispatchCase, columns: Mapping[str, Numbers]) -> Iterator[tuple[str, Floats]]:
    """By how much each phase is above what it carries, kW."""
    limits = case.connection.phases
    for number, drawn in enumerate(phase_kw(case, columns), start=1):
        if limits is not None:
            yield f"phase L{number} imports above its limit", drawn - limits.import_max_kw[number - 1]
            yield f"phase L{number} exports above its limit", -drawn - limits.export_max_kw[number - 1]


def phase_spare_kw(case: DispatchCase, columns: Mapping[str, Numbers], device: Device) -> Floats | float:
    """How much more the device could feed in before a phase of its own carries no more, kW in each step."""
    limits, drawn = case.connection.phases, phase_kw(case, columns)
    left = [
        (limits.export_max_kw[phase] + drawn[phase]) / share
        for phase, share in enumerate(device.phase_share)
        if limits is not None and share
    ]
    return np.min(left, axis=0) if left else np.inf
