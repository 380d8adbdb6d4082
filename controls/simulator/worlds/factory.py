"""A plant of seven machines whose true coefficients are known: shifts, a quiet weekend, weather, and noise.

Each machine's energy is a sum of its drivers' shares, so that a daily regression can find the coefficients again.
No machine's own temperature enters: it would be caused by the load that it is meant to explain.
"""

import numpy as np
from pydantic import Field

from controls.simulator.physics.grid import YearGrid, year_grid
from controls.simulator.physics.noise import Counts, Series, ar1, generator
from controls.simulator.physics.simulated import SimulatedSite, driver_frame, meter_frame, whole_units
from controls.simulator.physics.weather import weather
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site

# Relative output of the shifts that begin at 06:00, 14:00 and 22:00.
SHIFTS = ((6.0, 1.00), (14.0, 0.97), (22.0, 0.90))


class MachineTruth(Model):
    """Power use of one machine: kW unless said otherwise. The day's mean temperature drives heating and cooling,
    because the building's mass answers to the day and not to the quarter hour.
    """

    base_kw: float = Field(ge=0)
    running_kw: float = Field(default=0.0, ge=0, description="While the line runs")
    kwh_per_count: float = Field(default=0.0, ge=0)
    intake_kw_per_k: float = Field(default=0.0, ge=0, description="Per degree of outdoor temperature")
    heating_kw_per_k: float = Field(default=0.0, ge=0)
    heating_below_degc: float = 16.0
    cooling_kw_per_k: float = Field(default=0.0, ge=0)
    cooling_above_degc: float = 20.0


class FactoryTruth(Model):
    """Everything that the simulated plant is made of."""

    machines: dict[str, MachineTruth] = {
        "compressor_1": MachineTruth(base_kw=14.0, kwh_per_count=0.024, intake_kw_per_k=0.15),
        "compressor_2": MachineTruth(base_kw=9.0, kwh_per_count=0.016, intake_kw_per_k=0.10),
        "hvac_main": MachineTruth(base_kw=9.0, heating_kw_per_k=1.6, cooling_kw_per_k=1.9),
        "hvac_hall": MachineTruth(base_kw=6.0, heating_kw_per_k=1.0, cooling_kw_per_k=1.2),
        "conveyor": MachineTruth(base_kw=0.5, running_kw=4.0, kwh_per_count=0.008),
        "hydraulic_pump": MachineTruth(base_kw=1.0, running_kw=9.0, kwh_per_count=0.012),
        "injection_moulding": MachineTruth(base_kw=2.0, running_kw=18.0, kwh_per_count=0.045),
    }
    count_per_hour: float = Field(default=1250.0, gt=0)
    weekend_factor: float = Field(default=0.3, gt=0, le=1, description="Output of free days against working days")
    weekend_running: float = Field(default=0.7, gt=0, le=1, description="Running time of free days")
    holiday_days: int = Field(
        default=6, ge=0, description="First days of January without orders, two years after the baseline on"
    )
    baseline_year: int = Field(default=2024, description="Later years carry the improvement")
    improvement_low: float = 0.96
    improvement_high: float = 0.98
    rest_kw: float = Field(default=6.0, ge=0, description="Not sub-metered: light, offices")
    rest_day_kw: float = Field(default=4.0, ge=0, description="More of it, 06:00 to 18:00 on working days")
    day_noise: float = Field(default=0.03, ge=0, description="Standard deviation, share of a day's energy")
    quarter_noise: float = Field(default=0.03, ge=0, description="The same for a quarter hour")


def truth_of(site: Site) -> FactoryTruth:
    """The plant whose improvement follows the first baseline of the site file, which is dated anew with it."""
    years = [seu.baseline.start.year for seu in site.seus if seu.baseline is not None]
    return FactoryTruth(baseline_year=years[0]) if years else FactoryTruth()


def improvement_factors(truth: FactoryTruth, *, year: int, seed: int) -> dict[str, Series]:
    """Energy factor of each machine in each month (12 values): 1 up to the baseline year, drawn after it."""
    if year <= truth.baseline_year:
        return {machine: np.ones(12) for machine in truth.machines}
    return {
        machine: generator(seed, year, "improvement", machine).uniform(
            truth.improvement_low, truth.improvement_high, 12
        )
        for machine in truth.machines
    }


