"""The newest value of a point as the live board shows it. For looking and for guards; never evidence of energy."""

from datetime import datetime

from data_quality.contracts.model import Model


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
