"""Limit of waiting jobs: four of one person, eight of all; each a real command in a child process."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_quality.contracts.errors import BadInput
from orchestration.web.work import MOST_OF_ONE, MOST_WAITING, Job, Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_person_has_four_jobs_waiting_at_most_and_keeps_nobody_else_out(tmp_path: Path) -> None:
    work = Work(str(tmp_path))

    def ask(person_id: str, number: int) -> Job:
        return work.ask(("kpis", "--period", f"{2000 + number}"), person_id=person_id, now_utc=NOW)

    jobs = [ask("anna", number) for number in range(MOST_OF_ONE)]
    assert ask("anna", 0) is jobs[0]
    with pytest.raises(BadInput, match="4 jobs of yours wait already: ask again when one is done") as refused:
        ask("anna", MOST_OF_ONE)
    assert refused.value.reason == "busy"
    jobs += [ask("ben", number) for number in range(MOST_WAITING - MOST_OF_ONE)]
    with pytest.raises(BadInput, match="8 jobs wait already"):
        ask("carla", 0)
    # One that has ended makes room.
    assert jobs[0].wait(60) is not None
    jobs.append(ask("anna", MOST_OF_ONE))
    assert all(job.wait(60) is not None for job in jobs)
