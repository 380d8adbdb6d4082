"""One works for the tests that only read it; copies of its store for those that write."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.transactions import open_store
from data_quality.contracts.time import FixedClock
from ml.tracking import MlflowTracker
from tests.life.world import NOW, Works, make_works


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Works]]:
    """The works and its folder; nobody writes to it."""
    folder = tmp_path_factory.mktemp("works")
    works = make_works(folder)
    yield folder, works
    works.lake.store.close()


@pytest.fixture(scope="session")
def still(made: tuple[Path, Works]) -> Works:
    """The works, to be read only."""
    return made[1]


@pytest.fixture
def works(made: tuple[Path, Works], tmp_path: Path) -> Iterator[Works]:
    """A works with a store of its own over the same lake files."""
    folder, first = made
    store = open_store(f"sqlite:///{copy_store(folder, tmp_path)}")
    lake = Lake(folder / "lake", store)
    clock = FixedClock(NOW + timedelta(hours=1))
    yield Works(first.site, lake, BaselineStore(store), clock, first.versions)
    store.close()


def copy_store(folder: Path, target: Path) -> Path:
    """The store's file with its write-ahead log, copied."""
    for path in folder.glob("store.db*"):
        shutil.copy(path, target / path.name)
    return target / "store.db"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    """A tracker on a SQLite store of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
