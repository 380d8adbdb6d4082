"""Compare two projects figure by figure: `python -m tests.real.same_figures FILES SERVER`, the second's URL in
METERLOOM_DATABASE__URL. `make postgres` runs the whole demo on both first.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import open_store
from assets.stores.warehouse.marts import MARTS, date_column, read_mart
from data_quality.contracts.settings import Project, load_project


@dataclass
class Compared:
    """Number of figures and numbers compared, and how far the worst pair is apart."""

    figures: int = 0
    numbers: int = 0
    worst: float = 0.0
    worst_at: str = ""
    differ: list[str] = field(default_factory=list)

    def add(self, where: str, ours: Any, theirs: Any) -> None:
        """One pair: numbers by their relative difference, everything else by being the same."""
        if isinstance(ours, int | float) and isinstance(theirs, int | float) and not isinstance(ours, bool):
            self.numbers += 1
            apart = abs(ours - theirs) / max(abs(ours), abs(theirs), 1e-300)
            if apart > self.worst:
                self.worst, self.worst_at = apart, where
        elif ours != theirs:
            self.differ.append(f"{where}: {ours!r} and {theirs!r}")


def figures_of(project: Project) -> dict[str, dict[str, Any]]:
    """Every figure of every report, by report, revision and place."""
    store = open_store(project.store_url)
    try:
        reports = ReportStore(store)
        return {
            f"{each.report_id}@{each.revision} {figure.path}": figure.model_dump(exclude={"trace"})
            for each in reports.revisions()
            for figure in reports.figures(each.report_id, each.revision)
        }
    finally:
        store.close()


def compare(files: Project, server: Project, *, before: date = date.max) -> Compared:
    """Every figure of every report, and every cell of every mart whose period ends before that day."""
    found = Compared()
    ours, theirs = figures_of(files), figures_of(server)
    found.differ += [f"only one has {name}" for name in sorted(ours.keys() ^ theirs.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        found.figures += 1
        for key, value in ours[name].items():
            pair = (float(each) if key == "value" and each is not None else each for each in (value, theirs[name][key]))
            found.add(f"{name}.{key}", *pair)
    published = [{mart for mart in MARTS if (each.marts_dir / mart).is_dir()} for each in (files, server)]
    found.differ += [f"only one has {mart}" for mart in sorted(published[0] ^ published[1])]
    for mart in sorted(published[0] & published[1]):
        for where, left, right in _pairs(files, server, mart, before):
            found.add(where, left, right)
    return found


def _pairs(files: Project, server: Project, mart: str, before: date) -> Iterator[tuple[str, Any, Any]]:
    frames = [_past(read_mart(each.marts_dir, mart), mart, before) for each in (files, server)]
    if frames[0].schema != frames[1].schema or frames[0].height != frames[1].height:
        yield f"{mart}: columns and rows", (frames[0].schema, frames[0].height), (frames[1].schema, frames[1].height)
        return
    for name, kind in frames[0].schema.items():
        left, right = (frame[name] for frame in frames)
        if not kind.is_float():
            yield f"{mart}.{name}", left.equals(right), True
            continue
        yield from ((f"{mart}.{name}", *pair) for pair in zip(left.to_list(), right.to_list(), strict=True))


def _past(frame: pl.DataFrame, mart: str, before: date) -> pl.DataFrame:
    is_past = pl.col("period_end") <= before if "period_end" in frame.columns else pl.col(date_column(mart)) < before
    # When a reading arrived is the one thing in which two runs may differ.
    return frame.filter(is_past).drop("last_recorded_at_utc", strict=False)


def main() -> int:
    """Print the worst relative difference; 1 where something differs by more than 1e-9."""
    files, server = load_project(Path(sys.argv[1]), {}), load_project(Path(sys.argv[2]), os.environ)
    # What the demo's home has of today depends on the minute of the run.
    found = compare(files, server, before=datetime.now(tz=UTC).date())
    sys.stdout.write(f"{found.figures} figures of reports, {found.numbers} numbers: worst {found.worst:.3g} relative")
    sys.stdout.write(f" at {found.worst_at}\n" if found.worst else "\n")
    for line in found.differ[:20]:
        sys.stdout.write(f"{line}\n")
    return int(bool(found.differ) or found.worst > 1e-9)


if __name__ == "__main__":
    sys.exit(main())
