"""One contract for every back end: order, findings, faults, and nothing that could not travel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_quality.contracts.errors import OurFault, Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import WorkSettings
from orchestration.workers import fan_out as port_module
from orchestration.workers import worker_side
from orchestration.workers.fan_out import fan_out
from tests.fan_out import jobs as given
from tests.fan_out.jobs import Job, jobs

SERIAL = WorkSettings(backend="serial")
POOL = WorkSettings(backend="pool", workers=2)
BACKENDS = pytest.mark.parametrize("settings", [SERIAL, POOL], ids=lambda each: each.backend)


@BACKENDS
def test_every_result_is_told_of_with_where_and_how_long(settings: WorkSettings) -> None:
    told: list[str] = []
    found = list(fan_out(given.square, jobs(5), settings=settings, what="jobs", progress=told.append))
    assert [each.answer for each in found] == [0, 1, 4, 9, 16]
    assert all(each.seconds > 0 and each.host for each in found)
    assert told == [f"jobs: {count} of 5" for count in range(1, 6)]


def test_results_come_in_the_order_of_the_tasks_even_where_the_first_is_done_last(tmp_path: Path) -> None:
    given.expect_order(POOL, tmp_path)


def test_results_in_the_order_of_their_end_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_they_end(*asked: Any) -> Iterator[tuple[int, Any]]:
        return ((place, result) for place, (_, result) in enumerate(unordered(*asked)))

    unordered = port_module._unordered
    monkeypatch.setattr(port_module, "_unordered", as_they_end)
    with pytest.raises(AssertionError):
        given.expect_order(POOL, tmp_path)


@BACKENDS
def test_a_finding_and_a_gone_file_stand_in_their_place(settings: WorkSettings, tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.write_bytes(b"12345")
    tasks = [Job(number=0, file=str(there)), Job(number=1, file=str(gone)), Job(number=2, file=str(there))]
    first, second, third = (each.answer for each in fan_out(given.length, tasks, settings=settings))
    assert (first, third) == (5, 7)
    assert isinstance(second, Finding)
    assert second.is_blocking
    assert str(gone) in second.message
    odd = [each.answer for each in fan_out(given.even_alone, jobs(4), settings=settings)]
    assert [isinstance(each, Finding) for each in odd] == [False, True, False, True]


def test_our_own_fault_is_raised_with_its_place() -> None:
    with pytest.raises(given.OddError):
        list(fan_out(given.breaks, jobs(4), settings=SERIAL))
    with pytest.raises(OurFault, match=r"jobs:breaks(.|\n)*code 7"):
        list(fan_out(given.breaks, jobs(4), settings=POOL))


@BACKENDS
def test_what_cannot_travel_is_refused_wherever_it_would_run(settings: WorkSettings) -> None:
    def inner(job: Job) -> int:
        return job.number

    with pytest.raises(OurFault, match="no top-level name"):
        list(fan_out(inner, jobs(3), settings=settings))
    with pytest.raises(OurFault, match="is no model but DataFrame"):
        list(fan_out(given.square, [pl.DataFrame()] * 2, settings=settings))  # type: ignore[type-var]


@BACKENDS
def test_nothing_to_do_is_done(settings: WorkSettings) -> None:
    assert list(fan_out(given.square, [], settings=settings)) == []


def test_other_code_is_refused_in_one_sentence() -> None:
    with pytest.raises(Unreachable, match=r"runs other code .* start it from this release"):
        worker_side.run("tests.fan_out.jobs:square", Job(number=1), "0" * 64)


def test_the_fingerprint_follows_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = worker_side.code_fingerprint()
    assert before == worker_side.code_fingerprint()
    room = tmp_path / "ml"
    room.mkdir()
    (room / "model.py").write_text("A = 1\n")
    monkeypatch.setattr(worker_side, "ROOT", tmp_path)
    first = worker_side.code_fingerprint()
    (room / "model.py").write_text("A = 22\n")
    assert len({before, first, worker_side.code_fingerprint()}) == 3
