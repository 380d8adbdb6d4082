"""A site in simulated time on either store; its history is kept, and checked once the test is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.stores.transactions import Store, open_store
from tests.control_faults.checker import check
from tests.control_faults.soak import folder_in_memory
from tests.control_faults.virtual_site import BOUNDS, StoreMaker, VirtualSite
from tests.controls.conftest import broker

__all__ = ["broker"]


@pytest.fixture(scope="module")
def maker() -> Iterator[StoreMaker]:
    with folder_in_memory() as folder:
        yield StoreMaker(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A fresh store on either engine."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        given: str = request.getfixturevalue("postgres_url")
        url = given.replace("postgresql://", "postgresql+psycopg://", 1)
    opened = open_store(url)
    yield opened
    opened.close()


def ended(site: VirtualSite, folder: Path) -> list[str]:
    """Let the site come to rest under one healthy agent, keep its history, and say what the checker finds."""
    for agent in list(site.agents):
        site.kill(agent)
    site.start()
    site.run(40.0, step_s=4.0)
    site.time.true_s += 1000.0
    site.start()
    site.run(40.0, step_s=4.0)
    site.history.write(folder / "history.jsonl")
    return check(site.history, BOUNDS, site.end())


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Iterator[VirtualSite]:
    """A site on SQLite with one agent; nothing may have gone wrong in it."""
    made = VirtualSite(store)
    made.start()
    yield made
    assert ended(made, tmp_path) == []
