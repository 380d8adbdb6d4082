"""KPIs as the published marts hold them: the rows that reports and pages print."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from assets.kpi.from_readings import VALUES, KpiQuery, KpiRow, row_of
from assets.stores.warehouse.marts import read_mart

# Calendar spans of which the marts have a row for every scope; other spans are made by the same SQL when asked.
PRINTED_GRAINS = ("month", "year")


class PublishedKpis:
    """Rows of whole months and years, or other grains, of one scope and of years, or of all. Raises BadInput: none."""

    def __init__(
        self,
        marts_dir: Path,
        site_id: str,
        *,
        kpis: Collection[str],
        scope: str | None = None,
        grains: Collection[str] = PRINTED_GRAINS,
        years: Collection[int] | None = None,
    ) -> None:
        wanted = pl.col("grain").is_in(list(grains)) & pl.col("kpi").is_in(list(kpis))
        wanted = wanted if scope is None else wanted & (pl.col("scope") == scope)
        rows = read_mart(marts_dir, VALUES, site_id=site_id, where=wanted, years=years)
        self._frames = rows.partition_by("scope", as_dict=True)
        self._rows: dict[str, dict[KpiQuery, KpiRow]] = {}

    def get(self, question: KpiQuery) -> KpiRow | None:
        """The row of that question; None where the marts have none."""
        # Scope by scope: of the hundreds of a large site a report prints few.
        if question.scope not in self._rows:
            frame = self._frames.get((question.scope,))
            rows = [] if frame is None else frame.iter_rows(named=True)
            self._rows[question.scope] = {
                KpiQuery(row["kpi"], row["scope"], row["period_start"], row["period_end"]): row_of(row) for row in rows
            }
        return self._rows[question.scope].get(question)
