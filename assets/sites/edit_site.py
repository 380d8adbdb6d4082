"""A site file edited as text: one writer at a time, no change lost unseen, and every replaced text kept."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assets.sites.load_sites import M, replaced
from assets.stores.whole_file import locked, sync_folder, unfinished_of, write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence

if TYPE_CHECKING:
    from assets.stores.transactions import Store

# Between the look at a file and its change no other thread changes it.
_ONE_WRITER = threading.Lock()
# Time, number, hash, person; texts of earlier releases have no number.
_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:\.(\d{4,9}))?\.([0-9a-f]{12})\.([a-z0-9_.-]*)\.yaml")


class TextVersion(NamedTuple):
    """A text that was replaced: when, and by whom; empty where nobody was named.

    name: of its file; number: its place among the texts, 0 for those of earlier releases.
    """

    name: str
    at_utc: datetime
    number: int
    person_id: str


class EditRecord(NamedTuple):
    """Record of an edit of a project file. store: keeps its signature with the act; texts: folder of the replaced
    texts; person_id: of the person who acts, empty where nobody is named.
    """

    store: "Store"
    texts: Path
    person_id: str
    now_utc: datetime


def text_sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def text_tag(path: Path) -> str:
    """Version tag of the file: the first half of its SHA-256."""
    return text_sha256(path)[:32]


@contextmanager
def one_writer(path: Path, seen: str) -> Iterator[None]:
    """Nobody else changes files of its folder until the block ends. seen: the tag of the text that the change is made
    to. Raises BadInput (changed_since) where that is another one now.
    """
    with _ONE_WRITER, locked(path.parent):
        if text_tag(path) != seen:
            raise BadInput(Sentence("the file was changed since: read it again"), reason="changed_since")
        yield


@contextmanager
def rewritten(
    path: Path, load: Callable[[Path], M], change: Callable[[str], str], record: EditRecord | None, *, seen: str = ""
) -> Iterator[M]:
    """Replace the file's text where nothing fails inside, whole or not at all. Yields the content of the new text.

    Within, its store is one transaction, and the new text stands in `unfinished_of(path)`. load: reads the new file.
    change: the text -> its new text. record: None for a file outside of a project. seen: tag of the text that the
    change is made for; empty: the present one. Raises BadInput (changed_since), and what load and change raise.
    """
    with one_writer(path, seen or text_tag(path)):
        if record is not None:
            _finish_killed(path, record)
        text = as_in_file(change(site_text(path)), path)
        with replaced(path, text, load) as found, record.store.together() if record else nullcontext():
            yield found
            if record is not None:
                store_text(path, record.texts, record.person_id, record.now_utc)


def _finish_killed(path: Path, record: EditRecord) -> None:
    """Raises BadInput (changed_since) where an act was killed once the store had it and before the file was replaced:
    the text that it made takes its place now, unless somebody has edited the file since.
    """
    left = unfinished_of(path)
    if not left.exists():
        return
    from assets.stores.published.publications import act_over

    act = act_over(record.store, text_sha256(left))
    # A text that the store does not know is of an act that never was: this one writes over it.
    if not act:
        return
    kept, cut_off = text_versions(record.texts), f"{act}, was cut off before {path.name} held it"
    if kept and f".{text_tag(path)[:12]}." in kept[0].name:
        left.replace(path)
        sync_folder(path.parent)
        raise BadInput(f"{cut_off}; it holds it now: look at it, then do yours again", reason="changed_since")
    left.unlink()
    raise BadInput(f"{cut_off}, and it was edited since: do both again where they are wanted", reason="changed_since")


def site_text(path: Path) -> str:
    """The text as it is edited: without a byte-order mark, lines ended by line feeds."""
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")


def as_in_file(text: str, path: Path) -> str:
    """An edited text with line ends and byte-order mark of the file that it replaces."""
    before, text = path.read_bytes(), text.replace("\r\n", "\n")
    text = text.replace("\n", "\r\n") if b"\r\n" in before else text
    return "\ufeff" * before.startswith(b"\xef\xbb\xbf") + text


def store_text(path: Path, folder: Path, person_id: str, at_utc: datetime) -> None:
    """Keep the file's text as it is, before that person replaces it."""
    # Numbered, for two acts may fall into one second.
    number = max((each.number for each in text_versions(folder)), default=0) + 1
    name = f"{at_utc.astimezone(UTC):%Y%m%dT%H%M%SZ}.{number:04}.{text_tag(path)[:12]}.{person_id}.yaml"
    write_whole(folder / name, path.read_bytes())


def text_versions(folder: Path) -> list[TextVersion]:
    """Every text that was replaced, the newest first."""
    names = (each.name for each in folder.iterdir()) if folder.is_dir() else ()
    texts = [
        TextVersion(
            name, datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), int(match[2] or 0), match[4]
        )
        for name in names
        if (match := _NAME.fullmatch(name))
    ]
    return sorted(texts, key=lambda text: (text.number, text.at_utc), reverse=True)
