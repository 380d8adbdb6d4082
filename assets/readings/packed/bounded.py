"""Bytes of a file, unpacked within limits. Sizes that a packed file states of itself are never believed."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from data_quality.contracts.errors import BadInput

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16
# A gzip file that grows beyond this ratio is a bomb: meter files reach 30 to 40.
MAX_RATIO = 100
# A tiny file of equal rows packs better than any ratio.
_FREE_BYTES = 1 << 20


def unpacked_head(head: bytes, limit: int = 4096) -> bytes:
    """The first bytes of a file's content, of which `head` is the beginning, packed or not."""
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        # 31 asks for a gzip header around the stream; its check at the end is not read with the head.
        return zlib.decompressobj(wbits=31).decompress(head, limit)
    except zlib.error:
        return b""


def chunks(path: Path, *, max_bytes: int) -> Iterator[bytes]:
    """The content in pieces. Raises BadInput: more than max_bytes (too_large), cut or broken gzip (truncated)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    if not is_packed and size > max_bytes:
        raise _too_large(max_bytes)
    limit = min(max_bytes, MAX_RATIO * size + _FREE_BYTES) if is_packed else max_bytes
    total = 0
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                total += len(piece)
                if total > limit:
                    raise _too_large(limit)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput("the gzip file is cut or broken", line=1, reason="truncated") from error


def content(path: Path, *, max_bytes: int) -> bytes:
    """The whole content. Raises BadInput as `chunks`."""
    return b"".join(chunks(path, max_bytes=max_bytes))


def _too_large(limit: int) -> BadInput:
    message = f"more than {limit / 2**20:.0f} MiB of content; split the file by months or by meters"
    return BadInput(message, line=1, reason="too_large")
