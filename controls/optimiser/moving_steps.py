"""Steps that grow with their distance, and what is laid over them: quarter hours, hours, then three hours at once.

What is far off is known badly and decided again long before it comes (move blocking, resolution C4.6).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.appliance import Appliance
from controls.optimiser.devices.components.switching import InShares
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.heat_pump import HeatPump
from controls.optimiser.devices.kinds import devices_of
from data_quality.contracts.control.plan import FORECAST_FROM, DeviceFigures, PlanRequest
from data_quality.contracts.time import CANONICAL_MINUTES

PER_HOUR = 60 // CANONICAL_MINUTES
STEP_H = 1 / PER_HOUR
_STEP = timedelta(minutes=CANONICAL_MINUTES)
HORIZON_H = 48
# Quarter hours for two hours, hours for a day.
_QUARTERS, _HOURS = 2 * PER_HOUR, 24 * PER_HOUR
_LONG = 3 * PER_HOUR
# A relay gets a new set-point within a step of this length.
_DUTY_FROM_H = 2 * STEP_H
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
    """Instants that no step may go over: the stay of a car, the window of a machine."""
    stays = [(stay.from_step, stay.to_step) for one in devices if isinstance(one, EvCharger) for stay in one.sessions]
    windows = [window for one in devices if isinstance(one, Appliance) for window in one.windows]
    return [edge for edges in (*stays, *windows) for edge in edges]


def laid_over(device: Device, spans: Spans) -> Device:
    """A device of quarter hours over longer steps: the mean of what it is given, and the strictest of its band.

    So is its COP: heat at one power over a step is that power times the mean of what each quarter hour makes of it.
    """
    series = {name: getattr(device, name) for name in device.per_step}
    series |= {name: found for name in device.or_per_step if isinstance(found := getattr(device, name), tuple)}
    changes: dict[str, Any] = {"duty_from_h": _DUTY_FROM_H} if isinstance(device, InShares) else {}
    for name, values in series.items():
        if values is not None:
            strict = {"low_degc": max, "high_degc": min}.get(name)
            changes[name] = (
                tuple(strict(values[first:after]) for first, after in spans) if strict else means_of(values, spans)
            )
    steps = {edge: n for n, edge in enumerate([first for first, _ in spans] + [spans[-1][1]])}
    if isinstance(device, Appliance):
        changes["windows"] = tuple((steps[first], steps[after]) for first, after in device.windows)
    if isinstance(device, HeatPump):
        # A whole state of the last step ends at the set-point, or anywhere within what one portion of it brings.
        portion_kwh = hours_of(spans)[-1] * float(np.max(device.cop)) * min(device.recommended_kw, device.forced_kw)
        changes["end_min_kwh"] = min(device.end_min_kwh, max(device.max_kwh - portion_kwh, device.normal_kwh))
    if not isinstance(device, EvCharger):
        return device.model_copy(update=changes)
    stays = []
    for stay in device.sessions:
        first, after = steps[stay.from_step], steps[stay.to_step]
        mine = [(a - stay.from_step, b - stay.from_step) for a, b in spans[first:after]]
        bounds = {
            "cap_kw": stay.cap_kw and means_of(stay.cap_kw, tuple(mine)),
            # Stored at the end of a step.
            "pace_kwh": stay.pace_kwh and tuple(stay.pace_kwh[b - 1] for _, b in mine),
        }
        stays.append(stay.model_copy(update=bounds | {"from_step": first, "to_step": after}))
    found = device.model_copy(update=changes | {"sessions": tuple(stays)})
    # Energy that a car cannot get before it leaves is not required: a plan without it is better than none.
    return found.with_state(step_h=hours_of(spans)) or found


def with_moving_steps(request: PlanRequest) -> PlanRequest:
    """A request of quarter hours over steps that grow. No step goes over the end of published prices.

    Its bills stay those of quarter hours (Connection.interval_steps): each has the power of the step that it lies in.
    """
    devices, prices_until = devices_of(request), request.inputs.get(FORECAST_FROM)
    starts = [f"{request.start_utc + n * _STEP:%Y-%m-%dT%H:%MZ}" for n in range(len(request.load_kw))]
    guessed = [starts.index(prices_until)] if prices_until in starts else []
    spans = spans_of(request.start_utc, len(starts), [*cuts_of(devices), *guessed])

    def means(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values and means_of(values, spans)

    figures = [(one, laid_over(one, spans).model_dump(mode="json", exclude={"device_id"})) for one in devices]
    names = ("load_kw", "import_price_per_kwh", "export_price_per_kwh")
    uncertain = request.uncertain and request.uncertain.model_copy(
        update={
            "scenarios": tuple(
                one.model_copy(
                    update={name: means(getattr(one, name)) for name in names}
                    | {"given_kw": {name: means(values) for name, values in one.given_kw.items()}}
                )
                for one in request.uncertain.scenarios
            )
        }
    )
    return request.model_copy(
        update={name: means(getattr(request, name)) for name in (*names, "carbon_kgco2e_per_kwh")}
        | {
            "step_h": tuple(hours_of(spans).tolist()),
            "devices": tuple(
                DeviceFigures(kind=one.kind, device_id=one.device_id, figures=each) for one, each in figures
            ),
            "uncertain": uncertain,
        }
    )
