"""DSMR P1 over TCP: the telegrams of a smart meter's customer port, as a bridge on the network passes them on.

A meter speaks every second or every ten and cannot be asked again: what the spool does not keep is counted as missing.
Registers are states, so that the next telegram holds the energy of one that was lost.
"""

import socket
import time
from collections.abc import Callable, Iterator

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.hand_over import Threaded
from controls.gateways.sources.p1_telegrams import Heard, TelegramCutter, refusal, samples_of
from controls.gateways.sources.tally import Pauses
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.site_file.live_source import P1Source
from data_quality.contracts.time import Clock

_CONNECT_S = 5.0
# So long a stop waits at most for a line on which nothing comes.
_LOOK_S = 0.5
_PIECE = 1 << 16


class P1Listener(Threaded):
    """Listens to one bridge, and connects again after every loss."""

    end_within_s = _CONNECT_S + _LOOK_S

    def __init__(self, source: P1Source, *, time_zone: str, clock: Clock) -> None:
        """time_zone: of the telegrams' times, that is the site's."""
        super().__init__(source, clock=clock)
        self._source, self._time_zone, self._pauses = source, time_zone, Pauses(source.source_id)
        self._told: dict[str, Sample] = {}
        self._of_others = {point.point for point in source.points if point.obis.startswith("0-")}

    def test(self, within_s: float) -> list[Sample]:
        """The points of the first telegram that can be trusted. Raises DeviceSilent, DeviceRefused."""
        ends_s = time.monotonic() + within_s
        refused: list[Refusal] = []

        def is_over() -> bool:
            return time.monotonic() >= ends_s

        try:
            with self._connected() as line:
                for heard in _pieces(line, is_over):
                    samples, refusals = self._samples(heard)
                    refused += refusals
                    if samples and not refusals:
                        return samples
                    # A point that is not in a whole telegram will not be in the next.
                    if heard.telegrams and refusals:
                        break
        except OSError as error:
            raise DeviceSilent(_said(self._where, error)) from error
        if refused:
            raise DeviceRefused(f"{self._where}: {refused[-1].reason}")
        raise DeviceSilent(f"{self._where} sent no whole telegram within {within_s:g} s")

    @property
    def _where(self) -> str:
        return f"P1 bridge {self._source.host}:{self._source.port}"

    def _connected(self) -> socket.socket:
        line = socket.create_connection((self._source.host, self._source.port), timeout=_CONNECT_S)
        line.settimeout(_LOOK_S)
        return line

    def _run(self, sink: Sink) -> None:
        while not self._end.is_set():
            try:
                with self._connected() as line:
                    for heard in _pieces(line, self._end.is_set, patience_s=self._source.silent_after_s):
                        self._hand_over(sink, *self._news(heard))
                        if heard.telegrams:
                            self._pauses.reset()
                sentence = f"{self._where} closed the line, or sent nothing for {self._source.silent_after_s:g} s"
            except OSError as error:
                sentence = _said(self._where, error)
            self._tally.say("silent", sentence)
            self._end.wait(self._pauses.next_s())

    def _news(self, heard: Heard) -> tuple[list[Sample], list[Refusal]]:
        """What is new. M-Bus meters tell their last state, minutes or an hour old, in every telegram."""
        samples, refusals = self._samples(heard)
        news = []
        for sample in samples:
            before = self._told.get(sample.point)
            if before is not None and (before.at_utc, before.value) == (sample.at_utc, sample.value):
                self._tally.gaps(doubled=int(sample.point not in self._of_others))
                continue
            self._told[sample.point] = sample
            news.append(sample)
        return news, refusals

    def _samples(self, heard: Heard) -> tuple[list[Sample], list[Refusal]]:
        received_utc = self._clock.now_utc()
        samples: list[Sample] = []
        refusals = [refusal("", reason, came, received_utc) for reason, came in heard.refused]
        for telegram in heard.telegrams:
            taken, refused = samples_of(
                telegram,
                self._source.points,
                time_zone=self._time_zone,
                received_utc=received_utc,
                equipment_id=self._source.equipment_id,
            )
            samples += taken
            refusals += refused
        return samples, refusals


def _pieces(line: socket.socket, is_over: Callable[[], bool], *, patience_s: float = float("inf")) -> Iterator[Heard]:
    """What comes, until the line ends, nothing came for patience_s, or it is over. Raises OSError."""
    cutter, heard_s = TelegramCutter(), time.monotonic()
    while not is_over() and time.monotonic() - heard_s < patience_s:
        try:
            data = line.recv(_PIECE)
        except TimeoutError:
            continue
        except OSError:
            yield Heard([], cutter.end())
            raise
        if not data:
            break
        heard_s = time.monotonic()
        yield cutter.feed(data)
    yield Heard([], [] if is_over() else cutter.end())


def _said(where: str, error: OSError) -> str:
    return f"{where} does not answer ({error.strerror or error})"
