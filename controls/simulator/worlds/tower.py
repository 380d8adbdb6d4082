"""An office tower with seven tenants, PV, gas, district steam and water.

The supply is what the parts leave, to the last digit.
"""

import numpy as np

from controls.simulator.physics.grid import YearGrid, year_grid
from controls.simulator.physics.noise import Counts, Series, ar1, generator
from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite, driver_frame, meter_frame, whole_units
from controls.simulator.physics.weather import Weather, weather
from controls.simulator.worlds.home import HomeTruth, pv_power_kw
from controls.simulator.worlds.tower_loads import (
    landlord_power_kw,
    lift_power_kw,
    people_present,
    plant,
    server_power_kw,
    tenant_power_kw,
    water_m3_per_h,
)
from controls.simulator.worlds.tower_truth import TowerTruth
from data_quality.contracts.site_file.site import Site

# The gas meter's display: hundredths of a cubic metre.
GAS_STEPS_PER_M3 = 100

Streams = dict[tuple[str, str], Counts]


def generate_tower_year(site: Site, year: int, *, seed: int, truth: TowerTruth | None = None) -> SimulatedSite:
    """A local calendar year of the tower. The same seed and year, the same rows.

    import - export = tenants + landlord + lifts + server room + hvac + rest + losses - pv, to the last digit;
    hvac = chiller + air handlers + pumps; gas in kWh is its volume times the calorific value.
    """
    truth = truth or TowerTruth()
    grid = year_grid(site, year)
    sky = weather(
        grid,
        latitude_deg=site.latitude_deg or 0.0,
        longitude_deg=site.longitude_deg or 0.0,
        seed=seed,
        mean_degc=truth.mean_degc,
        season_k=truth.season_k,
    )
    by_tenant = people_present(grid, truth, seed=seed)
    people = np.sum(list(by_tenant.values()), axis=0)
    floors: dict[str, Series] = {
        name: tenant_power_kw(grid, truth, name, people=there, ghi_w_per_m2=sky.ghi_w_per_m2, seed=seed)
        for name, there in by_tenant.items()
    }
    server_kw = server_power_kw(grid, truth, seed=seed)
    tenants_kw = np.sum(list(floors.values()), axis=0)
    air = plant(grid, truth, sky, tenants_kw=tenants_kw, server_kw=server_kw, seed=seed)
    top = {name: _quarter(power) for name, power in floors.items()}
    top["landlord"] = _quarter(landlord_power_kw(grid, truth, ghi_w_per_m2=sky.ghi_w_per_m2, seed=seed))
    top["lifts"] = _quarter(lift_power_kw(grid, people=people, seed=seed))
    top["server_room"] = _quarter(server_kw)
    below_hvac = {
        "chiller": _quarter(air.chiller_kw),
        "ahu_low": _quarter(air.ahu_low_kw),
        "ahu_high": _quarter(air.ahu_high_kw),
    }
    top["hvac"] = sum(below_hvac.values(), start=_quarter(air.pumps_kw))
    gas_kw = air.boiler_gas_kw + truth.hot_water_kw + truth.hot_water_kw_per_person * people
    gas_energy, gas_volume = _gas(gas_kw, calorific_kwh_per_m3=truth.calorific_kwh_per_m3)
    streams: Streams = {(name, "import"): units for name, units in (top | below_hvac).items()}
    streams |= _supply(grid, truth, parts=list(top.values()), pv=_quarter(_pv_kw(sky, truth)), seed=seed)
    streams["gas_boiler", "import"] = gas_energy
    streams["steam", "import"] = _quarter(air.steam_kw)
    streams["chilled_water", "import"] = _quarter(air.cooling_kw)
    water = _quarter(water_m3_per_h(grid, truth, people=people, cooling_kw=air.cooling_kw, seed=seed))
    volumes: Streams = {("gas_boiler", "volume"): gas_volume, ("water", "import"): water}
    return SimulatedSite(
        site_id=site.site_id,
        time_zone=site.time_zone,
        meters=meter_frame(grid.timestamp_utc, streams),
        drivers=driver_frame(grid.timestamp_utc, {"outdoor_degc": sky.outdoor_degc, "occupancy": people}),
        volumes=meter_frame(grid.timestamp_utc, volumes, unit="m3"),
    )


def _pv_kw(sky: Weather, truth: TowerTruth) -> Series:
    return pv_power_kw(
        ghi_w_per_m2=sky.ghi_w_per_m2,
        outdoor_degc=sky.outdoor_degc,
        peak_kw=truth.pv_peak_kw,
        # The same array physics; of the home's truth only what PV needs is used.
        truth=HomeTruth(performance_ratio=truth.pv_performance_ratio),
    )


def _gas(power_kw: Series, *, calorific_kwh_per_m3: float) -> tuple[Counts, Counts]:
    """Energy and volume in ten-thousandths of a kWh and a m3; the meter counts in steps, and its energy follows."""
    steps = np.rint(0.25 * power_kw / calorific_kwh_per_m3 * GAS_STEPS_PER_M3).astype(np.int64)
    energy = np.rint(steps * (calorific_kwh_per_m3 * UNITS_PER_KWH / GAS_STEPS_PER_M3)).astype(np.int64)
    # The volume is exact and the energy rounded: a real meter counts volume and somebody multiplies.
    return energy, steps * (UNITS_PER_KWH // GAS_STEPS_PER_M3)


def _supply(grid: YearGrid, truth: TowerTruth, *, parts: list[Counts], pv: Counts, seed: int) -> Streams:
    """Import, export and PV: the sub-meters, an unmetered rest, and the losses of cables and transformer."""
    by_day = (grid.local_hour >= 6.0) & (grid.local_hour < 20.0) & ~grid.is_free
    noise = 1.0 + ar1(generator(seed, grid.year, "rest"), count=grid.count, rho=0.8, sigma=0.06)
    load = sum(parts, start=_quarter((truth.rest_kw + truth.rest_day_kw * by_day) * noise))
    # Iron losses run at all hours, copper losses with the load.
    losses = _quarter(np.full(grid.count, truth.transformer_kw)) + np.rint(truth.loss_share * load).astype(np.int64)
    net = load + losses - pv
    return {("main", "import"): np.maximum(net, 0), ("main", "export"): np.maximum(-net, 0), ("pv", "value"): pv}


def _quarter(power_kw: Series) -> Counts:
    """Ten-thousandths of a kWh (or m3) in each quarter hour of a mean power (or flow per hour)."""
    return whole_units(0.25 * power_kw)
