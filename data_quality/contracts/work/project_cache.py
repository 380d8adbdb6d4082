"""One cache of an opened project: places with names and bounds, each of which counts its hits and misses."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")
# Name of a place -> the most entries that it holds.
PLACES = {
    "answers": 1,
    "built_marts": 4,
    "expected_by": 2,
    "file_stores": 2,
    # More than a lake has: one too few for a walk over all would be of no use.
    "lake_files": 2**18,
    "lakes_tidied": 1,
    # More sites than any project has, as above.
    "landing_hashes": 16384,
    "marts": 1,
    "past_marts": 2,
    "readings_to": 64,
    "report_titles": 8,
    "site_files": 16384,
    "site_folders": 2,
    "stale_months": 64,
    "whole_chains": 16384,
    "work": 1,
}
_NOTHING = object()


class Counts(NamedTuple):
    """How often a place was asked, and how many entries it holds."""

    hits: int
    misses: int
    entries: int


class Place(Generic[K, V]):
    """Entries by key; the one that was asked for longest ago is given up. Any number of threads may ask."""

    def __init__(self, most: int) -> None:
        self.most, self._hits, self._misses = most, 0, 0
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The entry of the key; None where there is none."""
        found = self._found(key)
        return None if found is _NOTHING else cast("V", found)

    def put(self, key: K, value: V) -> V:
        """The entry of the key from now on."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            self._bound()
        return value

    def once(self, key: K, make: Callable[[], V]) -> V:
        """The entry of the key, which `make` gives where there is none. What it raises is not kept."""
        found = self._found(key)
        if found is not _NOTHING:
            return cast("V", found)
        made = make()
        with self._lock:
            # Of two threads that made it at once both have the first one's.
            kept = self._kept.setdefault(key, made)
            self._bound()
        return kept

    @property
    def counts(self) -> Counts:
        """Its hits, misses and entries so far."""
        return Counts(self._hits, self._misses, len(self._kept))

    def _bound(self) -> None:
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)

    def _found(self, key: K) -> object:
        with self._lock:
            if key not in self._kept:
                self._misses += 1
                return _NOTHING
            self._hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]


class ProjectCache:
    """Places by name (PLACES). The opened project holds it, and so does its transactional store."""

    def __init__(self) -> None:
        self._places: dict[str, Place[Any, Any]] = {name: Place(most) for name, most in PLACES.items()}

    def place(self, name: str) -> Place[Any, Any]:
        """The place of that name."""
        return self._places[name]

    @property
    def counts(self) -> dict[str, Counts]:
        """Counts by place."""
        return {name: place.counts for name, place in self._places.items()}
