"""The marts as they would have been at an instant: built from the readings known then, beside the warehouse."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from assets.kpi.sources import source_tables
from assets.stores.marts import KPI_MARTS
from assets.stores.warehouse import WarehouseTarget, load_sources, publish_marts
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.site import Site
from orchestration.dbt import run_dbt
from orchestration.resources import ProjectResource


@contextmanager
def marts_as_of(project: ProjectResource, site: Site, as_of_utc: datetime) -> Iterator[Path]:
    """A folder with the KPI marts of one site as known then, by today's SQL and site file; gone after the block.

    Built on a DuckDB file of its own, whatever the project's engine, so that nothing present is touched. Raises
    BadInput where nothing was known of the site.
    """
    if project.lake.span(site.site_id, as_of_utc=as_of_utc) is None:
        raise BadInput(
            f"no reading of site {site.site_id!r} was known at {as_of_utc:%Y-%m-%d %H:%M:%S}Z",
            reason="nothing_known",
        )
    with tempfile.TemporaryDirectory(prefix="as-of-") as folder:
        target = WarehouseTarget(duckdb_file=Path(folder) / "past.duckdb")
        load_sources(target, source_tables({site.site_id: site}, project.lake, None, as_of_utc=as_of_utc))
        outcome = run_dbt(["run", "--select", "tag:kpi"], target=target)
        if not outcome.is_success:
            raise OurFault("; ".join(f"{node.name}: {node.message}" for node in outcome.failed))
        publish_marts(target, Path(folder) / "marts", tuple(KPI_MARTS))
        yield Path(folder) / "marts"
