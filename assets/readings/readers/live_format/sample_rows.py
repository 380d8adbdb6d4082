"""A file of live samples as rows: what each line says, and what of it can be no sample.

The lines are those of contracts/live/sample_line.py; `line` is the line of the unpacked text.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.readings.packed.bounded import content
from assets.readings.parsed import FIRST_PLAUSIBLE, FUTURE_LIMIT
from assets.readings.readers.placed_rows import RowFilter
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample_line import COLUMNS, HEAD_LINES, SampleHead, head_of

# A quarter hour of 5,000 samples a second is 450 MB of such lines.
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class SampleFile:
    """row_filter: its frame has line, point, at, value, unit, got of good samples, each once, by point and time; its
    rejects are what is none.
    """

    head: SampleHead
    row_filter: RowFilter


def read_samples(path: Path) -> SampleFile:
    """All lines of the file. Raises BadInput: cut, too large, another head, lines of another form."""
    data = content(path, max_bytes=MAX_BYTES)
    body_at = 0
    for _ in range(HEAD_LINES):
        body_at = data.find(b"\n", body_at) + 1 or len(data)
    head = head_of(data[:body_at].decode(errors="replace"))
    if body_at == len(data):
        raise BadInput("there is a head but no sample", line=1, reason="no_rows")
    try:
        # Text at first: what does not read as a number is reported as it is written.
        frame = pl.read_csv(
            data[body_at:], has_header=False, schema=dict.fromkeys(COLUMNS, pl.String), missing_columns="insert"
        )
    except pl.exceptions.PolarsError as error:
        message = f"expected lines of {len(COLUMNS)} fields: {','.join(COLUMNS)}"
        raise BadInput(message, line=HEAD_LINES + 1, reason="not_text") from error
    return SampleFile(head, _filtered(frame))


def points_by_line(path: Path) -> dict[int, str]:
    """Of each line that tells a sample, its point. Raises BadInput as read_samples does for its bytes."""
    lines = content(path, max_bytes=MAX_BYTES).decode(errors="replace").split("\n")[HEAD_LINES:]
    return {number: line.partition(",")[0] for number, line in enumerate(lines, start=HEAD_LINES + 1) if line}


def _filtered(frame: pl.DataFrame) -> RowFilter:
    at, received = (pl.col(name).cast(pl.Int64, strict=False) for name in ("at_us", "received_us"))
    row_filter = RowFilter(
        frame.with_row_index("line", HEAD_LINES + 1).with_columns(
            pl.col("line").cast(pl.Int64),
            pl.col("reason", "excerpt", "point").fill_null(""),
            at=at.cast(pl.Datetime("us", "UTC")),
            received=received.cast(pl.Datetime("us", "UTC")),
            number=pl.col("value").cast(pl.Float64, strict=False),
            got=pl.col("value"),
        )
    )
    expected = pl.concat_str(pl.lit("a value that can be read: "), "reason")
    row_filter.take("refused_message", pl.col("reason") != "", expected, pl.col("excerpt"))
    row_filter.take(
        "bad_timestamp", pl.col("at").is_null() | pl.col("received").is_null(), "two times", pl.col("at_us")
    )
    row_filter.take("not_a_number", ~pl.col("number").is_finite(), "a finite number", pl.col("got"))
    written = pl.col("at").dt.to_string("iso:strict")
    row_filter.take("clock_suspect", pl.col("at") < FIRST_PLAUSIBLE, "a time of a clock that was set", written)
    # Against the time of arrival: the file may be read long after, when the future has become the past.
    is_ahead = pl.col("at") > pl.col("received") + FUTURE_LIMIT
    row_filter.take("future_timestamp", is_ahead, "a time that has been when the sample came", written)
    row_filter.take(
        "device_doubts", pl.col("quality") != "measured", "a value that the device itself does not doubt", pl.col("got")
    )
    frame = row_filter.frame.sort("point", "at", "line").select(
        "line", "point", "at", value="number", unit="unit", got="got"
    )
    # A broker delivers at least once: what comes again says the same of the same instant.
    row_filter.frame = frame.unique(["point", "at", "value", "unit"], keep="first", maintain_order=True)
    row_filter.warn("duplicate_rows", frame.height - row_filter.frame.height)
    return row_filter
