"""A site file edited as text: one writer at a time, no change lost unseen, and every replaced text kept."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from assets.stores.whole_file import locked, write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence

# Between the look at a file and its change no other thread changes it.
_ONE_WRITER = threading.Lock()
_NAME = re.compile(r"(\d{8}T\d{6}Z)\.([0-9a-f]{12})\.([a-z0-9_.-]+)\.yaml")


class KeptText(NamedTuple):
    """A text that was replaced: when, and by whom. name: of its file."""

    name: str
    at_utc: datetime
    person_id: str


def text_tag(path: Path) -> str:
    """Version tag of the file: the first half of the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


@contextmanager
def one_writer(path: Path, seen: str) -> Iterator[None]:
    """Nobody else changes files of its folder until the block ends. seen: the tag of the text that the change is made
    to. Raises BadInput (changed_since) where that is another one now.
    """
    with _ONE_WRITER, locked(path.parent):
        if text_tag(path) != seen:
            raise BadInput(Sentence("the file was changed since: read it again"), reason="changed_since")
        yield


def site_text(path: Path) -> str:
    """The text as it is edited: without a byte-order mark, lines ended by line feeds."""
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")


def as_in_file(text: str, path: Path) -> str:
    """An edited text with line ends and byte-order mark of the file that it replaces."""
    before, text = path.read_bytes(), text.replace("\r\n", "\n").rstrip("\n") + "\n"
    text = text.replace("\n", "\r\n") if b"\r\n" in before else text
    return "\ufeff" * before.startswith(b"\xef\xbb\xbf") + text


def keep_text(path: Path, folder: Path, person_id: str, at_utc: datetime) -> None:
    """Keep the file's text as it is, before that person replaces it."""
    name = f"{at_utc.astimezone(UTC):%Y%m%dT%H%M%SZ}.{text_tag(path)[:12]}.{person_id}.yaml"
    write_whole(folder / name, path.read_bytes())


def kept_texts(folder: Path) -> list[KeptText]:
    """Every text that was replaced, the newest first."""
    names = sorted((each.name for each in folder.iterdir()), reverse=True) if folder.is_dir() else []
    found = [(name, match) for name in names if (match := _NAME.fullmatch(name))]
    return [
        KeptText(name, datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), match[3])
        for name, match in found
    ]
