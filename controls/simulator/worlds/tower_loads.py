"""Loads of the simulated tower: people, tenants, plant. Pure: the grid, the weather and named noise in, series out."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from controls.simulator.physics.grid import YearGrid
from controls.simulator.physics.noise import Series, ar1, generator
from controls.simulator.physics.weather import Weather
from controls.simulator.worlds.tower_truth import TowerTruth

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
    felt_degc = _lasting(sky.outdoor_degc)
    running = _running(grid)
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


def _running(grid: YearGrid) -> Series:
    """1 while the plant runs for people, 0 in setback; on free days for the shop and the few only."""
    # Two hours before most people come: the floors are to be warm by then.
    is_day = (grid.local_hour >= 6.0) & (grid.local_hour < 20.0)
    return np.where(is_day, np.where(grid.is_free, 0.3, 1.0), 0.0)


def _lasting(outdoor_degc: Series) -> Series:
    kernel = np.full(_INERTIA_SLOTS, 1 / _INERTIA_SLOTS)
    return np.convolve(np.pad(outdoor_degc, (_INERTIA_SLOTS - 1, 0), mode="edge"), kernel, mode="valid")
