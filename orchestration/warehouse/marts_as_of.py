"""The marts as they would have been at an instant: built from the readings known then, beside the warehouse."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from assets.kpi.windows_of_marts.mart_sources import source_tables
from assets.stores.warehouse.full_build import build_anew
from assets.stores.warehouse.marts import KPI_MARTS
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources, publish_marts
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.site_file.site import Site
from orchestration.open_project import OpenProject
from orchestration.warehouse.dbt import full_build


@contextmanager
def marts_as_of(project: OpenProject, sites: Sequence[Site], as_of_utc: datetime) -> Iterator[Path]:
    """A folder with the KPI marts of these sites as known then, by today's SQL and site files; gone after the block.

    Built on a DuckDB file of its own, whatever the project's engine, so that nothing present is touched. Raises
    BadInput where nothing was known of any of them.
    """
    known = {site.site_id: site for site in sites if project.lake.span(site.site_id, as_of_utc=as_of_utc) is not None}
    if not known:
        names = ", ".join(repr(site.site_id) for site in sites)
        raise BadInput(
            f"no reading of site {names} was known at {as_of_utc:%Y-%m-%d %H:%M:%S}Z",
            reason="nothing_known",
        )
    with tempfile.TemporaryDirectory(prefix="as-of-") as folder:
        target = WarehouseTarget(duckdb_file=Path(folder) / "past.duckdb")
        load_sources(target, source_tables(known, project.lake, None, as_of_utc=as_of_utc))
        # Of what dbt compiled: itself it would parse the whole project once more for a warehouse of this name.
        outcome = build_anew(target, (node for node in full_build().of("kpi") if node.kind != "test"))
        if not outcome.is_success:
            raise OurFault(outcome.why)
        publish_marts(target, Path(folder) / "marts", tuple(KPI_MARTS))
        yield Path(folder) / "marts"
