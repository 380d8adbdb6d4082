"""Marts for a process that answers many questions: what was read once stays in memory until its file is another.

Kept by file and scope: a late reading rewrites one year of one site, and nobody asks for all scopes of a site at once.
"""

import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Unpack

import polars as pl

from assets.stores.warehouse.marts import MARTS, SCHEMA_FILE, Wanted, mart_files, mart_path, of_scope, undamaged
from data_quality.contracts.errors import Unreachable

# Of the 250 MB that the pages may take, with a year of every scope that is on somebody's screen.
MOST_BYTES = 16 * 2**20
# A publication replaces files one by one: a list of files may be older than what it lists.
_TRIES = 3


class _Key(NamedTuple):
    """A file as it stands there, and the scope that is wanted of it."""

    path: Path
    size: int
    mtime_ns: int
    scope: str | None


class MartReader:
    """A ReadMart (marts.py) over one folder that keeps what it read, the least asked for given up first.

    Any number of threads may ask. most_bytes: of kept frames; a frame larger than a quarter of it is never kept.
    """

    def __init__(self, marts_dir: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.marts_dir, self.most_bytes = marts_dir, most_bytes
        self._kept: OrderedDict[_Key, tuple[pl.DataFrame, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, name: str, **wanted: Unpack[Wanted]) -> pl.DataFrame:
        """As ReadMart says. Raises Unreachable where files go on vanishing while they are read."""
        schema, where = mart_path(self.marts_dir, name) / SCHEMA_FILE, wanted.get("where")
        for _ in range(_TRIES):
            try:
                files = mart_files(self.marts_dir, name, **wanted)
                frames = [self._part(path, name, wanted.get("scope")) for path in (schema, *files)]
            except FileNotFoundError:
                continue
            # One file that has the columns as they are published is its own answer: to join it to none copies it.
            is_one = len(files) == 1 and frames[0].schema == frames[1].schema
            rows = frames[1] if is_one else pl.concat(frames)
            rows = rows if where is None else rows.filter(where)
            # One file is in key order as it is.
            return rows if len(files) == 1 else rows.sort(MARTS[name])
        raise Unreachable(f"the files of mart {name} are replaced faster than they can be read; ask again")

    def kept_bytes(self) -> int:
        """What the kept frames take."""
        return self._bytes

    def _part(self, path: Path, name: str, scope: str | None) -> pl.DataFrame:
        stat = path.stat()
        key = _Key(path, stat.st_size, stat.st_mtime_ns, scope)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        # Outside of the lock: two threads may read one file twice, and none waits for another's.
        rows = pl.scan_parquet(path, hive_partitioning=False)
        with undamaged(name):
            frame = (rows if scope is None else rows.filter(of_scope(name, scope))).collect()
        self._keep(key, frame)
        return frame

    def _keep(self, key: _Key, frame: pl.DataFrame) -> None:
        size = max(int(frame.estimated_size()), 1)
        if size > self.most_bytes // 4:
            return
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (frame, size)
                self._bytes += size
            # What the file was before: nobody can ask for it again.
            former = [each for each in self._kept if each.path == key.path and each[1:3] != key[1:3]]
            for each in former:
                self._bytes -= self._kept.pop(each)[1]
            while self._bytes > self.most_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed


@lru_cache(maxsize=8)
def mart_reader(marts_dir: Path) -> MartReader:
    """The reader of a folder that all threads of this process share."""
    return MartReader(marts_dir)


@lru_cache(maxsize=2)
def past_reader(folder: Path) -> MartReader:
    """The same for marts of a past instant, of which one looks at few, and not for long."""
    return MartReader(folder, most_bytes=MOST_BYTES // 4)
