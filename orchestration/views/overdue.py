"""Whether anything runs by itself: the sensor that keeps outcomes notes each look, and a look that is overdue shows."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from data_quality.contracts.finding import Finding

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
