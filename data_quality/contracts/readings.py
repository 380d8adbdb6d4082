"""A reading as the lake keeps it, and the row that a reader hands over before it is made canonical."""

from datetime import datetime

from pydantic import Field

from data_quality.contracts.model import Model

CANONICAL_UNITS = ("kwh", "kvarh", "m3", "count", "h", "degc", "w_per_m2", "percent", "occupants", "per_kwh")


class Reading(Model):
    """One canonical 15-minute value. Key: site_id, meter_id, register, interval_start_utc; the latest
    recorded_at_utc wins. Nothing is ever updated: a correction is a new row (ADR 0001).
    """

    site_id: str
    meter_id: str = Field(description="A meter, or a driver of the site file")
    register: str = Field(description="import, export, value … as the site file names it")
    interval_start_utc: datetime
    interval_minutes: int = Field(default=15, description="Always 15 in the lake")
    source_minutes: int = Field(gt=0, description="Resolution of the source: peaks from > 15 are underestimated")
    value: float = Field(description="Amount of the interval, or mean level; a multiple of 1e-9")
    unit: str = Field(description="Canonical unit")
    quality_code: int
    recorded_at_utc: datetime
    batch_id: str
    source_line: int = Field(description="Line or element of the source file, from 1")
    is_synthetic: bool


class ParsedRow(Model):
    """One row as a reader found it, before units, labels and grid: interval start, source unit."""

    meter_id: str
    register: str
    interval_start_utc: datetime
    source_minutes: int
    value: float
    unit: str
    quality_code: int
    source_line: int
