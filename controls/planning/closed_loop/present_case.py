"""From what was just seen and what is foretold to the dispatch problem of the next two days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any

import numpy as np

from controls.optimiser.backends.expressions import INF, Floats
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection, connection_kw
from controls.optimiser.devices.device import AssetState, Device
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room, as_room
from controls.optimiser.devices.tank import FreeTank, Tank
from controls.optimiser.moving_steps import (
    HORIZON_H,
    PER_HOUR,
    STEP_H,
    cuts_of,
    hours_of,
    laid_over,
    means_of,
    spans_of,
)
from controls.planning.closed_loop.learnt import Learnt, WatchedRooms
from controls.planning.plan_inputs import STEP
from controls.planning.scenarios import SWANSON
from data_quality.contracts.control.closed_loop import Outlook, SiteObservation
from data_quality.contracts.control.plan_scenario import Risk, Scenario, ScenarioSet
from data_quality.contracts.site_file.site import Site

# What is left at the end is worth what a kWh costs in the cheap hours in which it could be put there again.
_CHEAP = 0.25
# A plan that rides on the edge of the band is below it half of the time: so much above, by its own uncertainty too.
_ABOVE_K, _SURE = 0.2, 1.0
# Below this share of its capacity no tank is left at the end for whoever goes on.
_TANK_END = 0.3
_MEMBERS = (0.1, 0.5, 0.9)


def with_rooms(site: Site) -> Site:
    """The site with every heating relay that names its room as that room, for a plan to move."""
    return site.model_copy(update={"assets": tuple(as_room(asset) for asset in site.assets)})


@dataclass(frozen=True)
class Present:
    """Inputs of a plan. site: as of with_rooms; states: as seen, with what is estimated where nothing was.

    drawn above zero, given below; members: courses of the outlook that count (the central one first).
    """

    site: Site
    seen: SiteObservation
    outlook: Outlook
    learnt: Learnt
    rooms: WatchedRooms

    @property
    def starts(self) -> list[datetime]:
        """Of every quarter hour ahead."""
        return [self.seen.at_utc + n * STEP for n in range(self.quarters)]

    @property
    def quarters(self) -> int:
        """Number of quarter hours: as requested, and as far as the weather forecast reaches."""
        known_h = len(self.outlook.outdoor_degc[0]) - (self.seen.at_utc - self.outlook.start_utc) / timedelta(hours=1)
        return max(min(HORIZON_H, int(known_h)) * PER_HOUR, 0)

    def hourly(self, course: Sequence[float]) -> Floats:
        """A course of the outlook by quarter hours."""
        past = (self.seen.at_utc - self.outlook.start_utc) / timedelta(hours=1)
        return np.array(course)[(past + STEP_H * np.arange(self.quarters)).astype(np.int64)]

    def load_kw(self) -> Floats:
        """Load by the given forecast, kW; else by the learnt one."""
        load = self.outlook.load_kw
        return self.learnt.load_kw(self.starts) if load is None else self.hourly(load)

    def prices(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Import and export, one a quarter hour."""
        past = round((self.seen.at_utc - self.outlook.start_utc) / STEP)
        outlook, here = self.outlook, self.learnt
        return (
            here.prices(self.starts, outlook.import_price_per_kwh[past:], here.buys),
            here.prices(self.starts, outlook.export_price_per_kwh[past:], here.sells),
        )

    def pv_kw(self, course: int = 0) -> Floats:
        """By a course of the sun and what the modules made of it so far."""
        found: Floats = np.round(self.learnt.kw_per_w * self.hourly(self.outlook.ghi_w_per_m2[course]), 4)
        return found


def case_of_present(now: Present) -> DispatchCase:
    """The next two days as one problem. Raises BadInput for figures or states that make no device."""
    buys, sells = now.prices()
    limit_kw = connection_kw(now.site) or INF
    quarters = _devices(now, buys, limit_kw)
    spans = spans_of(now.seen.at_utc, now.quarters, cuts_of(quarters))
    devices = tuple(laid_over(each, spans) for each in quarters)
    most_kw = min(limit_kw, 1e4)
    return DispatchCase(
        case_id=now.site.site_id,
        currency=now.site.currency,
        start_utc=now.seen.at_utc,
        step_h=tuple(hours_of(spans).tolist()),
        load_kw=means_of(now.load_kw(), spans),
        connection=Connection(
            device_id="",
            import_price_per_kwh=means_of(buys, spans),
            export_price_per_kwh=means_of(sells, spans),
            import_max_kw=most_kw,
            export_max_kw=most_kw,
        ),
        devices=devices,
    )


def whole_relays(tank: FreeTank, power_kw: float, owed_kw: float) -> tuple[dict[str, float], float]:
    """Relays that come nearest to a power and to what earlier quarter hours left undone, and what is owed then, kW."""
    wanted, found = power_kw + owed_kw, dict[str, float]()
    left = wanted
    for n, relay_kw in enumerate(tank.relays_kw, 1):
        is_on = left >= relay_kw / 2
        found[f"set_relay_{n:02d}_state"] = float(is_on)
        left -= relay_kw * is_on
    # What cannot be done at all is not owed for ever.
    most = max(tank.relays_kw)
    return found, min(max(left, -most), most)


