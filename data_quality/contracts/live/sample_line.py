"""Samples as lines of text: what the spool keeps, the drain lands and ingestion reads. Standard library only.

In a landing file the first line says whose samples they are, the second names the columns, and each further one is a
sample or, with a reason, something that came and was none. One file tells of one source and one quarter hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Sample

MAGIC = "#meterloom-samples 1 "
# Times in microseconds since 1970 of UTC. The last two columns are those of a refusal alone.
COLUMNS = ("point", "at_us", "value", "unit", "received_us", "seq", "quality", "reason", "excerpt")
HEAD_LINES = 2
QUARTER_US = 900_000_000
_LABEL_US = 60_000_000
# As of every reading (assets/readings/parsed.py): before 1971 no clock was set, and five minutes ahead none is right.
_FIRST_US, _FUTURE_US = 31_536_000_000_000, 300_000_000
_QUARTER = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True)
class SampleHead:
    """Head of a sample file. quarter_start_utc: the quarter hour that it is to tell."""

    site_id: str
    source_id: str
    quarter_start_utc: datetime
    is_synthetic: bool

    def lines(self) -> str:
        """The two lines above the samples."""
        flag = str(self.is_synthetic).lower()
        quarter = self.quarter_start_utc.strftime(_QUARTER)
        own = f"site={self.site_id} source={self.source_id} quarter={quarter} synthetic={flag}"
        return f"{MAGIC}{own}\n{','.join(COLUMNS)}\n"


def head_of(text: str) -> SampleHead:
    """The head by its two lines. Raises BadInput where they are none."""
    first, _, columns = text.partition("\n")
    fields = dict(part.partition("=")[::2] for part in first.removeprefix(MAGIC).split())
    try:
        if not first.startswith(MAGIC) or columns.strip() != ",".join(COLUMNS):
            raise ValueError
        return SampleHead(
            site_id=fields["site"],
            source_id=fields["source"],
            quarter_start_utc=datetime.strptime(fields["quarter"], _QUARTER).replace(tzinfo=UTC),
            is_synthetic={"true": True, "false": False}[fields["synthetic"]],
        )
    except (KeyError, ValueError) as error:
        message = "expected samples as the collector writes them: site, source, quarter and synthetic in line 1"
        raise BadInput(f"{message}, the columns {','.join(COLUMNS)} in line 2", line=1, reason="no_header") from error


def micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return round(instant.timestamp() * 1e6)


def sample_line(sample: Sample) -> str:
    """One sample, without the line's end; names hold no comma (contracts/site_file/live_point.py)."""
    seq = "" if sample.seq is None else sample.seq
    at_us, received_us = micros(sample.at_utc), micros(sample.received_utc)
    return f"{sample.point},{at_us},{sample.value!r},{sample.unit},{received_us},{seq},{sample.quality}"


def refusal_line(point: str, received_us: int, reason: str, excerpt: str) -> str:
    """Something that came and was no sample, without the line's end."""
    return f"{_quoted(point)},,,,{received_us},,,{_quoted(reason)},{_quoted(excerpt)}"


def interval_end_us(at_us: int, minutes: int) -> int | None:
    """The end of the interval that an amount received at at_us is of; None where none is near.

    Received late or by a clock that differs: by at most a minute, or a quarter of a shorter interval.
    """
    length_us = minutes * 60_000_000
    end_us = (at_us + length_us // 2) // length_us * length_us
    return end_us if abs(at_us - end_us) <= label_us(minutes) else None


def label_us(minutes: int) -> int:
    """Distance from the end of its interval within which an amount may be received."""
    return min(_LABEL_US, minutes * 15_000_000)


def file_quarter_us(at_us: int, received_us: int, interval_minutes: int | None = None) -> int:
    """Start of the quarter hour whose file holds a sample: that of its time, of an amount the one in which its
    interval ends. A time that cannot be true is filed under its arrival.
    """
    if not _FIRST_US <= at_us <= received_us + _FUTURE_US:
        at_us, interval_minutes = received_us, None
    end_us = None if interval_minutes is None else interval_end_us(at_us, interval_minutes)
    # An interval that ends with the quarter hour is the last of it, and not the first of the next.
    return (at_us if end_us is None else end_us - 1) // QUARTER_US * QUARTER_US


def _quoted(text: str) -> str:
    plain = text.replace("\n", " ").replace("\r", " ").replace('"', '""')
    return f'"{plain}"'
