"""The ingestion bench."""

from pathlib import Path

import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import Store
from data_quality.contracts.time import FixedClock
from tests.readings.rooms import Bench


@pytest.fixture
def bench(tmp_path: Path, lake: Lake, store: Store, clock: FixedClock) -> Bench:
    """An empty lake and quarantine with a landing folder."""
    return Bench(tmp_path, lake, QuarantineStore(tmp_path / "quarantine", store), clock)
