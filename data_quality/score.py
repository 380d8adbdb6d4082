"""Quality score per stream and local day, 0 to 1: how much of the day is there and may be believed.

score = completeness x (1 - excluded - 0.5 x held - 0.1 x flagged); completeness is the share of the day's slots with
a reading of the source (an estimate is none), the others are shares of these readings that a rule with that action
flagged. A reading with several flags counts once, with the gravest.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import numpy as np
import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Floats
from data_quality.rules.shared.grid_days import Days

MAX_NAMED = 20
# A held reading may be right or wrong; a flagged one is most likely right.
WEIGHTS: dict[str, float] = {Action.EXCLUDE.value: 1.0, Action.HOLD.value: 0.5, Action.FLAG.value: 0.1}
SCHEMA: dict[str, pl.DataType] = {
    "meter_id": pl.String(),
    "register": pl.String(),
    "local_date": pl.Date(),
    "expected": pl.Int64(),
    "known": pl.Int64(),
    "completeness": pl.Float64(),
    "excluded": pl.Float64(),
    "held": pl.Float64(),
    "flagged": pl.Float64(),
    "score": pl.Float64(),
}


def daily_scores(
    days: Days | None, events: Mapping[str, Sequence[tuple[int, int, int]]] | None = None, *, first_day: int = 0
) -> pl.DataFrame:
    """One row per stream and local day from `first_day` on (columns SCHEMA).

    events: per action the flagged (row, first slot, end slot). Days that the grid holds only a part of count that
    part. Without days: an empty table.
    """
    if days is None:
        return pl.DataFrame(schema=SCHEMA)
    grid, count = days.grid, days.count - first_day
    expected = np.diff(days.edges)[first_day:]
    known = days.known[:, first_day:]
    shares = _shares(days, events or {}, first_day)
    completeness = np.divide(known, expected, out=np.zeros(known.shape), where=expected > 0)
    lost = sum(WEIGHTS[action] * share for action, share in shares.items())
    score = completeness * (1 - lost)
    rows = len(grid.streams)
    return pl.DataFrame(
        {
            "meter_id": np.repeat([stream.meter_id for stream in grid.streams], count),
            "register": np.repeat([stream.register for stream in grid.streams], count),
            "local_date": pl.Series(days.dates[first_day:] * rows, dtype=pl.Date),
            "expected": np.tile(expected, rows),
            "known": known.ravel(),
            "completeness": completeness.ravel(),
            "excluded": shares[Action.EXCLUDE.value].ravel(),
            "held": shares[Action.HOLD.value].ravel(),
            "flagged": shares[Action.FLAG.value].ravel(),
            # The shares add up to at most 1: only rounding of floats can lead beyond.
            "score": np.clip(score, 0.0, 1.0).ravel(),
        },
        schema=SCHEMA,
    )


def _shares(days: Days, events: Mapping[str, Sequence[tuple[int, int, int]]], first_day: int) -> dict[str, Floats]:
    """Per action the share of a day's readings [streams, days]; only rows with an event are looked at."""
    known = days.known[:, first_day:]
    shares: dict[str, Floats] = {action: np.zeros(known.shape) for action in WEIGHTS}
    for row in sorted({row for found in events.values() for row, _, _ in found}):
        gravest = np.zeros(days.grid.slots, np.int8)
        # The gravest stands first in WEIGHTS and is written last.
        for rank, action in enumerate(reversed(list(WEIGHTS)), start=1):
            for at, first, end in events.get(action, ()):
                if at == row:
                    gravest[first:end] = rank
        # A flagged slot without a reading is lost already, as incompleteness: it must not count twice.
        gravest[np.isnan(days.grid.values[row])] = 0
        for rank, action in enumerate(reversed(list(WEIGHTS)), start=1):
            hit = np.add.reduceat(gravest == rank, days.edges[:-1], dtype=np.int64)[first_day:]
            shares[action][row] = np.divide(hit, known[row], out=np.zeros(len(hit)), where=known[row] > 0)
    return shares


def stream_scores(scores: pl.DataFrame) -> pl.DataFrame:
    """scores: as `daily_scores`. One row per stream, means over the days that were due, the worst first: meter_id,
    register, score, completeness, excluded, held, flagged, days.
    """
    return (
        scores.filter(pl.col("expected") > 0)
        .group_by("meter_id", "register")
        .agg(
            pl.col("score", "completeness", "excluded", "held", "flagged").mean(),
            days=pl.len().cast(pl.Int64),
        )
        .sort("score", "meter_id", "register")
    )


class ScoredMonth(Protocol):
    """A month as validation recorded it."""

    @property
    def month(self) -> date:
        """First local day."""

    @property
    def scores(self) -> Sequence[Mapping[str, Any]]:
        """Rows of `stream_scores`."""


def evaluate_months(months: Sequence[ScoredMonth], *, least: float) -> Verdict:
    """Passed while every stream's mean score of every month is at least `least`.

    Facts: months, streams (of all months), score (their mean), below (count), worst (at most 20, the worst first).
    """
    rows = [(each.month, row) for each in months for row in each.scores]
    below = [(float(row["score"]), month, row) for month, row in rows if row["score"] < least]
    below = sorted(below, key=lambda found: found[:2])[:MAX_NAMED]
    return Verdict(
        passed=not below,
        facts={
            "months": len(months),
            "streams": len(rows),
            "score": sum(float(row["score"]) for _, row in rows) / len(rows) if rows else None,
            "below": sum(row["score"] < least for _, row in rows),
            "worst": [f"{month:%Y-%m} {_score_text(row)}" for _, month, row in below],
        },
    )


def _score_text(row: Mapping[str, Any]) -> str:
    return (
        f"{row['meter_id']}.{row['register']}: {row['score']:.3f} over {row['days']} days, "
        f"complete {row['completeness']:.1%}, excluded {row['excluded']:.1%}, held {row['held']:.1%}, "
        f"flagged {row['flagged']:.1%}"
    )
