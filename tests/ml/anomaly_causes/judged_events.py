"""Events that the detectors find at seeded sites, with their features and the cause that was seeded."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from ml.anomalies.day_grid import Mask
from ml.anomalies.monitor import watch
from ml.anomaly_causes.cause_model import CauseModel, likely_cause
from ml.anomaly_causes.event_features import features_of
from tests.ml.anomaly_causes.seeded_sites import CAUSES, Seeded, SeededSite, seeded_site

HOUR = timedelta(hours=1)


class Judged(NamedTuple):
    """One event. seeded: the cause in its hours."""

    features: dict[str, float]
    seeded: Seeded
    number: int


def judged_events(numbers: Iterable[int]) -> list[Judged]:
    """Events of the sites of these numbers; those that share no time with a cause are left out."""
    return [each for number in numbers for each in _of_site(seeded_site(number), number)]


def _of_site(site: SeededSite, number: int) -> list[Judged]:
    found = list[Judged]()
    start = site.series.start_utc
    for event in watch(site.series, site.civil, temperature=site.context.temperature).events:
        first, end = (event.start_utc - start) // HOUR, (event.end_utc - start) // HOUR
        shared = [(min(end, each.end) - max(first, each.first), each) for each in site.seeded]
        hours, cause = max(shared, key=lambda each: each[0], default=(0, None))
        if cause is not None and hours >= 0.5 * min(end - first, cause.end - cause.first):
            found.append(Judged(features_of(event, site.series, site.civil, site.context), cause, number))
    return found


class Figures(NamedTuple):
    """How often a model is right. f1: by cause; macro_f1: their mean; ece: expected calibration error, ten bins."""

    events: int
    f1: dict[str, float]
    macro_f1: float
    ece: float
    share_right: float


def figures(rows: Sequence[Judged], model: CauseModel) -> Figures:
    """A model on events whose causes were seeded. The likeliest cause is what confidence is of."""
    shares = [model.probabilities(each.features) for each in rows]
    likeliest = [max(each, key=lambda cause: each[cause]) for each in shares]
    confidence = np.array([max(each.values()) for each in shares])
    truth = np.array([each.seeded.cause for each in rows])
    named = np.array([likely_cause(each.features, model).cause for each in rows])
    f1 = {cause: _f1(named == cause, truth == cause) for cause in CAUSES}
    bins, is_right = np.minimum((confidence * 10).astype(int), 9), np.array(likeliest) == truth
    ece = sum(
        abs(float(is_right[bins == each].mean() - confidence[bins == each].mean())) * float((bins == each).mean())
        for each in np.unique(bins)
    )
    return Figures(len(rows), f1, float(np.mean(list(f1.values()))), ece, float((named == truth).mean()))


def _f1(is_named: Mask, is_true: Mask) -> float:
    return 2 * float((is_named & is_true).sum()) / max(float(is_named.sum() + is_true.sum()), 1.0)
