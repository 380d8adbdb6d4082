"""Samples as lines of a file: what the collector's drain writes and ingestion reads. Standard library only.

The first line says whose samples they are, the second names the columns, and each further one is a sample or, with a
reason, something that came and was none. One file holds one source and one quarter hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample

MAGIC = "#meterloom-samples 1 "
COLUMNS = ("point", "at_utc", "value", "unit", "received_utc", "seq", "quality", "reason", "excerpt")
HEAD_LINES = 2
QUARTER_S = 900
LABEL_S = 60
# As of every reading (assets/readings/parsed.py): before 1971 no clock was set, and five minutes ahead none is right.
FIRST_S, FUTURE_S = 31_536_000, 300
_QUARTER = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True)
class SampleHead:
    """Whose samples a file holds. quarter_start_utc: the quarter hour that it is to tell."""

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
    said = dict(part.partition("=")[::2] for part in first.removeprefix(MAGIC).split())
    try:
        if not first.startswith(MAGIC) or columns.strip() != ",".join(COLUMNS):
            raise ValueError
        return SampleHead(
            site_id=said["site"],
            source_id=said["source"],
            quarter_start_utc=datetime.strptime(said["quarter"], _QUARTER).replace(tzinfo=UTC),
            is_synthetic={"true": True, "false": False}[said["synthetic"]],
        )
    except (KeyError, ValueError) as error:
        message = "expected samples as the collector writes them: site, source, quarter and synthetic in line 1"
        raise BadInput(f"{message}, the columns {','.join(COLUMNS)} in line 2", line=1, reason="no_header") from error


def sample_line(sample: Sample) -> str:
    """One sample, without the line's end."""
    value = repr(float(sample.value))
    # A display is read digit by digit: 5e-05 is no way to write it.
    if "e" in value:
        value = f"{sample.value:.9f}"
    seq = "" if sample.seq is None else sample.seq
    at, received = _text(sample.at_utc), _text(sample.received_utc)
    return f"{sample.point},{at},{value},{sample.unit},{received},{seq},{sample.quality},,"


def refusal_line(refusal: Refusal) -> str:
    """One refusal, without the line's end."""
    received = _text(refusal.received_utc)
    return f"{_quoted(refusal.point)},,,,{received},,,{_quoted(refusal.reason)},{_quoted(refusal.excerpt)}"


def interval_end_s(at_s: float, minutes: int) -> int | None:
    """The end of the interval that an amount told at at_s (epoch seconds) stands for; None where none is near.

    Told late or by a clock that differs: at most a minute, or a quarter of a shorter interval.
    """
    length_s = minutes * 60
    end_s = round(at_s / length_s) * length_s
    return end_s if abs(at_s - end_s) <= min(LABEL_S, length_s / 4) else None


def told_quarter_s(sample: Sample, interval_minutes: int | None) -> int:
    """Start (epoch seconds) of the quarter hour whose file holds the sample: that of its time, of an amount the one
    that its interval ends in. A time that cannot be true is filed under its arrival.
    """
    at_s, received_s = sample.at_utc.timestamp(), sample.received_utc.timestamp()
    if not FIRST_S <= at_s <= received_s + FUTURE_S:
        return _quarter_s(received_s)
    end_s = None if interval_minutes is None else interval_end_s(at_s, interval_minutes)
    # An interval that ends with the quarter hour is the last of it, and not the first of the next.
    return _quarter_s(at_s if end_s is None else end_s - 1)


def refused_quarter_s(refusal: Refusal) -> int:
    """As told_quarter_s: when it came is all that is known of it."""
    return _quarter_s(refusal.received_utc.timestamp())


def _quarter_s(epoch_s: float) -> int:
    return int(epoch_s // QUARTER_S) * QUARTER_S


def _text(moment: datetime) -> str:
    # Always as wide: lines of one point then sort by time.
    return moment.isoformat(timespec="microseconds")


def _quoted(text: str) -> str:
    plain = text.replace("\n", " ").replace("\r", " ").replace('"', '""')
    return f'"{plain}"'
