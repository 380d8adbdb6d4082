"""EDIFACT interchanges as messages of segments (ISO 9735): service characters, releases, and the counts that prove
that nothing is missing. What the segments mean stands with the message type.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from assets.readings.packed.bounded import content
from data_quality.contracts.errors import BadInput

# A year of quarter hours of one channel is 2.5 MB and 105 000 segments; more than eight are sent as several files.
MAX_BYTES = 32 * 1024**2
MAX_SEGMENTS = 900_000
MAX_SEGMENT_CHARS = 10_000
_HEAD = re.compile(rb"(?:UNA[^\s\w]{3}\W.[^\s\w]|UNB[^\w\s])", re.DOTALL)
# Released characters stand in private code points while a segment is split.
_PRIVATE = 0xE000
_TAG = re.compile(r"[A-Z]{3}")


class Segment(NamedTuple):
    """number: its place in the file from 1, UNA included, which is its line where each has a line of its own."""

    number: int
    tag: str
    elements: list[list[str]]

    def get(self, element: int, component: int = 0) -> str:
        """A component, empty where there is none. Element 0 is the tag."""
        if element >= len(self.elements) or component >= len(self.elements[element]):
            return ""
        return self.elements[element][component]


@dataclass
class Message:
    """A message between its UNH and UNT. has_right_count: UNT announces as many segments as there are; known after it.

    present: segments so far, UNH included.
    """

    reference: str
    kind: str
    number: int
    present: int = 1
    has_right_count: bool = True


@dataclass(frozen=True)
class _Service:
    component: str = ":"
    element: str = "+"
    decimal_mark: str = "."
    release: str = "?"
    terminator: str = "'"


def is_edifact(head: bytes) -> bool:
    """True where a file begins with a service string advice or an interchange header."""
    return _HEAD.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()) is not None


class Interchange:
    """All messages of a file, one after the other. decimal_mark: the one that UNA declares."""

    def __init__(self, path: Path) -> None:
        data = content(path, max_bytes=MAX_BYTES)
        if b"\0" in data:
            raise BadInput("not a text file", line=1, reason="not_text")
        # UNOC and all smaller character sets; each byte is a character, so that none can fail.
        service, self._segments = _segments(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip())
        self.decimal_mark = service.decimal_mark
        self.warnings: dict[str, int] = {}

    def parts(self) -> Iterator[tuple[Message, Segment | None]]:
        """Each segment of each message, and None where the message ends.

        Raises BadInput where something is missing: the end of a segment, a trailer, or more segments or messages
        announced than there are. Fewer announced than there are is a sender's wrong count, and a warning.
        """
        structure = _Structure(self.warnings)
        for segment in self._segments:
            message = structure.take(segment)
            if message is not None:
                yield message, None if segment.tag == "UNT" else segment
        structure.close()


def _segments(text: str) -> tuple[_Service, Iterator[Segment]]:
    service, number = _Service(), 1
    if text.startswith("UNA"):
        marks = text[3:9]
        if len(marks) < 6:
            raise BadInput("the file is cut inside UNA", line=1, reason="truncated")
        # The fifth mark is reserved (ISO 9735); the sixth ends a segment.
        service = _Service(marks[0], marks[1], marks[2], marks[3], marks[5])
        if len({service.component, service.element, service.release, service.terminator}) < 4:
            raise BadInput(f"UNA names one character twice: {marks!r}", line=1, reason="bad_service_string")
        text, number = text[9:], 2
    return service, _split(text, service, number)


def _split(text: str, service: _Service, number: int) -> Iterator[Segment]:
    release, end = re.escape(service.release), re.escape(service.terminator)
    # A blank as release character means that there is none (ISO 9735).
    has_release = service.release != " " and service.release in text
    # Possessive: text without an end is looked at once, not once from each of its characters.
    pattern = f"((?:[^{release}{end}]++|{release}.)*+){end}" if has_release else f"([^{end}]*+){end}"
    whole, released = re.compile(pattern, re.DOTALL), re.compile(f"{release}(.)", re.DOTALL)
    place, last = 0, number + MAX_SEGMENTS
    while match := whole.match(text, place):
        place = match.end()
        # Senders break lines between segments, though ISO 9735 knows no lines.
        raw = match[1].lstrip()
        if len(raw) > MAX_SEGMENT_CHARS:
            raise BadInput("the segment is longer than any", line=number, reason="line_too_long")
        if has_release and service.release in raw:
            hidden = released.sub(lambda mark: chr(_PRIVATE + ord(mark[1])), raw)
            elements = [
                [part if part.isascii() else _shown(part) for part in element.split(service.component)]
                for element in hidden.split(service.element)
            ]
        else:
            elements = [element.split(service.component) for element in raw.split(service.element)]
        tag = elements[0][0].strip()
        if not _TAG.fullmatch(tag):
            raise BadInput(f"expected a segment of three letters, got {tag[:20]!r}", line=number, reason="bad_segment")
        yield Segment(number, tag, elements)
        number += 1
        if number > last:
            text_of_limit = f"more than {MAX_SEGMENTS} segments; expected smaller interchanges"
            raise BadInput(text_of_limit, line=number, reason="too_large")
    if text[place:].strip():
        raise BadInput("the file is cut inside this segment", line=number, reason="truncated")


def _shown(text: str) -> str:
    return "".join(chr(ord(char) - _PRIVATE) if ord(char) >= _PRIVATE else char for char in text)


class _Structure:
    """Headers and trailers: UNB … UNZ around UNH … UNT."""

    def __init__(self, warnings: dict[str, int]) -> None:
        self._warnings = warnings
        self._message: Message | None = None
        self._header: Segment | None = None
        self._references: dict[str, int] = {}
        self._messages = self._messages_before = 0
        self._last = 1

    def take(self, segment: Segment) -> Message | None:
        """The message that the next segment is of, its UNT included. Raises BadInput where it cannot stand here."""
        self._last = segment.number
        message = self._message
        if segment.tag == "UNB":
            self._open(segment)
        elif self._header is None:
            raise self._fault(segment, "an interchange header UNB", "missing_unb")
        elif segment.tag == "UNZ":
            self._end(segment)
        elif segment.tag == "UNH":
            if self._message is not None:
                raise self._fault(segment, "the trailer UNT of the message before", "missing_unt")
            self._message = Message(segment.get(1), segment.get(2), segment.number)
        elif segment.tag == "UNT":
            return self._end_message(segment)
        elif message is not None:
            message.present += 1
            return message
        # Groups of messages are allowed, and say nothing that is needed.
        elif segment.tag not in ("UNG", "UNE"):
            raise self._fault(segment, "a message header UNH", "missing_unh")
        return None

    def close(self) -> None:
        """Raises BadInput where the file ends before its trailer."""
        if self._header is not None:
            raise BadInput("the file is cut: no interchange trailer UNZ", line=self._last, reason="missing_unz")
        if not self._messages:
            raise BadInput("there is no message", line=self._last, reason="no_data")

    def _open(self, segment: Segment) -> None:
        if self._header is not None:
            raise self._fault(segment, "the trailer UNZ of the interchange before", "missing_unz")
        self._header, self._references = segment, {}

    def _end_message(self, segment: Segment) -> Message:
        message, self._message = self._message, None
        if message is None:
            raise self._fault(segment, "a message header UNH before UNT", "missing_unh")
        if segment.get(2) != message.reference:
            raise self._fault(segment, f"UNT of message {message.reference[:20]!r}", "wrong_reference")
        message.present += 1
        announced = self._count(segment)
        if announced > message.present:
            text = f"the message is cut: UNT announces {announced} segments, {message.present} are there"
            raise BadInput(text, line=segment.number, reason="truncated")
        message.has_right_count = announced == message.present
        self._warn("unt_count", is_so=not message.has_right_count)
        self._warn("repeated_reference", is_so=message.reference in self._references)
        self._references[message.reference] = segment.number
        self._messages += 1
        return message

    def _end(self, segment: Segment) -> None:
        header, self._header = self._header, None
        if self._message is not None:
            raise self._fault(segment, "the trailer UNT of the message before", "missing_unt")
        if header is not None and segment.get(2) != header.get(5):
            raise self._fault(segment, f"UNZ of interchange {header.get(5)[:20]!r}", "wrong_reference")
        announced = self._count(segment)
        present, self._messages_before = self._messages - self._messages_before, self._messages
        if announced > present:
            text = f"the interchange is cut: UNZ announces {announced} messages, {present} are there"
            raise BadInput(text, line=segment.number, reason="truncated")
        self._warn("unz_count", is_so=announced < present)

    def _count(self, segment: Segment) -> int:
        text = segment.get(1)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self._fault(segment, "a count", "bad_count")
        return int(text)

    def _warn(self, code: str, *, is_so: bool) -> None:
        if is_so:
            self._warnings[code] = self._warnings.get(code, 0) + 1

    @staticmethod
    def _fault(segment: Segment, expected: str, reason: str) -> BadInput:
        got = "+".join(":".join(element) for element in segment.elements)[:80]
        return BadInput(f"expected {expected}, got {got!r}", line=segment.number, reason=reason)
