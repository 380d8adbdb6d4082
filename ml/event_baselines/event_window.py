"""The hours of an event and those of its same-day adjustment, as steps of a local day."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EventWindow(BaseModel):
    """Steps of the local day, each span without its end. adjust_*: the hours that a same-day adjustment looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: int = Field(ge=0)
    end: int
    adjust_start: int = Field(ge=0)
    adjust_end: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.start < self.end or not self.adjust_start < self.adjust_end <= self.start:
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
