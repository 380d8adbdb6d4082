"""Surroundings of a plan's devices: the outdoor temperature of its steps as forecast, and walls between rooms.

Rooms lose heat by it, and a heat pump's COP follows it. What is missing or too old makes a plan at the temperature that
each device states for that case, labelled so. Through a wall a neighbour gives or takes heat, while it is at what its
own thermostat holds: so rooms stay apart in the problem, each with schedules of its own; that a neighbour's heating may
be moved is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room, RoomParams
from data_quality.contracts.control.weather_issue import WEATHER_LABELS, WeatherIssue
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

# As a load forecast: weather is issued several times a day.
MAX_WEATHER_AGE = timedelta(hours=26)
_NAME = "temperature_degc"
_INSTEAD = "planned at the outdoor temperature that each device states for that case"
# The last forecast temperature may be used for so many hours after it.
_HELD = timedelta(hours=3)


@dataclass(frozen=True)
class Outdoor:
    """degc: one value a step, none where it is not known. labels: for the inputs of a plan."""

    degc: tuple[float, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    is_synthetic: bool = False


def outdoor_ahead(
    site: Site, issues: Sequence[WeatherIssue], steps: Sequence[datetime], *, now_utc: datetime
) -> Outdoor:
    """Outdoor temperature of each step (their starts) by the weather issues; of two for a step the later one counts.

    Empty for a site whose devices do not need it.
    """
    if not any(kind.wants_outdoor for _, kind in device_assets(site)):
        return Outdoor()
    known = [one for one in issues if _NAME in one.values and one.available_at_utc <= now_utc]
    if not known:
        return Outdoor(labels={"outdoor": f"there is no forecast of the outdoor temperature: {_INSTEAD}"})
    known.sort(key=lambda one: (one.issued_at_utc, one.available_at_utc))
    newest = known[-1]
    age = now_utc - newest.issued_at_utc
    if age > MAX_WEATHER_AGE:
        hours = [f"{span / timedelta(hours=1):.3g} h" for span in (age, MAX_WEATHER_AGE)]
        text = f"the forecast of the outdoor temperature is {hours[0]} old, at most {hours[1]} are allowed: {_INSTEAD}"
        return Outdoor(labels={"outdoor": text})
    used = [one for one in known if now_utc - one.issued_at_utc <= MAX_WEATHER_AGE]
    values = {step: value for one in used for step, value in _values(one, steps).items()}
    held = [values.get(step) for step in steps]
    last, open_from = None, None
    for place, step in enumerate(steps):
        if held[place] is not None:
            last = place
        elif last is None or step - steps[last] > _HELD:
            text = f"the forecast of the outdoor temperature does not cover {step:%Y-%m-%dT%H:%MZ}: {_INSTEAD}"
            return Outdoor(labels={"outdoor": text})
        else:
            held[place], open_from = held[last], open_from or step
    labels = {
        "outdoor_forecast": f"{newest.source}, issued {newest.issued_at_utc:%Y-%m-%dT%H:%MZ}",
        "outdoor_forecast_age_s": f"{age.total_seconds():g}",
    } | {f"outdoor_forecast_{label}": WEATHER_LABELS[label] for label in newest.labels if label in WEATHER_LABELS}
    if open_from is not None:
        labels["outdoor_forecast_held"] = f"after its end the last value holds, from {open_from:%Y-%m-%dT%H:%MZ}"
    degc = tuple(round(float(value or 0.0), 3) for value in held)
    return Outdoor(degc, labels, is_synthetic=any(one.is_synthetic for one in used))


def _values(issue: WeatherIssue, steps: Sequence[datetime]) -> dict[datetime, float]:
    """The temperature of each step that lies in a step of the issue."""
    values, length = issue.values[_NAME], timedelta(minutes=issue.step_minutes)
    found = {}
    for step in steps:
        place = (step - issue.start_utc) // length
        if 0 <= place < len(values) and (value := values[place]) is not None and isfinite(value):
            found[step] = value
    return found


def walls_of(site: Site) -> dict[str, dict[str, float]]:
    """Room -> neighbour -> kW/K, both ways, of assets of kind room. Raises BadInput for a neighbour that is no room."""
    rooms = {asset.asset_id: kind.figures(asset, site.site_id) for asset, kind in device_assets(site) if kind is Room}
    found: dict[str, dict[str, float]] = {}
    for name, params in rooms.items():
        assert isinstance(params, RoomParams)  # noqa: S101  # those of its kind
        for other, kw_per_k in params.walls.items():
            if other == name or other not in rooms:
                there = ", ".join(each for each in rooms if each != name) or "none"
                raise BadInput(
                    f"site {site.site_id}, asset {name!r}: walls names {other!r}; expected another room: {there}",
                    reason="bad_asset",
                )
            for one, neighbour in ((name, other), (other, name)):
                # Told at both ends it is still one wall.
                own = found.setdefault(one, {})
                own[neighbour] = max(own.get(neighbour, 0.0), kw_per_k)
    return found


def with_neighbours(site: Site, devices: Mapping[str, Device], step_h: Floats) -> dict[str, Device]:
    """The devices by asset id, rooms with what goes through their walls."""
    walls, found = walls_of(site), dict(devices)
    for name, own in walls.items():
        room = devices[name]
        assert isinstance(room, Room)  # noqa: S101  # of kind room, above
        found[name] = room.with_walls([(g, _held_degc(devices[other], step_h)) for other, g in own.items()])
    return found


def wall_labels(site: Site) -> dict[str, str]:
    """Inputs of a plan about the site's inner walls; empty without one."""
    walls = {
        name: ", ".join(f"{other} {kw_per_k:g} kW/K" for other, kw_per_k in own.items())
        for name, own in walls_of(site).items()
    }
    return {f"{name}_walls": f"{text}; each neighbour as its own thermostat holds it" for name, text in walls.items()}


def _held_degc(neighbour: Device, step_h: Floats) -> Floats:
    """Mean temperature of each step, heated by its own thermostat."""
    assert isinstance(neighbour, Room)  # noqa: S101  # of kind room, above
    after = neighbour.temperatures_degc(neighbour.thermostat(step_h), step_h)
    return (np.concatenate([[neighbour.init_degc], after[:-1]]) + after) / 2
