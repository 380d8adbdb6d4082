"""The lake's files: whether they are still what was written, their rows by file, and a writer's place.

They are compared with the manifest's digests before they are read, once a file and process. Rows are read of some
streams, days and columns, and without the store.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_block import LAKE_SCHEMA, TIME, days_as_written
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.work.project_cache import PLACES, Place

READINGS, LOCK = "readings", ".writers"
# For so long a file without a manifest row may be a writer's who is at work; after it that writer may not commit any
# more. Clocks of machines may be apart by the difference.
LEASE, SWEPT_AFTER = timedelta(hours=23), timedelta(hours=24)


@dataclass
class HashedFile:
    """A file as it was when it was hashed. known: size, time of change and number in its folder; days: the digests of
    its rows, once they were needed.
    """

    known: tuple[int, int, int]
    sha256: str
    days: dict[str, str] | None = None


# Of the place `lake_files` of a project's cache.
SeenFiles = Place[Path, HashedFile]


def fault_of(path: Path, entries: Iterable[Mapping[str, Any]], files: SeenFiles) -> str:
    """`is missing`, `was altered` or `cannot be read`; empty where the file is the one that was written.

    entries: its manifest rows. It is also that where it holds the very rows that these name, in the very bytes in
    which they are written today: so it was restored after the library that writes files had changed.
    """
    try:
        seen = _look(path, files)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    other = [each for each in entries if each["file_sha256"] != seen.sha256]
    if not other:
        return ""
    if seen.days is None:
        seen.days = days_as_written(path, seen.sha256)
    return "" if all(seen.days.get(str(each["day"])) == each["content_sha256"] for each in other) else "was altered"


def is_as_written(path: Path, file_sha256: str, files: SeenFiles) -> bool:
    """True where the file is there with that very digest; where not, `fault_of` knows more."""
    try:
        return sha256_of(path, files) == file_sha256
    except OSError:
        return False


def sha256_of(path: Path, files: SeenFiles) -> str:
    """Of a file as it is now, hashed once as long as it stays. Raises OSError."""
    return _look(path, files).sha256


def _look(path: Path, files: SeenFiles) -> HashedFile:
    stat = path.stat()
    # A file that a backup put back may keep size and time, and has another number.
    known = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    seen = files.get(path)
    if seen is None or seen.known != known:
        with path.open("rb") as file:
            seen = files.put(path, HashedFile(known, hashlib.file_digest(file, "sha256").hexdigest()))
    return seen


def faults(root: Path, entries: Iterable[Mapping[str, Any]], files: SeenFiles) -> dict[str, str]:
    """Path under the lake's root -> what is wrong with it, of the files of manifest rows."""
    stated: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        stated.setdefault(str(entry["path"]), []).append(entry)
    return {path: fault for path, rows in stated.items() if (fault := fault_of(root / path, rows, files))}


def orphans(root: Path, known: Iterable[str]) -> list[Path]:
    """Files under the lake's readings that no manifest row names. known: the paths of every row, of all sites."""
    # As texts: a path of each of a lake's files costs more than to find it.
    named = {f"{root}/{path}" for path in known}
    found = (f"{folder}/{name}" for folder, _, names in os.walk(root / READINGS) for name in names)
    return sorted(map(Path, set(found) - named))


