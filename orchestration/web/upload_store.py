"""Files between their preview and their acceptance: kept for a day, where their sender alone finds them again."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request

from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line
from orchestration.web.request_context import Context
from reports.pages.bill_upload import MOST_MB, PREVIEW
from reports.pages.check import LARGEST_MB, PATH
from reports.pages.reading_upload import MOST_READINGS_MB
from reports.pages.reading_upload import PREVIEW as READINGS
from reports.pages.start import FILES, MOST_START_MB

# Files of programs: what they send is the file itself or a form with it, as a browser does.
API_FILES = {
    "/api/v1/ems/bills": MOST_MB, "/api/v1/ems/readings": MOST_READINGS_MB, "/api/v1/ems/tariffs": 1,
    "/api/v1/ems/carbon/factors": MOST_MB,
}  # fmt: skip
# Address -> the most bytes of its body. A form has some fields and marks beside its files.
_FIELDS = 64 << 10
UPLOADS: Mapping[str, int] = {
    PATH: LARGEST_MB << 20,
    PREVIEW: (MOST_MB << 20) + _FIELDS,
    READINGS: (MOST_READINGS_MB << 20) + _FIELDS,
    FILES: (MOST_START_MB << 20) + _FIELDS,
    **{path: (most_mb << 20) + _FIELDS for path, most_mb in API_FILES.items()},
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


KEPT_FOR = timedelta(days=1)
MOST_FILES, MOST_WAITING_MB, LONGEST_NAME = 20, 1024, 100
_AGAIN = "choose the file again"


class UploadStore:
    """A folder for each sender and purpose, and in it one for each upload, named by the digest of its files."""

    def __init__(self, ctx: Context, purpose: str) -> None:
        sender = hashlib.sha256(f"{ctx.person.person_id}\0{purpose}".encode()).hexdigest()[:16]
        self._root = ctx.project.project.data_dir / "uploads"
        self._folder, self._now_utc = self._root / sender, ctx.now_utc

    def keep(self, files: Sequence[SentFile], *, mend: str) -> str:
        """Keep the files of one form, whole or not at all; the key under which they are found. Raises BadInput."""
        named = named_files(files, mend)
        digest = hashlib.sha256()
        for name, content in named.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        key = digest.hexdigest()[:32]
        self._forget()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
        try:
            for name, content in named.items():
                (made / name).write_bytes(content)
            self._set_time(made)
            try:
                made.rename(self._folder / key)
            except OSError:
                # The same form, sent twice: what it brought is there.
                if not self._is_there(key):
                    raise
            self._set_time(self._folder / key)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return key

    def files(self, key: str) -> list[Path]:
        """The files of an upload of this sender. Raises BadInput (no_upload) for one that is not there any more."""
        is_key = len(key) == 32 and set(key) <= set("0123456789abcdef")
        if not is_key or not self._is_there(key):
            raise BadInput(
                "these files are not kept any more: an upload waits for a day", reason="no_upload", mend=_AGAIN
            )
        return sorted((self._folder / key).iterdir())

    def map_of(self, key: str, file: Path) -> Path | None:
        """The column map that the sender made of a kept file."""
        place = self._map_place(key, file)
        return place if place.exists() else None

    def keep_map(self, key: str, file: Path, text: str) -> None:
        """Keep the column map of one file, in the place of the one before."""
        place = self._map_place(key, file)
        place.parent.mkdir(exist_ok=True, mode=0o700)
        place.write_text(text, encoding="utf-8")
        self._set_time(place.parent)

    def _map_place(self, key: str, file: Path) -> Path:
        return self._folder / f"{key}-maps" / f"{file.name}.yaml"

    def _is_there(self, key: str) -> bool:
        folder = self._folder / key
        return folder.is_dir() and not self._is_over(folder)

    def _is_over(self, folder: Path) -> bool:
        return folder.stat().st_mtime < (self._now_utc - KEPT_FOR).timestamp()

    def _set_time(self, folder: Path) -> None:
        at_s = self._now_utc.timestamp()
        os.utime(folder, (at_s, at_s))

    def _forget(self) -> None:
        """Remove what has waited for too long. Raises BadInput (busy) where too much waits still."""
        for each in [*self._root.glob("*/*"), *self._root.glob(".new-*")]:
            if each.is_dir() and self._is_over(each):
                shutil.rmtree(each, ignore_errors=True)
        waiting = sum(each.stat().st_size for each in self._root.glob("*/*/*"))
        if waiting > MOST_WAITING_MB << 20:
            raise BadInput(
                f"uploads of {MOST_WAITING_MB} MB wait to be accepted already", reason="busy",
                mend="accept them, or come back tomorrow: an upload waits for a day",
            )  # fmt: skip


def named_files(files: Sequence[SentFile], mend: str) -> dict[str, bytes]:
    """Contents by a name that is one of a file and of nothing else. Raises BadInput."""
    if not files:
        raise BadInput("no file was sent", reason="bad_request", mend=mend)
    if len(files) > MOST_FILES:
        raise BadInput(f"at most {MOST_FILES} files at once, got {len(files)}", reason="bad_request", mend=mend)
    found: dict[str, bytes] = {}
    for each in files:
        name = Path(each.name.replace("\\", "/")).name.lstrip(".")
        # Of bytes: a disk counts those, and letters of many scripts have three.
        name = name.encode("utf-8", "replace")[-LONGEST_NAME:].decode("utf-8", "ignore")
        if not name or not name.isprintable():
            raise BadInput("a file was sent without a name that can be read", reason="bad_request", mend=mend)
        if name in found:
            raise BadInput(f"two files are called {one_line(name)}", reason="bad_request", mend=mend)
        found[name] = each.content
    return found
