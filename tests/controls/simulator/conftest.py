"""The demo sites and their simulated years, made once."""

from datetime import date
from pathlib import Path

import pytest

from assets.sites.load_sites import load_site
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.generate import generate_site
from data_quality.contracts.site_file.site import Site

DEMO = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo"


@pytest.fixture(scope="session")
def factory_site() -> Site:
    return load_site(DEMO / "factory.yaml")


@pytest.fixture(scope="session")
def home_site() -> Site:
    return load_site(DEMO / "home.yaml")


@pytest.fixture(scope="session")
def factory(factory_site: Site) -> SimulatedSite:
    """2024 and 2025."""
    return generate_site(factory_site, start=date(2024, 1, 1), end=date(2026, 1, 1))


@pytest.fixture(scope="session")
def home(home_site: Site) -> SimulatedSite:
    """2025."""
    return generate_site(home_site, start=date(2025, 1, 1), end=date(2026, 1, 1))


@pytest.fixture(scope="session")
def tower_site() -> Site:
    return load_site(DEMO / "tower.yaml")


@pytest.fixture(scope="session")
def tower(tower_site: Site) -> SimulatedSite:
    """2025."""
    return generate_site(tower_site, start=date(2025, 1, 1), end=date(2026, 1, 1))
