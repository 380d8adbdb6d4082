"""A Green Button document as its parts: usage points, meter readings, reading types, blocks and their rows.

Gathers what stands there; which belongs to which is decided in espi_links.py, what it means in espi_types.py.
Elements count by their local names, so that any prefix or namespace of Atom and ESPI is read alike.
"""

from dataclasses import dataclass, field
from sys import intern

import polars as pl

from data_quality.contracts.errors import BadInput

# Parts of one document: a usage point's day is a block, so this is decades of days of several meters.
MAX_PARTS = 100_000
MAX_LINKS = 1000
# Tuples of texts take many times the memory of a column: they are packed as they come.
_BATCH_ROWS = 20_000
ROW_SCHEMA: dict[str, pl.DataType] = {
    "block": pl.Int64(),
    "start": pl.String(),
    "duration": pl.String(),
    "value": pl.String(),
    "quality": pl.String(),
    "line": pl.Int64(),
}

# Fields of an interval reading and the elements that they stand in.
_ROW_FIELDS = {
    "start": ("timePeriod",),
    "duration": ("timePeriod",),
    "value": ("IntervalReading",),
    "quality": ("ReadingQuality", "IntervalReading"),
}


@dataclass(eq=False)
class Entry:
    """One Atom entry, or the document itself where there is none: the links of the parts inside."""

    self_href: str = ""
    up_href: str = ""
    related: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Part:
    """A usage point, meter reading, reading type or block. holder: the part it is nested in; fields: its leaves."""

    entry: Entry
    line: int
    holder: "Part | None" = None
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Feed:
    """The parts of a document, and its rows as texts (ROW_SCHEMA); `block` is the place of the row's block."""

    usage_points: list[Part] = field(default_factory=list)
    meter_readings: list[Part] = field(default_factory=list)
    reading_types: list[Part] = field(default_factory=list)
    blocks: list[Part] = field(default_factory=list)
    local_times: list[Part] = field(default_factory=list)
    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROW_SCHEMA))

    @property
    def is_green_button(self) -> bool:
        """True where at least one part of a Green Button document was found."""
        return bool(self.usage_points or self.meter_readings or self.reading_types or self.blocks)

    @property
    def local_time(self) -> dict[str, str] | None:
        """The leaves of the document's LocalTimeParameters; None where it has none, or several that differ."""
        distinct = [part.fields for part in self.local_times if part.fields != self.local_times[0].fields]
        return None if distinct or not self.local_times else self.local_times[0].fields


class FeedVisitor:
    """Fills a Feed from the elements of a document."""

    def __init__(self) -> None:
        self.feed = Feed()
        self._lists = {
            "UsagePoint": self.feed.usage_points,
            "MeterReading": self.feed.meter_readings,
            "ReadingType": self.feed.reading_types,
            "IntervalBlock": self.feed.blocks,
            "LocalTimeParameters": self.feed.local_times,
        }
        self._entry = Entry()
        self._path: list[str] = []
        # Open parts with the depth at which each began.
        self._open: list[tuple[int, Part]] = []
        self._row: dict[str, str] | None = None
        self._row_depth = 0
        self._parts = 0
        self._batch: list[tuple[int, str | None, str | None, str | None, str | None, int]] = []
        self._batches = [self.feed.rows]

    def opened(self, name: str, attributes: dict[str, str], line: int) -> None:
        """See xml_safe.Visitor."""
        self._path.append(name)
        if self._row is not None:
            return
        if name == "entry":
            self._entry = Entry()
        elif name == "link":
            self._link(attributes.get("rel", ""), attributes.get("href", "").strip())
        elif name in self._lists:
            holder = self._open[-1][1] if self._open else None
            part = Part(self._entry, line, holder)
            self._add(self._lists[name], part)
            self._open.append((len(self._path), part))
        elif name == "IntervalReading":
            self._row, self._row_depth = {"line": str(line)}, len(self._path)

    def closed(self, name: str, text: str) -> None:
        """See xml_safe.Visitor."""
        depth = len(self._path)
        if self._row is not None:
            if depth == self._row_depth:
                self._end_row(self._row)
            else:
                self._row_field(self._row, name, text)
        elif self._open and depth == self._open[-1][0]:
            self._open.pop()
        # Leaves stand right below their part, but for the kind of service: UsagePoint/ServiceCategory/kind.
        elif self._open and text and (depth == self._open[-1][0] + 1 or self._path[-2] == "ServiceCategory"):
            self._open[-1][1].fields.setdefault(name, text)
        elif name == "entry":
            self._entry = Entry()
        self._path.pop()

    def finished(self) -> Feed:
        """The document, after its end."""
        self._end_batch()
        self.feed.rows = pl.concat(self._batches)
        return self.feed

    def _link(self, rel: str, href: str) -> None:
        # The feed has links of its own (itself, its next page), which are of no part.
        if not href or "entry" not in self._path:
            return
        if rel == "self":
            self._entry.self_href = href
        elif rel == "up":
            self._entry.up_href = href
        elif rel == "related" and len(self._entry.related) < MAX_LINKS:
            self._entry.related.append(href)

    def _row_field(self, row: dict[str, str], name: str, text: str) -> None:
        if self._path[-2] not in _ROW_FIELDS.get(name, ()):
            return
        # A field that appears twice is ambiguous: joined, it is no number, and the row is rejected.
        row[name] = f"{row[name]} {text}" if name in row else text

    def _end_row(self, row: dict[str, str]) -> None:
        blocks = self.feed.blocks
        holder = self._open[-1][1] if self._open else None
        if holder is None or not blocks or holder is not blocks[-1]:
            self._add(blocks, Part(self._entry, int(row["line"]), holder))
        duration, quality = row.get("duration"), row.get("quality")
        self._batch.append(
            (
                len(blocks) - 1,
                row.get("start"),
                # The same few texts on each of many rows: each is held once.
                intern(duration) if duration is not None else None,
                row.get("value"),
                intern(quality) if quality is not None else None,
                int(row["line"]),
            )
        )
        if len(self._batch) >= _BATCH_ROWS:
            self._end_batch()
        self._row = None

    def _end_batch(self) -> None:
        self._batches.append(pl.DataFrame(self._batch, schema=ROW_SCHEMA, orient="row"))
        self._batch = []

    def _add(self, parts: list[Part], part: Part) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadInput(f"more than {MAX_PARTS} blocks and meter readings", line=part.line, reason="too_large")
        parts.append(part)
