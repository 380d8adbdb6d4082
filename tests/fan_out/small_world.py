"""A site of some meters with a year of readings, its tasks, and every digit of what became of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.ingest.ingest_file import ingest_file
from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import open_store
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, months_after
from ml.baselines.lifecycle.fit_site import ExpectedTask, expected_tasks, fit_uses
from ml.baselines.lifecycle.monitoring import training_window
from ml.baselines.lifecycle.uses_task import STREAMS_A_BLOCK, UsesTask, tasks_of
from ml.forecasts.site_forecast import SiteInputs, TrainTask
from tests.bench.scale_world import FIRST, month_files, site_text

MONTHS = 12
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A site and the lake that holds its year."""

    site: Site
    lake: Lake

    def fits(self, streams: int = STREAMS_A_BLOCK) -> list[UsesTask]:
        """Tasks over the baseline year. streams: at most, of a task."""
        return self._tasks({(FIRST, months_after(FIRST, MONTHS)): self.site.seus}, streams)

    def refits(self, streams: int = STREAMS_A_BLOCK) -> list[UsesTask]:
        """The same for monitoring."""
        return self._tasks({training_window(NOW.date()): self.site.seus}, streams)

    def _tasks(self, periods: Any, streams: int) -> list[UsesTask]:
        return list(tasks_of(self.site, periods, lake=self.lake, clock=FixedClock(NOW), streams=streams))

    def expected(self, streams: int = STREAMS_A_BLOCK) -> list[ExpectedTask]:
        """Expected days by baselines that are fitted first."""
        fits = [answer for task in self.fits(streams) for answer in fit_uses(task).values()]
        versions = {
            each.seu_id: BaselineVersion(
                baseline_id=each.seu_id, version=1, status=BaselineStatus.PROVISIONAL, mlflow_run_id="r",
                model_checksum="0" * 64, fitted_by="test", fitted_at_utc=NOW, baseline=each,
            )
            for each in fits
            if isinstance(each, Baseline)
        }  # fmt: skip
        return expected_tasks(self.site, versions, {}, lake=self.lake, streams=streams)

    def trainings(self, *, days: int = 7, folds: int = 1) -> list[TrainTask]:
        """Of its targets."""
        inputs = SiteInputs(self.site, self.lake, None, NOW)
        return inputs.training_tasks(inputs.targets, backtest_days=days, folds=folds, tune_within_s=0.0)


@contextmanager
def made_world(folder: Path, *, meters: int, targets: int) -> Iterator[World]:
    """In a folder: files as a meter operator sends them, read through the usual door."""
    (folder / "site.yaml").write_text(site_text(meters, MONTHS, targets))
    site = load_site(folder / "site.yaml")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    found = World(site, Lake(folder / "lake", store))
    quarantine = QuarantineStore(folder / "quarantine", store)
    for month in range(MONTHS):
        for path in month_files(folder, meters, months_after(FIRST, month), seed=1):
            ingest_file(path, site=site, lake=found.lake, quarantine=quarantine, clock=FixedClock(NOW))
    yield found
    store.close()


def answer_texts(results: Any) -> list[str]:
    """Every digit of what came back, as text."""
    texts = []
    for result in results:
        assert not isinstance(result.answer, Finding), result.answer
        if isinstance(result.answer, pl.DataFrame):
            texts.append(result.answer.write_json())
            continue
        for name, answer in result.answer.items():
            if isinstance(answer, Finding) or not hasattr(answer, "trial"):
                texts.append(f"{name} {answer.model_dump_json()}")
                continue
            files = {file: content.hex() for file, content in sorted(answer.model.to_files().items())}
            scores = {kind: score.model_dump(mode="json") for kind, score in answer.trial.scores.items()}
            texts.append(json.dumps([name, files, scores, answer.trial.case.digest()]))
    return texts
