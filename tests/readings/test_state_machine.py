"""Random sequences of files, corrections, kills and restarts: the lake equals a naive recomputation, always.

`python -m tests.readings.run_state_machine` runs a thousand of them.
"""

from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from assets.stores.lake import lake as lake_module
from tests.readings.machine import Counts, Fuse, Killed, LakeMachine, Line, MeterFile, View

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def profile(examples: int, *, shrinks: bool = True) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=6,
        deadline=None,
        database=None,
        suppress_health_check=QUIET,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
    )


def test_fault_f31_the_lake_equals_a_naive_recomputation_now_and_at_every_earlier_moment() -> None:
    run_state_machine_as_test(LakeMachine, settings=profile(25))


class Forgetful(LakeMachine):
    """A naive lake that forgets the last row of each file: the comparison must notice."""

    counts: ClassVar[Counts] = Counts()

    def commit(self, file: MeterFile) -> None:
        super().commit(MeterFile(file.minutes, file.lines[:-1]))
        self.committed.add(self.key(file))


def test_the_comparison_notices_a_row_too_few() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Forgetful, settings=profile(40, shrinks=False))


def test_a_lake_that_shows_files_before_their_manifest_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As-of views that ignore T would change afterwards."""
    known = lake_module.Lake.manifest

    def careless(self: lake_module.Lake, site_id: str, **given: object) -> list[dict[str, object]]:
        return known(self, site_id, **given | {"as_of_utc": None})  # type: ignore[arg-type]

    monkeypatch.setattr(lake_module.Lake, "manifest", careless)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LakeMachine, settings=profile(40, shrinks=False))


def test_a_fuse_ends_the_process_at_its_write_point() -> None:
    fuse = Fuse(left=1)
    fuse.tick()
    with pytest.raises(Killed):
        fuse.tick()


def test_the_naive_lake_splits_an_hour_to_the_last_quantum_and_drops_conflicts() -> None:
    view: View = MeterFile(60, (Line("main", 0, 1), Line("press", 0, 1), Line("press", 0, 1000))).applied_to({})
    assert [quanta for quanta, _ in view.values()] == [250_000] * 4
    odd = MeterFile(60, (Line("main", 0, 1001),)).applied_to(view)
    assert sum(quanta for quanta, _ in odd.values()) == 1_001_000_000
    assert max(start for _, start in odd) - min(start for _, start in odd) == timedelta(minutes=45)
