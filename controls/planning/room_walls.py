"""Walls between rooms in a plan: heat that a neighbour gives or takes, while it is at what its own thermostat holds.

So rooms stay apart in the problem, each with schedules of its own; that a neighbour's heating may be moved is left out.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room, RoomParams
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site


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
            for one, beside in ((name, other), (other, name)):
                # Told at both ends it is still one wall.
                own = found.setdefault(one, {})
                own[beside] = max(own.get(beside, 0.0), kw_per_k)
    return found


def beside_neighbours(site: Site, devices: Mapping[str, Device], step_h: Floats) -> dict[str, Device]:
    """The devices by asset id, rooms with what goes through their walls."""
    walls, found = walls_of(site), dict(devices)
    for name, own in walls.items():
        room = devices[name]
        assert isinstance(room, Room)  # noqa: S101  # of kind room, above
        found[name] = room.beside([(g, _held_degc(devices[other], step_h)) for other, g in own.items()])
    return found


def wall_labels(site: Site) -> dict[str, str]:
    """What a plan's inputs say of its walls: nothing without one."""
    return dict(_labels(site))


def _labels(site: Site) -> Iterator[tuple[str, str]]:
    for name, own in walls_of(site).items():
        told = ", ".join(f"{other} {kw_per_k:g} kW/K" for other, kw_per_k in own.items())
        yield f"{name}_walls", f"{told}; each neighbour as its own thermostat holds it"


def _held_degc(neighbour: Device, step_h: Floats) -> Floats:
    """Mean temperature of each step, heated by its own thermostat."""
    assert isinstance(neighbour, Room)  # noqa: S101  # of kind room, above
    after = neighbour.temperatures_degc(neighbour.thermostat(step_h), step_h)
    return (np.concatenate([[neighbour.init_degc], after[:-1]]) + after) / 2
