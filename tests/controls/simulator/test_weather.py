"""The weather has seasons, days, and a memory."""

import numpy as np
import pytest

from controls.simulator.physics.grid import year_grid
from controls.simulator.physics.noise import ar1, generator
from controls.simulator.physics.weather import weather
from data_quality.contracts.site_file.site import Site


def test_winter_is_cold_and_dark_and_noon_is_bright(factory_site: Site) -> None:
    grid = year_grid(factory_site, 2024)
    sky = weather(grid, latitude_deg=48.78, longitude_deg=9.18, seed=1)
    january, july = grid.month == 1, grid.month == 7
    assert sky.outdoor_degc[january].mean() < 5 < 15 < sky.outdoor_degc[july].mean()
    assert sky.ghi_w_per_m2[july].sum() > 3 * sky.ghi_w_per_m2[january].sum()
    assert (sky.ghi_w_per_m2 >= 0).all()
    assert sky.ghi_w_per_m2.max() < 1100
    assert (sky.ghi_w_per_m2[(grid.local_hour >= 23) | (grid.local_hour < 4)] == 0).all()
    assert 900 < sky.ghi_w_per_m2.sum() / 4000 < 1350  # kWh per m2 and year


def test_today_resembles_yesterday(factory_site: Site) -> None:
    grid = year_grid(factory_site, 2024)
    degc = grid.daily_mean(weather(grid, latitude_deg=48.78, longitude_deg=9.18, seed=1).outdoor_degc)
    season = np.convolve(np.pad(degc, 15, mode="edge"), np.full(31, 1 / 31), mode="valid")
    left = degc - season
    assert np.corrcoef(left[1:], left[:-1])[0, 1] > 0.5


def test_noise_has_the_spread_and_memory_it_was_asked_for() -> None:
    found = ar1(generator(1, "x"), count=20_000, rho=0.8, sigma=2.0)
    assert found.std() == pytest.approx(2.0, rel=0.05)
    assert np.corrcoef(found[1:], found[:-1])[0, 1] == pytest.approx(0.8, abs=0.02)


def test_a_name_has_a_series_of_its_own() -> None:
    assert generator(1, "a").random() == generator(1, "a").random()
    assert generator(1, "a").random() != generator(1, "b").random()
    assert generator(1, "a").random() != generator(2, "a").random()
