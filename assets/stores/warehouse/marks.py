"""Inputs of the published marts, and of builds that are not published yet. Files next to the marts."""

from datetime import date
from pathlib import Path

from pydantic import ValidationError

from assets.stores.file_hashes import mark_of
from data_quality.contracts.model import Model
from data_quality.contracts.work.project_cache import ProjectCache


class BuiltSite(Model):
    """Inputs of a site's marts when they were last built as a whole.

    sha256: of its site file; baselines: versions that expect; factors: emission factors by day
    (assets/kpi/mart_windows.py); project: fingerprint of the SQL; entry: newest manifest entry then;
    first, last: local days with imported energy, None where there is none.
    """

    sha256: str
    baselines: str = ""
    factors: str = ""
    project: str = ""
    entry: int = 0
    first: date | None = None
    last: date | None = None

    def is_like(self, other: "BuiltSite") -> bool:
        """True where the same site file, baselines and SQL stand behind both."""
        # Not factors, which say by day what changed, nor the entry, which says it by month.
        return (self.sha256, self.baselines, self.project) == (other.sha256, other.baselines, other.project)


class Built(Model):
    """Built state of one stage's marts: all entries up to `floor`, and of single months (`SITE|YYYY-MM`) later ones."""

    floor: int = 0
    months: dict[str, int] = {}
    sites: dict[str, BuiltSite] = {}


class BuildNote(Model):
    """Result of one build, for the step that publishes it: years by site, months requested, the sites behind them."""

    entry: int
    years: dict[str, tuple[int, ...]]
    months: tuple[str, ...]
    sites: dict[str, BuiltSite]


def read_built(marts_dir: Path, stage: str, cache: ProjectCache) -> Built:
    """Built state of the published marts of a stage (kpi, enpi); empty where there are none, or where another version
    wrote it in another form: marts are recomputed, never migrated.
    """
    path = marts_dir / f"built_{stage}.json"
    # It names thousands of sites, and every look asks for it.
    try:
        # The inode too: of two writes in one tick of the disk's clock the second is another file.
        key = (path, path.stat().st_ino, mark_of(path))
        return cache.once("built_marts", key, lambda: Built.model_validate_json(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValidationError):
        return Built()


def write_built(marts_dir: Path, stage: str, built: Built) -> None:
    """Write the built state, by atomic rename."""
    _write(marts_dir / f"built_{stage}.json", built)


def write_note(folder: Path, run_id: str, stage: str, note: BuildNote) -> None:
    """Write the note of a finished build."""
    _write(folder / f"{run_id}_{stage}.json", note)


def take_note(folder: Path, run_id: str, stage: str) -> BuildNote | None:
    """The note of this run's build; None where it built nothing."""
    path = folder / f"{run_id}_{stage}.json"
    return BuildNote.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def drop_note(folder: Path, run_id: str, stage: str) -> None:
    """The build is published."""
    (folder / f"{run_id}_{stage}.json").unlink(missing_ok=True)


def _write(path: Path, content: Model) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half a mark would count as none, and everything would be built again.
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(content.model_dump_json(), encoding="utf-8")
    unfinished.replace(path)
