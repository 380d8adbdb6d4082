"""Whole lines of a long file, block by block; and what a last line without its end is worth."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.shape import NotRegular, Shape
from assets.readings.packed.csv_text import MAX_LINE_BYTES, CsvText
from assets.readings.parsed import REJECT_SCHEMA
from assets.readings.readers.table_formats.csv_table import DECIMALS, UNFINISHED, rows_of
from data_quality.contracts.errors import BadInput

# Small blocks stay in the processor's cache; what is gained beyond this is lost again in memory traffic.
BLOCK_BYTES = 4 * 1024**2


def line_blocks(path: Path, shape: Shape, seen: Callable[[bytes], object] = bool) -> Iterator[bytes]:
    """Blocks of whole lines after the header, as UTF-8; at last what stands behind the last line end, if anything does.

    seen: gets every byte of the file in order. Raises NotRegular for quotes, zeros, endless lines and bytes that the
    declared encoding has not.
    """
    for body in _raw_blocks(path, shape.body_at, seen):
        if shape.declared_encoding is None or body.isascii():
            yield body
            continue
        try:
            yield _as_utf8(body, shape.declared_encoding)
        except UnicodeDecodeError as fault:
            raise NotRegular from fault


def _as_utf8(body: bytes, encoding: str) -> bytes:
    marks = np.frombuffer(body, np.uint8)
    beyond = marks[marks > 127]
    if (beyond == beyond[0]).all():
        # One letter of the meters' names, in every line: put in its place in two thirds of the time.
        letter = bytes(beyond[:1])
        return body.replace(letter, letter.decode(encoding).encode())
    return body.decode(encoding).encode()


def _raw_blocks(path: Path, body_at: int, seen: Callable[[bytes], object]) -> Iterator[bytes]:
    at, size = body_at, path.stat().st_size
    with path.open("rb") as file:
        seen(file.read(at))
        while at < size:
            # Where a block's last line ends is asked first, so that its bytes are taken once and never joined.
            file.seek(at + BLOCK_BYTES)
            file.readline(MAX_LINE_BYTES)
            end = min(file.tell(), size)
            file.seek(at)
            body = file.read(end - at)
            seen(body)
            is_whole = body.endswith(b"\n")
            if b'"' in body or b"\0" in body or not (is_whole or end == size):
                raise NotRegular
            cut = len(body) if is_whole else body.rfind(b"\n") + 1
            if cut:
                yield body if is_whole else body[:cut]
            at = end
    rest = b"" if is_whole else body[cut:]
    if b"\r" in rest or len(rest) > MAX_LINE_BYTES:
        raise NotRegular
    if rest:
        yield rest


def lines_at(path: Path, shape: Shape, wanted: NDArray[np.int32]) -> pl.DataFrame:
    """These lines of the file (numbers from 1, ascending), with their fields as text and `_line`."""
    parts, line = [], 2
    for body in line_blocks(path, shape):
        count = body.count(b"\n") + (not body.endswith(b"\n"))
        here = wanted[(wanted >= line) & (wanted < line + count)]
        if here.size:
            texts = body.split(b"\n")
            chosen = b"\n".join(texts[number - line] for number in here.tolist()) + b"\n"
            numbers = pl.Series("_line", here)
            parts.append(shape.joined(fields_of(chosen, shape)).with_columns(numbers))
        line += count
    return pl.concat(parts)


def fields_of(body: bytes, shape: Shape) -> pl.DataFrame:
    """Whole lines as columns of text with `_line`, 2 for the first. Raises NotRegular."""
    text = CsvText(header=list(shape.header), separator=shape.separator, body=body, is_finished=True)
    try:
        return rows_of(text)[0]
    except BadInput as fault:
        raise NotRegular from fault


def unfinished_line(path: Path, shape: Shape, rest: bytes, line: int) -> pl.DataFrame | None:
    """The reject (REJECT_SCHEMA) of a last line without its end, which may be cut; None where it is surely whole.

    It is whole where the last field is a number with as many decimals as every other row has. Raises NotRegular
    where it has not all fields: such a file is refused.
    """
    fields = rest.decode(errors="replace").split(shape.separator)
    if len(fields) != len(shape.header):
        raise NotRegular
    if _all_have_the_same_decimals(path, shape):
        return None
    reject = [(line, *UNFINISHED, fields[-1] or None)]
    return pl.DataFrame(reject, schema=REJECT_SCHEMA, orient="row")


def _all_have_the_same_decimals(path: Path, shape: Shape) -> bool:
    kinds: set[int | None] = set()
    rows = 0
    for body in line_blocks(path, shape):
        # Whether a blank line counts depends on all the lines that are read with it.
        if b"\n\n" in b"\n" + body.replace(b"\r", b""):
            raise NotRegular
        frame = fields_of(body if body.endswith(b"\n") else body + b"\n", shape)
        if frame.select(pl.all_horizontal(pl.col(shape.header).is_null()).any()).item():
            raise NotRegular
        rows += frame.height
        kinds |= set(frame[shape.header[-1]].str.extract(DECIMALS, 1).str.len_bytes().unique().to_list())
        if len(kinds) > 1 or None in kinds:
            return False
    # One row alone is no pattern.
    return rows > 1
