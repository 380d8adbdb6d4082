"""Devices of which the house has no physics of its own: they do what their kind says that a set-point does."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from controls.optimiser.devices.device import MONEY, AssetState, Device
from controls.optimiser.devices.kinds import device_assets
from controls.simulator.house.day import DAY_S, MINUTES, Day
from controls.simulator.house.nominal import Nominal
from controls.simulator.house.truth import MINUTE_H
from controls.simulator.physics.noise import Series
from data_quality.contracts.site_file.site import Site


class OtherDevice(NamedTuple):
    """A device on one UTC day by minutes, and the capabilities that it takes."""

    device: Device
    capabilities: frozenset[str]

    def run(self, set_points: Mapping[str, float], first: int, after: int) -> tuple[Series, float]:
        """Power drawn in each minute of a span (kW, below zero where a load is shed), and what it costs its owner."""
        acted = [self.device.acted(set_points, at) for at in range(first, after)]
        columns = {name: np.array([each[name] for each in acted]) for name in self.device.columns}
        hours = np.full(after - first, MINUTE_H)
        paid = sum(float(np.sum(term)) for kind, term in self.device.cost(columns, hours) if kind in MONEY)
        return np.asarray(self.device.drawn_kw(columns), np.float64), paid


def others_of(site: Site, nominal: Nominal, number: int, day: Day) -> dict[str, OtherDevice]:
    """Those of a day (counted from the epoch) by asset id: of kinds without a state that say what a set-point does.

    Raises BadInput for figures that make no device.
    """
    known = {*nominal.rooms, nominal.battery_id, nominal.charger_id, nominal.tank_id, nominal.pv_id}
    given = AssetState(
        site_id=site.site_id,
        start_utc=datetime.fromtimestamp(number * DAY_S, UTC),
        step_h=MINUTE_H,
        time_zone=site.time_zone,
        load_kw=tuple(day.load_kw.tolist()),
        import_price_per_kwh=(0.0,) * MINUTES,
    )
    found = {}
    for asset, kind in device_assets(site):
        if asset.asset_id not in known and kind.measure is None and kind.acted is not Device.acted:
            device = kind.from_asset(asset, given)
            takes = device.commands(dict.fromkeys(device.columns, 0.0), 0)
            found[asset.asset_id] = OtherDevice(device, frozenset(takes))
    return found
