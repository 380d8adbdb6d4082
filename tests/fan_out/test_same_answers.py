"""Fits, refits, trainings and expected days of a site: byte for byte the same in one process, two, and on Dask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import WorkSettings
from ml.baselines.lifecycle.fit_site import expected_uses, fit_uses
from ml.baselines.lifecycle.monitor_site import refit_uses
from ml.forecasts.site_forecast import try_targets
from orchestration.workers.fan_out import fan_out
from tests.fan_out.conftest import Cluster
from tests.fan_out.small_world import World, answer_texts, made_world

SERIAL = WorkSettings()
POOL = WorkSettings(backend="pool", workers=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two meters, each a use and a target."""
    with made_world(tmp_path_factory.mktemp("world"), meters=2, targets=2) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("work", ["fits", "refits", "trainings", "expected"])
def test_every_back_end_gives_the_same_bytes(world: World, cluster: Cluster, work: str) -> None:
    function: Any = {"fits": fit_uses, "refits": refit_uses, "trainings": try_targets, "expected": expected_uses}[work]
    tasks = world.trainings() if work == "trainings" else getattr(world, work)(streams=2)
    assert len(tasks) >= 2
    here, pool, dask = (answer_texts(fan_out(function, tasks, settings=each)) for each in (SERIAL, POOL, cluster.work))
    assert all(len(text) > 500 for text in here)
    assert here == pool
    assert here == dask


def test_a_file_that_is_gone_or_another_is_a_finding_of_its_tasks_alone(world: World, tmp_path: Path) -> None:
    tasks = world.fits(streams=2)
    first = tasks[0].files[0]
    gone = first.model_copy(update={"path": tmp_path / "gone.parquet"})
    other = first.model_copy(update={"sha256": "0" * 64})
    asked = [tasks[0].model_copy(update={"files": (each, *tasks[0].files[1:])}) for each in (gone, other)]
    lost, altered, whole = (each.answer for each in fan_out(fit_uses, [*asked, tasks[1]], settings=SERIAL))
    assert isinstance(lost, Finding)
    assert "gone.parquet cannot be read" in lost.message
    assert isinstance(altered, Finding)
    assert "was altered since this work was handed out" in altered.message
    assert not isinstance(whole, Finding)
