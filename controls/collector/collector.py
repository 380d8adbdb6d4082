"""One site's live readings: adapters hand over, the spool keeps, the board shows, and each source has a state."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from math import isfinite

from controls.collector.live_board import Board
from controls.collector.spool import Spool
from controls.gateways.sources.adapter import Adapter, Sink
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.live.spool_frames import refusal_lines, sample_lines
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.site_file.site import Site

# Of each source and minute so many refusals are kept as they are; a device that talks nonsense a thousand times a
# second must not fill the disk with it. The rest are one that counts them.
KEPT_REFUSALS = 60


class Unopened:
    """A source that could not even be opened: a state with its sentence, and never a stop of the others."""

    def __init__(self, source: Streaming, fault: BadInput) -> None:
        self.source_id, self._fault = source.source_id, fault
        self._state = SourceState(source_id=source.source_id, kind=source.kind, state="refused", sentence=str(fault))

    def start(self, sink: Sink) -> None:
        """Nothing begins."""

    def stop(self) -> None:
        """Nothing ends."""

    def state(self) -> SourceState:
        """Refused, and why."""
        return self._state

    def test(self, within_s: float) -> list[Sample]:
        """Raises the fault."""
        raise self._fault


class Collector:
    """A site's sink. Adapters are started with it and stopped before the spool, which it owns."""

    def __init__(self, site: Site, adapters: Sequence[Adapter], spool: Spool) -> None:
        self.site, self.spool, self.board = site, spool, Board(site)
        self._adapters = tuple(adapters)
        self._refused: dict[str, tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open the spool, then begin to listen. Raises BadInput where another process has the spool."""
        self.spool.start()
        for adapter in self._adapters:
            adapter.start(self)

    def stop(self) -> None:
        """Listen no more, keep what came, and close the spool."""
        for adapter in self._adapters:
            adapter.stop()
        self.spool.close()

    def take(
        self, source_id: str, samples: Sequence[Sample], refusals: Sequence[Refusal], done: Callable[[bool], None]
    ) -> None:
        """See Sink. What is no number, or of no point of the site file, is kept as a refusal."""
        good: list[Sample] = []
        bad: list[Sample] = []
        for each in samples:
            is_good = isfinite(each.value) and self.board.knows(source_id, each.point)
            (good if is_good else bad).append(each)
        if bad:
            refusals = [*refusals, *(self._refusal(source_id, each) for each in bad)]

        def kept(is_durable: bool) -> None:
            if is_durable:
                self.board.take(source_id, good)
            done(is_durable)

        refused = refusal_lines(source_id, self._few(source_id, refusals)) if refusals else b""
        self.spool.put(sample_lines(source_id, good), refused, len(good), kept)

    def states(self) -> list[SourceState]:
        """Every source of the site that is open; while the spool keeps nothing, that is the state of each."""
        spool = self.spool.state()
        found = [adapter.state() for adapter in self._adapters]
        if spool.state == "live":
            return found
        held = {"state": spool.state, "sentence": spool.sentence}
        return [each.model_copy(update=held) if each.state == "live" else each for each in found]

    def _refusal(self, source_id: str, sample: Sample) -> Refusal:
        if not isfinite(sample.value):
            return Refusal(sample.point, sample.received_utc, f"the value is no number: {sample.value}", "")
        reason = f"source {source_id!r} has no point of this name in the site file"
        return Refusal("", sample.received_utc, reason, ascii(sample.point[:200])[1:-1])

    def _few(self, source_id: str, refusals: Sequence[Refusal]) -> list[Refusal]:
        """The first of each minute, and at the beginning of the next how many more there were."""
        found: list[Refusal] = []
        with self._lock:
            for each in refusals:
                minute = each.received_utc.replace(second=0, microsecond=0)
                since, count = self._refused.get(source_id, (minute, 0))
                if since != minute:
                    if count > KEPT_REFUSALS:
                        reason = f"{count - KEPT_REFUSALS} more were refused in the minute from {since:%H:%M} UTC"
                        found.append(Refusal("", each.received_utc, reason, ""))
                    since, count = minute, 0
                self._refused[source_id] = (since, count + 1)
                if count < KEPT_REFUSALS:
                    found.append(each)
        return found