@contextmanager
def writing(root: Path, tidy: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the place of a writer. tidy: called where no other writes."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / LOCK).open("a") as lock:
        if tidy is not None and _is_alone(lock.fileno()):
            tidy()
        # Shared from here on, and before any file of ours stands: nobody alone can take one for a leftover.
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep every writer of this machine away. Raises Unreachable where one is at work."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / LOCK).open("a") as lock:
        if not _is_alone(lock.fileno()):
            raise Unreachable(f"{root}: another process writes to the lake: wait for it or stop it, and run this again")
        yield


def expect_in_time(began_utc: datetime, now_utc: datetime) -> None:
    """Raises Unreachable where a writer took so long that its files may have been swept meanwhile."""
    if now_utc - began_utc > LEASE:
        raise Unreachable(f"writing took more than {LEASE / timedelta(hours=1):.0f} hours: ingest this again, in parts")


def _is_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# What makes a row one and the same reading, and the order in which views give them.
ORDER = ("site_id", "meter_id", "register", TIME)


class LakeFile(Model):
    """A file of the lake as the manifest knows it: all that a process without the store needs to read it.

    first, last: UTC days that it holds rows of. key, address: where the path is a copy of what a bucket keeps.
    """

    path: Path
    key: str = ""
    address: str = ""
    sha256: str
    first: date
    last: date


def history_in(
    files: Sequence[LakeFile],
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Every row of the files in the span, superseded ones included, by key and recorded time.

    files: those that the manifest named at T. columns: of LAKE_SCHEMA, beside ORDER and recorded_at_utc; None: all.
    """
    first = date.min if start_utc is None else start_utc.astimezone(UTC).date()
    last = date.max if end_utc is None else end_utc.astimezone(UTC).date()
    paths = [file.path for file in files if file.first <= last and file.last >= first]
    needed = {*ORDER, "recorded_at_utc", *(LAKE_SCHEMA if columns is None else columns)}
    wanted = [name for name in LAKE_SCHEMA if name in needed]
    if not paths:
        return pl.DataFrame(schema={name: LAKE_SCHEMA[name] for name in wanted})
    # The folders site=… and m=… are no columns: every row says its site itself.
    frame = pl.scan_parquet(paths, hive_partitioning=False)
    if start_utc is not None:
        frame = frame.filter(pl.col(TIME) >= start_utc)
    if end_utc is not None:
        frame = frame.filter(pl.col(TIME) < end_utc)
    if meters is not None:
        frame = frame.filter(pl.col("meter_id").is_in(list(meters)))
    # By ORDER and recorded time. One number a row stands for its key: texts compared cost ten times that.
    rows = frame.select(wanted).collect()
    stream = pl.lit(0, dtype=pl.Int64)
    for name in ORDER[:3]:
        texts = rows[name].unique().sort()
        if len(texts) > 1:
            stream = stream * len(texts) + pl.col(name).cast(pl.Enum(texts)).to_physical()
    # Readings begin on a grid of minutes: seconds tell them apart, and leave room for five hundred million streams.
    keyed = rows.with_columns(key=stream * (1 << 34) + pl.col(TIME).to_physical() // 1_000_000).sort("key")
    if not keyed.filter(pl.col("key") == pl.col("key").shift(-1)).is_empty():
        keyed = keyed.sort("key", "recorded_at_utc")
    return keyed.drop("key")


def newest_of(history: pl.DataFrame) -> pl.DataFrame:
    """The latest row per key, in the same order. history: as `history_in` gives it, or some of its rows."""
    # Rows of one key stand side by side. Whole keys side by side cost a tenth of looking each up among all others.
    is_repeated = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in ORDER)
    return history.filter(~is_repeated.fill_null(value=False))


def open_files(root: Path, address: str = "") -> FileStore:
    """The files of a folder; of a bucket (`s3://BUCKET/PREFIX`) that the folder holds copies of where an address is
    given. Raises Unreachable without the extra that a bucket needs.
    """
    if not address:
        return FileStore(root)
    try:
        from assets.stores.lake.bucket_files import BucketFiles
    except ImportError as error:
        raise Unreachable(
            f"{address}: the library for object storage is not installed: install meterloom with its extra, "
            "meterloom[s3]"
        ) from error
    return BucketFiles(root, address)


def expect_unchanged(files: Iterable[LakeFile]) -> None:
    """Raises Unreachable naming a file that is gone, or is not the one that was named."""
    kept, seen = dict[tuple[Path, str], FileStore](), SeenFiles(PLACES["lake_files"])
    for file in files:
        if file.address and not is_as_written(file.path, file.sha256, seen):
            # Not copied to this machine yet.
            place = (file.path.parents[file.key.count("/")], file.address)
            if place not in kept:
                kept[place] = open_files(*place)
            kept[place].refresh({file.key: file.sha256})
        try:
            sha256 = sha256_of(file.path, seen)
        except OSError as error:
            raise Unreachable(f"the lake's file {file.path} cannot be read ({error.strerror})") from error
        if sha256 != file.sha256:
            raise Unreachable(f"the lake's file {file.path} was altered since this work was handed out")
