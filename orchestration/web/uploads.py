"""Files that a form sends, or a body that is one: the only addresses that take more than a form's text."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from starlette.requests import Request

from reports.pages.bill_upload import MOST_MB, PREVIEW
from reports.pages.check import LARGEST_MB, PATH
from reports.pages.reading_upload import MOST_READINGS_MB
from reports.pages.reading_upload import PREVIEW as READINGS
from reports.pages.start import FILES, MOST_START_MB

# Address -> the most bytes of its body. A form has some fields and marks beside its files.
_FIELDS = 64 << 10
UPLOADS: Mapping[str, int] = {
    PATH: LARGEST_MB << 20,
    PREVIEW: (MOST_MB << 20) + _FIELDS,
    READINGS: (MOST_READINGS_MB << 20) + _FIELDS,
    FILES: (MOST_START_MB << 20) + _FIELDS,
}
MULTIPART = "multipart/form-data"
_NAME, _FILE = re.compile(rb'[; ]name="([^"]*)"'), re.compile(rb'filename="([^"]*)"')


class SentFile(NamedTuple):
    """One file of a form: its name as the sender wrote it, and its bytes."""

    name: str
    content: bytes


def sent_file(request: Request) -> bytes:
    """The bytes of the file: the first of a form, or the whole body; empty for none."""
    body: bytes = request.state.body
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith(MULTIPART):
        return b"" if "form" in kind or not kind else body
    return next((each.content for each in request.state.files), b"")


def sent_parts(body: bytes, kind: str) -> tuple[list[tuple[str, str]], tuple[SentFile, ...]]:
    """Fields and files of a form; a place for a file that was left empty is none."""
    fields, files = [], []
    for head, data in _parts(body, kind):
        file, name = _FILE.search(head), _NAME.search(head)
        if file is not None and (file[1] or data):
            files.append(SentFile(file[1].decode("utf-8", "replace"), data))
        elif file is None and name is not None:
            fields.append((name[1].decode("utf-8", "replace"), data.decode("utf-8", "replace")))
    return fields, tuple(files)


def _parts(body: bytes, kind: str) -> Iterator[tuple[bytes, bytes]]:
    """Head and content of each part; none where the sender names no mark between them."""
    mark = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    if not mark or len(mark) > 200:
        return
    for part in (b"\r\n" + body).split(b"\r\n--" + mark)[1:]:
        head, _, data = part.partition(b"\r\n\r\n")
        yield head, data
