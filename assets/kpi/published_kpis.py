"""KPIs as the published marts hold them: the rows that reports and pages print."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from assets.kpi.from_readings import VALUES, AskedKpi, KpiRow, row_of
from assets.stores.warehouse.marts import read_mart

# Calendar spans of which the marts have a row for every scope; other spans are made by the same SQL when asked.
PRINTED_GRAINS = ("month", "year")


def published_kpis(
    marts_dir: Path, site_id: str, *, kpis: Collection[str], scope: str | None = None
) -> dict[AskedKpi, KpiRow]:
    """Rows of whole months and years by their question, of one scope or of all. Raises BadInput: nothing published."""
    wanted = pl.col("grain").is_in(PRINTED_GRAINS) & pl.col("kpi").is_in(list(kpis))
    rows = read_mart(
        marts_dir, VALUES, site_id=site_id, where=wanted if scope is None else wanted & (pl.col("scope") == scope)
    )
    return {
        AskedKpi(row["kpi"], row["scope"], row["period_start"], row["period_end"]): row_of(row)
        for row in rows.iter_rows(named=True)
    }
