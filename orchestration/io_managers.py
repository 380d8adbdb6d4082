"""Frames between assets: Parquet under the project's data folder, checked against their contract on every write."""

from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import BaseModel

from assets.stores.lake.lake_block import write_atomic
from data_quality.contracts.baselines.expected import ExpectedDay
from data_quality.contracts.errors import OurFault
from orchestration.resources import ProjectResource

# An asset that hands over a frame names its contract here, or it cannot be written.
CONTRACTS: dict[str, type[BaseModel]] = {"core_seu__expected_days": ExpectedDay}


class ContractFrames(dg.ConfigurableIOManager):
    """One Parquet file an asset and site; a frame that breaks its contract is never written."""

    project: ProjectResource

    def _files(self, context: dg.InputContext | dg.OutputContext) -> list[Path]:
        # Months of a site share the site's file: what is handed over is the site's whole frame.
        sites = sorted({key.rpartition("|")[2] for key in context.asset_partition_keys})
        folder = self.project.project.data_dir.joinpath("frames", *context.asset_key.path)
        return [folder / f"{site_id}.parquet" for site_id in sites]

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

        # Exactly one: what one run writes is of one site.
        (path,) = self._files(context)
        write_atomic(enforce(obj, CONTRACTS[name]), path)
        context.add_output_metadata({"dagster/row_count": obj.height, "path": dg.MetadataValue.path(str(path))})

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | None:
        """The frames of the sites whose partitions are asked for; None where none of them was written."""
        frames = [pl.read_parquet(path) for path in self._files(context) if path.is_file()]
        return pl.concat(frames) if frames else None
