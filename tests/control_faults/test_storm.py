"""A thousand random schedules of faults: the checker finds nothing."""

from pathlib import Path

import pytest

from tests.control_faults.storm import OF_NAME, storm
from tests.control_faults.virtual_site import StoreMaker

SEED, SCHEDULES, PART = 1, 1000, 100
# So many are in `make test` whatever they take (tests/parts.py); the others run in CI.
FIRST = 200


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, FIRST, PART))
def test_fault_f30_f43_f65_f73_no_schedule_of_faults_breaks_a_promise(
    maker: StoreMaker, first: int, tmp_path: Path
) -> None:
    _nothing_broken(maker, first, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, SCHEDULES, PART))
def test_fault_f30_f43_f65_f73_nor_does_any_of_eight_hundred_more(
    maker: StoreMaker, first: int, tmp_path: Path
) -> None:
    _nothing_broken(maker, first, tmp_path)


def _nothing_broken(maker: StoreMaker, first: int, tmp_path: Path) -> None:
    """PART schedules from the first one on."""
    found, seen = [], set()
    for index in range(first, first + PART):
        outcome = storm(SEED, index, maker)
        seen.update(outcome.actions)
        if outcome.problems:
            outcome.history.write(tmp_path / f"{index}.jsonl")
            found.append((index, outcome.actions, outcome.problems))
    assert found == []
    assert seen == set(OF_NAME), "a hundred schedules hold every kind of fault"


def test_a_schedule_depends_on_its_numbers_alone(maker: StoreMaker) -> None:
    once, second = storm(SEED, 7, maker), storm(SEED, 7, maker)
    assert once.actions == second.actions
    # The way home has a name of chance; all else is the same to the last digit.
    assert [(e.at_s, e.kind, e.value) for e in once.history.events] == [
        (e.at_s, e.kind, e.value) for e in second.history.events
    ]
