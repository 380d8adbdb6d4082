"""A file that a form sends, or a body that is one: the only addresses that take more than a form's text."""

from collections.abc import Mapping

from starlette.requests import Request

from reports.pages.check import LARGEST_MB, PATH

# Address -> the most bytes of its body.
UPLOADS: Mapping[str, int] = {PATH: LARGEST_MB << 20}
MULTIPART = "multipart/form-data"


def sent_file(request: Request) -> bytes:
    """The bytes of the file: the part of a form that has a file's name, or the whole body; empty for none."""
    body: bytes = request.state.body
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith(MULTIPART):
        return b"" if "form" in kind or not kind else body
    mark = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    if not mark or len(mark) > 200:
        return b""
    for part in (b"\r\n" + body).split(b"\r\n--" + mark)[1:]:
        head, _, data = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return data
    return b""
