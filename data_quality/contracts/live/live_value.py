"""The newest value of a point as the live board shows it. For looking and for guards; never evidence of energy."""

from datetime import datetime
from typing import Literal

from data_quality.contracts.model import Model

# Older is shown grey, and older than that not at all: a plant has started or stopped in the meantime.
OLD_S, GONE_S = 5.0, 60.0
Band = Literal["fresh", "old", "gone"]


def limits_s(every_s: float = 0.0) -> tuple[float, float]:
    """Ages after which a value is old and gone: 5 and 60 s, and for a source that is polled seldom twice and four times
    the seconds between two polls.
    """
    return max(OLD_S, 2 * every_s), max(GONE_S, 4 * every_s)


def band_of(age_s: float, every_s: float = 0.0) -> Band:
    """fresh, old (shown grey) or gone (shown as no value)."""
    old_s, gone_s = limits_s(every_s)
    return "fresh" if age_s <= old_s else "old" if age_s <= gone_s else "gone"


class LiveValue(Model):
    """A point's newest value, and what its newest minute held (mean, least, greatest and number of values).

    at_utc: the device's time, never later than it was received. quality: `doubtful` also where the device's clock is
    ahead. what, stream, register_id, unit: as the site file says it.
    """

    source_id: str
    point: str
    stream: str
    register_id: str
    what: str
    unit: str
    is_synthetic: bool
    value: float
    at_utc: datetime
    received_utc: datetime
    quality: str
    minute_utc: datetime
    minute_mean: float
    minute_min: float
    minute_max: float
    minute_count: int

    def age_s(self, now_utc: datetime) -> float:
        """Seconds since it was measured; never below zero."""
        return max(0.0, (now_utc - self.at_utc).total_seconds())

    def band(self, now_utc: datetime, every_s: float = 0.0) -> Band:
        """State that its age gives it. every_s: of its source, as in `limits_s`."""
        return band_of(self.age_s(now_utc), every_s)
