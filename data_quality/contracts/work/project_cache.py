"""One cache of an opened project: places with names and bounds, each of which counts its hits and what was made."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
# The most entries of each place. Of sites more than any project has, and of files more than a lake has: one too few for
# a walk over all would be of no use.
PLACES = dict.fromkeys(("landing_hashes", "model_files", "whole_chains"), 16384) | {"lake_files": 2**18, "kpi_rows": 32}
PLACES |= dict.fromkeys(("readings_to", "stale_months", "excursions", "local_days", "site_parts", "site_versions"), 64)
PLACES |= dict.fromkeys(("use_excess", "open_counts"), 64)
PLACES |= dict.fromkeys(("report_titles", "use_days"), 16) | {"promises": 4096, "built_marts": 4}
PLACES |= dict.fromkeys(("expected_by", "file_stores", "lakes_tidied", "past_marts", "site_folders"), 2)
PLACES |= dict.fromkeys(("answers", "keys_sent", "lake_sizes", "marts", "work"), 1)


class Place(Generic[K, V]):
    """Entries by key; the least recently used is dropped. Any number of threads may read."""

    def __init__(self, most: int) -> None:
        self.most, self.hits, self.made = most, 0, 0
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The entry of the key; None where there is none."""
        with self._lock:
            if key not in self._kept:
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: K, value: V) -> V:
        """The entry of the key from now on."""
        with self._lock:
            self.made += 1
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return value


class ProjectCache:
    """Places by name (PLACES). The opened project holds it, and so does its transactional store."""

    def __init__(self) -> None:
        self._places: dict[str, Place[Any, Any]] = {name: Place(most) for name, most in PLACES.items()}
        self._making = threading.Lock()

    def place(self, name: str) -> Place[Any, Any]:
        """The place of that name."""
        return self._places[name]

    def once(self, name: str, key: Hashable, make: Callable[[], V]) -> V:
        """Value under the key; made by `make` where there is none. What it raises is not kept."""
        found: tuple[V] | None = self._places[name].get(key)
        if found is None:
            made = make()
            with self._making:
                # Of two threads that made it at once both have the first one's.
                found = self._places[name].get(key) or self._places[name].put(key, (made,))
        return found[0]
