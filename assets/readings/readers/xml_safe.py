"""The one door for XML: read as a stream, with line numbers, without DTD, entities or anything from outside.

Depth, size and the length of one token are limited, so that hostile files end in bounded time and memory.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast
from xml.sax import ContentHandler, SAXParseException
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.expatreader import DefusedExpatParser  # type: ignore[import-untyped]

from assets.readings.packed.bounded import chunks
from data_quality.contracts.errors import BadInput

# Three years and more of quarter hours, as verbose as they come.
MAX_BYTES = 28 << 20
MAX_DEPTH = 64
# An element of a reading takes 25 bytes: shorter ones, as many as fit, are no readings but take as long.
MAX_ELEMENTS = 2_000_000
# One tag, comment or text without any event in between; expat would scan it again with every chunk.
MAX_TOKEN_BYTES = 1 << 20
# Text of one element that is kept; numbers, links and titles are far shorter.
MAX_TEXT = 4096


class Visitor(Protocol):
    """Receives every element. Names come without prefix."""

    def opened(self, name: str, attributes: dict[str, str], line: int) -> None:
        """An element begins at the line (from 1)."""

    def closed(self, name: str, text: str) -> None:
        """An element ends; text: its own, behind its last child, at most MAX_TEXT characters."""


def is_xml(head: bytes) -> bool:
    """True where the first bytes are those of markup, in UTF-8 or UTF-16."""
    if head.startswith((b"\xff\xfe<\0", b"\xfe\xff\0<", b"<\0", b"\0<")):
        return True
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    return start[:1] == b"<" and (start[1:2].isalpha() or start[1:2] in {b"?", b"!", b"_"})


def walk(path: Path, visitor: Visitor) -> None:
    """Show every element of the file to the visitor, packed with gzip or not.

    Raises BadInput: not_well_formed, xml_entities (DTD, entities, external parts), xml_too_deep, too_large (bytes,
    elements, one tag), truncated.
    """
    _walk(chunks(path, max_bytes=MAX_BYTES), visitor)


def check(content: bytes) -> None:
    """Refuse a message that would be refused as a file, before another library reads it. Raises BadInput as walk."""
    _walk([content], None)


def _walk(pieces: Iterable[bytes], visitor: Visitor | None) -> None:
    handler = _Handler(visitor)
    parser = DefusedExpatParser(forbid_dtd=True, forbid_entities=True, forbid_external=True)
    parser.setContentHandler(handler)
    handler.parser = parser
    silent = 0
    try:
        for piece in pieces:
            before = handler.events
            parser.feed(piece)
            silent = silent + len(piece) if handler.events == before else 0
            if silent > MAX_TOKEN_BYTES:
                message = "a tag or comment of more than 1 MiB"
                raise BadInput(message, line=handler.line(), reason="too_large")
        parser.close()
    except DefusedXmlException as error:
        message = "a document type or entity is declared, which no meter file needs; nothing was resolved"
        raise BadInput(message, line=handler.line(), reason="xml_entities") from error
    except SAXParseException as error:
        message = f"not well-formed XML ({error.getMessage()}); the file is cut or broken"
        raise BadInput(message, line=error.getLineNumber() or 1, reason="not_well_formed") from error
    # An encoding that does not exist, and bytes that the declared one does not have.
    except (LookupError, ValueError) as error:
        raise BadInput(f"not readable as XML ({error})", line=1, reason="not_well_formed") from error


class _Handler(ContentHandler):
    """Counts events and depth, gathers the text of the innermost element."""

    parser: DefusedExpatParser

    def __init__(self, visitor: Visitor | None) -> None:
        super().__init__()
        self.visitor, self.events, self.depth, self.elements = visitor, 0, 0, 0
        self._text: list[str] = []
        self._length = 0

    def line(self) -> int:
        return cast("int | None", self.parser.getLineNumber()) or 1

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (the name SAX calls)
        self.events += 1
        self.depth += 1
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            message = f"more than {MAX_ELEMENTS:,} elements; split the file by months or by meters"
            raise BadInput(message, line=self.line(), reason="too_large")
        if self.depth > MAX_DEPTH:
            message = f"elements nested more than {MAX_DEPTH} deep"
            raise BadInput(message, line=self.line(), reason="xml_too_deep")
        self._text.clear()
        self._length = 0
        # Senders choose their prefixes freely, and many leave them out.
        if self.visitor is not None:
            self.visitor.opened(name.rpartition(":")[2], dict(attrs.items()), self.line())

    def endElement(self, name: str) -> None:  # noqa: N802 (the name SAX calls)
        self.events += 1
        self.depth -= 1
        if self.visitor is not None:
            self.visitor.closed(name.rpartition(":")[2], "".join(self._text).strip())
        self._text.clear()
        self._length = 0

    def characters(self, content: str) -> None:
        self.events += 1
        if self._length < MAX_TEXT:
            self._text.append(content)
            self._length += len(content)
