"""Provenance of an amount between two telegrams: read again, by regular expressions over whole telegrams."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from data_quality.contracts.quality import QualityCode
from tests.fuzz.cases import Row
from tests.fuzz.mutate_text import crc16
from tests.fuzz.provenance import sentences

_ZONE = ZoneInfo("Europe/Amsterdam")
_TARIFF = re.compile(rb"1-0:([12])\.8\.([0-4])(?:[*.]255)?\((\d{1,12}(?:\.\d{1,9})?)\*(\w+)\)\Z")
_MBUS = re.compile(rb"0-(\d{1,2}):(24\.2\.\d)\((\d{12})([SW]?)\)\((\d{1,12}(?:\.\d{1,9})?)\*\w+\)\Z")
_MBUS_OLD = re.compile(rb"0-(\d{1,2}):(24\.3\.0)\((\d{12})([SW]?)\)(?:\([^()]*\))*\Z")
_ALONE = re.compile(rb"\((\d{1,12}(?:\.\d{1,9})?)\)\Z")
OWN_TIME = re.compile(rb"(?m)^0-0:1\.0\.0\((\d{12})([SW]?)\)(?=\r|$)")
_QUARTER_S = 900


@dataclass
class Telegram:
    """Bounds in bytes, the number of its first line, its lines."""

    start: int
    end: int
    line: int
    lines: list[bytes] = field(default_factory=list)


def proven(data: bytes) -> list[Telegram]:
    """Telegrams whose checksum is right, and those that have none."""
    found = []
    if data.startswith(b"\xef\xbb\xbf"):
        # The places stay those of the file.
        data = b" \r\n" + data[3:]
        return [Telegram(each.start, each.end, each.line - 1, each.lines) for each in proven(data)]
    for match in re.finditer(rb"(?ms)^/.*?^!([0-9A-Fa-f]{0,4})", data):
        second = data.rfind(b"\n/", match.start(), match.start(1))
        start = max(match.start(), second + 1)
        whole = data[start : match.start(1)]
        sums = {crc16(whole), crc16(re.sub(rb"\r?\n", b"\r\n", whole))} if match[1] else {-1}
        if int(match[1] or b"-1", 16) in sums or not match[1]:
            lines = [text.split(b"\r", 1)[0] for text in whole.split(b"\n")]
            found.append(Telegram(start, match.end(), data.count(b"\n", 0, start) + 1, lines))
    return found


def moments(digits: bytes, season: bytes) -> set[int]:
    """Epoch seconds that a local time can mean: one where a season stands behind it, else any pass."""
    try:
        local = datetime.strptime(f"20{digits.decode()}", "%Y%m%d%H%M%S")  # noqa: DTZ007 (the season follows)
    except ValueError:
        return set()
    if season:
        return {int((local - timedelta(hours=2 if season == b"S" else 1)).replace(tzinfo=UTC).timestamp())}
    return {int(local.replace(tzinfo=_ZONE, fold=fold).timestamp()) for fold in (0, 1)}


# A register: import or export with the tariffs that were added, or an M-Bus device's.
Series = dict[tuple[str, ...], dict[int, set[Decimal]]]


def states_of(telegrams: list[Telegram]) -> Series:
    """Every state of every register at every instant."""
    series: Series = {}

    def note(key: tuple[str, ...], when: set[int], state: Decimal) -> None:
        for moment in when:
            series.setdefault(key, {}).setdefault(moment, set()).add(state)

    for telegram in telegrams:
        time = OWN_TIME.search(b"\n".join(telegram.lines))
        when = moments(time[1], time[2]) if time else set()
        parts: dict[bytes, dict[bytes, Decimal]] = {}
        for place, text in enumerate(telegram.lines):
            if tariff := _TARIFF.match(text):
                parts.setdefault(tariff[1], {})[tariff[2]] = Decimal(tariff[3].decode())
            elif mbus := _MBUS.match(text):
                key = ("import", mbus[1].decode(), mbus[2].decode())
                note(key, moments(mbus[3], mbus[4]), Decimal(mbus[5].decode()))
            elif (old := _MBUS_OLD.match(text)) and (alone := _ALONE.match((*telegram.lines, b"")[place + 1])):
                note(("import", old[1].decode(), "24.3.0"), moments(old[3], old[4]), Decimal(alone[1].decode()))
        for code, states in parts.items():
            register = "import" if code == b"1" else "export"
            if b"0" in states:
                note((register, "0"), when, states[b"0"])
            elif states:
                total = sum(states.values(), Decimal(0))
                note((register, *sorted(each.decode() for each in states)), when, total)
    return series


def dsmr(data: bytes, rows: Sequence[Row]) -> list[str]:
    """Two states of one register, at the row's start and end, that lie its value apart, the later on its line."""
    telegrams = proven(data)
    series = states_of(telegrams)
    texts = {each.line + place: text for each in telegrams for place, text in enumerate(each.lines)}
    everything = b"\n".join(texts.values())

    def fault(row: Row) -> str:
        text = texts.get(row.line)
        if text is None:
            return "in no telegram that proves itself"
        tariff = _TARIFF.match(text)
        if not (tariff or _MBUS.match(text) or _ALONE.match(text)):
            return f"no state in {text!r}"
        if tariff and row.register != {b"1": "import", b"2": "export"}[tariff[1]]:
            return f"a state of another register: {text!r}"
        start, value = int(row.start_utc.timestamp()), Decimal(repr(row.value))
        end = start + 60 * row.minutes
        own = [states for key, states in series.items() if key[0] == row.register]
        if row.quality == QualityCode.RAW:
            pairs = [(a, b, each) for each in own for a in each.get(start, ()) for b in each.get(end, ())]
            if not any(a + value == b or (value == 0 and _stands(a, b, each, start)) for a, b, each in pairs):
                return f"no two states at its start and end lie {value} apart"
        elif not any(_may_hold(each, start, end, value) for each in own):
            return f"no states around it lie {value} apart"
        name = row.meter_id.split("/mbus")[0].encode()
        is_named = name in everything or name.hex().encode() in everything.lower()
        return "" if is_named or b"?" in name else f"no id {name!r}"

    return sentences(rows, fault)


def _stands(first: Decimal, last: Decimal, states: dict[int, set[Decimal]], start: int) -> bool:
    """True for a register that steps back by one or two of the last digits that it shows, or comes back from it."""
    shown = [state.normalize().as_tuple().exponent for each in states.values() for state in each]
    digit = Decimal(1).scaleb(min([0, *(place for place in shown if isinstance(place, int))]))
    highest = max(state for when, each in states.items() if when <= start for state in each)
    return abs(last - first) <= 2 * digit and last <= highest


def _may_hold(states: dict[int, set[Decimal]], start: int, end: int, value: Decimal) -> bool:
    """True where an interpolated amount is no larger than what the states around it allow."""
    near = [state for when, each in states.items() if start - _QUARTER_S <= when <= end + _QUARTER_S for state in each]
    return bool(near) and 0 <= value <= max(near) - min(near)
