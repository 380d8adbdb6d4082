"""Signals of the grid: prices, levels and capacity limits that a network operator, retailer or relay sends. Pure.

A capacity limit is a ceiling of what the site may draw or feed in, never a reduction by so much.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from data_quality.contracts.model import Model

IMPORT_LIMIT, EXPORT_LIMIT = "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT"
CAPACITY_LIMITS = (IMPORT_LIMIT, EXPORT_LIMIT)
# What a site answers with a curtailment plan.
EVENTS = ("SIMPLE", "DISPATCH_SETPOINT")
PRICES = ("PRICE", "EXPORT_PRICE", "GHG")
# OpenADR 3, enumeration of event payloads; an alert carries a text.
ALERTS = tuple(
    f"ALERT_{name}"
    for name in (
        "GRID_EMERGENCY", "BLACK_START", "POSSIBLE_OUTAGE", "FLEX_ALERT", "FIRE", "FREEZING", "WIND", "TSUNAMI",
        "AIR_QUALITY", "OTHER",
    )
)  # fmt: skip
KINDS = (*EVENTS, *PRICES, *CAPACITY_LIMITS, *ALERTS)


class SignalInterval(Model):
    """Value of a signal in [start, end). end_utc: None until it is withdrawn. value: None for an alert, a text."""

    start_utc: datetime
    end_utc: datetime | None
    value: float | None = None
    text: str = Field(default="", max_length=500)

    def holds(self, now_utc: datetime) -> bool:
        """True while it is in force."""
        return self.start_utc <= now_utc and (self.end_utc is None or now_utc < self.end_utc)


class GridSignal(Model):
    """One signal of one event, as received; a change is another record with a higher modification.

    source_id: of the site file. unit: kw, level, or the sender's word for a price. refused: why nothing follows from
    it, empty where it is understood. is_withdrawn: the sender has it no longer.
    """

    site_id: str
    source_id: str
    programme: str
    event_id: str
    kind: str
    modification: int = Field(ge=1)
    unit: str
    intervals: tuple[SignalInterval, ...]
    refused: str = ""
    is_withdrawn: bool = False
    is_synthetic: bool = False
    received_at_utc: datetime | None = None

    @property
    def is_understood(self) -> bool:
        """True where something may follow from it."""
        return not self.refused and not self.is_withdrawn

    @property
    def end_utc(self) -> datetime | None:
        """End of its last interval; None where one is open. Raises ValueError without intervals."""
        ends = [each.end_utc for each in self.intervals if each.end_utc is not None]
        return max(ends) if len(ends) == len(self.intervals) else None


def ceiling_kw(signals: Iterable[GridSignal], kind: str, now_utc: datetime) -> float | None:
    """The lowest capacity limit of that kind in force, kW; None without one."""
    found = [
        each.value
        for signal in signals
        if signal.kind == kind and signal.is_understood
        for each in signal.intervals
        if each.value is not None and each.holds(now_utc)
    ]
    return min(found, default=None)
