"""The shells: months are validated before the lake is sealed, the checks name the worst meters, the gate can block."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.stores.lake.lake import BatchInfo
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from tests.data_quality.meters import office, quarter_rows

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
CLOCK = FixedClock(datetime(2024, 6, 1, tzinfo=UTC))


def site_file(gate: str) -> dict[str, Any]:
    """A site of two meters, one of which never reports."""
    return {
        "site_id": "works",
        "name": "Works",
        "time_zone": "UTC",
        "currency": "EUR",
        "country": "DE",
        "meters": [{"meter_id": "main"}, {"meter_id": "press", "parent": "main"}, {"meter_id": "silent"}],
        "validation": {"gate": gate},
    }


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectResource]:
    """A project whose lake holds four months; press reads more than main for two days of April."""
    folder = tmp_path / "works"
    CliRunner().invoke(build_app(("init",)), ["init", str(folder)])
    (folder / "sites" / "my_site.yaml").unlink()
    (folder / "sites" / "works.yaml").write_text(json.dumps(site_file("warn")))
    made = ProjectResource(root=str(folder))
    main, press = office(121, step_minutes=15), office(121, step_minutes=15, seed=2) / 2
    main[96 * 100] = 1e5
    press[96 * 105 : 96 * 107] *= 2.4
    rows = pl.concat([quarter_rows("main", main), quarter_rows("press", np.round(press, 6))]).with_columns(
        site_id=pl.lit("works"),
        interval_minutes=pl.lit(15, pl.Int32),
        source_line=pl.lit(1, pl.Int64),
        is_synthetic=pl.lit(value=False),
        is_correction=pl.lit(value=False),
    )
    info = BatchInfo(
        site_id="works",
        source_name="all.csv",
        source_sha256="0" * 64,
        reader="csv",
        reader_version="1",
        accepted_rows=rows.height,
        rejected_rows=0,
        is_synthetic=False,
    )
    made.lake.write_batch(info, rows, unchanged_rows=0, clock=CLOCK)
    yield made
    made.close()


def materialise(project: ProjectResource) -> dg.ExecuteInProcessResult:
    """April's quality and lake with their checks."""
    import assets.readings.defs as readings
    import data_quality.defs as quality

    checks = [quality.readings_may_be_believed, quality.sums_add_up, quality.month_readings]
    definitions = dg.Definitions(
        assets=[quality.core_lake__month_quality, readings.core_lake__15min_readings],
        asset_checks=checks,
        resources={"project": project, "clock": CLOCK},
        jobs=[dg.define_asset_job("months", "*")],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "sites", ["works"])
        job = definitions.resolve_job_def("months")
        return job.execute_in_process(instance=instance, partition_key="2024-04-01|works", raise_on_error=False)


def test_a_month_is_validated_and_its_checks_name_the_meters(project: ProjectResource) -> None:
    result = materialise(project)
    assert result.success
    (quality,) = result.asset_materializations_for_node("core_lake__month_quality")
    assert quality.metadata["estimated_quarter_hours"].value == 1
    assert "spike" in str(quality.metadata["events"].value)
    found = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert not found["readings_may_be_believed"].passed
    assert "silent" in str(found["readings_may_be_believed"].metadata["worst"].value)
    assert not found["sums_add_up"].passed
    assert "main 2024-04-15" in str(found["sums_add_up"].metadata["worst"].value)
    assert not found["meters_report"].passed
    assert found["meters_report"].metadata["worst"].value == ["silent"]
    sealed = project.lake.current("works", start_utc=datetime(2024, 4, 1, tzinfo=UTC))
    assert sealed["value"].max() < 100


def test_a_gate_that_blocks_stops_what_comes_after(project: ProjectResource) -> None:
    path = Path(project.root) / "sites" / "works.yaml"
    path.write_text(json.dumps(site_file("block")))
    result = materialise(project)
    assert not result.success
    done = {event.step_key for event in result.all_events if event.is_step_success}
    assert "core_lake__month_quality" in done
    assert "core_lake__15min_readings" not in done
