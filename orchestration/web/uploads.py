"""A file that a form sends, or a body that is one: the only addresses that take more than a form's text."""

import base64
import re
from collections.abc import Iterator, Mapping

from starlette.requests import Request

from reports.pages.bill_upload import PREVIEW
from reports.pages.check import LARGEST_MB, PATH

# Address -> the most bytes of its body.
UPLOADS: Mapping[str, int] = {PATH: LARGEST_MB << 20, PREVIEW: 1 << 20}
MULTIPART = "multipart/form-data"
_NAME, _FILE = re.compile(rb'[; ]name="([^"]*)"'), re.compile(rb'filename="([^"]*)"')


def sent_file(request: Request) -> bytes:
    """The bytes of the file: the part of a form that has a file's name, or the whole body; empty for none."""
    body: bytes = request.state.body
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith(MULTIPART):
        return b"" if "form" in kind or not kind else body
    return next((data for head, data in _parts(body, kind) if b"filename=" in head), b"")


def sent_fields(body: bytes, kind: str) -> list[tuple[str, str]]:
    """The fields of a form with a file: of that, its name as `file` and its bytes as `content`, in base64."""
    found = []
    for head, data in _parts(body, kind):
        file, name = _FILE.search(head), _NAME.search(head)
        if file is not None:
            found.append(("file", file.group(1).decode("utf-8", "replace")))
            found.append(("content", base64.urlsafe_b64encode(data).decode()))
        elif name is not None:
            found.append((name.group(1).decode("utf-8", "replace"), data.decode("utf-8", "replace")))
    return found


def _parts(body: bytes, kind: str) -> Iterator[tuple[bytes, bytes]]:
    """Head and content of each part; none where the sender names no mark between them."""
    mark = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    if not mark or len(mark) > 200:
        return
    for part in (b"\r\n" + body).split(b"\r\n--" + mark)[1:]:
        head, _, data = part.partition(b"\r\n\r\n")
        yield head, data