def with_courses(case: DispatchCase, now: Present, risk: Risk) -> DispatchCase:
    """The case with what else may come: the sun's courses at P10, P50 and P90 of their sums by the load's levels."""
    # Its steps in quarter hours from its start.
    edges = np.round(np.concatenate([[0.0], np.cumsum(case.step_h)]) * PER_HOUR).astype(int).tolist()
    spans = tuple(pairwise(edges))
    order = np.argsort([sum(course) for course in now.outlook.ghi_w_per_m2], kind="stable")
    picked = [int(order[round(level * (order.size - 1))]) for level in _MEMBERS]
    suns = [now.pv_kw(course) for course in picked]
    levels = now.learnt.load_levels() if now.outlook.load_kw is None else (1.0, 1.0, 1.0)
    pv = {one.device_id: np.array(one.pv_kw) for one in case.devices if one.kind == "pv"}  # type: ignore[attr-defined]
    whole = sum(pv.values(), start=np.zeros(len(spans)))
    load = np.array(case.load_kw)
    made = []
    for (low, weight, level), (name, share, sun) in product(
        zip(("low", "mid", "high"), SWANSON, levels, strict=True),
        zip(("dark", "mid", "bright"), SWANSON, suns, strict=True),
    ):
        ratio = np.divide(means_of(sun, spans), whole, out=np.ones(len(spans)), where=whole > 0)
        made.append(
            Scenario(
                name=f"load_{low}-sun_{name}",
                weight=weight * share,
                load_kw=tuple((level * load).tolist()),
                given_kw={key: tuple((ratio * values).tolist()) for key, values in pv.items()},
            )
        )
    return case.model_copy(update={"uncertain": ScenarioSet(risk=risk, scenarios=tuple(made))})


def _devices(now: Present, buys: tuple[float, ...], limit_kw: float) -> list[Device]:
    pv_kw, load_kw = tuple(now.pv_kw().tolist()), tuple(now.load_kw().tolist())
    outdoor = now.hourly(now.outlook.outdoor_degc[0])
    ahead_h = STEP_H * np.arange(now.quarters, dtype=np.float64)
    gains = now.rooms.gains_kw(now.hourly(now.outlook.ghi_w_per_m2[0]), ahead_h)
    cheap = max(float(np.quantile(buys, _CHEAP)), 0.0)
    found = list[Device]()
    for asset, kind in device_assets(now.site):
        place = now.rooms.names.index(asset.asset_id) if asset.asset_id in now.rooms.names else None
        if place is not None and now.rooms.is_lost[place]:
            continue
        state = float(now.rooms.degc[place]) if place is not None else now.seen.states.get(asset.asset_id)
        full = kind.full(asset, now.site.site_id)
        given = AssetState(
            site_id=now.site.site_id,
            forecast_kw=pv_kw if kind.forecast else (),
            siblings=tuple(one for one in now.site.assets if one.kind == asset.kind),
            state=min(max(state, 0.0), full) if state is not None and full else state,
            start_utc=now.seen.at_utc,
            step_h=STEP_H,
            time_zone=now.site.time_zone,
            outdoor_degc=tuple(outdoor.tolist()) if place is not None else (),
            load_kw=load_kw,
            pv_kw=pv_kw,
            import_price_per_kwh=buys,
            import_max_kw=limit_kw,
        )
        device = kind.from_asset(asset, given)
        if place is not None:
            above_k = _ABOVE_K + _SURE * float(now.rooms.sd_k[place])
            found.append(_as_watched(device, now, place, gains[place], above_k=above_k, cheap=cheap))
        else:
            found.append(_for_whoever_goes_on(device, cheap, max(buys)))
    return found


def _as_watched(device: Any, now: Present, place: int, gain_kw: Floats, *, above_k: float, cheap: float) -> Room:
    """A room by its own figures, with all that heats it, and a little above its band."""
    figures = now.rooms.figures[now.rooms.names[place]]
    middle = [(low + high) / 2 for low, high in zip(device.low_degc, device.high_degc, strict=True)]
    changes = {
        "r_k_per_kw": figures.r_k_per_kw,
        "c_kwh_per_k": figures.c_kwh_per_k,
        "gain_kw": tuple(gain_kw.tolist()),
        "low_degc": tuple(min(low + above_k, most) for low, most in zip(device.low_degc, middle, strict=True)),
        "heat_value_per_kwh": cheap,
    }
    room: Room = device.model_copy(update=changes)
    return room


def _for_whoever_goes_on(device: Device, cheap: float, dear: float) -> Device:
    """A store with a value per kWh left at the end in place of a required end charge."""
    if isinstance(device, Battery):
        worth = cheap * device.discharge_efficiency
        return device.model_copy(update={"soc_end_min_kwh": 0.0, "end_value_per_kwh": worth})
    if isinstance(device, Tank) and device.is_planned:
        low, _ = device.band_kwh
        end_kwh = min(device.init_kwh, max(_TANK_END * device.max_kwh, low))
        # Water that is not warm is somebody's cold shower, and not a plan that cannot be. Its relays share its power
        # out when they are told (whole_relays): counted in every step of two days they take most of a solver's time.
        figures = {name: getattr(device, name) for name in Tank.model_fields}
        return FreeTank.model_validate(
            figures | {"end_min_kwh": end_kwh, "comfort_min_kwh": low, "comfort_price_per_kwh_h": max(2 * dear, 0.1)}
        )
    return device