def production(grid: YearGrid, truth: FactoryTruth, *, seed: int) -> tuple[Counts, Series]:
    """Parts (whole) and running hours of the line per quarter hour."""
    rng = generator(seed, grid.year, "production")
    # Orders come in runs: busy days follow busy days, within a fifth of the usual pace.
    pace = np.clip(1.0 + ar1(rng, count=grid.days, rho=0.5, sigma=0.07), 0.82, 1.18)[grid.day]
    # Mostly a few percent of the day, now and then much more: breakdowns are skewed.
    stopped = np.clip(rng.beta(1.6, 18.0, grid.days), 0.0, 0.35)[grid.day]
    running = np.clip(1.0 - stopped + rng.normal(0.0, 0.04, grid.count), 0.0, 1.0)
    running *= np.where(grid.is_free, truth.weekend_running, 1.0)
    if grid.year >= truth.baseline_year + 2:
        # Then compressors show what leaks take. Some parts are tried: a count of zeros looks like a dead meter.
        running[grid.day < truth.holiday_days] *= 0.03
    # Less of it stands still already: running time and pace together make the weekend's output.
    slower = np.where(grid.is_free, truth.weekend_factor / truth.weekend_running, 1.0)
    begins, output = np.array(SHIFTS).T
    # Before the first of the day the night's still runs.
    shift = output[np.searchsorted(begins, grid.local_hour, side="right") - 1]
    count_per_hour = truth.count_per_hour * pace * shift * slower
    return np.rint(count_per_hour * running * 0.25).astype(np.int64), np.round(0.25 * running, 4)


def generate_factory_year(site: Site, year: int, *, seed: int, truth: FactoryTruth | None = None) -> SimulatedSite:
    """A local calendar year of the plant: eight meters, three drivers. The same seed and year, the same rows."""
    truth = truth or truth_of(site)
    grid = year_grid(site, year)
    sky = weather(grid, latitude_deg=site.latitude_deg or 0.0, longitude_deg=site.longitude_deg or 0.0, seed=seed)
    count, running_h = production(grid, truth, seed=seed)
    # Drawn apart from the noise: a year without improvement then has the same noise as one with it.
    factors = improvement_factors(truth, year=year, seed=seed)
    streams: dict[tuple[str, str], Counts] = {}
    for machine, true in truth.machines.items():
        power_kw = clean_power_kw(grid, true, count=count, running_h=running_h, outdoor_degc=sky.outdoor_degc)
        rng = generator(seed, year, "machine", machine)
        noise = 1.0 + ar1(rng, count=grid.days, rho=0.3, sigma=truth.day_noise)[grid.day]
        noise *= 1.0 + ar1(rng, count=grid.count, rho=0.6, sigma=truth.quarter_noise)
        streams[machine, "import"] = whole_units(0.25 * power_kw * noise * factors[machine][grid.month - 1])
    rest_kw = truth.rest_kw + truth.rest_day_kw * (
        (grid.local_hour >= 6.0) & (grid.local_hour < 18.0) & ~grid.is_free
    ).astype(np.float64)
    rest_noise = 1.0 + ar1(generator(seed, year, "rest"), count=grid.count, rho=0.8, sigma=0.08)
    # A sum of whole units, so that the main meter balances to the last digit.
    streams["main", "import"] = sum(streams.values(), start=whole_units(0.25 * rest_kw * rest_noise))
    return SimulatedSite(
        site_id=site.site_id,
        time_zone=site.time_zone,
        meters=meter_frame(grid.timestamp_utc, streams),
        drivers=driver_frame(
            grid.timestamp_utc,
            {"production_count": count, "operating_hours": running_h, "outdoor_degc": sky.outdoor_degc},
        ),
    )


def clean_power_kw(
    grid: YearGrid, true: MachineTruth, *, count: Counts, running_h: Series, outdoor_degc: Series
) -> Series:
    """Mean power of each quarter hour before noise: the sum of the truth's terms."""
    day_degc = grid.daily_mean(outdoor_degc)[grid.day]
    climate_kw = true.heating_kw_per_k * np.maximum(true.heating_below_degc - day_degc, 0.0)
    climate_kw += true.cooling_kw_per_k * np.maximum(day_degc - true.cooling_above_degc, 0.0)
    shape = 1.0 + 0.15 * np.cos(2 * np.pi * (grid.local_hour - 13.0) / 24.0)
    # Scaled to a mean of 1 each day, or the day's energy would differ from its coefficients.
    shape /= grid.daily_mean(shape)[grid.day]
    power_kw: Series = (
        true.base_kw
        + true.running_kw * running_h / 0.25
        + true.kwh_per_count * count / 0.25
        + true.intake_kw_per_k * outdoor_degc
        + climate_kw * shape
    )
    return power_kw
