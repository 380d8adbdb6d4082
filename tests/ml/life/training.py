"""Cases and quick trainings for the tests of this folder."""

from datetime import UTC, datetime

import numpy as np

from data_quality.contracts.site_file.site import Site
from ml.features.civil import civil_of
from ml.features.forecast_case import Case
from ml.features.series import Series
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.targets import target_of
from ml.forecasts.train import Training
from ml.tracking import MlflowTracker
from tests.ml.cases import plant
from tests.ml.whole_training import train_case

START = datetime(2025, 2, 3, 23, tzinfo=UTC)


def site(name: str) -> Site:
    """The plant under a name of its own, so that tests do not share models."""
    return plant().model_copy(update={"site_id": name})


def load(days: int, *, level: float = 10.0, seed: int = 1) -> np.ndarray:
    """Hours with a daily shape and noise, kWh."""
    hours = np.arange(24 * days)
    shape = 1 + 0.5 * np.sin(2 * np.pi * hours / 24)
    return level * shape + np.random.default_rng(seed).normal(0, 1, len(hours))


def case_of_values(values: np.ndarray, name: str = "plant") -> Case:
    """A case of hourly values from START on."""
    return Case(Series(START, values), civil_of(site(name), START, len(values) + 49))


def train_floor(tracker: MlflowTracker, name: str, values: np.ndarray, **more: object) -> Training:
    """Train same-hour-last-week alone, which takes no time."""
    found = train_case(
        case_of_values(values, name),
        site=site(name),
        target=target_of(site(name), "m1"),
        tracker=tracker,
        fitters=(SameHourLastWeekFitter(),),
        **more,  # type: ignore[arg-type]
    )
    assert isinstance(found, Training), found
    return found
