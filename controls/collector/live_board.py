"""The newest value of each point and its newest minute, in memory; pure. Changes go to the live store."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from data_quality.contracts.live.sample import Sample
from data_quality.contracts.site_file.site import Site

# A device's clock may be ahead by so much before its value is doubtful.
AHEAD_S = 10.0
Row = tuple[str | float | int, ...]


@dataclass(slots=True)
class _Newest:
    value: float
    at_s: float
    received_s: float
    quality: str
    minute_s: float
    total: float
    least: float
    greatest: float
    count: int

    def row(self) -> Row:
        """As the fields of LiveValue from `value` on."""
        mean = self.total / self.count
        instants = (self.at_s, self.received_s, self.quality, self.minute_s)
        return self.value, *instants, mean, self.least, self.greatest, self.count


class Board:
    """One site's board. A value never replaces a newer one; `take` and `changed` may be called from two threads."""

    def __init__(self, site: Site) -> None:
        self._constant: dict[tuple[str, str], Row] = {
            (source.source_id, each.point): (
                site.site_id, source.source_id, each.point, each.stream, each.register_id, each.what, each.unit,
                int(source.is_synthetic),
            )
            for source in site.sources
            for each in source.points
        }  # fmt: skip
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._changed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def knows(self, source_id: str, point: str) -> bool:
        """Whether the site file has the point."""
        return (source_id, point) in self._constant

    @property
    def points(self) -> frozenset[tuple[str, str]]:
        """Source and point of everything that the site file has."""
        return frozenset(self._constant)

    def take(self, source_id: str, samples: Iterable[Sample]) -> None:
        """Values of points that the site file has, in any order."""
        with self._lock:
            for sample in samples:
                key = (source_id, sample.point)
                if self._put(key, sample):
                    self._changed.add(key)

    def changed(self) -> list[Row]:
        """Rows of the live store changed since the last call."""
        with self._lock:
            keys, self._changed = self._changed, set()
            return [self._constant[key] + self._newest[key].row() for key in keys]

    def mark_all_changed(self) -> None:
        """Everything counts as changed: the live store was begun anew, or did not take it."""
        with self._lock:
            self._changed = set(self._newest)

    def _put(self, key: tuple[str, str], sample: Sample) -> bool:
        sample_s, received_s, value = sample.at_utc.timestamp(), sample.received_utc.timestamp(), sample.value
        # One value from the year 2099 would stand on the board until then.
        at_s, quality = min(sample_s, received_s), sample.quality if sample_s - received_s <= AHEAD_S else "doubtful"
        minute_s, newest = at_s // 60 * 60, self._newest.get(key)
        if newest is None or minute_s > newest.minute_s:
            self._newest[key] = _Newest(value, at_s, received_s, quality, minute_s, value, value, value, 1)
            return True
        if minute_s < newest.minute_s:
            return False
        newest.total += value
        newest.count += 1
        newest.least, newest.greatest = min(newest.least, value), max(newest.greatest, value)
        if at_s >= newest.at_s:
            newest.value, newest.at_s, newest.received_s, newest.quality = value, at_s, received_s, quality
        return True
