"""Steps that grow with their distance, and devices laid over them: quarter hours, hours, then three hours at once.

What is far off is known badly and decided again long before it comes (move blocking, resolution C4.6).
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.ev_charger import EvCharger
from data_quality.contracts.time import CANONICAL_MINUTES

PER_HOUR = 60 // CANONICAL_MINUTES
STEP_H = 1 / PER_HOUR
HORIZON_H = 48
# Quarter hours for two hours, hours for a day.
_QUARTERS, _HOURS = 2 * PER_HOUR, 24 * PER_HOUR
_LONG = 3 * PER_HOUR
Spans = tuple[tuple[int, int], ...]


def spans_of(start_utc: datetime, quarters: int, cuts: Sequence[int] = ()) -> Spans:
    """[first, after) of each step in quarter hours from the start. Hours begin on the hour; cuts: no step goes over."""
    past = start_utc.minute // CANONICAL_MINUTES
    ends = set(range(1, min(_QUARTERS - past, quarters) + 1))
    ends |= set(range(_QUARTERS - past, min(_HOURS - past, quarters) + 1, PER_HOUR))
    ends |= set(range(_HOURS - past, quarters + 1, _LONG)) | {quarters} | {at for at in cuts if 0 < at < quarters}
    edges = [0, *sorted(ends)]
    return tuple(pairwise(edges))


def hours_of(spans: Spans) -> Floats:
    """Hours of each step."""
    return np.array([(after - first) * STEP_H for first, after in spans])


def means_of(values: Sequence[float] | Floats, spans: Spans) -> tuple[float, ...]:
    """The mean of each step of what has one value a quarter hour."""
    whole = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    first, after = np.array(spans).T
    found: list[float] = ((whole[after] - whole[first]) / (after - first)).tolist()
    return tuple(found)


def cuts_of(devices: Sequence[Device]) -> list[int]:
    """Where something begins or ends that no step may go over: the stay of a car."""
    stays = [stay for one in devices if isinstance(one, EvCharger) for stay in one.sessions]
    return [edge for stay in stays for edge in (stay.from_step, stay.to_step)]


def laid_over(device: Device, spans: Spans) -> Device:
    """A device of quarter hours over longer steps: the mean of what it is given, and the strictest of its band."""
    over = device.over([(device, first) for first, _ in spans])
    series = {name: getattr(device, name) for name in device.per_step}
    series |= {name: found for name in device.or_per_step if isinstance(found := getattr(device, name), tuple)}
    changes: dict[str, Any] = {}
    for name, values in series.items():
        if values is not None:
            strict = {"low_degc": max, "high_degc": min}.get(name)
            changes[name] = (
                tuple(strict(values[first:after]) for first, after in spans) if strict else means_of(values, spans)
            )
    found = over.model_copy(update=changes)
    # What a car cannot have before it leaves is not asked for: a plan without it is better than none.
    return (found.relived(step_h=hours_of(spans)) or found) if isinstance(device, EvCharger) else found
