"""An office tower with seven tenants, PV, gas, district steam and water.

The supply is what the parts leave, to the last digit.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from pydantic import Field

from controls.simulator.physics.grid import YearGrid, year_grid
from controls.simulator.physics.noise import Counts, Series, ar1, generator, trailing_mean
from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite, driver_frame, meter_frame, whole_units
from controls.simulator.physics.weather import Weather, weather
from controls.simulator.worlds.home import HomeTruth, pv_power_kw
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site


class TenantTruth(Model):
    """One tenant's floors: people by the clock, power by area and people."""

    area_m2: float = Field(gt=0)
    people: int = Field(ge=0, description="Who come on a full working day")
    base_w_per_m2: float = Field(ge=0, description="At all hours")
    desk_w_per_m2: float = Field(ge=0, description="With everybody there, without light")
    opens: float = Field(ge=0, lt=24, description="Local hour at which half are there")
    closes: float = Field(gt=0, le=24)
    free_day: float = Field(ge=0, le=1, description="People on weekends and holidays, share of a full working day")


class TowerTruth(Model):
    """The building. Powers in kW, thermal ones too; temperatures in degrees Celsius."""

    tenants: dict[str, TenantTruth] = {
        "lobby_retail": TenantTruth(
            area_m2=1100, people=60, base_w_per_m2=9, desk_w_per_m2=21, opens=8, closes=21, free_day=0.8
        ),
        "floors_02_04": TenantTruth(
            area_m2=3500, people=260, base_w_per_m2=2.8, desk_w_per_m2=10, opens=8.3, closes=17.8, free_day=0.02
        ),
        "floors_05_08": TenantTruth(
            area_m2=4700, people=360, base_w_per_m2=6.5, desk_w_per_m2=18, opens=7.2, closes=17.6, free_day=0.04
        ),
        "floors_09_12": TenantTruth(
            area_m2=4700, people=330, base_w_per_m2=2.4, desk_w_per_m2=9, opens=8.8, closes=20.2, free_day=0.15
        ),
        "floors_13_15": TenantTruth(
            area_m2=3500, people=310, base_w_per_m2=2.6, desk_w_per_m2=11, opens=8.9, closes=20.5, free_day=0.3
        ),
        "floors_16_18": TenantTruth(
            area_m2=3500, people=210, base_w_per_m2=4.2, desk_w_per_m2=14, opens=9.3, closes=19.0, free_day=0.08
        ),
        "floors_19_20": TenantTruth(
            area_m2=2300, people=120, base_w_per_m2=3.1, desk_w_per_m2=12, opens=8.0, closes=18.5, free_day=0.03
        ),
    }
    light_w_per_m2: float = Field(default=3.2, ge=0, description="With everybody there, at night")
    # Monday to Sunday: office attendance on working days; free days have their own share.
    weekday_share: tuple[float, float, float, float, float, float, float] = (0.84, 0.97, 1.0, 0.95, 0.68, 1.0, 1.0)

    mean_degc: float = 12.8
    season_k: float = 12.0

    balance_cooling_degc: float = 16.5
    balance_heating_degc: float = 14.0
    cooling_kw_per_k: float = Field(default=44.0, ge=0, description="Envelope and outdoor air, plant running")
    heating_kw_per_k: float = Field(default=36.0, ge=0)
    night_share: float = Field(default=0.45, ge=0, le=1, description="Of heating and cooling, plant in setback")
    gains_cooled: float = Field(default=0.62, ge=0, le=1, description="Tenants' power that the chiller takes away")
    gains_heating: float = Field(default=0.30, ge=0, le=1, description="Tenants' power that heats the floors")
    solar_cooling_kw: float = Field(default=170.0, ge=0, description="Through glass at 1,000 W/m2")
    chiller_cop: float = Field(default=6.2, gt=0, description="At 15 degrees outdoors")
    chiller_cop_per_k: float = -0.085
    steam_share: float = Field(default=0.58, ge=0, le=1, description="Of the heating: upper floors")
    steam_losses_kw: float = Field(default=5.0, ge=0)
    boiler_efficiency: float = Field(default=0.89, gt=0, le=1, description="On the upper calorific value")
    hot_water_kw: float = Field(default=4.0, ge=0, description="Circulation, at all hours")
    hot_water_kw_per_person: float = Field(default=0.018, ge=0)
    calorific_kwh_per_m3: float = Field(default=10.66, gt=0, description="Upper, at reference conditions")

    fans_low_kw: float = Field(default=46.0, ge=0)
    fans_high_kw: float = Field(default=58.0, ge=0)
    pumps_kw: float = Field(default=7.0, ge=0)
    pumps_kw_per_kw: float = Field(default=0.018, ge=0, description="Per kW of cooling")
    server_kw: float = Field(default=62.0, ge=0)
    server_growth: float = Field(default=0.04, description="Per year after 2024")
    landlord_kw: float = Field(default=17.0, ge=0)
    landlord_day_kw: float = Field(default=15.0, ge=0)
    facade_light_kw: float = Field(default=16.0, ge=0, description="From dusk to one hour after midnight")
    pv_peak_kw: float = Field(default=450.0, ge=0)
    pv_performance_ratio: float = Field(default=0.83, gt=0, le=1)
    rest_kw: float = Field(default=6.0, ge=0, description="Not sub-metered: meters, alarms, cleaners")
    rest_day_kw: float = Field(default=5.0, ge=0)
    transformer_kw: float = Field(default=1.4, ge=0, description="Losses without load")
    loss_share: float = Field(default=0.011, ge=0, description="Losses of cables and transformer, share of the load")

    water_m3_per_person_h: float = Field(default=0.0052, ge=0)
    water_m3_per_kwh: float = Field(default=0.0021, ge=0, description="Cooling tower, per kWh of chilled water")
    water_leak_m3_per_h: float = Field(default=0.03, ge=0)


