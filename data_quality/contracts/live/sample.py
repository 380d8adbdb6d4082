"""One live value, and one that was refused, on the hot path: plain tuples, nothing but the standard library."""

from datetime import datetime
from typing import NamedTuple

# So much of what could not be read is kept to look at.
EXCERPT_CHARACTERS = 200


class Sample(NamedTuple):
    """One value of one point as received. Quality is `measured`, or `doubtful` where the device says so itself.

    point: name within its source, as the site file has it. at_utc: the device's time where it tells one, else when it
    was received. unit: code of contracts/units.py. seq: the device's own number, where it counts.
    """

    point: str
    at_utc: datetime
    value: float
    unit: str
    received_utc: datetime
    seq: int | None = None
    quality: str = "measured"


class Refusal(NamedTuple):
    """Something that came and is no sample. point: empty where not even that is known; reason: one sentence.

    excerpt: the first EXCERPT_CHARACTERS of what came, escaped (contracts/text.py: one_line).
    """

    point: str
    received_utc: datetime
    reason: str
    excerpt: str
