"""Trainings of some targets of a site as a piece of work: which, from which files. Any process can do it."""

from datetime import datetime

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from assets.sites.view import readings_in
from assets.stores.lake.lake_files import LakeFile, expect_unchanged
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from ml.forecasts.targets import target_of
from ml.forecasts.train import Tried, try_target

# A site's targets in so many pieces at least, so that several processes have one; the same ones whoever does them.
PIECES = 8


class TrainTask(Model):
    """Targets of one site that learn from as long a time. start_utc, end_utc: of the readings; files: of that span.

    until_utc: only readings that had ended by then. weather: as it was forecast, from the store.
    """

    site: Site
    targets: tuple[str, ...]
    start_utc: datetime
    end_utc: datetime
    until_utc: datetime
    meters: tuple[str, ...]
    files: tuple[LakeFile, ...]
    weather: tuple[WeatherIssue, ...]
    backtest_days: int
    folds: int
    tune_within_s: float


def try_targets(task: TrainTask) -> dict[str, Tried | Finding]:
    """Target -> its trial and best model, or why there is none. Pure: reads the task's files. Raises Unreachable."""
    expect_unchanged(task.files)
    readings = readings_in(task.files, task.site, start_utc=task.start_utc, end_utc=task.end_utc, meters=task.meters)
    # How many threads a product is cut into moves its last digits on some processors.
    with threadpool_limits(limits=1, user_api="blas"):
        return {
            name: try_target(
                readings,
                site=task.site,
                target=target_of(task.site, name),
                known_until_utc=task.until_utc,
                weather=task.weather,
                backtest_days=task.backtest_days,
                folds=task.folds,
                tune_within_s=task.tune_within_s,
            )
            for name in task.targets
        }
