"""Files between their preview and their acceptance: kept for a day, where their sender alone finds them again."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line
from orchestration.web.request_context import Ask
from orchestration.web.uploads import SentFile

KEPT_FOR = timedelta(days=1)
MOST_FILES, MOST_WAITING_MB, LONGEST_NAME = 20, 1024, 100
_AGAIN = "choose the file again"


class KeptUploads:
    """A folder for each sender and purpose, and in it one for each upload, named by the digest of its files."""

    def __init__(self, ask: Ask, purpose: str) -> None:
        sender = hashlib.sha256(f"{ask.person.person_id}\0{purpose}".encode()).hexdigest()[:16]
        self._root = ask.project.project.data_dir / "uploads"
        self._folder, self._now_utc = self._root / sender, ask.now_utc

    def keep(self, files: Sequence[SentFile], *, mend: str) -> str:
        """Keep the files of one form, whole or not at all; the key under which they are found. Raises BadInput."""
        named = _named(files, mend)
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


def _named(files: Sequence[SentFile], mend: str) -> dict[str, bytes]:
    """Contents by a name that is one of a file and of nothing else. Raises BadInput."""
    if not files:
        raise BadInput("no file was sent", reason="bad_request", mend=mend)
    if len(files) > MOST_FILES:
        raise BadInput(f"at most {MOST_FILES} files at once, got {len(files)}", reason="bad_request", mend=mend)
    found: dict[str, bytes] = {}
    for each in files:
        name = Path(each.name.replace("\\", "/")).name.lstrip(".")[-LONGEST_NAME:]
        if not name or not name.isprintable():
            raise BadInput("a file was sent without a name that can be read", reason="bad_request", mend=mend)
        if name in found:
            raise BadInput(f"two files are called {one_line(name)}", reason="bad_request", mend=mend)
        found[name] = each.content
    return found
