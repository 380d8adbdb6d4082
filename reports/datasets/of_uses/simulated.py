"""What of a report is simulated: readings by the batch that brought them, and baselines that rest on such."""

import polars as pl

from reports.datasets.base import Given

# A year has hundreds: `trace --rows` lists them all.
NAMED_BATCHES = 5


class Simulated:
    """What is behind the mark on every page; `trace --rows` lists the readings themselves."""

    def __init__(self, given: Given) -> None:
        synthetic = [each for each in given.versions.values() if each.baseline.is_synthetic]
        self._baselines = " ".join(f"{each.baseline_id}@{each.version}" for each in synthetic)
        self._rows = _rows_by_batch(given)

    @property
    def is_any(self) -> bool:
        """True where a reading or a baseline is simulated."""
        return bool(self._rows or self._baselines)

    @property
    def named_batches(self) -> str:
        """The batches that brought simulated rows, the oldest first; empty where there are none."""
        batches = list(self._rows)
        more = f" and {len(batches) - NAMED_BATCHES} more" if len(batches) > NAMED_BATCHES else ""
        return " ".join(batches[:NAMED_BATCHES]) + more

    @property
    def facts(self) -> dict[str, str | float | int | bool | None]:
        """Of the finding that marks the report."""
        rows = sum(self._rows.values())
        return {"rows": rows, "batches": self.named_batches or None, "baselines": self._baselines or None}


def _rows_by_batch(given: Given) -> dict[str, int]:
    """Synthetic readings by the batch that brought them, the oldest batch first."""
    # Every stream of a site is much to read; most sites have no batch of simulated rows at all.
    if not given.sources.has_synthetic(given.site, given.period, given.as_of_utc):
        return {}
    rows = given.sources.readings(given.site, given.period.start, given.period.end, given.as_of_utc)
    batches = rows.filter("is_synthetic").group_by("batch_id").agg(pl.len(), pl.col("recorded_at_utc").min())
    return dict(batches.sort("recorded_at_utc", "batch_id").select("batch_id", "len").iter_rows())
