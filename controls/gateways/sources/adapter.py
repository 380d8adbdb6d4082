"""Protocols between the collector and a source's adapter."""

from collections.abc import Callable, Sequence
from typing import Protocol

from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.source_state import SourceState


class Sink(Protocol):
    """Takes what adapters receive."""

    def take(
        self, source_id: str, samples: Sequence[Sample], refusals: Sequence[Refusal], done: Callable[[bool], None]
    ) -> None:
        """Hand over; never blocks, safe from any thread.

        done(True): all of it is durable. done(False): it could not be kept (disk full, back pressure). Either comes
        once, from the spool's thread and before take returns where nothing fits any more: acknowledge only on True.
        """


class Adapter(Protocol):
    """One live source. It reconnects by itself, after pauses that differ from device to device."""

    source_id: str

    def start(self, sink: Sink) -> None:
        """Begin, in threads of its own; a source that is away is a state and no exception."""

    def stop(self) -> None:
        """End; safe to call twice. What is not acknowledged by then stays so."""

    def state(self) -> SourceState:
        """Its state; never blocks."""

    def test(self, within_s: float) -> list[Sample]:
        """One value of each point, queried now and put into no sink; the adapter must not have been started.

        Raises BadInput, DeviceSilent, DeviceRefused with one sentence.
        """
