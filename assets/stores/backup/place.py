"""The place of backups: files named by their content, and one list a backup, in a folder or a bucket (ADR 0095)."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import uuid4

from pydantic import ValidationError

from assets.stores.backup.backup_list import FORM, BackupList, read_list
from assets.stores.file_hashes import file_sha256
from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_files import open_files
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

OBJECTS, LISTS, MARK = "objects", "backups", "meterloom-backups.json"
Parsed = TypeVar("Parsed")
_LOCK, _SCRATCH = ".lock", ".scratch"
_BUCKET = "s3://"


class PlaceMark(Model):
    """Owner of the backups in a place: the ledger of the project, and their form."""

    form: int
    ledger: str


class BackupPlace:
    """Files and lists of backups. scratch: a folder for what is being copied, on the place's own disk where it has one.

    files_new, bytes_new: put by this process; files_known: asked for and there already.
    """

    def __init__(self, files: FileStore, scratch: Path) -> None:
        self.files, self.scratch = files, scratch
        self.files_new = self.files_known = self.bytes_new = 0
        self._sizes: dict[str, int] = {}

    @property
    def address(self) -> str:
        """Folder or s3 address."""
        return self.files.address

    def has(self, sha256: str, size_bytes: int | None = None) -> bool:
        """Whether that content is kept, as a whole where its size is given; counts it as known."""
        key = object_key(sha256)
        found = self._sizes.get(key)
        if found is None or (size_bytes is not None and found != size_bytes):
            return False
        self.files_known += 1
        return True

    def size_of(self, sha256: str) -> int:
        """Bytes of a content that is kept."""
        return self._sizes[object_key(sha256)]

    def keep(self, copy: Callable[[Path], object]) -> tuple[str, int]:
        """Keep what `copy` writes. Returns its SHA-256 and size in bytes. Raises OSError, Unreachable."""
        part = self.scratch / uuid4().hex
        try:
            copy(part)
            sha256, size = file_sha256(part), part.stat().st_size
            if not self.has(sha256, size):
                self._put(part, object_key(sha256), size)
        finally:
            part.unlink(missing_ok=True)
        return sha256, size

    def _put(self, part: Path, key: str, size: int) -> None:
        if key in self._sizes:
            # Cut off by a disk or a line that failed: no list that was written since can rest on it.
            self.files.delete(key)
        self.files.put_new(key, part.replace)
        if self.files.address != str(self.files.root):
            # The copy here is of no use once the bucket has it.
            (self.files.root / key).unlink(missing_ok=True)
        self._sizes[key] = size
        self.files_new, self.bytes_new = self.files_new + 1, self.bytes_new + size

    def add_list(self, name: str, content: bytes) -> str:
        """Write the list of a backup, after all that it names. Returns its address. Raises OSError, Unreachable."""
        self.files.note(f"{LISTS}/{name}", content)
        return f"{self.address}/{LISTS}/{name}"

    def lists(self) -> list[str]:
        """Names of the lists, the oldest first: a name begins with its time."""
        found = (each.key.rpartition("/")[2] for each in self.files.list(f"{LISTS}/"))
        return sorted(name for name in found if name.endswith(".json") and not name.startswith("."))

    def expect_own(self, ledger: str) -> None:
        """Mark an empty place as this ledger's. Raises BadInput for another project's, a newer form, or other files."""
        try:
            mark = self.read(MARK, PlaceMark.model_validate_json)
        except ValidationError as error:
            raise BadInput(
                f"{MARK} cannot be read", file=self.address, reason="bad_backup", mend="name another folder"
            ) from error
        if mark is None:
            others = (each.key for each in self.files.list("") if each.key.partition("/")[0] not in {_LOCK, _SCRATCH})
            if other := next(others, ""):
                raise BadInput(
                    f"{self.address} holds other files ({other}); expected an empty folder, or one of backups",
                    reason="not_empty",
                    mend="name another folder",
                )
            self.files.note(MARK, PlaceMark(form=FORM, ledger=ledger).model_dump_json().encode())
            return
        if mark.ledger != ledger:
            raise BadInput(
                f"the backups in {self.address} are of another project (ledger {mark.ledger[:8]}, not {ledger[:8]})",
                reason="other_project",
                mend="name another folder",
            )
        if mark.form > FORM:
            raise BadInput(
                f"the backups in {self.address} are of a newer version",
                reason="newer_backup",
                mend="name another folder, or install that version",
            )

    def look(self) -> None:
        """Learn what is kept already. Raises Unreachable."""
        found = self.files.list(f"{OBJECTS}/")
        self._sizes = {each.key: each.size_bytes for each in found if not each.key.rpartition("/")[2].startswith(".")}

    def fetch(self, sha256: str, path: Path) -> str:
        """Write that content to the path. Returns the SHA-256 of what came. Raises FileNotFoundError, OSError."""
        found = self.files.fetch(object_key(sha256), path)
        for _ in range(self._tries - 1):
            if found == sha256:
                break
            found = self.files.fetch(object_key(sha256), path)
        return found

    def read(self, key: str, parse: Callable[[bytes], Parsed]) -> Parsed | None:
        """A small file, parsed; None where nothing stands there. Raises as `parse`."""
        for left in reversed(range(self._tries)):
            content = self.files.noted(key)
            try:
                return None if content is None else parse(content)
            except (BadInput, ValidationError):
                if not left:
                    raise
        raise AssertionError

    @property
    def _tries(self) -> int:
        # A body from a bucket may be cut off on its way: again, before it is said of the bucket.
        return 1 if self.files.address == str(self.files.root) else 3


def object_key(sha256: str) -> str:
    """The key of a content."""
    return f"{OBJECTS}/{sha256[:2]}/{sha256}"


@contextmanager
def place_to_write(address: str, ledger: str) -> Iterator[BackupPlace]:
    """The place at a folder or s3 address, for this process alone. Raises BadInput, Unreachable, OSError."""
    if address.startswith(_BUCKET):
        with place_to_read(address) as place:
            place.expect_own(ledger)
            place.look()
            yield place
        return
    root = Path(address)
    if root.exists() and not root.is_dir():
        raise BadInput("expected a folder", file=address, reason="not_a_folder", mend="name another folder")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = BackupPlace(FileStore(root), root / _SCRATCH)
    # Before the lock, which is a file of ours in what may be anybody's folder.
    place.expect_own(ledger)
    with (root / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another backup into {address} is under way", reason="already_running", mend="wait for it"
            ) from None
        # What a stopped backup left half copied.
        shutil.rmtree(place.scratch, ignore_errors=True)
        for left in root.glob(f"{OBJECTS}/*/.tmp-*"):
            left.unlink(missing_ok=True)
        place.scratch.mkdir(mode=0o700)
        place.look()
        try:
            yield place
        finally:
            shutil.rmtree(place.scratch, ignore_errors=True)


@contextmanager
def place_to_read(address: str) -> Iterator[BackupPlace]:
    """The same for reading; of a folder nothing is changed. Raises BadInput where there is none, Unreachable."""
    if not address.startswith(_BUCKET) and not Path(address).is_dir():
        raise BadInput("no such folder", file=address, reason="no_backup", mend="name the folder given to --to")
    with TemporaryDirectory(prefix="meterloom-backup-") as folder:
        is_bucket = address.startswith(_BUCKET)
        files = open_files(Path(folder) / "copies", address) if is_bucket else FileStore(Path(address))
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        yield BackupPlace(files, scratch)


def list_name(made_utc: datetime) -> str:
    """Name of a list, which sorts by its moment: two backups of one second have their order."""
    return f"{made_utc:%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:8]}.json"


def split_address(backup: str) -> tuple[str, str]:
    """Place and name of a list: PLACE/backups/NAME.json, or a place alone (its newest list)."""
    head, _, name = backup.rstrip("/").rpartition("/")
    folder, _, lists = head.rpartition("/")
    return (folder or ".", name) if name.endswith(".json") and lists == LISTS else (backup.rstrip("/") or "/", "")


def list_in(place: BackupPlace, name: str) -> BackupList:
    """The list of that name, or the newest. Raises BadInput where there is none, and as `read_list`."""
    names = place.lists()
    wanted = name or (names[-1] if names else "")
    where = f"{place.address}/{LISTS}/{wanted}"
    found = place.read(f"{LISTS}/{wanted}", lambda content: read_list(content, where)) if wanted else None
    if found is None:
        raise BadInput(
            f"no backup in {place.address}: expected {LISTS}/{name or 'TIME.json'} there",
            reason="no_backup",
            mend="name the folder given to --to",
        )
    return found
