"""P1 telegrams as they come over a line become samples: pure, judged by the code that reads P1 files.

A telegram that does not prove itself (checksum, line ends, objects that stand twice) tells nothing at all.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from assets.readings.readers.p1_format.dsmr_meters import conflict, told
from assets.readings.readers.p1_format.dsmr_text import MAX_TELEGRAM, Telegram, fields_of, read_telegrams
from data_quality.contracts.live.sample import EXCERPT_CHARACTERS, Refusal, Sample
from data_quality.contracts.site_file.live_source import P1Point
from data_quality.contracts.text import one_line

_BEGINS = re.compile(rb"(?m)^/")
# The checksum stands behind '!': without the end of its line it may still be on its way.
_ENDS = re.compile(rb"(?m)^![^\r\n]*\r?\n")

# Lines of a refused telegram that are looked at, and telegrams of one piece that are told one by one: whoever sends
# nothing but '!' must not choose what that costs.
_SHOWN, _MOST_REFUSED = 10, 20


class Heard(NamedTuple):
    """What a piece of the stream held: telegrams that may be trusted, and (why, bytes) of each that may not."""

    telegrams: list[Telegram]
    refused: list[tuple[str, bytes]]


class TelegramCutter:
    """Cuts a stream of bytes into telegrams. What comes before the first '/' was begun before we listened."""

    def __init__(self) -> None:
        self._held = b""
        self._has_begun = False

    def feed(self, data: bytes) -> Heard:
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
            return Heard([], self.end(f"{len(self._held)} bytes came and no telegram ended"))
        return Heard([], [])

    def end(self, reason: str = "the line broke in the middle of a telegram") -> list[tuple[str, bytes]]:
        """The line ends here: what is held is no telegram."""
        cut = [(reason, self._held)] if self._has_begun and self._held.strip() else []
        self._held, self._has_begun = b"", False
        return cut


def _judged(whole: bytes) -> Heard:
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
    return Heard(found.telegrams, refused)


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
    found = told(fields, telegram.header, time_zone)
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
        elif reading.unit.lower() != point.told_unit:
            reason = f"{point.obis} is reported in {one_line(reading.unit, 20)}; the site file says {point.told_unit}"
            refusals.append(refusal(point.point, reason, f"{reading.value}*{reading.unit}", received_utc))
        else:
            at_utc = received_utc if reading.epoch_s is None else datetime.fromtimestamp(reading.epoch_s, UTC)
            samples.append(Sample(point.point, at_utc, float(reading.value), point.told_unit, received_utc))
    return samples, refusals
