"""The world in a folder that was filled before."""

from pathlib import Path

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import open_store
from data_quality.contracts.time import FixedClock, SystemClock
from tests.reports import plant
from tests.reports.conftest import World


def world_of(folder: Path) -> World:
    """Opens it as it is."""
    site, store = plant.plant_site(), open_store(f"sqlite:///{folder / 'store.db'}")
    lake, baselines, reports = Lake(folder / "lake", store), BaselineStore(store), ReportStore(store)
    clock = FixedClock(SystemClock().now_utc())
    versions = {each.baseline.seu_id: each for each in baselines.versions("plant")}
    as_of = reports.store.known_at(clock)
    return World(site, lake, baselines, reports, clock, versions=versions, as_of_utc=as_of)
