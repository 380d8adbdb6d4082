"""DSMR P1 over TCP: the telegrams of a smart meter's customer port, as a bridge on the network passes them on.

A meter speaks every second or every ten and cannot be asked again: what the spool does not keep is counted as missing.
Registers are states, so that the next telegram holds the energy of one that was lost.

A telegram that does not prove itself (checksum, line ends, objects that stand twice) tells nothing at all.
"""

import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from assets.readings.readers.p1_format.dsmr_meters import conflict, telegram_readings
from assets.readings.readers.p1_format.dsmr_text import MAX_TELEGRAM, Telegram, fields_of, read_telegrams
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.hand_over import Threaded
from controls.gateways.sources.tally import Pauses
from data_quality.contracts.live.sample import EXCERPT_CHARACTERS, Refusal, Sample
from data_quality.contracts.site_file.live_source import P1Point, P1Source
from data_quality.contracts.text import one_line
from data_quality.contracts.time import Clock

_CONNECT_S = 5.0
# So long a stop waits at most for a line on which nothing comes.
_LOOK_S = 0.5
_PIECE = 1 << 16
_BEGINS = re.compile(rb"(?m)^/")
# The checksum stands behind '!': without the end of its line it may still be on its way.
_ENDS = re.compile(rb"(?m)^![^\r\n]*\r?\n")

# Lines of a refused telegram that are looked at, and telegrams of one piece that are reported one by one: whoever sends
# nothing but '!' must not choose what that costs.
_SHOWN, _MOST_REFUSED = 10, 20


class Telegrams(NamedTuple):
    """Content of a stream piece: telegrams that may be trusted, and (why, bytes) of each that may not."""

    telegrams: list[Telegram]
    refused: list[tuple[str, bytes]]


class TelegramCutter:
    """Cuts a stream of bytes into telegrams. What comes before the first '/' was begun before we listened."""

    def __init__(self) -> None:
        self._held = b""
        self._has_begun = False

    def feed(self, data: bytes) -> Telegrams:
        """The telegrams that these bytes complete."""
        self._held += data
        if not self._has_begun:
            begins = _BEGINS.search(self._held)
            # A '/' at the begin of the next piece is at the begin of a line only where this one ends with one.
            self._held = self._held[begins.start() :] if begins else self._held[-1:]
            self._has_begun = begins is not None
        ends = [found.end() for found in _ENDS.finditer(self._held)] if self._has_begun else []
        if ends:
            whole, self._held = self._held[: ends[-1]], self._held[ends[-1] :]
            return _judged(whole)
        if len(self._held) > MAX_TELEGRAM:
            return Telegrams([], self.end(f"{len(self._held)} bytes came and no telegram ended"))
        return Telegrams([], [])

    def end(self, reason: str = "the line broke in the middle of a telegram") -> list[tuple[str, bytes]]:
        """The line ends here: what is held is no telegram."""
        cut = [(reason, self._held)] if self._has_begun and self._held.strip() else []
        self._held, self._has_begun = b"", False
        return cut


def _judged(whole: bytes) -> Telegrams:
    found = read_telegrams(whole)
    lines = whole.split(b"\n")
    refused = [
        (
            f"a telegram was refused: expected {each.expected}, got {each.got}",
            b"\n".join(lines[each.line - 1 : each.line + _SHOWN]),
        )
        for each in found.refusals[:_MOST_REFUSED]
    ]
    if len(found.refusals) > _MOST_REFUSED:
        refused.append((f"{len(found.refusals) - _MOST_REFUSED} more telegrams of the same piece were refused", b""))
    return Telegrams(found.telegrams, refused)


def refusal(point: str, reason: str, came: bytes | str, received_utc: datetime) -> Refusal:
    """A refusal with what came, harmless to print."""
    text = came if isinstance(came, str) else came[:EXCERPT_CHARACTERS].decode("latin-1")
    return Refusal(point, received_utc, reason, one_line(text, EXCERPT_CHARACTERS))


