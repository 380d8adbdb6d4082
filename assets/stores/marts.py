"""Published marts: Parquet files that everybody reads, while only one step ever opens the warehouse itself."""

from pathlib import Path

import polars as pl

from data_quality.contracts.errors import BadInput

# Name -> key: rows are published in key order, and the key is unique.
KPI_MARTS: dict[str, tuple[str, ...]] = {
    "mart_meter__hour_energy": ("site_id", "meter_id", "hour_start_utc", "local_date"),
    "mart_scope__day_kpi": ("site_id", "scope", "period_start"),
    "mart_scope__month_kpi": ("site_id", "scope", "period_start"),
    "mart_scope__year_kpi": ("site_id", "scope", "period_start"),
    "mart_site__kpi_values": ("site_id", "scope", "grain", "period_start", "kpi"),
}
ENPI_MARTS: dict[str, tuple[str, ...]] = {
    "mart_seu__day_enpi": ("site_id", "seu_id", "local_date"),
    "mart_seu__month_enpi": ("site_id", "seu_id", "month_start"),
    "mart_seu__kpi_values": ("site_id", "scope", "grain", "period_start", "kpi"),
}
MARTS = KPI_MARTS | ENPI_MARTS


def mart_path(marts_dir: Path, name: str) -> Path:
    """Where the mart of that name is published. Raises KeyError for a name that is no mart."""
    if name not in MARTS:
        raise KeyError(f"{name!r} is not a mart; there are {', '.join(MARTS)}")
    return marts_dir / f"{name}.parquet"


def read_mart(marts_dir: Path, name: str, *, site_id: str | None = None) -> pl.DataFrame:
    """The published mart in key order, of one site or of all. Raises BadInput where it is not published yet."""
    path = mart_path(marts_dir, name)
    if not path.exists():
        raise BadInput(
            f"mart {name} is not published yet",
            file=str(path),
            reason="mart_missing",
            mend="ingest readings, then materialise the marts",
        )
    rows = pl.scan_parquet(path)
    if site_id is not None:
        rows = rows.filter(pl.col("site_id") == site_id)
    return rows.collect()
