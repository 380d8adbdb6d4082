"""Events that the detectors find at seeded sites, with their features and the cause that was seeded."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from ml.anomalies.monitor import watch
from ml.anomaly_causes.cause_model import CauseModel
from ml.anomaly_causes.event_features import features_of
from ml.anomaly_causes.learn_causes import CauseFigures, cause_figures
from tests.ml.anomaly_causes.seeded_sites import Seeded, SeededSite, seeded_site

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


def figures(rows: Sequence[Judged], model: CauseModel) -> CauseFigures:
    """A model on events whose causes were seeded. The likeliest cause is what confidence is of."""
    return cause_figures([model.probabilities(each.features) for each in rows], [each.seeded.cause for each in rows])
