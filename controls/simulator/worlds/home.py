"""A home with PV, battery, electric heating and a car. The grid meter is what the others leave, to the last digit."""

from math import floor

import numpy as np
from pydantic import Field

from controls.optimiser.devices.components.battery_curves import Cells
from controls.optimiser.devices.device import params_of
from controls.simulator.physics.grid import YearGrid, year_grid
from controls.simulator.physics.noise import Counts, Series, ar1, generator, trailing_mean
from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite, driver_frame, meter_frame, whole_units
from controls.simulator.physics.weather import weather
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset, Site

# Household power by local hour, kW: night, breakfast, day, supper.
_HOUSE_KW = (0.21, 0.20, 0.19, 0.19, 0.20, 0.28, 0.55, 0.70, 0.52, 0.38, 0.36, 0.42,
             0.56, 0.44, 0.36, 0.38, 0.50, 0.78, 1.05, 1.12, 0.98, 0.74, 0.48, 0.30)  # fmt: skip
# Import price against its daily mean by local hour: two peaks, and a noon dip that the sun deepens.
_PRICE_SHAPE = (0.80, 0.74, 0.71, 0.70, 0.74, 0.88, 1.08, 1.26, 1.28, 1.14, 1.00, 0.92,
                0.86, 0.82, 0.84, 0.92, 1.06, 1.26, 1.46, 1.52, 1.36, 1.14, 0.98, 0.86)  # fmt: skip


class HomeTruth(Model):
    """Parameters of the simulated home."""

    performance_ratio: float = Field(default=0.88, gt=0, le=1, description="PV: wires, dirt, inverter")
    pv_per_k: float = Field(default=-0.004, description="Relative PV yield per kelvin of cell temperature")
    heat_loss_kw_per_k: float = Field(default=0.16, gt=0)
    heating_below_degc: float = 16.5
    ev_days: float = Field(default=0.7, ge=0, le=1, description="Share of days on which the car comes home empty")
    ev_mean_kwh: float = Field(default=9.0, gt=0)
    mean_price: float = Field(default=3.4, description="Import price in the site's currency per kWh")


class HomeAssets(Model):
    """The limits that the site file gives its devices."""

    battery: BatteryParams
    pv_peak_kw: float
    ev_max_kw: float
    heating_kw: float


def only(site: Site, kind: str, *, is_served: bool = False) -> Asset:
    """The one asset of a kind. is_served: of those whose template says that they answer on a wire. Raises BadInput."""
    found = [asset for asset in site.assets if asset.kind == kind and (asset.template or not is_served)]
    if len(found) != 1:
        of_kind = f"{len(found)} assets of kind {kind!r}{' with a template' if is_served else ''}"
        raise BadInput(f"site {site.site_id!r} has {of_kind}; the simulated home has one", reason="missing_asset")
    return found[0]


def home_assets(site: Site) -> HomeAssets:
    """Limits from the site's assets: battery, pv, ev_charger, and the sum of the heating relays. Raises BadInput."""

    def param(kind: str, name: str) -> float:
        found = [asset.numbers[name] for asset in site.assets if asset.kind == kind and name in asset.numbers]
        if not found:
            raise BadInput(f"site {site.site_id!r} has no asset of kind {kind!r} with {name!r}", reason="missing_asset")
        return sum(found)

    return HomeAssets(
        battery=params_of(BatteryParams, only(site, "battery"), site.site_id),
        pv_peak_kw=param("pv", "peak_kw"),
        ev_max_kw=param("ev_charger", "max_kw"),
        # Sixteen two-decimal powers: rounding takes the noise of their sum away.
        heating_kw=round(param("heating_relay", "power_kw"), 6),
    )


def pv_power_kw(*, ghi_w_per_m2: Series, outdoor_degc: Series, peak_kw: float, truth: HomeTruth) -> Series:
    """AC power of the array, limited by its inverter; cells run 0.03 K warmer per W/m2."""
    cell_degc = outdoor_degc + 0.03 * ghi_w_per_m2
    # Rated at 25 degrees of the cell (standard test conditions).
    yield_share = truth.performance_ratio * (1.0 + truth.pv_per_k * (cell_degc - 25.0))
    return np.clip(peak_kw * ghi_w_per_m2 / 1000.0 * yield_share, 0.0, peak_kw)


def heating_power_kw(grid: YearGrid, *, outdoor_degc: Series, limit_kw: float, truth: HomeTruth) -> Series:
    """Electric heat that holds the rooms: the loss of the last hours, less at night, at most all relays together."""
    # Six hours of mass.
    inertia_degc = trailing_mean(outdoor_degc, 24)
    # A little above 1 by day: the rooms are brought back up after the night.
    setback = np.where((grid.local_hour >= 22.0) | (grid.local_hour < 5.0), 0.8, 1.06)
    return np.clip(truth.heat_loss_kw_per_k * (truth.heating_below_degc - inertia_degc) * setback, 0.0, limit_kw)


def house_power_kw(grid: YearGrid, *, seed: int) -> Series:
    """Household load without heating and car."""
    rng = generator(seed, grid.year, "house")
    shape = np.interp(grid.local_hour, np.arange(25), [*_HOUSE_KW, _HOUSE_KW[0]])
    at_home = np.where(grid.is_free & (grid.local_hour >= 9.0) & (grid.local_hour < 17.0), 1.35, 1.0)
    day = (1.0 + rng.normal(0.0, 0.10, grid.days))[grid.day]
    return np.maximum(shape * at_home * day * (1.0 + ar1(rng, count=grid.count, rho=0.7, sigma=0.22)), 0.08)


