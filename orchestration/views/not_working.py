"""What does not work at a site now: jobs whose last run failed, and live sources that deliver nothing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assets.stores.ledgers.job_outcomes import OF_NO_SITE, failed_jobs
from assets.stores.live.live_store import FRESH, LiveReader
from data_quality.contracts.finding import Finding
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

DEAD = {"silent", "refused", "disk_full", "behind"}
# The sensor looks every 10 s; a look over many runs takes longer.
LATE = timedelta(minutes=5)
_NOTE = "jobs_looked_at"


def note_look(data_dir: Path, now_utc: datetime) -> None:
    """Keep when jobs were last looked at, by atomic rename."""
    unfinished = data_dir / f".{_NOTE}.part"
    unfinished.write_text(now_utc.isoformat(), encoding="utf-8")
    unfinished.replace(data_dir / _NOTE)


def overdue(data_dir: Path, now_utc: datetime) -> Finding | None:
    """That no schedule and no sensor runs although they did once; None where they do, or never did.

    facts: since_utc, mend.
    """
    with suppress(OSError, ValueError):
        since_utc = datetime.fromisoformat((data_dir / _NOTE).read_text(encoding="utf-8"))
        if now_utc - since_utc > LATE:
            return Finding(
                code="jobs_overdue",
                message="schedules and sensors are overdue: Dagster's daemon does not run, so no job begins by itself",
                facts={"job": "daemon", "since_utc": since_utc.isoformat(), "mend": "start it: meterloom up"},
            )
    return None


def not_working(project: "OpenProject", site: Site, now_utc: datetime) -> list[Finding]:
    """Findings with what fails, since when (facts: since_utc, where it is known) and what to do (mend).

    Raises Unreachable.
    """
    return [*failed_jobs(project.store, [site.site_id]), *dead_sources(project, site, now_utc)]


def not_working_anywhere(project: "OpenProject", now_utc: datetime) -> list[Finding]:
    """As not_working, of jobs that are of no single site, such as an ingest, and of all of them together."""
    return [*nothing_runs(project, now_utc), *failed_jobs(project.store, [OF_NO_SITE])]


def nothing_runs(project: "OpenProject", now_utc: datetime) -> list[Finding]:
    """A finding where schedules and sensors are overdue: it holds for each site."""
    found = overdue(project.project.data_dir, now_utc)
    return [found] if found else []


def dead_sources(project: "OpenProject", site: Site, now_utc: datetime) -> Iterator[Finding]:
    """A finding for each live source of the site that delivered once, or should, and does not now."""
    states = LiveReader(project.project.live_dir).states(site.site_id)
    told = {state.source_id: (at_utc, state) for at_utc, state in states}
    for source in site.sources:
        at_utc, state = told.get(source.source_id, (now_utc, None))
        if state is None or not isinstance(source, Streaming):
            continue
        if now_utc - at_utc > FRESH:
            yield _finding(site, state, "no collector runs", "start it: meterloom up", at_utc)
        elif state.state in DEAD:
            mend = f"meterloom sources test {source.source_id} --site {site.site_id} shows what it answers"
            yield _finding(site, state, state.sentence or "no data received", mend, state.last_utc)


def _finding(site: Site, state: SourceState, sentence: str, mend: str, since_utc: datetime | None) -> Finding:
    return Finding(
        code="source_dead",
        message=Sentence("source {0}: {1}", state.source_id, Sentence(sentence)),
        scope=site.site_id,
        facts={
            "source": state.source_id, "since_utc": since_utc and since_utc.isoformat(), "mend": mend, "is": sentence,
        },
    )  # fmt: skip


def since_of(finding: Finding) -> datetime | None:
    """Since when it does not work, where that is known."""
    since_utc = finding.facts.get("since_utc")
    return datetime.fromisoformat(str(since_utc)) if since_utc else None


def what_of(finding: Finding) -> str:
    """What does not work, and since when, for people."""
    since_utc = since_of(finding)
    return finding.message + (f" (since {since_utc:%Y-%m-%d %H:%M}Z)" if since_utc else "")


def failures(findings: Sequence[Finding]) -> list[str]:
    """What does not work now, for people: what and since when, and what to do."""
    lines = [f"    {each.scope or 'project'}: {what_of(each)}\n      {each.facts['mend']}" for each in findings]
    return ["not working:", *lines] if lines else []
