"""Resources of the shells: the project with its stores, a clock, the dbt runner. Tests swap them in build_defs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import BaseModel, PrivateAttr

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import write_atomic
from assets.stores.transactions import Store
from data_quality.contracts.baselines.baseline import ExpectedDay
from data_quality.contracts.errors import OurFault
from data_quality.contracts.settings import Project
from data_quality.contracts.time import SystemClock
from data_quality.contracts.work.offload import Offload
from data_quality.contracts.work.work_port import FanOut
from orchestration.open_project import OpenProject
from orchestration.partitions import BY_BUCKET, sites_of
from orchestration.workers.fan_out import port

CLOCK = dg.ResourceDefinition.hardcoded_resource(
    SystemClock(), description="The machine's clock, in UTC: what is due, late or over is judged by it."
)


class ProjectResource(dg.ConfigurableResource, OpenProject):
    """One project folder and everything in it, opened when first asked for and closed after the run."""

    root: str = ""
    _store: Store | None = PrivateAttr(default=None)
    _lake: Lake | None = PrivateAttr(default=None)
    _project: Project | None = PrivateAttr(default=None)
    _offload: Offload | None = PrivateAttr(default=None)

    def work(self, progress: Callable[[str], None] = lambda _: None) -> FanOut:
        """The `FanOut` for many like tasks, by the settings. progress: called after each task."""
        return port(self.project.settings.work, progress)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ProjectResource"]:
        """Dagster's hook: close the store when the run ends."""
        try:
            yield self
        finally:
            self.close()


# An asset that hands over a frame names its contract here, or it cannot be written.
CONTRACTS: dict[str, type[BaseModel]] = {"core_seu__expected_days": ExpectedDay}


class ContractFrames(dg.ConfigurableIOManager):
    """One Parquet file an asset and site; a frame that breaks its contract is never written."""

    project: ProjectResource

    def _files(self, context: dg.InputContext | dg.OutputContext) -> dict[str, Path]:
        # Months of a site share the site's file: what is handed over is the site's whole frame.
        keys, folder = context.asset_partition_keys, self.project.project.data_dir / "frames"
        if not BY_BUCKET:
            names = sorted({key.rpartition("|")[2] for key in keys})
        else:
            names = [site.site_id for site in sites_of(self.project, keys, context.step_context.dagster_run.tags)]
        return {name: folder.joinpath(*context.asset_key.path, f"{name}.parquet") for name in names}

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | None) -> None:
        """Check and write one frame."""
        if obj is None:
            return
        name = context.asset_key.to_user_string()
        if name not in CONTRACTS:
            raise OurFault(f"asset {name} hands over a frame without a contract: add it to orchestration/resources.py")
        from data_quality.contracts.frames import enforce

        rows, files = enforce(obj, CONTRACTS[name]), self._files(context)
        if not files.keys() >= (others := set(rows["site_id"])):
            raise OurFault(
                f"asset {name} hands over rows of {sorted(others - files.keys())}, which its run is not about"
            )
        for site_id, path in files.items():
            write_atomic(rows.filter(pl.col("site_id") == site_id), path)
        folder = dg.MetadataValue.path(str(path if len(files) == 1 else path.parent))
        context.add_output_metadata({"dagster/row_count": obj.height, "path": folder})

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | None:
        """The frames of the sites whose partitions are asked for; None where none of them was written."""
        frames = [pl.read_parquet(path) for path in self._files(context).values() if path.is_file()]
        return pl.concat(frames) if frames else None
