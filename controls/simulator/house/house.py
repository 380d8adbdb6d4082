"""The simulated house: it advances by the minute, on request or by itself, and shows its instruments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isfinite, nan
from typing import Literal

import numpy as np
import polars as pl

from controls.simulator.house.courses import QUARTER_S, Courses
from controls.simulator.house.day import DAY_S, MINUTES, Day, Days
from controls.simulator.house.lived_account import Account, Stored
from controls.simulator.house.nominal import Nominal, nominal_of
from controls.simulator.house.others import OtherDevice, others_of
from controls.simulator.house.services import ErringService, KnowingService, Market, Service
from controls.simulator.house.truth import MINUTE_H, Truth, heat_step, truth_of
from controls.simulator.physics.hot_water import TankState
from controls.simulator.physics.noise import Series
from controls.simulator.physics.stores import BatteryCells, ParkedCar, WaterTank
from data_quality.contracts.control.closed_loop import ClosedSite, Outlook, SetPoints, SiteAccount, SiteObservation
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

Faults = Mapping[str, Literal["stuck", "silent"]]
# What no set-point passes: a heater's own cut-out, and the frost guard of its thermostat.
_HOT_DEGC, _FROST_DEGC = 28.0, 6.0
# A thermostat heats from a little above what is wanted until so much more.
_ABOVE_K, _SWING_K = 0.1, 0.5
# Windows that somebody opens because it is too warm: so much of what a window can.
_TILTED = 0.5
_POWER, _LIMIT, _SWITCH, _DEGC = "set_charge_power_kw", "set_power_limit_kw", "set_switch_state", "set_temperature_degc"


@dataclass(frozen=True)
class HouseCommands:
    """is_set, is_on: of each heating relay. degc: what a room's own thermostat is set to (NaN: as it was left).

    battery_kw: idle where nothing is told. car_kw: None: as the charger does alone.
    """

    is_set: np.ndarray
    is_on: np.ndarray
    degc: np.ndarray
    battery_kw: float
    car_kw: float | None
    pv_limit_kw: float
    relays: tuple[bool, ...]
    others: SetPoints


def accepted_set_points(set_points: SetPoints, nominal: Nominal, others: Mapping[str, OtherDevice]) -> HouseCommands:
    """Raises BadInput for a device or capability that the house has not, or for a value that is no number."""
    relays = [f"set_relay_{n:02d}_state" for n in range(1, len(nominal.tank.relays_kw) + 1)]
    doors = {name: set(other.capabilities) for name, other in others.items()} | {
        **{name: {_SWITCH, _DEGC} for name in nominal.rooms},
        nominal.battery_id: {_POWER},
        nominal.charger_id: {_POWER},
        nominal.pv_id: {_LIMIT},
        nominal.tank_id: set(relays),
    }
    for asset, wishes in set_points.items():
        for capability, value in wishes.items():
            if capability not in doors.get(asset, ()):
                raise BadInput(f"the house has no {capability} of {asset!r}", reason="unknown_set_point")
            if not isfinite(value):
                raise BadInput(f"{capability} of {asset!r} is {value}, which is no set-point", reason="bad_set_point")
    heaters = [set_points.get(name, {}) for name in nominal.rooms]
    tank = set_points.get(nominal.tank_id, {})
    return HouseCommands(
        is_set=np.array([_SWITCH in each for each in heaters]),
        is_on=np.array([each.get(_SWITCH, 0.0) > 0 for each in heaters]),
        degc=np.array([each.get(_DEGC, nan) for each in heaters]),
        battery_kw=set_points.get(nominal.battery_id, {}).get(_POWER, 0.0),
        car_kw=set_points.get(nominal.charger_id, {}).get(_POWER),
        pv_limit_kw=max(set_points.get(nominal.pv_id, {}).get(_LIMIT, nominal.peak_kw), 0.0),
        relays=tuple(tank.get(name, 0.0) > 0 for name in relays),
        others={name: set_points.get(name, {}) for name in others},
    )


class House:
    """A closed site (contracts/control/closed_loop.py). Without commands every room is held at its day's least
    temperature round the clock by its thermostat, the car charges at full power as soon as it comes, the battery rests,
    and the tank follows its own thermostat.

    Heaters also take `set_temperature_degc`, which sets their thermostat for as long as it is commanded. Devices of
    further kinds do as their kind says (others.py).
    """

    def __init__(
        self,
        site: Site,
        *,
        start_utc: datetime,
        seed: int,
        prices: pl.DataFrame | None,
        faults: Faults | None,
        foretold_by: Callable[[Days, Market], Service],
    ) -> None:
        # The instant itself. Raises BadInput where no quarter hour of UTC begins.
        if start_utc.utcoffset() != timedelta(0) or start_utc.timestamp() % QUARTER_S:
            message = f"a simulated house starts on a quarter hour of UTC, not at {start_utc.isoformat()}"
            raise BadInput(message, reason="bad_period")
        self._site = site
        self._now_utc, self._faults = start_utc.astimezone(UTC), dict(faults or {})
        self._nominal = nominal_of(site)
        self._truth = truth_of(self._nominal, seed=seed)
        step, courses = heat_step(self._truth), Courses(site, seed=seed)
        self._days = Days(courses, self._nominal, self._truth, step, time_zone=site.time_zone, seed=seed)
        self._market = Market(site, courses, prices)
        self._service = foretold_by(self._days, self._market)
        figures = self._nominal.rooms.values()
        self._low, self._high = (
            np.array([np.broadcast_to(value, 24) for value in values]).T
            for values in ([each.low_degc for each in figures], [each.high_degc for each in figures])
        )
        self._heated, rooms = len(self._nominal.rooms), self._truth.rooms
        self._kept = step.kept
        # Nodes, heaters (0 or 1), heat through windows: what one product with `kept` takes.
        self._z = np.concatenate([np.full(2 * rooms, 19.0), np.zeros(self._heated + rooms)])
        self._tilted: Series | None = None
        self._battery, self._car, self._tank = _stores(self._nominal, self._truth)
        self._kgco2e = next((float(one.kgco2e_per_kwh) for one in site.factors), 0.0)
        self._stuck: dict[str, float] = {}
        self._kwh: dict[str, float] = {}
        self._elapsed_h, self._last = 0.0, dict[str, float]()
        self._others_day = -1, dict[str, OtherDevice]()
        self.open_account()

    def look(self) -> SiteObservation:
        """Present readings of its instruments; mean powers since the last look."""
        day, at = self._today()
        if self._elapsed_h > 0:
            self._last = {name: round(kwh / self._elapsed_h, 4) for name, kwh in self._kwh.items()}
            self._kwh, self._elapsed_h = {}, 0.0
        own = self._nominal
        names = [*own.rooms, own.battery_id, own.charger_id, own.tank_id, own.pv_id, *self._others()]
        kw = {name: self._last.get(name, 0.0) for name in names}
        degc_noise, sun_noise = day.noise_outside[at // 15].tolist()
        return SiteObservation(
            at_utc=self._now_utc,
            states=self._states(day, at),
            drawn_kw=kw,
            load_kw=self._last.get("load", round(float(day.load_kw[at]), 4)),
            import_kw=self._last.get("import", 0.0),
            export_kw=self._last.get("export", 0.0),
            outdoor_degc=round(float(day.outdoor_degc[at] + 0.1 * degc_noise), 1),
            ghi_w_per_m2=round(float(day.ghi_w_per_m2[at] * (1.0 + 0.02 * sun_noise)), 1),
        )

    def outlook(self, hours: int) -> Outlook:
        """Present forecast of prices and weather."""
        return self._service(self._now_utc, hours)

    def act(self, set_points: SetPoints, minutes: int) -> None:
        """Go on. Raises BadInput for set-points that no device of the house takes; nothing has moved then."""
        accepted = accepted_set_points(set_points, self._nominal, self._others())
        if minutes < 1:
            raise BadInput(f"the house goes on by whole minutes, not by {minutes}", reason="bad_period")
        left = minutes
        while left:
            day, at = self._today()
            count = min(left, MINUTES - at)
            self._go_on(day, at, at + count, accepted)
            self._now_utc += timedelta(minutes=count)
            left -= count

    def lived(self) -> SiteAccount:
        """Results since the account was opened."""
        return self._account.lived(self._stored())

    def open_account(self) -> None:
        """Start a new account: earlier results do not count."""
        self._account = Account(
            opened=self._stored(),
            kgco2e_per_kwh=self._kgco2e,
            capacity_kwh=self._nominal.battery.capacity_kwh,
            relays=self._heated,
        )

    def _today(self) -> tuple[Day, int]:
        seconds = int(self._now_utc.timestamp())
        return self._days.of(seconds // DAY_S), seconds % DAY_S // 60

    def _others(self) -> dict[str, OtherDevice]:
        number = int(self._now_utc.timestamp()) // DAY_S
        if number != self._others_day[0]:
            self._others_day = number, others_of(self._site, self._nominal, number, self._days.of(number))
        return self._others_day[1]

    def _states(self, day: Day, at: int) -> dict[str, float | None]:
        nominal, quarter = self._nominal, at // 15
        states = dict[str, float | None]()
        shown = np.round(self._z[: self._heated] + day.noise_k[quarter], 1).tolist()
        for name, degc, is_silent in zip(nominal.rooms, shown, day.is_silent[quarter].tolist(), strict=True):
            fault = self._faults.get(name)
            value = self._stuck.setdefault(name, degc) if fault == "stuck" else degc
            states[name] = None if is_silent or fault == "silent" else value
        states[nominal.battery_id] = nominal.battery.capacity_kwh * self._battery.soc_percent / 100
        car_percent = round(100 * self._car.kwh / nominal.car.capacity_kwh)
        states[nominal.charger_id] = None if day.is_away[at] else nominal.car.capacity_kwh * car_percent / 100
        tank_degc = round(self._tank.tank.degc(self._tank.state.stored_kwh), 1)
        states[nominal.tank_id] = nominal.tank.kwh(tank_degc)
        return states

    def _stored(self) -> Stored:
        truth, battery, car = self._truth, self._battery, self._car
        heat = float(truth.heat_kwh_per_k @ self._z[: truth.heat_kwh_per_k.size]) + self._tank.state.stored_kwh
        cells = battery.kwh / truth.charge_efficiency
        driven = (car.kwh - car.lacked_kwh) / truth.car_efficiency
        return Stored(kwh=heat + cells + driven, discharged_kwh=battery.through_kwh / 2)

    def _go_on(self, day: Day, first: int, after: int, set_points: HouseCommands) -> None:
        # Before anything moves: a price may lack.
        prices = self._market.minutes(int(self._now_utc.timestamp()) // DAY_S, first, after)
        air, relays = self._rooms_go_on(day, first, after, set_points)
        cellar, draws, away, trips = (
            each[first:after].tolist() for each in (day.cellar_degc, day.draw_kw, day.is_away, day.trip_kwh)
        )
        battery = self._battery.run(cellar, setpoint_kw=set_points.battery_kw, step_h=MINUTE_H)
        car = self._car.run(away, trips, setpoint_kw=set_points.car_kw, step_h=MINUTE_H)
        tank = self._tank.run(draws, relays=set_points.relays, step_h=MINUTE_H)
        pv = np.minimum(day.pv_kw[first:after], set_points.pv_limit_kw)
        load = day.load_kw[first:after]
        net = load + relays @ self._truth.heaters_kw + battery + car + tank - pv
        for name, other in self._others().items():
            drawn_kw, paid = other.run(set_points.others[name], first, after)
            net = net + drawn_kw
            self._account.sums["cost"] += paid
            self._meter(name, float(drawn_kw.sum()))
        names = self._nominal
        for name, kw in zip(names.rooms, (self._truth.heaters_kw * relays.sum(axis=0)).tolist(), strict=True):
            self._meter(name, kw)
        for name, series in (
            (names.battery_id, battery),
            (names.charger_id, car),
            (names.tank_id, tank),
            (names.pv_id, -pv),
            ("load", load),
            ("import", np.maximum(net, 0.0)),
            ("export", np.maximum(-net, 0.0)),
        ):
            self._meter(name, float(series.sum()))
        self._elapsed_h += (after - first) * MINUTE_H
        self._account.add((net, pv), prices)
        hour = day.hour[first:after]
        self._account.feel(air, self._low[hour], self._high[hour], day.persons[first:after] > 0)

    def _meter(self, name: str, kw_minutes: float) -> None:
        self._kwh[name] = self._kwh.get(name, 0.0) + kw_minutes * MINUTE_H

    def _rooms_go_on(self, day: Day, first: int, after: int, set_points: HouseCommands) -> tuple[Series, Series]:
        """Temperatures of the heated rooms and their relays (0 or 1), one row a minute."""
        z, heated, rooms = self._z, self._heated, self._truth.rooms
        nodes, here, every = z[: 2 * rooms], z[:heated], z[:rooms]
        relays, windows = z[2 * rooms : 2 * rooms + heated], z[2 * rooms + heated :]
        on_at, off_at = self._thresholds(set_points)
        is_on, outdoor = relays.astype(bool), day.outdoor_degc.tolist()
        lived = np.empty((after - first, z.size))
        before, tilted = is_on, self._tilted
        for k, at in enumerate(range(first, after)):
            # Every quarter of an hour whoever is at home feels whether it is too warm.
            if at % 15 == 0:
                is_warm = every > day.too_warm_degc[at]
                tilted = is_warm * self._truth.aired_kw_per_k * _TILTED if is_warm.any() else None
            is_on = (is_on & (here < off_at)) | (here < on_at)
            relays[:] = is_on
            if tilted is not None or day.is_aired[at]:
                kw_per_k = day.aired[at] if tilted is None else day.aired[at] + tilted
                np.multiply(kw_per_k, outdoor[at] - every, out=windows)
            else:
                windows[:] = 0.0
            lived[k] = z
            nodes[:] = self._kept @ z + day.push[at]
        self._tilted = tilted
        switchings = np.diff(lived[:, 2 * rooms : 2 * rooms + heated], axis=0, prepend=before[None, :])
        self._account.switched(int(np.abs(switchings).sum()))
        return lived[:, :heated], lived[:, 2 * rooms : 2 * rooms + heated]

    def _thresholds(self, set_points: HouseCommands) -> tuple[Series, Series]:
        """Below the first a heater goes on, and stays on until the second: of its thermostat, of its guards if told."""
        usual = self._low.max(axis=0) + _ABOVE_K
        own = np.where(np.isnan(set_points.degc), usual, np.clip(set_points.degc, _FROST_DEGC, _HOT_DEGC))
        guards = np.where(set_points.is_on, _HOT_DEGC, _FROST_DEGC)
        on_at = np.where(set_points.is_set, guards, own)
        return on_at, np.minimum(np.where(set_points.is_set, guards, own + _SWING_K), _HOT_DEGC)


def _stores(nominal: Nominal, truth: Truth) -> tuple[BatteryCells, ParkedCar, WaterTank]:
    """By their true figures, half full."""
    losses = truth.charge_efficiency, truth.discharge_efficiency
    car = nominal.car.model_copy(update={"efficiency": truth.car_efficiency})
    heat = {"capacity_kwh": nominal.tank.capacity_kwh * truth.tank_kwh_share}
    tank = nominal.tank.model_copy(update=heat | {"loss_kw": nominal.tank.loss_kw * truth.tank_loss_share})
    # A curve is nominal too: the true losses stand for it.
    cells = nominal.battery.model_copy(update={"efficiency_curve": None})
    return (
        BatteryCells(cells, truth.battery_kwh, *losses, kwh=0.5 * truth.battery_kwh),
        ParkedCar(car, kwh=0.6 * car.capacity_kwh, wanted_kwh=nominal.target_soc * car.capacity_kwh),
        WaterTank(tank, TankState(stored_kwh=0.5 * tank.capacity_kwh)),
    )


def closed_house(
    site: Site,
    *,
    start_utc: datetime,
    seed: int,
    prices: pl.DataFrame | None = None,
    faults: Faults | None = None,
) -> ClosedSite:
    """The house of a seed at an instant (UTC, on a quarter hour). Raises BadInput for a site that lacks a device.

    prices: interval_start_utc, import_price_per_kwh, export_price_per_kwh for every quarter hour lived and foretold;
    without, those of the site's simulated market. faults: thermometers that are stuck or silent, by asset id.
    """
    service = partial(ErringService, seed=seed)
    return House(site, start_utc=start_utc, seed=seed, prices=prices, faults=faults, foretold_by=service)


def perfect_foresight_house(
    site: Site, *, start_utc: datetime, seed: int, prices: pl.DataFrame | None = None
) -> ClosedSite:
    """As closed_house of the same seed, minute for minute; one course is foretold, hourly means of the truth."""
    return House(site, start_utc=start_utc, seed=seed, prices=prices, faults=None, foretold_by=KnowingService)
