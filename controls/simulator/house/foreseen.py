"""The same house for whoever foresees all: its outlook is what will come, beyond what is published too."""

from datetime import datetime

import polars as pl

from controls.simulator.house.house import House, Parts, on_a_quarter
from controls.simulator.house.services import KnowingService
from data_quality.contracts.control.closed_loop import ClosedSite
from data_quality.contracts.site_file.site import Site


def foreseen_house(site: Site, *, start_utc: datetime, seed: int, prices: pl.DataFrame | None = None) -> ClosedSite:
    """As closed_house of the same seed, minute for minute; one course is foretold, hourly means of the truth."""
    parts = Parts(site, seed=seed, prices=prices)
    service = KnowingService(parts.days, parts.market)
    return House(site, parts, start_utc=on_a_quarter(start_utc), service=service, faults=None)
