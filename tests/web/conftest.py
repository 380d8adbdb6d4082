"""One served project for the tests of a file, and a new one for those that change it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from orchestration.operations.answer import DONE
from orchestration.web.people import sign_in
from orchestration.web.work import Job, Outcome, Work
from tests.web.served import Served, make_served
from tests.web.why_world import acted, plant_folder, seen

__all__ = ["acted", "plant_folder", "seen"]


AS_KEPT = sign_in._HASHER


@pytest.fixture(scope="package", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Passwords at the least cost: as they are kept each takes 20 ms of a processor to set and again to sign in."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_in, "_HASHER", quick)
        patch.setattr(sign_in, "_NOBODY", quick.hash("nobody has this password"))
        yield


@pytest.fixture
def passwords_as_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords at the cost that the product gives them."""
    monkeypatch.setattr(sign_in, "_HASHER", AS_KEPT)


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


@pytest.fixture
def jobs_wait(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs run until the test ends, as they do with the command, which takes five seconds of a processor: what an
    upload leaves to be calculated ran on beside the tests after it, and no test looked at it.
    """
    is_over = threading.Event()

    def waiting(_: Work, job: Job) -> Outcome:
        job.is_running = True
        is_over.wait()
        return Outcome(DONE, {}, "")

    monkeypatch.setattr(Work, "_run", waiting)
    yield
    is_over.set()
