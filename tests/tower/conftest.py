"""The tower's files of two months, and a lake that has read them all, made once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assets.readings.ingest.ingest_file import IngestReport, ingest_file
from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import open_store
from controls.simulator.worlds.tower_files import Delivery, deliver_tower, write_delivery
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock

DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
START, END = date(2025, 11, 1), date(2026, 1, 1)
NOW_UTC = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Read:
    """A lake that has read a delivery in the order of its arrival, and what was said of each file."""

    site: Site
    lake: Lake
    quarantine: QuarantineStore
    landing: Path
    reports: dict[str, IngestReport] = field(default_factory=dict)

    def ingest(self, name: str) -> IngestReport:
        """Read one landing file, once more or for the first time."""
        return ingest_file(
            self.landing / name,
            site=self.site,
            lake=self.lake,
            quarantine=self.quarantine,
            clock=FixedClock(NOW_UTC),
        )


@pytest.fixture(scope="session")
def tower_site() -> Site:
    return load_site(DEMO / "tower.yaml")


@pytest.fixture(scope="session")
def delivery(tower_site: Site) -> Delivery:
    """November and December 2025: the quick demo's months."""
    return deliver_tower(tower_site, start=START, end=END)


@pytest.fixture(scope="session")
def read(tower_site: Site, delivery: Delivery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    folder = tmp_path_factory.mktemp("tower")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    lake, quarantine = Lake(folder / "lake", store), QuarantineStore(folder / "quarantine", store)
    found = Read(tower_site, lake, quarantine, folder / "landing")
    for path in write_delivery(found.landing, delivery.files):
        found.reports[path.name] = found.ingest(path.name)
    yield found
    store.close()
