"""A whole training in one call, tried and settled: what the product does in two steps, by two processes."""

from typing import Any

import polars as pl

from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.forecasts.targets import Target, target_of
from ml.forecasts.train import Training, settle, try_case, try_target
from ml.tracking import MlflowTracker


def train_and_register(
    readings: pl.DataFrame, *, site: Site, target: str, tracker: MlflowTracker, seed: int = 0, **given: Any
) -> Training | Finding:
    """`try_target`, then `settle`. given: as `try_target` takes it."""
    wanted = target_of(site, target)
    tried = try_target(readings, site=site, target=wanted, seed=seed, **given)
    return tried if isinstance(tried, Finding) else settle(tried, site=site, target=wanted, tracker=tracker, seed=seed)


def train_case(
    case: Case, *, site: Site, target: Target, tracker: MlflowTracker, seed: int = 0, **given: Any
) -> Training | Finding:
    """`try_case`, then `settle`. given: as `try_case` takes it."""
    tried = try_case(case, site=site, target=target, seed=seed, **given)
    return tried if isinstance(tried, Finding) else settle(tried, site=site, target=target, tracker=tracker, seed=seed)
