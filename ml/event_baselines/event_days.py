"""Days whose baseline is wanted, with the hours of events and what all methods look at: taken from the load once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.event_baselines.day_steps import DaySteps, Mask, Matrix, mean_of
from ml.features.series import Index, Vector

LAST_DAYS = 10


class EventWindow(BaseModel):
    """Steps of the local day, each span without its end. adjust_*: the hours that a same-day adjustment looks at,
    none of an event that begins its day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: int = Field(ge=0)
    end: int
    adjust_start: int = Field(ge=0)
    adjust_end: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.start < self.end or not self.adjust_start <= self.adjust_end <= self.start:
            raise ValueError("expected adjustment hours that end before the event begins, and an event that ends later")
        return self

    @property
    def event(self) -> slice:
        """Steps of the event."""
        return slice(self.start, self.end)

    @property
    def adjustment(self) -> slice:
        """Steps of the adjustment."""
        return slice(self.adjust_start, self.adjust_end)

    def after(self, steps: int) -> slice:
        """Steps after the event in which load comes back: as long as the event, within the day."""
        return slice(self.end, min(2 * self.end - self.start, steps))


@dataclass(frozen=True)
class EventDays:
    """Days of a meter by position, and the window that is asked. The grid must not change while it is in use."""

    grid: DaySteps
    days: Index
    window: EventWindow

    @cached_property
    def last(self) -> Index:
        """(days, 10) last counting days of the same kind, newest last; -1 where there is none."""
        return self.grid.before(self.days, LAST_DAYS)

    @cached_property
    def past_kw(self) -> Matrix:
        """(days, 10, steps) load of the last days."""
        return self.grid.of(self.last)

    @cached_property
    def today_kw(self) -> Matrix:
        """(days, steps) load of the days themselves, of which a method may see the steps before the event."""
        return self.grid.of(self.days)

    @cached_property
    def base_kw(self) -> Matrix:
        """(days, steps) mean of the last days."""
        return np.asarray(mean_of(self.past_kw, axis=1))

    @cached_property
    def history(self) -> "EventDays":
        """The same days and all earlier ones that count, of each kind."""
        last = self.days.max(initial=-1)
        return EventDays(self.grid, np.union1d(self.days, np.flatnonzero(self.grid.counts[: last + 1])), self.window)

    def of_kind(self, is_off: bool) -> "EventDays":
        """The days of one kind, business days or days off; itself where it has no other."""
        mine: Mask = self.grid.is_off[self.days] == is_off
        return self if mine.all() else EventDays(self.grid, self.days[mine], self.window)

    @cached_property
    def scale_kw(self) -> Vector:
        """(days,) mean size of the load in the event hours of the last days: of a net meter the mean may be near 0."""
        event = np.abs(self.past_kw[:, :, self.window.event])
        scale = np.asarray(mean_of(event.reshape(len(self.days), -1), axis=1))
        scale[~(scale > 0)] = np.nan
        return scale
