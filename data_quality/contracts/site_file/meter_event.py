"""Meter events, as dated entries: exchange, rollover, reset, relocation, change of multiplier.

Reads are what the display shows, in the register's unit and before its multiplier. Source: formulas 5.1 (a cumulative
register becomes interval amounts with explicit events; a negative delta is not energy).
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.time import only_instant

# A register's display: nothing of ours shows more than fifteen digits.
Read = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 15)]
Factor = Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 6)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class EventKind(StrEnum):
    """Kinds of events of a register."""

    EXCHANGE = "exchange"
    ROLLOVER = "rollover"
    RESET = "reset"
    RELOCATION = "relocation"
    MULTIPLIER_CHANGE = "multiplier_change"


class MeterEvent(Model):
    """One dated event of one register. A read that nobody took stays empty: it is never guessed.

    at: with offset, or local time of the site. final_read: the last state before it; initial_read: the first after it
    (a reset begins at 0, and a multiplier changes without moving the display).
    """

    kind: EventKind
    register_id: str = Field(default="import", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    at: datetime
    final_read: Read | None = None
    initial_read: Read | None = None
    serial: str = Field(default="", max_length=64, description="Serial number of the meter after the event")
    multiplier_old: Factor | None = None
    multiplier_new: Factor | None = None
    wraps_at: Read | None = Field(default=None, description="Rollover: first value that the display lacks")
    person: Sentence
    reason: Sentence

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Self:
        changes = (self.multiplier_old, self.multiplier_new)
        if self.kind is EventKind.MULTIPLIER_CHANGE and None in changes:
            raise ValueError("a multiplier_change needs multiplier_old and multiplier_new")
        if (changes[0] is None) != (changes[1] is None):
            raise ValueError("multiplier_old and multiplier_new belong together")
        if self.kind in {EventKind.ROLLOVER, EventKind.RESET} and changes != (None, None):
            raise ValueError(f"a {self.kind.value} changes no multiplier")
        if self.kind is EventKind.ROLLOVER and (self.final_read, self.initial_read) != (None, None):
            raise ValueError("a rollover has no final_read or initial_read: the display goes on counting")
        if self.wraps_at is not None and self.kind is not EventKind.ROLLOVER:
            raise ValueError(f"wraps_at belongs to a rollover, not to a {self.kind.value}")
        return self

    @property
    def ends_at(self) -> Decimal | None:
        """The display just before the event, where it is known."""
        # Either read will do: the display stands still when only its multiplier changes.
        if self.final_read is None and self.kind is EventKind.MULTIPLIER_CHANGE:
            return self.initial_read
        return self.final_read

    @property
    def begins_at(self) -> Decimal | None:
        """The display after the event, where it is known."""
        if self.initial_read is not None:
            return self.initial_read
        if self.kind is EventKind.RESET:
            return Decimal(0)
        return self.final_read if self.kind is EventKind.MULTIPLIER_CHANGE else None

    def at_utc(self, time_zone: str) -> datetime:
        """The instant. Raises ValueError for a local time that the zone skips or has twice."""
        return only_instant(self.at, time_zone)


class RecordedEvent(Model):
    """An event as it was recorded. origin: the site file, or a person's command; a withdrawn one no longer applies."""

    event_id: str
    site_id: str
    meter_id: str
    at_utc: datetime
    event: MeterEvent
    origin: Literal["site_file", "person"]
    is_withdrawn: bool
    recorded_at_utc: datetime
