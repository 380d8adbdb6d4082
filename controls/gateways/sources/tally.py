"""Counters and state of an adapter, and the pauses after which it tries again."""

import random
import threading
import zlib
from datetime import datetime, timedelta

from data_quality.contracts.live.source_state import Condition, SourceState
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.time import Clock

_WITHOUT_SAMPLES: tuple[Condition, ...] = ("starting", "silent", "refused")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0


class Tally:
    """The state of one source; safe from any thread."""

    def __init__(self, source: Streaming, *, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._silent_after = timedelta(seconds=source.silent_after_s)
        self._one_at_a_time = threading.Lock()
        self._condition: Condition = "starting"
        self._sentence = "not connected yet"
        self._since_utc = clock.now_utc()
        self._last_utc: datetime | None = None
        self._accepted, self._rejected, self._missing, self._doubled = 0, 0, 0, 0

    def set_condition(self, condition: Condition, sentence: str) -> None:
        """Its state from now on."""
        with self._one_at_a_time:
            self._condition, self._sentence, self._since_utc = condition, sentence, self._clock.now_utc()

    def connected(self) -> None:
        """The way is open; what came over it already has said more."""
        with self._one_at_a_time:
            if self._condition in _WITHOUT_SAMPLES:
                self._condition, self._sentence, self._since_utc = "starting", "connected", self._clock.now_utc()

    def came(self, *, samples: int, refusals: int, received_utc: datetime) -> None:
        """Something was received; it is not durable yet."""
        with self._one_at_a_time:
            self._rejected += refusals
            if samples:
                self._last_utc = received_utc
                if self._condition in _WITHOUT_SAMPLES:
                    self._condition, self._sentence = "live", ""

    def kept(self, samples: int) -> None:
        """So many samples are durable."""
        with self._one_at_a_time:
            self._accepted += samples
            if self._condition == "behind":
                self._condition, self._sentence = "live", ""

    def gaps(self, *, missing: int = 0, doubled: int = 0) -> None:
        """So many more were left out, or came again."""
        with self._one_at_a_time:
            self._missing += missing
            self._doubled += doubled

    def state(self) -> SourceState:
        """Present state. A live source without messages is silent."""
        with self._one_at_a_time:
            condition, sentence = self._condition, self._sentence
            quiet = self._clock.now_utc() - max(self._last_utc or self._since_utc, self._since_utc)
            if condition in ("starting", "live") and quiet > self._silent_after:
                condition = "silent"
                sentence = f"no data received for {quiet.total_seconds():.0f} s" + (f"; {sentence}" if sentence else "")
            return SourceState(
                source_id=self._source.source_id,
                kind=self._source.kind,
                state=condition,
                sentence=sentence,
                last_utc=self._last_utc,
                accepted=self._accepted,
                rejected=self._rejected,
                missing=self._missing,
                doubled=self._doubled,
            )


class Pauses:
    """Pauses between tries, seconds: each up to twice the one before, at most a quarter of a minute, and random.

    Five hundred devices that lost one broker must not come back in one moment, so that each name has pauses of its own.
    """

    def __init__(self, name: str) -> None:
        self._random = random.Random(zlib.crc32(name.encode()))  # noqa: S311 - spreads, hides nothing
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait now."""
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return self._random.uniform(0.3, 1.0) * longest_s

    def reset(self) -> None:
        """It worked."""
        self._tries = 0
