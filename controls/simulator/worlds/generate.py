"""The door of the simulator: any span of local dates of a demo site, the same rows however it is cut."""

from collections.abc import Callable
from datetime import date, timedelta

from controls.simulator.physics.simulated import SimulatedSite, concatenated
from controls.simulator.worlds.factory import generate_factory_year
from controls.simulator.worlds.home import generate_home_year
from controls.simulator.worlds.tower import generate_tower_year
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

# One seed for all that ships: the figures of documents and tests come from it.
SEED = 20240101
# Sites that can be simulated, by id.
WORLDS: dict[str, Callable[..., SimulatedSite]] = {
    "factory": generate_factory_year,
    "home": generate_home_year,
    "tower": generate_tower_year,
}


def generate_site(site: Site, *, start: date, end: date, seed: int = SEED) -> SimulatedSite:
    """Readings of the local dates [start, end), and day-ahead prices for one day more. Raises BadInput.

    Whole years are drawn and then cut, so a month on its own equals that month of the year.
    """
    if end <= start:
        raise BadInput(f"the simulation ends ({end}) before it starts ({start})", reason="bad_period")
    if site.site_id not in WORLDS:
        known = ", ".join(WORLDS)
        raise BadInput(
            f"site {site.site_id!r} cannot be simulated; the simulator knows {known}", reason="not_simulated"
        )
    prices_end = end + timedelta(days=1)
    last = prices_end if site.price_stream is not None else end
    # The end is exclusive: a span up to 1 January does not need the new year.
    years = range(start.year, (last - timedelta(days=1)).year + 1)
    return concatenated([WORLDS[site.site_id](site, year, seed=seed) for year in years]).between(
        start, end, prices_end=prices_end
    )
