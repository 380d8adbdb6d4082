"""Has the world moved away from what a model was trained on? Of its data, and of its errors; each a typed finding.

Sources: population stability index with its usual limit of 0.25 (Siddiqi 2006), which real loads pass every second
fortnight: it has to pass those of the training too. Asked 644 times of fourteen buildings over years, a week after
their training, it spoke in 3 % of the cases. One-sided CUSUM with k = 0.5 and h = 5 (Page 1954; Montgomery,
Introduction to Statistical Quality Control): of errors as the backtest had them it raises a false alarm once in some
900 days, and a rise by one standard deviation is seen after about ten.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np

from data_quality.contracts.finding import Finding
from ml.features.feature import WEEK_DAYS
from ml.features.series import Series, Vector

RECENT_DAYS = 14
# A model looks back over a week: beyond this share missing its lags say little.
MAX_MISSING = 0.2
# The same value for as long is a meter that hangs, where training knew days that moved.
CONSTANT_DAYS = 2
MAX_PSI, BINS = 0.25, 10
# As much beyond the fortnights of the training itself.
PSI_MARGIN = 1.5
# Outside all levels that training saw by more than this share of them.
LEVEL_MARGIN = 0.15
SLACK, LIMIT = 0.5, 5.0


def data_drift(series: Series, trained_steps: int, *, scope: str) -> list[Finding]:
    """Findings of the last RECENT_DAYS of a series against its first `trained_steps`, which a model was trained on.

    Empty where all is as it was, and where there is too little of either to tell.
    """
    day, values = series.per_day, series.values
    recent, trained = values[-RECENT_DAYS * day :], values[:trained_steps]
    if len(recent) < RECENT_DAYS * day or (~np.isnan(trained)).sum() < 2 * RECENT_DAYS * day:
        return []
    found = [_missing(values[-WEEK_DAYS * day :], scope), _constant(values, trained, day, scope)]
    # What hangs or is missing has no level and no shape to speak of.
    if not any(found):
        found += [_level(recent, trained, day, scope), _shape(series, trained_steps, scope)]
    return [each for each in found if each is not None]


def error_drift(losses: Mapping[date, float], *, mean: float, std: float, scope: str) -> list[Finding]:
    """A finding where the daily losses of issued forecasts have risen above those of the backtest, by CUSUM.

    losses: mean pinball loss by local day since the model leads. mean, std: of the backtest's days; std above zero.
    """
    if not std > 0:
        return []
    total, since = 0.0, None
    for day, loss in sorted(losses.items()):
        before = total
        total = max(0.0, total + (loss - mean) / std - SLACK)
        since = day if before == 0 < total else since
        if total > LIMIT and since is not None:
            # The days of the rise, from the last one on which all was as it had been.
            risen = [each for at, each in losses.items() if since <= at <= day]
            message = (
                f"The daily loss of issued forecasts rose to {np.mean(risen):.4g} on {len(risen)} days since {since}; "
                f"the backtest had {mean:.4g} ± {std:.4g}."
            )
            facts = {"loss": float(np.mean(risen)), "backtest": mean, "days": len(risen), "since": since.isoformat()}
            return [Finding(code="error_drift", message=message, scope=scope, facts=facts)]
    return []


def psi(recent: Vector, trained: Vector) -> float:
    """Population stability index of two samples without NaN over the deciles of the second; 0 is the same."""
    edges = np.unique(np.quantile(trained, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = []
    for sample in (recent, trained):
        counts = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1)
        # An empty bin would make the index infinite: half a value stands in it.
        shares.append(np.maximum(counts, 0.5) / len(sample))
    return float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))


def _missing(week: Vector, scope: str) -> Finding | None:
    share = float(np.mean(np.isnan(week)))
    if share <= MAX_MISSING:
        return None
    message = f"{share:.0%} of the last week is missing; more than {MAX_MISSING:.0%} leaves the lags without a base."
    return Finding(code="inputs_missing", message=message, scope=scope, facts={"share": share})


def _constant(values: Vector, trained: Vector, day: int, scope: str) -> Finding | None:
    last = values[-CONSTANT_DAYS * day :]
    # A load that also stood still in training (a holiday flat) is as it was.
    days = trained[: len(trained) // (CONSTANT_DAYS * day) * CONSTANT_DAYS * day].reshape(-1, CONSTANT_DAYS * day)
    if np.isnan(last).any() or np.ptp(last) > 0 or (np.ptp(days, axis=1) == 0).any():
        return None
    message = f"The last {CONSTANT_DAYS} days all have the value {last[0]:g}, which training never saw for as long."
    return Finding(code="inputs_constant", message=message, scope=scope, facts={"value": float(last[0])})


def _level(recent: Vector, trained: Vector, day: int, scope: str) -> Finding | None:
    span = RECENT_DAYS * day
    # Ends every day, so that a season at either end of the training counts.
    known = [part for end in range(span, len(trained) + 1, day) for part in [trained[end - span : end]]]
    levels = np.array([np.nanmean(part) for part in known if not np.isnan(part).all()])
    level, low, high = float(np.nanmean(recent)), float(levels.min()), float(levels.max())
    margin = LEVEL_MARGIN * max(abs(low), abs(high))
    if low - margin <= level <= high + margin:
        return None
    message = (
        f"The mean of the last {RECENT_DAYS} days is {level:.4g}; training knew two weeks of {low:.4g} to {high:.4g}."
    )
    facts = {"level": level, "trained_low": low, "trained_high": high}
    return Finding(code="level_shift", message=message, scope=scope, facts=facts)


def _shape(series: Series, trained_steps: int, scope: str) -> Finding | None:
    shares = _shares(series)
    span, step = RECENT_DAYS * series.per_day, WEEK_DAYS * series.per_day
    trained = shares[:trained_steps]
    # Every fortnight differs from half a year: by how much is told by those of the training itself.
    usual = [_psi_of(trained[end - span : end], trained) for end in range(span, len(trained) + 1, step)]
    index = _psi_of(shares[-span:], trained)
    known = [each for each in usual if each is not None]
    if index is None or not known or index <= max(MAX_PSI, PSI_MARGIN * max(known)):
        return None
    message = (
        f"The hours of the last {RECENT_DAYS} days are spread otherwise about their week's mean than in training: "
        f"stability index {index:.2f}; fortnights of the training had up to {max(known):.2f}."
    )
    return Finding(code="shape_shift", message=message, scope=scope, facts={"psi": index, "trained": max(known)})


def _psi_of(part: Vector, whole: Vector) -> float | None:
    part, whole = part[~np.isnan(part)], whole[~np.isnan(whole)]
    return psi(part, whole) if len(part) and len(whole) else None


def _shares(series: Series) -> Vector:
    """Values over the mean of the week that ends with them: what a season does to the level is no change of shape."""
    week = WEEK_DAYS * series.per_day
    known = ~np.isnan(series.values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, series.values, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], known]))
    means = np.full(len(series.values), np.nan)
    amount = counts[week:] - counts[:-week]
    means[week - 1 :] = np.divide(
        sums[week:] - sums[:-week], amount, out=np.full(len(amount), np.nan), where=amount > 0
    )
    shares: Vector = np.divide(series.values, means, out=np.full(len(means), np.nan), where=np.abs(means) > 0)
    return shares