def ev_power_kw(grid: YearGrid, *, max_kw: float, truth: HomeTruth, seed: int) -> Series:
    """The car: plugged in when it comes home, charged at full power until full."""
    rng = generator(seed, grid.year, "car")
    comes, hour = rng.random(grid.days), rng.normal(18.0, 1.2, grid.days)
    need_kwh = np.clip(rng.normal(truth.ev_mean_kwh, 3.0, grid.days), 2.0, 25.0)
    first_of_day = np.searchsorted(grid.day, np.arange(grid.days))
    power_kw = np.zeros(grid.count)
    for day in np.flatnonzero(comes < truth.ev_days).tolist():
        # An hour off on the two days of a clock change, which a car's arrival does not show.
        at, left_kwh = int(first_of_day[day] + round(4 * hour[day])), float(need_kwh[day])
        while left_kwh > 0 and at < grid.count:
            # The last quarter hour is charged in part.
            power_kw[at] = min(max_kw, 4 * left_kwh)
            left_kwh -= 0.25 * max_kw
            at += 1
    return power_kw


def import_price(grid: YearGrid, *, ghi_w_per_m2: Series, truth: HomeTruth, seed: int) -> Series:
    """Hourly day-ahead import price: two peaks a day, cheap and now and then negative on sunny free days."""
    rng = generator(seed, grid.year, "price")
    level = (1.0 + ar1(rng, count=grid.days, rho=0.75, sigma=0.22))[grid.day]
    # The level stays above zero: only the sun can make a price negative.
    level = np.maximum(level, 0.35) * np.where(grid.is_free, 0.82, 1.0)
    # Day-ahead prices are hourly: one draw for its four quarters.
    hour = np.arange(grid.count) // 4
    sun = (np.bincount(hour, ghi_w_per_m2) / 4.0)[hour] / 1000.0
    shape = np.asarray(_PRICE_SHAPE)[grid.local_hour.astype(np.int64)]
    jitter = rng.normal(0.0, 0.05, grid.count // 4)[hour]
    relative: Series = level * shape + jitter - np.where(grid.is_free, 1.15, 0.75) * sun
    return np.round(truth.mean_price * relative, 4)


def battery_history(
    *, surplus_units: Counts, battery: BatteryParams, start_soc: float = 0.5
) -> tuple[Counts, Counts, Counts]:
    """Charge, discharge and stored energy (after each step) when the battery only ever serves the home itself.

    surplus_units: PV less loads. All in whole ten-thousandths of a kWh; losses round against the battery.
    """
    # Whole numbers throughout: with floats the grid meter would miss its balance in the last digit.
    most_in, most_out = (int(0.25 * kw * UNITS_PER_KWH) for kw in (battery.max_charge_kw, battery.max_discharge_kw))
    full, unit_kw = battery.capacity_kwh * UNITS_PER_KWH, 0.25 * UNITS_PER_KWH
    # Points of a curve are shares of the rating, which is in units of a quarter hour here, as the flows are.
    ratings = {name: unit_kw * getattr(battery, name) for name in ("max_charge_kw", "max_discharge_kw")}
    cells, stored = Cells.of(battery.model_copy(update=ratings), full), int(full * start_soc)
    flows, levels = [], []
    for surplus in surplus_units.tolist():
        wanted = min(max(surplus, -most_out), most_in)
        power, added = cells.step(stored, wanted, 1.0)
        flow = int(power)
        stored += floor(added if flow == wanted else cells.step(stored, flow, 1.0)[1])
        flows.append(flow)
        levels.append(stored)
    flow_units = np.asarray(flows, np.int64)
    return np.maximum(flow_units, 0), np.maximum(-flow_units, 0), np.asarray(levels, np.int64)


def generate_home_year(site: Site, year: int, *, seed: int, truth: HomeTruth | None = None) -> SimulatedSite:
    """A local calendar year of the home. import - export = house + heating + ev + charge - discharge - pv, exactly."""
    truth = truth or HomeTruth()
    assets = home_assets(site)
    grid = year_grid(site, year)
    sky = weather(grid, latitude_deg=site.latitude_deg or 0.0, longitude_deg=site.longitude_deg or 0.0, seed=seed)
    house = whole_units(0.25 * house_power_kw(grid, seed=seed))
    heating_kw = heating_power_kw(grid, outdoor_degc=sky.outdoor_degc, limit_kw=assets.heating_kw, truth=truth)
    heating = whole_units(0.25 * heating_kw)
    ev = whole_units(0.25 * ev_power_kw(grid, max_kw=assets.ev_max_kw, truth=truth, seed=seed))
    pv_kw = pv_power_kw(
        ghi_w_per_m2=sky.ghi_w_per_m2, outdoor_degc=sky.outdoor_degc, peak_kw=assets.pv_peak_kw, truth=truth
    )
    pv = whole_units(0.25 * pv_kw)
    charge, discharge, _ = battery_history(surplus_units=pv - house - heating - ev, battery=assets.battery)
    net = house + heating + ev + charge - discharge - pv
    streams: dict[tuple[str, str], Counts] = {
        ("grid", "import"): np.maximum(net, 0),
        ("grid", "export"): np.maximum(-net, 0),
        ("house", "import"): house,
        ("heating", "import"): heating,
        ("ev", "import"): ev,
        ("pv", "value"): pv,
        ("battery", "charge"): charge,
        ("battery", "discharge"): discharge,
    }
    price = import_price(grid, ghi_w_per_m2=sky.ghi_w_per_m2, truth=truth, seed=seed)
    return SimulatedSite(
        site_id=site.site_id,
        time_zone=site.time_zone,
        meters=meter_frame(grid.timestamp_utc, streams),
        drivers=driver_frame(grid.timestamp_utc, {"outdoor_degc": sky.outdoor_degc, "ghi_w_per_m2": sky.ghi_w_per_m2}),
        prices=driver_frame(grid.timestamp_utc, {"day_ahead_price": price}),
    )
