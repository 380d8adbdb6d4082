"""The live board as a stream of events: one thread asks the live store, whatever the number of viewers.

Every event has a number that grows, also over a restart of the process. A viewer who reads slowly is given the newest
value of each point and loses those between; never is an older value given after a newer one. The age of a value is
counted when its event is sent, so that one that is sent anew is as old as it is.
"""

import asyncio
import json
import threading
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from assets.stores.live.live_store import LiveReader
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.live_value import Band, LiveValue, band_of
from data_quality.contracts.time import Clock
from reports.pages.widgets.live_kw import decimals_of

POLL_S = 0.25
# Without a viewer nobody waits, but each minute's mean is to be in the picture of the last quarter hour.
IDLE_S = 15.0
HEARTBEAT_S = 15.0
ALLOWED_AGAIN_S = 30.0
REPLAY_S = 60.0
MINUTES_KEPT = 15
_STATES_EVERY = 4


@dataclass(frozen=True, slots=True)
class Event:
    """One event. name: `source/point`; of a finding the source alone. at_s: moment of its value, seconds since 1970,
    and every_s: the beat of its source; both None where it is about no value.
    """

    number: int
    site_id: str
    name: str
    kind: str
    payload: Mapping[str, Any]
    at_s: float | None = None
    every_s: float | None = None

    def frame(self, now_utc: datetime) -> bytes:
        """Bytes of the event as sent now, with its age."""
        aged = {}
        if self.at_s is not None:
            age_s = max(0.0, now_utc.timestamp() - self.at_s)
            aged = {"age_s": round(age_s, 1), "band": band_of(age_s, self.every_s or 0.0)}
        return _frame(self.kind, {**self.payload, **aged}, self.number)


class _PackedEvents(NamedTuple):
    """The events of one look, packed: of a minute of 500 points they would take 17 MB as they are."""

    first: int
    told_s: float
    packed: bytes

    def events(self) -> Iterator[Event]:
        yield from (Event(*fields) for fields in json.loads(zlib.decompress(self.packed)))