# The gas meter's display: hundredths of a cubic metre.
GAS_STEPS_PER_M3 = 100

Streams = dict[tuple[str, str], Counts]
# The building's mass answers to the last six hours.
_INERTIA_SLOTS = 24
# Minutes over which people come and go around opening and closing, as the width of a logistic step in hours.
_COMING_H, _GOING_H = 0.35, 0.55


@dataclass(frozen=True)
class Plant:
    """Mean power of each quarter hour, kW. cooling and heating are thermal: what the floors are given."""

    cooling_kw: Series
    heating_kw: Series
    chiller_kw: Series
    ahu_low_kw: Series
    ahu_high_kw: Series
    pumps_kw: Series
    steam_kw: Series
    boiler_gas_kw: Series


def people_present(grid: YearGrid, truth: TowerTruth, *, seed: int) -> dict[str, Series]:
    """Whole people of each tenant in each quarter hour: by the clock, the day of the week, and the day's chance."""
    first = date(grid.year, 1, 1).weekday()
    weekday = (first + grid.day) % 7
    # The middle of the quarter hour: a reading is a mean, not a moment at its start.
    hour = grid.local_hour + 0.125
    # One in seven is out of the house shortly before one.
    lunch = 1.0 - 0.14 * np.exp(-(((hour - 12.8) / 0.6) ** 2))
    found = {}
    for name, tenant in truth.tenants.items():
        rng = generator(seed, grid.year, "people", name)
        chance = np.clip(1.0 + ar1(rng, count=grid.days, rho=0.3, sigma=0.07), 0.6, 1.25)[grid.day]
        day = np.where(grid.is_free, tenant.free_day, np.asarray(truth.weekday_share)[weekday])
        come = 1.0 / (1.0 + np.exp(-(hour - tenant.opens) / _COMING_H))
        stay = 1.0 / (1.0 + np.exp((hour - tenant.closes) / _GOING_H))
        found[name] = np.rint(tenant.people * come * stay * lunch * day * chance)
    return found


def tenant_power_kw(
    grid: YearGrid, truth: TowerTruth, name: str, *, people: Series, ghi_w_per_m2: Series, seed: int
) -> Series:
    """A tenant's floors: base, desks and light; daylight saves up to half of the light."""
    tenant = truth.tenants[name]
    rng = generator(seed, grid.year, "tenant", name)
    share = people / max(tenant.people, 1)
    # Lamps go by zones: with five of eight people there all of them are on.
    light = truth.light_w_per_m2 * np.minimum(share * 1.6, 1.0) * (1.0 - 0.5 * np.minimum(ghi_w_per_m2 / 450.0, 1.0))
    watts = tenant.base_w_per_m2 + tenant.desk_w_per_m2 * share + light
    noise = 1.0 + ar1(rng, count=grid.days, rho=0.4, sigma=0.02)[grid.day]
    return tenant.area_m2 / 1000.0 * watts * noise * (1.0 + ar1(rng, count=grid.count, rho=0.6, sigma=0.03))


