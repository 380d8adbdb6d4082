"""The last whole backup of a project, as noted in its data folder: its age is a figure of health."""

from datetime import datetime

from pydantic import ValidationError

from assets.stores.backup.backup_areas import NOTE
from assets.stores.whole_file import write_whole
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project


class LastBackup(Model):
    """The last whole backup. path: of its list; size_bytes: of all its files."""

    path: str
    digest: str
    made_utc: datetime
    files: int
    size_bytes: int


def note_backup(project: Project, made: LastBackup) -> None:
    """Note a backup, after its list is written. Raises OSError."""
    write_whole(project.data_dir / NOTE, made.model_dump_json().encode())


def last_backup(project: Project) -> LastBackup | None:
    """The last whole backup; None before the first, or where nobody can read the note."""
    try:
        return LastBackup.model_validate_json((project.data_dir / NOTE).read_bytes())
    except (OSError, ValidationError):
        return None


def backup_age_s(project: Project, now_utc: datetime) -> float | None:
    """Seconds since the last whole backup; None before the first."""
    last = last_backup(project)
    return None if last is None else max((now_utc - last.made_utc).total_seconds(), 0.0)
