"""Parameters of a project's own, learned from labelled events and shrunk towards the present ones.

The posterior mode of a multinomial logistic regression with a normal prior around the shipped weights, so that few
labels move little (Bishop, Pattern Recognition and Machine Learning, 4.5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from data_quality.contracts.reporting.anomaly_event import Cause
from ml.anomalies.day_grid import Matrix
from ml.anomalies.logistic import CUT
from ml.anomaly_causes.cause_model import CauseModel, FeatureWeights, named_cause
from ml.features.series import Index

# Precision of the prior. On seeded sites, 20 to 80 labels that say what the shipped weights say cost 0.03 nats of log
# loss on others, and 40 that say otherwise win 0.5 (docs/adr/0069).
PULL = 30.0
FEWEST_LABELS = 20
_DIGITS = 5
Shares = Mapping[Cause, float]
_CALIBRATION_BINS = 10


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
    """Scores of probabilities of causes against the true ones; one event at least."""
    causes: tuple[Cause, ...] = tuple(shares[0])
    named = [named_cause(each)[0] for each in shares]
    pairs = list(zip(truth, named, strict=True))
    confusion = {(true, predicted): pairs.count((true, predicted)) for true in causes for predicted in causes}
    f1 = {each: _f1(confusion, each) for each in causes if each in {*truth, *named}}
    table = np.array([[each[cause] for cause in causes] for each in shares])
    places: Index = np.array([causes.index(each) for each in truth])
    sure, is_right = table.max(axis=1), table.argmax(axis=1) == places
    bins = np.minimum((sure * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = [abs(float((is_right - sure)[bins == each].sum())) for each in np.unique(bins)]
    own = np.maximum(table[np.arange(len(places)), places], 1e-12)
    return CauseFigures(
        len(pairs), f1, float(np.mean([f1[each] for each in sorted(set(truth))])), sum(gaps) / len(pairs),
        -float(np.log(own).mean()), sum(true == predicted for true, predicted in pairs) / len(pairs), confusion,
    )  # fmt: skip


def _f1(confusion: Mapping[tuple[Cause, Cause], int], cause: Cause) -> float:
    """2 × right / (true + named)."""
    true = sum(count for (each, _), count in confusion.items() if each == cause)
    predicted = sum(count for (_, each), count in confusion.items() if each == cause)
    return 2 * confusion[cause, cause] / max(true + predicted, 1)


@dataclass(frozen=True)
class CauseExample:
    """A labelled event with its features (event_features.py)."""

    event_id: str
    site_id: str
    start_utc: datetime
    end_utc: datetime
    features: dict[str, float]
    cause: Cause

    def is_beside(self, other: "CauseExample") -> bool:
        """True where both share time at one site: a meter and the one above it have one cause."""
        return self.site_id == other.site_id and self.start_utc < other.end_utc and other.start_utc < self.end_utc


@dataclass(frozen=True)
class Judgement:
    """A learned model and the one that it was shrunk towards, each scored on held-out events."""

    model: CauseModel
    learned: CauseFigures
    shipped: CauseFigures

    @property
    def is_better(self) -> bool:
        """True where it is as often right, and its probabilities are nearer to the labels."""
        return self.learned.macro_f1 >= self.shipped.macro_f1 and self.learned.log_loss < self.shipped.log_loss


def too_few(causes: Sequence[Cause]) -> str:
    """Why these labels teach nothing; empty where they may."""
    if len(causes) < FEWEST_LABELS:
        return "few_labels"
    return "one_cause" if len(set(causes)) == 1 else ""


def judged(examples: Sequence[CauseExample], shipped: CauseModel) -> Judgement:
    """Learn from all; judge each event by a model that neither it nor what shares its time taught."""
    # (events, 1 + features), scaled and cut; what is unknown is 0, as the model takes it.
    rows = [[each.features.get(name, np.nan) for name in shipped.features] for each in examples]
    centre, scale = (
        np.array([getattr(each, name) for each in shipped.features.values()]) for name in ("centre", "scale")
    )
    scaled = np.nan_to_num(np.clip((np.array(rows, dtype=float) - centre) / scale, -CUT, CUT))
    values = np.hstack([np.ones((len(rows), 1)), scaled])
    places = np.array([shipped.causes.index(each.cause) for each in examples])
    whole, shares = _moved(values, places, shipped), []
    for each in examples:
        others = np.array([not one.is_beside(each) for one in examples])
        # From where the whole came to: one event less moves it little.
        own = with_moved(shipped, _moved(values[others], places[others], shipped, start=whole))
        shares.append(own.probabilities(each.features))
    truth = [each.cause for each in examples]
    before = [shipped.probabilities(each.features) for each in examples]
    model = with_moved(shipped, whole).model_copy(
        update={
            "measured": {},
            "learned_from": f"{len(examples)} labels of people, pulled to version {shipped.version}",
        }
    )
    return Judgement(model, cause_figures(shares, truth), cause_figures(before, truth))


def with_moved(model: CauseModel, moved: Matrix) -> CauseModel:
    """The model with its intercepts and weights moved. moved: (1 + features, causes)."""
    added = np.round(moved, _DIGITS)
    return model.model_copy(
        update={
            "intercepts": tuple(map(float, np.array(model.intercepts) + added[0] + 0.0)),
            "features": {
                name: FeatureWeights(
                    centre=each.centre, scale=each.scale, weights=tuple(map(float, np.array(each.weights) + more))
                )
                for (name, each), more in zip(model.features.items(), added[1:], strict=True)
            },
        }
    )


def _moved(values: Matrix, places: Index, model: CauseModel, *, start: Matrix | None = None) -> Matrix:
    """By how much intercepts and weights move: (1 + features, causes)."""
    from scipy.optimize import minimize

    prior = np.vstack([model.intercepts, *(each.weights for each in model.features.values())])
    labels = np.eye(len(model.causes))[places]

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        moved = flat.reshape(prior.shape)
        odds = values @ (prior + moved) / model.temperature
        shares = np.exp(odds - odds.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        own = np.maximum((shares * labels).sum(axis=1), 1e-300)
        slope = values.T @ (shares - labels) / model.temperature + PULL * moved
        return -float(np.log(own).sum()) + PULL / 2 * float((moved**2).sum()), slope.ravel()

    first = np.zeros(prior.size) if start is None else start.ravel()
    return np.asarray(minimize(loss, first, jac=True, method="L-BFGS-B").x.reshape(prior.shape))
