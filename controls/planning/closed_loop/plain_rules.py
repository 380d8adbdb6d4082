"""Policies without foresight, each a rule that answers a look with set-points: what plans are held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from controls.optimiser.devices.device import AssetState
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import RoomParams
from controls.optimiser.moving_steps import HORIZON_H, PER_HOUR, STEP_H
from controls.planning.closed_loop.learnt import Learnt
from data_quality.contracts.control.closed_loop import Outlook, SetPoints, SiteObservation
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.site_file.site import Asset, Site

# Cheap and dear hours of the published prices; what a room is heated above its schedule while heat is cheap.
_CHEAP, _DEAR, _STORED_K = 0.25, 0.75, 1.0
# A schedule heats the morning in advance.
_EARLY_H = 1


@dataclass
class Ruled:
    """The devices of a site under rules. site: as of with_rooms; outlook: for prices only, and for `rules` alone.

    by_sun, by_price: what else than the clock counts.
    """

    site: Site
    learnt: Learnt
    by_sun: bool = False
    by_price: bool = False
    _kinds: list[tuple[Asset, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._kinds = [(asset, kind.kind) for asset, kind in device_assets(self.site)]
        self._figures = {
            asset.asset_id: kind.figures(asset, self.site.site_id) for asset, kind in device_assets(self.site)
        }

    def decide(self, seen: SiteObservation, outlook: Callable[[int], Outlook] | None) -> SetPoints:
        """The command of every device for the next quarter hour; a device without a rule gets none."""
        rank = self._rank(seen, outlook) if self.by_price and outlook else 0.5
        found = {
            asset.asset_id: self._room(self._figures[asset.asset_id], seen, rank)
            for asset, kind in self._kinds
            if kind == "room"
        }
        if not self.by_sun:
            return found
        own = [asset.asset_id for asset, kind in self._kinds if kind in {"battery", "ev_charger"}]
        spare_kw = seen.export_kw - seen.import_kw + sum(seen.drawn_kw.get(name, 0.0) for name in own)
        for asset, kind in self._kinds:
            if kind == "ev_charger" and seen.states.get(asset.asset_id) is not None:
                car_kw = self._car(asset, seen, spare_kw, rank)
                found[asset.asset_id] = {"set_charge_power_kw": car_kw}
                spare_kw -= car_kw
        for asset, kind in self._kinds:
            if kind == "battery":
                found[asset.asset_id] = {"set_charge_power_kw": self._battery(asset, spare_kw, rank)}
        return found

    def _room(self, params: RoomParams, seen: SiteObservation, rank: float) -> dict[str, float]:
        here = ZoneInfo(self.site.time_zone)
        hours = [(seen.at_utc + timedelta(hours=each)).astimezone(here).hour for each in range(_EARLY_H + 1)]
        low = params.low_degc
        wanted = max(low[hour] for hour in hours) if isinstance(low, tuple) else low
        more_k = _STORED_K if self.by_price and (rank <= _CHEAP or seen.export_kw > 1.0) else 0.0
        return {"set_temperature_degc": wanted + 0.1 + more_k}

    def _rank(self, seen: SiteObservation, outlook: Callable[[int], Outlook]) -> float:
        """Which share of the published hours is cheaper than now."""
        forecast = outlook(HORIZON_H)
        past = round((seen.at_utc - forecast.start_utc) / timedelta(hours=STEP_H))
        prices = np.array(forecast.import_price_per_kwh[past : past + 24 * PER_HOUR])
        return float((prices < prices[0]).mean()) if prices.size else 0.5

    def _car(self, asset: Asset, seen: SiteObservation, spare_kw: float, rank: float) -> float:
        steps = 24 * PER_HOUR
        given = AssetState(
            site_id=self.site.site_id,
            state=seen.states[asset.asset_id],
            start_utc=seen.at_utc,
            step_h=STEP_H,
            time_zone=self.site.time_zone,
            load_kw=(0.0,) * steps,
        )
        stays = EvCharger.from_asset(asset, given).sessions
        if not stays:
            return 0.0
        stay = stays[0]
        left_h = (stay.to_step - 1) * STEP_H
        is_late = stay.energy_kwh > left_h * stay.max_kw * stay.efficiency * 0.9
        if is_late or (self.by_price and rank <= _CHEAP and stay.energy_kwh > 0):
            return stay.max_kw
        return min(spare_kw, stay.max_kw) if spare_kw >= stay.min_kw else 0.0

    def _battery(self, asset: Asset, spare_kw: float, rank: float) -> float:
        params: BatteryParams = self._figures[asset.asset_id]
        if self.by_price and rank <= _CHEAP:
            return params.max_charge_kw
        if self.by_price and rank < _DEAR and spare_kw < 0:
            return 0.0
        return min(max(spare_kw, -params.max_discharge_kw), params.max_charge_kw)


def nothing(seen: SiteObservation, outlook: Callable[[int], Outlook] | None) -> Mapping[str, Mapping[str, float]]:  # noqa: ARG001 - as all policies
    """Every device as it does alone."""
    return {}
