"""The site under test, and the check that its ledger's chain holds afterwards."""

from collections.abc import Iterator

import pytest

from assets.stores.transactions import Store
from controls.ledger.chain import verify_chain
from tests.controls.agent.plant import World


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """A new site with its devices and one agent."""
    made = World(store)
    yield made
    assert verify_chain(store, "home") == []
