"""Waiting for what another thread or process does, and a sink that remembers."""

import threading
import time
from collections.abc import Callable, Sequence

from data_quality.contracts.live.sample import Refusal, Sample

PATIENCE_S = 20.0


def until(is_so: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S) -> None:
    """Return as soon as it is so. Fails with the sentence after within_s."""
    ends_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_s, f"waited {within_s:g} s for {what}"
        time.sleep(0.01)


class Remembering:
    """A sink that keeps what it is given in memory, and says that it is durable, or that it is not."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.refusals: list[Refusal] = []
        self.takes = 0
        self.is_full = False
        self._lock = threading.Lock()

    def take(
        self, source_id: str, samples: Sequence[Sample], refusals: Sequence[Refusal], done: Callable[[bool], None]
    ) -> None:
        """As the spool does, at once."""
        with self._lock:
            self.takes += 1
            if not self.is_full:
                self.samples += samples
                self.refusals += refusals
        done(not self.is_full)

    def of(self, point: str) -> list[Sample]:
        """The samples of one point."""
        return [sample for sample in self.samples if sample.point == point]

    def wait_for_more(self, count: int) -> None:
        """Until so many more samples are here than now."""
        before = len(self.samples)
        until(lambda: len(self.samples) >= before + count, f"{count} more samples")
