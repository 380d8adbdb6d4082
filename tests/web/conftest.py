"""One served project for the tests of a file, and a new one for those that change it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.served import Served, make_served
from tests.web.why_world import acted, plant_folder, seen

__all__ = ["acted", "plant_folder", "seen"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that leave it as it is."""
    served = make_served(tmp_path_factory.mktemp("served"))
    yield served
    served.project.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """For tests that change it."""
    found = make_served(tmp_path)
    yield found
    found.project.close()