def plant(
    grid: YearGrid, truth: TowerTruth, sky: Weather, *, tenants_kw: Series, server_kw: Series, seed: int
) -> Plant:
    """Heating, cooling and air: driven by outdoor temperature, sun, and the power that ends as heat indoors."""
    rng = generator(seed, grid.year, "plant")
    felt_degc = trailing_mean(sky.outdoor_degc, _INERTIA_SLOTS)
    # 1 while the plant runs for people, 0 in setback; on free days for the shop and the few only.
    # Two hours before most people come: the floors are to be warm by then.
    is_day = (grid.local_hour >= 6.0) & (grid.local_hour < 20.0)
    running = np.where(is_day, np.where(grid.is_free, 0.3, 1.0), 0.0)
    share = truth.night_share + (1.0 - truth.night_share) * running
    warm_k = np.maximum(felt_degc - truth.balance_cooling_degc, 0.0)
    cold_k = np.maximum(truth.balance_heating_degc - felt_degc, 0.0)
    # Below the balance point outdoor air takes the gains away for nothing.
    needs_chiller = np.clip((felt_degc - truth.balance_cooling_degc + 4.0) / 6.0, 0.0, 1.0)
    gains_kw = truth.gains_cooled * tenants_kw + truth.solar_cooling_kw * sky.ghi_w_per_m2 / 1000.0
    noise = 1.0 + ar1(rng, count=grid.count, rho=0.9, sigma=0.03)
    air_kw = (truth.cooling_kw_per_k * warm_k + gains_kw * needs_chiller) * share * noise
    # A server room is cooled at all hours, and nearly all that it draws ends as heat.
    cooling_kw = np.maximum(air_kw, 0.0) + 0.92 * server_kw
    # The warmer it is outside, the harder the chiller rejects its heat; makers' curves end at 3 and 7.
    cop = np.clip(truth.chiller_cop + truth.chiller_cop_per_k * (sky.outdoor_degc - 15.0), 3.0, 7.0)
    heating_noise = 1.0 + ar1(rng, count=grid.count, rho=0.9, sigma=0.04)
    heating_kw = np.maximum(truth.heating_kw_per_k * cold_k - truth.gains_heating * tenants_kw, 0.0)
    heating_kw = heating_kw * share * heating_noise
    # Fresh air takes half of the fans' power whatever the load.
    effort = 0.55 + 0.45 * np.minimum((cooling_kw + heating_kw) / 1100.0, 1.0)
    # Garage and toilets are aired at night too.
    fans = np.maximum(running, 0.08) * effort * (1.0 + ar1(rng, count=grid.count, rho=0.7, sigma=0.02))
    return Plant(
        cooling_kw=cooling_kw,
        heating_kw=heating_kw,
        chiller_kw=cooling_kw / cop,
        ahu_low_kw=truth.fans_low_kw * fans,
        ahu_high_kw=truth.fans_high_kw * fans * (1.0 + ar1(rng, count=grid.count, rho=0.7, sigma=0.02)),
        pumps_kw=truth.pumps_kw + truth.pumps_kw_per_kw * (cooling_kw + heating_kw),
        steam_kw=truth.steam_losses_kw + truth.steam_share * heating_kw,
        boiler_gas_kw=(1.0 - truth.steam_share) * heating_kw / truth.boiler_efficiency,
    )


def server_power_kw(grid: YearGrid, truth: TowerTruth, *, seed: int) -> Series:
    """Nearly the same at all hours; it grows with the years."""
    rng = generator(seed, grid.year, "server")
    level = truth.server_kw * (1.0 + truth.server_growth * (grid.year - 2024 + np.arange(grid.count) / grid.count))
    return level * (1.0 + ar1(rng, count=grid.count, rho=0.995, sigma=0.03) + rng.normal(0.0, 0.006, grid.count))


def lift_power_kw(grid: YearGrid, *, people: Series, seed: int) -> Series:
    """Standby, whoever comes or goes, and whoever moves about."""
    rng = generator(seed, grid.year, "lifts")
    moving = np.abs(np.diff(people, prepend=people[0]))
    return (3.0 + 0.13 * moving + 0.011 * people) * (1.0 + np.abs(rng.normal(0.0, 0.08, grid.count)))


def landlord_power_kw(grid: YearGrid, truth: TowerTruth, *, ghi_w_per_m2: Series, seed: int) -> Series:
    """Stairs and car park, more by day; the facade is lit from dusk until one."""
    rng = generator(seed, grid.year, "landlord")
    by_day = (grid.local_hour >= 6.0) & (grid.local_hour < 22.0)
    is_lit = (ghi_w_per_m2 < 8.0) & ((grid.local_hour >= 16.0) | (grid.local_hour < 1.0))
    clean_kw = truth.landlord_kw + truth.landlord_day_kw * by_day + truth.facade_light_kw * is_lit
    return clean_kw * (1.0 + ar1(rng, count=grid.count, rho=0.8, sigma=0.02))


def water_m3_per_h(grid: YearGrid, truth: TowerTruth, *, people: Series, cooling_kw: Series, seed: int) -> Series:
    """People, the cooling tower, and a tap that is never quite shut."""
    rng = generator(seed, grid.year, "water")
    by_people = truth.water_m3_per_person_h * people * (1.0 + rng.normal(0.0, 0.10, grid.count))
    return np.maximum(by_people + truth.water_m3_per_kwh * cooling_kw + truth.water_leak_m3_per_h, 0.0)


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
