"""Figures of readings that just came in: calculated in the background, so that nobody waits for the next turn."""

from orchestration.operations.answer import Answer
from orchestration.web.request_context import Ask
from orchestration.web.work import Job, work_of


def calculate(ask: Ask, site_id: str, answer: Answer) -> None:
    """Have the months that an ingestion changed calculated, in a process of its own; none where it changed nothing."""
    months = sorted(each.partition("|")[2] for file in dict(answer.result)["files"] for each in file["partitions"])
    if months:
        words = (*_words(site_id), "--period", months[-1])
        work_of(ask.project).ask(words, person_id=ask.person.person_id, now_utc=ask.now_utc)


def calculation(ask: Ask, site_id: str) -> Job | None:
    """The newest calculation of a site that was begun here, whoever began it."""
    return work_of(ask.project).newest(_words(site_id))


def _words(site_id: str) -> tuple[str, ...]:
    return ("kpis", "--site", site_id)
