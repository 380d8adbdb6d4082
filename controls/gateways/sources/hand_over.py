"""A source with one thread of its own, which hands the device's samples to the sink."""

import threading
from collections.abc import Sequence

from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.tally import Tally
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.time import Clock


class Threaded:
    """An adapter but for `test`. end_within_s: so long a stop waits for the thread at most; None: until it ends."""

    end_within_s: float | None = None

    def __init__(self, source: Streaming, *, clock: Clock) -> None:
        self.source_id = source.source_id
        self._clock, self._tally = clock, Tally(source, clock=clock)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, args=(sink,), name=f"source-{self.source_id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, after the question that is on its way. Safe to call twice."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(self.end_within_s)
        self._tally.set_condition("stopped", "")

    def state(self) -> SourceState:
        """Its state."""
        return self._tally.state()

    def _run(self, sink: Sink) -> None:
        """Body of the thread, until `_end` is set."""
        raise NotImplementedError

    def _hand_over(self, sink: Sink, samples: Sequence[Sample], refusals: Sequence[Refusal]) -> None:
        """Give what came to the sink, of a device that keeps nothing for us: what the spool does not take counts as one
        missing. A source of which nothing but refusals come is refused.
        """
        if not samples and not refusals:
            return
        received_utc = samples[-1].received_utc if samples else refusals[-1].received_utc
        self._tally.came(samples=len(samples), refusals=len(refusals), received_utc=received_utc)
        if not samples:
            self._tally.set_condition("refused", refusals[0].reason)

        def done(is_kept: bool) -> None:
            if is_kept:
                self._tally.kept(len(samples))
            else:
                self._tally.set_condition("behind", "the spool takes nothing now; what comes meanwhile is lost")
                self._tally.gaps(missing=int(bool(samples)))

        sink.take(self.source_id, samples, refusals, done)
