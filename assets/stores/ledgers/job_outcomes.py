"""What became of the jobs of a site, append-only: each failure, and the first success after it."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, Self

from assets.stores.journal import AppendOnly, fields_of, row_of
from assets.stores.schema.tables_jobs import job_outcomes
from assets.stores.transactions import Store
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

# fault: of the program; failed: of what it was given, or of what it needs.
Outcome = Literal["succeeded", "failed", "fault"]
MENDS: dict[Outcome, str] = {
    "failed": "mend what the sentence names; the job runs again by itself when it is due, or at once from Dagster",
    "fault": "send the log of the run to whoever maintains the program",
}
# The site of a job that is of no single one.
OF_NO_SITE = ""


class JobOutcome(Model):
    """How one run of a job ended for one site. site_id: empty where the job is of no single site."""

    site_id: str
    job: str
    outcome: Outcome
    sentence: str = ""
    run_id: str
    ended_utc: datetime

    @classmethod
    def of_no_run(cls, job: str, site_id: str, sentence: str, at_utc: datetime) -> Self:
        """A job that cannot even be asked for at a site."""
        return cls(site_id=site_id, job=job, outcome="failed", sentence=sentence, run_id="", ended_utc=at_utc)


_OUTCOMES = AppendOnly(job_outcomes, fields_of(JobOutcome), order=("ended_utc", "id"))


def record_outcome(store: Store, made: JobOutcome, clock: Clock) -> bool:
    """Keep an outcome where it says something new; the same failure again, and one success after another, do not.

    Returns whether it was kept. Raises Unreachable.
    """
    with store.together():
        last = _OUTCOMES.latest(store, site_id=made.site_id, job=made.job)
        known = ("succeeded", "") if last is None else (last.outcome, last.sentence)
        is_over = last is not None and made.ended_utc <= last.ended_utc
        if is_over or known == (made.outcome, made.sentence):
            return False
        _OUTCOMES.add(store, clock, row_of(job_outcomes, made))
    return True


def failed_jobs(store: Store, site_ids: Collection[str]) -> list[Finding]:
    """A finding for each job of these sites whose last run failed: what, since when, and what to do.

    facts: job, since_utc (of the first failure after the last success), run_id (of the newest), mend. Raises
    Unreachable.
    """
    open_ones: dict[tuple[str, str], list[JobOutcome]] = {}
    for each in _OUTCOMES.history(store, site_id=site_ids):
        open_ones.setdefault((each.site_id, each.job), []).append(each)
        if each.outcome == "succeeded":
            del open_ones[each.site_id, each.job]
    return [_finding(failures) for failures in open_ones.values()]


def _finding(failures: list[JobOutcome]) -> Finding:
    last = failures[-1]
    return Finding(
        code="job_failed",
        message=f"job {last.job}: {last.sentence}",
        scope=last.site_id,
        facts={
            "job": last.job,
            "since_utc": failures[0].ended_utc.isoformat(),
            "run_id": last.run_id,
            "mend": MENDS[last.outcome],
        },
    )