class LiveFeed:
    """Changes of the live board, for any number of streams; `close` ends them with `bye`."""

    def __init__(self, reader: LiveReader, clock: Clock) -> None:
        self._reader, self._clock = reader, clock
        # Of the clock, so that a browser that comes back after a restart is not ahead of it.
        self._number = int(clock.now_utc().timestamp() * 1e6)
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, str, str], Event] = {}
        self._past: deque[_PackedEvents] = deque()
        self._fresh: list[Event] = []
        self._joined: tuple[Any, bytes] = ((), b"")
        self._seen: dict[str, dict[tuple[str, str], tuple[Any, ...]]] = {}
        self._values: dict[tuple[str, str], LiveValue] = {}
        self._every_s: dict[tuple[str, str], float] = {}
        self._bands: dict[tuple[str, str], str] = {}
        self._minutes: dict[tuple[str, str], dict[datetime, float]] = {}
        self._states: dict[tuple[str, str], str] = {}
        self._wakes: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._poke, self._is_closed, self._thread = threading.Event(), False, threading.Thread()
        self._ticks = 0

    def watch(self, site_id: str, every_s: Mapping[str, float] | None = None) -> None:
        """From now on the site is looked at. every_s: seconds between two questions by source, of those asked."""
        with self._lock:
            self._every_s.update({(site_id, source): seconds for source, seconds in (every_s or {}).items()})
            self._seen.setdefault(site_id, {})
            if not self._thread.is_alive() and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
                self._thread.start()

    def minutes(self, site_id: str) -> dict[str, tuple[float, ...]]:
        """Means of the last minutes of each point that were seen, oldest first."""
        with self._lock:
            found = {name: means for (site, name), means in self._minutes.items() if site == site_id}
            return {name: tuple(mean for _, mean in sorted(means.items())) for name, means in found.items()}

    def close(self) -> None:
        """End the thread and all streams; safe to call twice."""
        self._is_closed = True
        self._poke.set()
        self._wake()

    async def stream(
        self, site_id: str, names: Collection[str], *, last: int | None, is_allowed: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The events of a site's points, of all where none is named. last: number of the last event that was read."""
        wake, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wakes[wake] = loop
        self._poke.set()
        beat_s = allowed_s = loop.time()
        try:
            number, frames = self._first(site_id, names, last)
            yield b"retry: 2000\n\n" + frames
            while not self._is_closed:
                now_s = loop.time()
                if now_s - allowed_s >= ALLOWED_AGAIN_S:
                    allowed_s = now_s
                    # It may ask a database, for which the loop does not wait.
                    if not await asyncio.to_thread(is_allowed):
                        yield _frame("bye", {"reason": "no_permission"})
                        return
                if now_s - beat_s >= HEARTBEAT_S:
                    beat_s = now_s
                    yield _frame("heartbeat", {"now": f"{self._clock.now_utc():%Y-%m-%dT%H:%M:%S.%fZ}"})
                wake.clear()
                number, frames = self._since(number, site_id, names)
                if frames:
                    yield frames
                try:
                    await asyncio.wait_for(wake.wait(), min(beat_s + HEARTBEAT_S - loop.time(), 1.0))
                except TimeoutError:
                    continue
            yield _frame("bye", {"reason": "closing"})
        finally:
            self._wakes.pop(wake, None)

    def _first(self, site_id: str, names: Collection[str], last: int | None) -> tuple[int, bytes]:
        """Begin of a stream: all that came since its last event, or the newest of each point."""
        now_utc = self._clock.now_utc()
        with self._lock:
            self._forget(now_utc)
            oldest = self._past[0].first if self._past else self._number + 1
            if last is None or not oldest - 1 <= last <= self._number:
                chosen = [each for each in self._newest.values() if _is_wanted(each, site_id, names)]
            else:
                every = (*(event for packed in self._past for event in packed.events()), *self._fresh)
                chosen = [each for each in every if each.number > last and _is_wanted(each, site_id, names)]
            return self._number, b"".join(each.frame(now_utc) for each in chosen)

    def _since(self, number: int, site_id: str, names: Collection[str]) -> tuple[int, bytes]:
        with self._lock:
            # Most viewers look at the same from the same event on: it is joined once for all of them.
            request = (number, self._number, site_id, names)
            if self._joined[0] != request:
                fresh = list(takewhile(lambda each: each.number > number, reversed(self._newest.values())))
                now_utc = self._clock.now_utc()
                frames = [each.frame(now_utc) for each in reversed(fresh) if _is_wanted(each, site_id, names)]
                self._joined = (request, b"".join(frames))
            return self._number, self._joined[1]

    def _run(self) -> None:
        while not self._is_closed:
            if self.tick():
                self._wake()
            self._poke.wait(POLL_S if self._wakes else IDLE_S)
            self._poke.clear()

    def tick(self) -> bool:
        """Look once; whether there are events to send."""
        now_utc, before = self._clock.now_utc(), self._number
        self._ticks += 1
        with self._lock:
            sites = list(self._seen)
        for site_id in sites:
            try:
                values = self._reader.changed(site_id, self._seen[site_id])
                states = self._reader.states(site_id) if self._ticks % _STATES_EVERY == 1 else None
            except Unreachable as fault:
                with self._lock:
                    self._tell_state(site_id, "", "unreachable", str(fault))
                continue
            with self._lock:
                self._tell_state(site_id, "", "live", "")
                for value in values:
                    self._tell_value(site_id, value, now_utc)
                self._tell_ages(site_id, now_utc)
                for _, state in states or ():
                    self._tell_state(site_id, state.source_id, state.state, state.sentence)
        with self._lock:
            self._forget(now_utc)
            if fresh := self._fresh:
                text = json.dumps([astuple(each) for each in fresh])
                self._past.append(_PackedEvents(fresh[0].number, now_utc.timestamp(), zlib.compress(text.encode(), 1)))
                self._fresh = []
        return self._number > before

    def _forget(self, now_utc: datetime) -> None:
        oldest_s = now_utc.timestamp() - REPLAY_S
        while self._past and self._past[0].told_s < oldest_s:
            self._past.popleft()

    def _tell_value(self, site_id: str, value: LiveValue, now_utc: datetime) -> None:
        name = f"{value.source_id}/{value.point}"
        self._values[site_id, name] = value
        means = self._minutes.setdefault((site_id, name), {})
        means[value.minute_utc] = value.minute_mean
        while len(means) > MINUTES_KEPT:
            del means[min(means)]
        self._bands[site_id, name] = self._band(site_id, value, now_utc)
        self._tell("value", site_id, name, value_document(value, now_utc), value)

    def _tell_ages(self, site_id: str, now_utc: datetime) -> None:
        for (site, name), value in self._values.items():
            if site == site_id and (band := self._band(site, value, now_utc)) != self._bands[site, name]:
                self._bands[site, name] = band
                self._tell("age", site_id, name, {}, value)

    def _band(self, site_id: str, value: LiveValue, now_utc: datetime) -> Band:
        return value.band(now_utc, self._every_s.get((site_id, value.source_id), 0.0))

    def _tell_state(self, site_id: str, source_id: str, state: str, sentence: str) -> None:
        # That all is well needs no saying, as long as nothing else was said.
        if self._states.get((site_id, source_id), "live") != state:
            self._states[site_id, source_id] = state
            self._tell("finding", site_id, source_id, {"state": state, "sentence": sentence})

    def _tell(
        self, kind: str, site_id: str, name: str, payload: dict[str, Any], value: LiveValue | None = None
    ) -> None:
        self._number += 1
        what = "point" if value else "source"
        event = Event(self._number, site_id, name, kind, {"site": site_id, what: name, **payload})
        if value:
            beat_s = self._every_s.get((site_id, value.source_id), 0.0)
            event = replace(event, at_s=value.at_utc.timestamp(), every_s=beat_s)
        # An age stands beside its value, not in its place: who comes new needs both. A new value has no old age.
        for former in (kind, "age") if kind == "value" else (kind,):
            self._newest.pop((former, site_id, name), None)
        self._newest[kind, site_id, name] = event
        self._fresh.append(event)

    def _wake(self) -> None:
        for wake, loop in list(self._wakes.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake.set)


def value_document(value: LiveValue, now_utc: datetime, every_s: float = 0.0) -> dict[str, Any]:
    """A live value as the stream and the endpoint tell it. age_s: since it was measured; band: what that makes of it
    by the beat of its source (every_s).
    """
    return {
        "value": value.value,
        "unit": value.unit,
        "decimals": decimals_of(value.value, value.unit),
        "at": f"{value.at_utc:%Y-%m-%dT%H:%M:%S.%fZ}",
        "age_s": round(value.age_s(now_utc), 1),
        "band": value.band(now_utc, every_s),
        "quality": value.quality,
        "minute_mean": value.minute_mean,
        "synthetic": value.is_synthetic,
    }


def _is_wanted(event: Event, site_id: str, names: Collection[str]) -> bool:
    return event.site_id == site_id and (not names or event.name in names or "/" not in event.name)


def _frame(kind: str, payload: dict[str, Any], number: int | None = None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()
