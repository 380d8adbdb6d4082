"""Rank and percentile of each site among its peers, with intervals: which rank another year would give it.

A rank of one year is a draw. Two things move it: which months were like what (the months are drawn again, the same
ones for every site, since a cold month is cold for all), and what a building drifts from one year to the next, which
no data of one year can tell: it is an assumption, and stated with the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.kpi.benchmark.intensity import Vector

# A rank among fewer tells more about who takes part than about the building.
MIN_PEERS = 5
# Standard deviation of the ratio of two years of an untouched building, as assumed.
ASSUMED_DRIFT = 0.08
DRAWS = 4_000


@dataclass(frozen=True, slots=True)
class Rank:
    """rank: 1 is the least kWh/m² of `peers`, the site among them; percentile: share of the peers below it, half of it
    counted, 0–100. Intervals at the requested confidence.
    """

    rank: int
    rank_interval: tuple[int, int]
    percentile: float
    percentile_interval: tuple[float, float]
    peers: int


def ranked(
    values: Sequence[float],
    mean_kw: Vector,
    hours: Vector,
    *,
    drift: float,
    confidence: float,
    seed: int,
    draws: int = DRAWS,
) -> list[Rank]:
    """Ranks of peers by `values` (kWh/m² a year, above 0).

    mean_kw, hours: (sites, months), 0 where a month was not read. drift: standard deviation of the log ratio of a
    year to the next. The same seed gives the same intervals.
    """
    rng = np.random.default_rng(seed)
    n, months = mean_kw.shape
    counts = rng.multinomial(months, np.full(months, 1.0 / months), size=draws).astype(np.float64)
    read = counts @ hours.T
    own = (mean_kw * hours).sum(axis=1) / hours.sum(axis=1)
    # A site that has none of the drawn months keeps its own mean.
    level = np.where(read > 0, (counts @ (mean_kw * hours).T) / np.maximum(read, 1.0), own) / own
    drawn = np.asarray(values) * level * np.exp(drift * rng.standard_normal((draws, n)))
    places = drawn.argsort(axis=1).argsort(axis=1) + 1
    tail = 0.5 - confidence / 2.0
    ends = np.quantile(places, [tail, 1.0 - tail], axis=0, method="inverted_cdf").astype(int)
    order = np.asarray(values).argsort(kind="stable").argsort(kind="stable") + 1
    return [
        Rank(
            rank=int(rank),
            # The year at hand is one of the years that may be.
            rank_interval=(min(int(low), int(rank)), max(int(high), int(rank))),
            percentile=_percentile(int(rank), n),
            percentile_interval=(_percentile(min(int(low), int(rank)), n), _percentile(max(int(high), int(rank)), n)),
            peers=n,
        )
        for rank, low, high in zip(order, ends[0], ends[1], strict=True)
    ]


def _percentile(rank: int, peers: int) -> float:
    return 100.0 * (rank - 0.5) / peers
