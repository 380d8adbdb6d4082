"""Figures of a model of causes on events whose cause is known: how often it is right, and whether confidence holds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_quality.contracts.reporting.anomaly_event import Cause
from ml.anomaly_causes.cause_model import named_cause
from ml.features.series import Index

Shares = Mapping[Cause, float]
_BINS = 10


class CauseFigures(NamedTuple):
    """Figures of a model on events. f1: by cause; macro_f1: mean of those causes that are true of an event.

    ece: expected calibration error of the likeliest cause, ten bins; log_loss: mean, nats; share_right: of all events.
    confusion: events by (true, named).
    """

    events: int
    f1: dict[Cause, float]
    macro_f1: float
    ece: float
    log_loss: float
    share_right: float
    confusion: dict[tuple[Cause, Cause], int]


def cause_figures(shares: Sequence[Shares], truth: Sequence[Cause]) -> CauseFigures:
    """Figures of probabilities of causes beside the true ones; an event at least."""
    causes: tuple[Cause, ...] = tuple(shares[0])
    named = [named_cause(each)[0] for each in shares]
    pairs = list(zip(truth, named, strict=True))
    confusion = {(true, said): pairs.count((true, said)) for true in causes for said in causes}
    f1 = {each: _f1(confusion, each) for each in causes if each in {*truth, *named}}
    table = np.array([[each[cause] for cause in causes] for each in shares])
    places: Index = np.array([causes.index(each) for each in truth])
    sure, is_right = table.max(axis=1), table.argmax(axis=1) == places
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    apart = [abs(float((is_right - sure)[bins == each].sum())) for each in np.unique(bins)]
    own = np.maximum(table[np.arange(len(places)), places], 1e-12)
    return CauseFigures(
        len(pairs), f1, float(np.mean([f1[each] for each in sorted(set(truth))])), sum(apart) / len(pairs),
        -float(np.log(own).mean()), sum(true == said for true, said in pairs) / len(pairs), confusion,
    )  # fmt: skip


def _f1(confusion: Mapping[tuple[Cause, Cause], int], cause: Cause) -> float:
    """2 × right / (true + named)."""
    true = sum(count for (each, _), count in confusion.items() if each == cause)
    said = sum(count for (_, each), count in confusion.items() if each == cause)
    return 2 * confusion[cause, cause] / max(true + said, 1)
