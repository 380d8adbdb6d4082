"""A frame between assets is read through the IO manager that wrote it, which knows where it is and what it must be."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from data_quality.contracts.errors import OurFault
from orchestration.partitions import SITE_MONTHS, SITES
from orchestration.resources import CONTRACTS, ContractFrames, ProjectResource

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
KEY = "core_seu__expected_days"


def frame(site_id: str, kwh: float) -> pl.DataFrame:
    return pl.DataFrame(
        [(site_id, "presses", date(2025, 1, 1), "presses", 1, kwh, False)],
        schema={
            "site_id": pl.String,
            "seu_id": pl.String,
            "local_date": pl.Date,
            "baseline_id": pl.String,
            "baseline_version": pl.Int64,
            "expected_kwh": pl.Float64,
            "is_extrapolated": pl.Boolean,
        },
        orient="row",
    )


@pytest.fixture
def frames(tmp_path: Path) -> ContractFrames:
    """The manager over an empty project."""
    return ContractFrames(project=ProjectResource(root=str(tmp_path)))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's own store, with two sites."""
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(SITES.name or "", ["factory", "home"])
        yield made


def hand_over(
    frames: ContractFrames, instance: dg.DagsterInstance, months: dict[str, pl.DataFrame | None]
) -> list[object]:
    """Inputs of an asset after core_seu__expected_days, partition by partition."""
    given: list[object] = []

    @dg.asset(name=KEY, partitions_def=SITE_MONTHS, io_manager_key="frames")
    def written(context: dg.AssetExecutionContext) -> pl.DataFrame | None:
        return months[context.partition_key]

    @dg.asset(partitions_def=SITE_MONTHS, ins={"expected": dg.AssetIn(KEY, input_manager_key="frames")})
    def read(expected: pl.DataFrame | None) -> None:
        given.append(expected)

    for partition in months:
        result = dg.materialize(
            [written, read], instance=instance, partition_key=partition, resources={"frames": frames}
        )
        assert result.success
    return given


def test_a_site_is_handed_its_own_frame_and_a_site_without_one_is_handed_none(
    frames: ContractFrames, instance: dg.DagsterInstance
) -> None:
    factory, later = frame("factory", 1.5), frame("factory", 2.5)
    given = hand_over(
        frames, instance, {"2025-01-01|home": None, "2025-01-01|factory": factory, "2025-02-01|factory": later}
    )
    assert given[0] is None
    for found, wanted in zip(given[1:], (factory, later), strict=True):
        assert isinstance(found, pl.DataFrame)
        assert_frame_equal(found, wanted)


def test_a_frame_that_breaks_its_contract_is_not_written(frames: ContractFrames, instance: dg.DagsterInstance) -> None:
    with pytest.raises(OurFault):
        hand_over(frames, instance, {"2025-01-01|factory": frame("factory", 1.0).drop("baseline_id")})
    assert list(frames.project.project.data_dir.rglob("*.parquet")) == []


def test_nobody_else_knows_where_the_frames_are() -> None:
    from orchestration.definitions import defs

    graph = defs.get_repository_def().asset_graph
    (models,) = {graph.get(dg.AssetKey(name)).assets_def for name in ("int_seu__day_enpi", "mart_seu__day_enpi")}
    inputs = {key.to_user_string() for key in models.keys_by_input_name.values()}
    assert set(CONTRACTS) <= inputs
    assert models.op.ins["expected"].input_manager_key == "frames"
    rooms = [
        path for room in ("assets", "ml", "controls", "reports", "data_quality") for path in (ROOT / room).rglob("*.py")
    ]
    named = [path.relative_to(ROOT).as_posix() for path in rooms if re.search(r'/ "frames"|"frames/', path.read_text())]
    assert named == []
