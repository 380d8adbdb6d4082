"""The listener of one signal source: asks the VTN, stores what is new, acknowledges it, and renews the heartbeat."""

from dataclasses import dataclass
from typing import Any, Protocol

from assets.stores.ledgers.grid_signals import GridSignals
from controls.programmes.openadr3 import Event, Programme, Report, acknowledgement, read_body
from controls.programmes.signals_of import refused_event, signals_of
from data_quality.contracts.control.grid_signal import KINDS, GridSignal
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.live_source import VtnSource
from data_quality.contracts.text import one_line
from data_quality.contracts.time import Clock


@dataclass(frozen=True)
class Poll:
    """One look at a VTN. new: signals stored by it. unsent: why an acknowledgement did not go, empty where all did."""

    n_events: int
    new: tuple[GridSignal, ...]
    unsent: str = ""


class Vtn(Protocol):
    """A server, whatever version of OpenADR it speaks. Each raises BadInput and Unreachable."""

    @property
    def source(self) -> VtnSource:
        """As the site file names it."""

    def programme(self) -> Programme:
        """The programme of the source."""

    def events(self, programme_id: str) -> list[dict[str, Any]]:
        """Bodies of its events, in the form of OpenADR 3."""

    def register(self) -> str:
        """Make this node known where it is not."""

    def report(self, report: Report) -> None:
        """Send a report."""


class Listener:
    """A source of one site. Its stored signals bind the agent from the moment they are stored."""

    def __init__(self, site_id: str, client: Vtn, signals: GridSignals, clock: Clock) -> None:
        self._site_id, self.client, self._signals, self._clock = site_id, client, signals, clock
        self._source = client.source
        self._programme: Programme | None = None
        self._unsent: list[tuple[Event, str]] = []
        self._is_known = False

    @property
    def programme_id(self) -> str:
        """Of the source's programme at the VTN; empty before the first look."""
        return "" if self._programme is None else self._programme.id

    def poll(self) -> Poll:
        """Ask once. Raises BadInput (wrong token, another body than published, changed store), Unreachable.

        Nothing of a look that fails renews the heartbeat, so that the failsafe value follows.
        """
        if self._programme is None:
            self._programme = self.client.programme()
        new, here = list[GridSignal](), set[tuple[str, str]]()
        bodies = self.client.events(self._programme.id)
        for body in bodies:
            event, found = self._read(body, self._programme)
            here |= {(signal.event_id, signal.kind) for signal in found}
            if event is None:
                # What was understood of it before holds: a limit does not end by a mistake of its sender.
                here |= {(signal.event_id, kind) for signal in found for kind in KINDS}
            stored = [done for signal in found if (done := self._signals.record(signal, self._clock)) is not None]
            new += stored
            if stored and event is not None:
                state = "NORMAL" if all(signal.is_understood for signal in found) else "ERROR"
                self._unsent.append((event, state))
        new += self._withdrawn(here)
        self._signals.renew_heartbeat(self._site_id, self._source.source_id, self._clock.now_utc())
        return Poll(len(bodies), tuple(new), self._acknowledge())

    def _read(self, body: dict[str, Any], programme: Programme) -> tuple[Event | None, list[GridSignal]]:
        """An event and its signals, none where it is another node's; None where its body is not as published."""
        event_id = one_line(str(body.get("id", "")), 128)
        try:
            event = read_body(Event, body, f"event {event_id!r}")
        except BadInput as fault:
            return None, [refused_event(event_id, str(fault), self._source, self._site_id)]
        is_ours = event.is_for(self._source.ven_name)
        return event, signals_of(event, programme, self._source, self._site_id) if is_ours else []

    def _withdrawn(self, here: set[tuple[str, str]]) -> list[GridSignal]:
        """Open signals that the VTN has no longer."""
        mine = [
            signal
            for signal in self._signals.open(self._site_id, self._clock.now_utc())
            if signal.source_id == self._source.source_id and not signal.is_withdrawn
        ]
        gone = [signal for signal in mine if (signal.event_id, signal.kind) not in here]
        withdrawn = [signal.model_copy(update={"is_withdrawn": True}) for signal in gone]
        return [done for each in withdrawn if (done := self._signals.record(each, self._clock)) is not None]

    def _acknowledge(self) -> str:
        """Send what waits. What the VTN does not take now is sent after the next look: no limit waits for it."""
        try:
            if not self._is_known:
                self.client.register()
                self._is_known = True
            while self._unsent:
                event, state = self._unsent[0]
                at_utc = self._clock.now_utc()
                self.client.report(acknowledgement(event, self._source.ven_name, state, at_utc))
                del self._unsent[0]
        except (BadInput, Unreachable) as fault:
            return str(fault)
        return ""
