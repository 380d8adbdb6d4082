"""Frames between assets: Parquet under the project's data folder, checked against their contract on every write."""

from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import BaseModel

from assets.stores.lake_block import write_atomic
from data_quality.contracts.errors import OurFault
from data_quality.contracts.expected import ExpectedDay
from orchestration.resources import ProjectResource

# An asset that hands over a frame names its contract here, or it cannot be written.
CONTRACTS: dict[str, type[BaseModel]] = {"core_seu__expected_days": ExpectedDay}


class ContractFrames(dg.ConfigurableIOManager):
    """One Parquet file an asset and partition, or site; a frame that breaks its contract is never written."""

    project: ProjectResource

    def _path(self, context: dg.InputContext | dg.OutputContext) -> Path:
        keys = context.asset_partition_keys if context.has_asset_partitions else []
        # Months of a site share the site's file: what is handed over is the site's whole frame.
        parts = [*context.asset_key.path, *sorted({key.rpartition("|")[2] for key in keys})]
        return self.project.project.data_dir.joinpath("frames", *parts).with_suffix(".parquet")

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | None) -> None:
        """Check and write one frame."""
        if obj is None:
            return
        name = context.asset_key.to_user_string()
        if name not in CONTRACTS:
            raise OurFault(
                f"asset {name} hands over a frame without a contract: add it to orchestration/io_managers.py"
            )
        from data_quality.contracts.frames import enforce

        write_atomic(enforce(obj, CONTRACTS[name]), self._path(context))
        context.add_output_metadata(
            {"dagster/row_count": obj.height, "path": dg.MetadataValue.path(str(self._path(context)))}
        )

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Read one frame, or all partitions of it below one another."""
        folder = self.project.project.data_dir.joinpath("frames", *context.asset_key.path)
        if context.has_asset_partitions:
            return pl.read_parquet(self._path(context))
        if folder.is_dir():
            return pl.read_parquet(sorted(folder.glob("*.parquet")))
        return pl.read_parquet(folder.with_suffix(".parquet"))