def samples_of(
    telegram: Telegram, points: Sequence[P1Point], *, time_zone: str, received_utc: datetime, equipment_id: str = ""
) -> tuple[list[Sample], list[Refusal]]:
    """One sample a point, or why there is none. time_zone: of the telegram's times; one without is as received.

    equipment_id: what the meter must call itself (0-0:96.1.1, as text or as it is written); empty: any meter will do.
    """
    fields = fields_of(telegram)
    twice = conflict(fields)
    if twice is not None:
        reason = f"a telegram was refused: it has {twice.obis} twice, with two values"
        return [], [refusal("", reason, telegram.body, received_utc)]
    found = telegram_readings(fields, telegram.header, time_zone)
    names = {name for each in found.values() for name in (each.meter, each.alias)}
    if equipment_id and equipment_id not in names:
        of = ", ".join(sorted({each.meter for each in found.values() if each.obis.startswith("1-")})) or "no meter"
        reason = f"the telegram is of {one_line(of, 100)}; the site file says {equipment_id}"
        return [], [refusal("", reason, telegram.body, received_utc)]
    samples, refusals = [], []
    for point in points:
        reading = found.get(point.obis.removesuffix(".255"))
        if reading is None:
            reason = f"the telegram has no object {point.obis} with a number and a unit"
            refusals.append(refusal(point.point, reason, telegram.header, received_utc))
        elif reading.unit.lower() != point.received_unit:
            reason = (
                f"{point.obis} is reported in {one_line(reading.unit, 20)}; the site file says {point.received_unit}"
            )
            refusals.append(refusal(point.point, reason, f"{reading.value}*{reading.unit}", received_utc))
        else:
            at_utc = received_utc if reading.epoch_s is None else datetime.fromtimestamp(reading.epoch_s, UTC)
            samples.append(Sample(point.point, at_utc, float(reading.value), point.received_unit, received_utc))
    return samples, refusals


class P1Listener(Threaded):
    """Listens to one bridge, and connects again after every loss."""

    end_within_s = _CONNECT_S + _LOOK_S

    def __init__(self, source: P1Source, *, time_zone: str, clock: Clock) -> None:
        """time_zone: of the telegrams' times, that is the site's."""
        super().__init__(source, clock=clock)
        self._source, self._time_zone, self._pauses = source, time_zone, Pauses(source.source_id)
        self._last_samples: dict[str, Sample] = {}
        self._of_others = {point.point for point in source.points if point.obis.startswith("0-")}

    def test(self, within_s: float) -> list[Sample]:
        """The points of the first telegram that can be trusted. Raises DeviceSilent, DeviceRefused."""
        ends_s = time.monotonic() + within_s
        refused: list[Refusal] = []

        def is_over() -> bool:
            return time.monotonic() >= ends_s

        try:
            with self._connected() as line:
                for batch in _pieces(line, is_over):
                    samples, refusals = self._samples(batch)
                    refused += refusals
                    if samples and not refusals:
                        return samples
                    # A point that is not in a whole telegram will not be in the next.
                    if batch.telegrams and refusals:
                        break
        except OSError as error:
            raise DeviceSilent(_cause(self._where, error)) from error
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
                    for batch in _pieces(line, self._end.is_set, patience_s=self._source.silent_after_s):
                        self._hand_over(sink, *self._news(batch))
                        if batch.telegrams:
                            self._pauses.reset()
                sentence = f"{self._where} closed the line, or sent nothing for {self._source.silent_after_s:g} s"
            except OSError as error:
                sentence = _cause(self._where, error)
            self._tally.set_condition("silent", sentence)
            self._end.wait(self._pauses.next_s())

    def _news(self, batch: Telegrams) -> tuple[list[Sample], list[Refusal]]:
        """New samples and refusals. M-Bus meters repeat their last state, minutes or an hour old, in every telegram."""
        samples, refusals = self._samples(batch)
        news = []
        for sample in samples:
            before = self._last_samples.get(sample.point)
            if before is not None and (before.at_utc, before.value) == (sample.at_utc, sample.value):
                self._tally.gaps(doubled=int(sample.point not in self._of_others))
                continue
            self._last_samples[sample.point] = sample
            news.append(sample)
        return news, refusals

    def _samples(self, batch: Telegrams) -> tuple[list[Sample], list[Refusal]]:
        received_utc = self._clock.now_utc()
        samples: list[Sample] = []
        refusals = [refusal("", reason, came, received_utc) for reason, came in batch.refused]
        for telegram in batch.telegrams:
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


def _pieces(
    line: socket.socket, is_over: Callable[[], bool], *, patience_s: float = float("inf")
) -> Iterator[Telegrams]:
    """Telegrams received until the line ends, is silent for patience_s, or is_over. Raises OSError."""
    cutter, heard_s = TelegramCutter(), time.monotonic()
    while not is_over() and time.monotonic() - heard_s < patience_s:
        try:
            data = line.recv(_PIECE)
        except TimeoutError:
            continue
        except OSError:
            yield Telegrams([], cutter.end())
            raise
        if not data:
            break
        heard_s = time.monotonic()
        yield cutter.feed(data)
    yield Telegrams([], [] if is_over() else cutter.end())


def _cause(where: str, error: OSError) -> str:
    return f"{where} does not answer ({error.strerror or error})"
