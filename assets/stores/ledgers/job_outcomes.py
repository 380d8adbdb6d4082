"""Outcomes of the jobs of a site and month, append-only: each failure, and the first success after it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

from assets.stores.journal import Ledger
from assets.stores.schema.tables_findings import JOB_LETTERS, job_outcomes
from assets.stores.transactions import Store
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

# fault: of the program; failed: of what it was given, or of what it needs.
Outcome = Literal["succeeded", "failed", "fault"]
MENDS: dict[Outcome, str] = {
    "failed": "correct what the sentence names; the job runs again by itself when it is due, or at once from Dagster",
    "fault": "send the log of the run to whoever maintains the program",
}
# Behind the sentence of a failure that knows its own mend.
TO_MEND = "; to mend: "
# What is kept in addition to jobs: devices that a plan goes without, which no run fails of.
DEVICES = "devices"
# The same of a signal source, behind it its id: its server, its broker, and the events that it calls.
SIGNAL_SOURCES, NOTIFICATIONS, CALLS = "signals", "notifications", "calls"
_NO_JOBS = {
    DEVICES: "device_silent", SIGNAL_SOURCES: "signal_source_silent", NOTIFICATIONS: "notifications_lost",
    CALLS: "event_not_planned",
}  # fmt: skip
# The site of a job that is of no single one.
OF_NO_SITE = ""
# Site, job and part, or what they failed of.
_Key = tuple[str, str, str | None]


class JobOutcome(Model):
    """Outcome of one run of a job for one site. site_id: empty where the job is of no single site; part: the month
    (2025-03) of a job that is run by month, else None.
    """

    site_id: str
    job: str
    part: str | None = None
    outcome: Outcome
    sentence: str = ""
    run_id: str
    ended_utc: datetime

    @classmethod
    def of_no_run(cls, job: str, site_id: str, sentence: str, at_utc: datetime) -> Self:
        """Outcome of a job that cannot even be requested at a site."""
        return cls(site_id=site_id, job=job, outcome="failed", sentence=sentence, run_id="", ended_utc=at_utc)


_OUTCOMES = Ledger(job_outcomes, JobOutcome, order=("ended_utc", "id"))


def record_outcomes(store: Store, made: Sequence[JobOutcome], clock: Clock) -> int:
    """Keep the outcomes that say something new; the same failure again, and one success after another, do not.

    Returns how many were kept. Raises Unreachable.
    """
    sites, jobs = {each.site_id for each in made}, {each.job for each in made}
    with store.together():
        last = {(e.site_id, e.job, e.part): e for e in _OUTCOMES.history(store, site_id=sites, job=jobs)}
        return len(_OUTCOMES.put(store, clock, *(each for each in made if _is_new(each, last))))


def last_outcomes(store: Store, most: int) -> list[JobOutcome]:
    """The newest outcomes of all jobs and sites, the newest first. Raises Unreachable."""
    return _OUTCOMES.history(store)[::-1][:most]


def failed_spans(store: Store, site_id: str, job: str) -> list[tuple[datetime, datetime | None]]:
    """From the first failure of a job to its next success, the oldest first. Raises Unreachable."""
    spans, since = list[tuple[datetime, datetime | None]](), dict[str | None, datetime]()
    for each in _OUTCOMES.history(store, site_id=site_id, job=job):
        if each.outcome != "succeeded":
            since.setdefault(each.part, each.ended_utc)
        elif each.part in since:
            spans.append((since.pop(each.part), each.ended_utc))
    return sorted([*spans, *((at_utc, None) for at_utc in since.values())], key=lambda span: span[0])


def _is_new(made: JobOutcome, last: Mapping[_Key, JobOutcome]) -> bool:
    # What is of no month was kept before months were: it speaks for each of them.
    known = [last[key] for part in (made.part, None) if (key := (made.site_id, made.job, part)) in last]
    if not known:
        return made.outcome != "succeeded"
    newest = max(known, key=lambda each: each.ended_utc)
    return made.ended_utc > newest.ended_utc and (made.outcome, made.sentence) != (newest.outcome, newest.sentence)


def withdraw_obstacle(store: Store, job: str, site_id: str, clock: Clock) -> bool:
    """Record that the obstacle to a job is gone, where no run of it failed. Raises Unreachable."""
    last = _OUTCOMES.latest(store, site_id=site_id, job=job)
    if last is None or last.outcome == "succeeded" or last.run_id:
        return False
    over = last.model_copy(update={"outcome": "succeeded", "sentence": "", "ended_utc": clock.now_utc()})
    return record_outcomes(store, [over], clock) > 0


def record_obstacle(store: Store, job: str, site_id: str, sentence: str, clock: Clock) -> None:
    """Keep what stands in the way of something that no run does, or, with an empty sentence, that nothing does any
    more. job: a word of those above and an id. Raises Unreachable.
    """
    name = job[:JOB_LETTERS]
    if sentence:
        record_outcomes(store, [JobOutcome.of_no_run(name, site_id, sentence, clock.now_utc())], clock)
    else:
        withdraw_obstacle(store, name, site_id, clock)


def failed_jobs(store: Store, site_ids: Collection[str]) -> list[Finding]:
    """A finding for each job of these sites whose last run for a month failed: what, since when, and what to do; months
    that failed of the same are one.

    facts: job, since_utc (of the first failure after the last success), run_id (of the newest), mend. Raises
    Unreachable.
    """
    open_ones: dict[_Key, list[JobOutcome]] = {}
    for each in _OUTCOMES.history(store, site_id=site_ids):
        if each.outcome != "succeeded":
            open_ones.setdefault((each.site_id, each.job, each.part), []).append(each)
            continue
        for part in (each.part, None):
            open_ones.pop((each.site_id, each.job, part), None)
    alike: dict[_Key, list[JobOutcome]] = {}
    for failures in open_ones.values():
        last = failures[-1]
        alike.setdefault((last.site_id, last.job, last.sentence), []).extend(failures)
    return [_finding(sorted(failures, key=lambda each: each.ended_utc)) for failures in alike.values()]


def _finding(failures: list[JobOutcome]) -> Finding:
    last, parts = failures[-1], sorted({each.part for each in failures if each.part})
    more = f" and {len(parts) - 1} more month{'s' * (len(parts) > 2)}" if len(parts) > 1 else ""
    of = f" of {parts[0]}{more}" if parts else ""
    message, _, mend = last.sentence.partition(TO_MEND)
    code = _NO_JOBS.get(last.job.partition(" ")[0])
    return Finding(
        code=code or "job_failed",
        message=message if code else f"job {last.job}{of}: {message}",
        scope=last.site_id,
        facts={
            "job": last.job,
            "since_utc": failures[0].ended_utc.isoformat(),
            "run_id": last.run_id,
            "mend": mend or MENDS[last.outcome],
        },
    )
