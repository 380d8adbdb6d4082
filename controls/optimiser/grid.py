"""The time steps of a plan: labelled by start, half-open, possibly of different lengths."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from data_quality.contracts.model import Model


class Grid(Model):
    """Consecutive steps from `start_utc`; step t lasts step_h[t] hours."""

    start_utc: datetime
    step_h: tuple[Annotated[float, Field(gt=0, le=24)], ...] = Field(min_length=1)

    @property
    def points_utc(self) -> tuple[datetime, ...]:
        """len(step_h) + 1 instants: the start of every step, and the end of the last."""
        points, elapsed_h = [self.start_utc], 0.0
        for hours in self.step_h:
            elapsed_h += hours
            points.append(self.start_utc + timedelta(seconds=round(elapsed_h * 3600, 6)))
        return tuple(points)

    @property
    def windows_utc(self) -> tuple[tuple[datetime, datetime], ...]:
        """[start, end) of every step."""
        return tuple(pairwise(self.points_utc))


def even_grid(start_utc: datetime, *, step_h: float, count: int) -> Grid:
    """`count` steps of one length."""
    return Grid(start_utc=start_utc, step_h=(step_h,) * count)
