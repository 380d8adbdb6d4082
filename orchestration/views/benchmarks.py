"""Benchmark of an organisation's year as its job kept it: a page shows it without reading a year of every site."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from assets.kpi.benchmark.compare import Benchmark
from assets.kpi.benchmark.ranks import MIN_PEERS
from assets.stores.whole_file import write_whole
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock
from orchestration.views.pack_subjects import EVERY_SITE, Subject, due_years, groups_of

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.open_project import OpenProject


class StoredBenchmark(Model):
    """Ranks of a year as they were known when they were made. organisation: or `all` sites of the project."""

    organisation: str
    year: int
    made_at_utc: datetime
    found: Benchmark


def benchmark_subjects(project: "OpenProject") -> dict[str, Subject]:
    """Subjects of comparison: sites of each organisation; without one all of the project, where enough for a rank."""
    groups, sites = groups_of(project), tuple(project.sites.values())
    return groups if groups or len(sites) < MIN_PEERS else {EVERY_SITE: Subject(EVERY_SITE, EVERY_SITE, sites)}


def due_benchmarks(project: "OpenProject", now_utc: datetime) -> list[tuple[date, Subject]]:
    """First days of years whose benchmark is due and not kept, with whose; newest first."""
    found = []
    for subject in benchmark_subjects(project).values():
        kept = [date(int(path.stem.rpartition("_")[2]), 1, 1) for path in _folder(project).glob(
            f"{subject.subject_id}_[0-9][0-9][0-9][0-9].json")]  # fmt: skip
        found += [(first, subject) for first in due_years(project, subject, now_utc, made=kept)]
    return sorted(found, key=lambda one: one[0], reverse=True)


def store_benchmark(project: "OpenProject", organisation: str, year: int, found: Benchmark, clock: Clock) -> None:
    """Keep it in place of an earlier one of the same year: it can be recomputed at any time."""
    made = StoredBenchmark(organisation=organisation, year=year, made_at_utc=clock.now_utc(), found=found)
    write_whole(_folder(project) / f"{organisation}_{year}.json", made.model_dump_json(indent=1).encode())


def stored_benchmark(project: "OpenProject", organisation: str, year: int) -> StoredBenchmark | None:
    """The kept one; None where there is none, or one of another release."""
    path = _folder(project) / f"{organisation}_{year}.json"
    try:
        return StoredBenchmark.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _folder(project: "OpenProject") -> "Path":
    return project.project.data_dir / "benchmarks"
