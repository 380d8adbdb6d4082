"""Nominal figures of a house by its site file: known to anybody, and not kept to by the house itself."""

from dataclasses import dataclass

from controls.optimiser.devices.components.ev_params import EvParams
from controls.optimiser.devices.device import params_of
from controls.optimiser.devices.room import RoomParams, as_room
from controls.simulator.physics.car import Car
from controls.simulator.physics.hot_water import HotWater
from controls.simulator.worlds.home import only
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site


@dataclass(frozen=True)
class Nominal:
    """The figures of each device, and the asset id that it is known by. target_soc: what its owner set the car to."""

    rooms: dict[str, RoomParams]
    heaters_kw: tuple[float, ...]
    battery_id: str
    battery: BatteryParams
    tank_id: str
    tank: HotWater
    charger_id: str
    car: Car
    target_soc: float
    pv_id: str
    peak_kw: float


def nominal_of(site: Site) -> Nominal:
    """The figures of a site with heated rooms, and one battery, tank, charger and PV system. Raises BadInput."""
    heated = [asset for asset in site.assets if as_room(asset) is not asset]
    if not heated:
        message = f"site {site.site_id!r} has no heating_relay with a room, which the simulated house needs"
        raise BadInput(message, reason="missing_asset")
    rooms = {asset.asset_id: params_of(RoomParams, as_room(asset), site.site_id) for asset in heated}
    battery, tank, charger, pv = (only(site, kind) for kind in ("battery", "tank", "ev_charger", "pv"))
    return Nominal(
        rooms=rooms,
        heaters_kw=tuple(each.heater_kw for each in rooms.values()),
        battery_id=battery.asset_id,
        battery=params_of(BatteryParams, battery, site.site_id),
        tank_id=tank.asset_id,
        tank=params_of(HotWater, tank, site.site_id),
        charger_id=charger.asset_id,
        car=params_of(Car, charger, site.site_id),
        target_soc=params_of(EvParams, charger, site.site_id).target_soc,
        pv_id=pv.asset_id,
        peak_kw=pv.numbers.get("peak_kw", 0.0),
    )
