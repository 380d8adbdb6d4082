"""Reads of one register become one growing index, or several where nobody can say what lies between (formulas 5.1).

The index counts what was consumed, multiplier included; its differences are the amounts. Rollovers that are proven,
jitter, and events whose reads are known do not break it. Everything else that falls or jumps does: no amount crosses
that place, and a notice names the rule. Whole quanta (1e-9 of the register's unit) throughout; times in epoch seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from assets.readings.cumulative.register_steps import State
from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent
from data_quality.rules.register_rules import (
    GLITCH,
    JITTER,
    JUMP,
    ROLLOVER,
    RateLimit,
    is_glitch,
    is_jitter,
    looks_like_reset,
    missing_reads,
    modulus_across,
)

# Events of a register that explain themselves: reported, and counted on.
SETTLED = frozenset(
    {
        "register_rollover",
        "register_jitter",
        "register_exchange",
        "register_reset",
        "register_relocation",
        "register_multiplier",
    }
)
_RULE_OF_EVENT = {
    EventKind.EXCHANGE: "register_exchange",
    EventKind.RESET: "register_reset",
    EventKind.RELOCATION: "register_relocation",
    EventKind.MULTIPLIER_CHANGE: "register_multiplier",
    EventKind.ROLLOVER: "register_rollover",
}


@dataclass(frozen=True)
class Counting:
    """Counting rule of a register. modulus: first value that it lacks (quanta), None where nobody declared it."""

    modulus: int | None
    resolution: int
    multiplier: Decimal
    limit: RateLimit


@dataclass(frozen=True)
class DatedEvent:
    """An event at its instant (epoch seconds)."""

    epoch_s: int
    event: MeterEvent


@dataclass(frozen=True)
class Notice:
    """Event between two reads, in the register's own quanta. line: the later read's, 0 for none."""

    rule: str
    epoch_s: int
    before: int | None
    after: int | None
    line: int
    text: str

    @property
    def is_settled(self) -> bool:
        """True where the amount across is known all the same."""
        return self.rule in SETTLED


@dataclass
class Index:
    """runs: growing indices in time order, each unbroken; notices: in time order."""

    runs: list[list[State]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def index_of(reads: Sequence[State], counting: Counting, events: Iterable[DatedEvent] = ()) -> Index:
    """The index of a register's reads (one per instant, in time order) with its events.

    An event at the instant of a read comes after it, unless the read shows the register's new beginning.
    """
    return _Walk(reads, counting, sorted(events, key=lambda each: each.epoch_s)).walk()


class _Walk:
    """One pass over reads and events. The register stands at `_last`, the index at what is counted since."""

    def __init__(self, reads: Sequence[State], counting: Counting, events: list[DatedEvent]) -> None:
        self.reads, self.counting, self.events = reads, counting, events
        # The register's own multiplier is today's: before the first change the old one held.
        first = next((each.event.multiplier_old for each in events if each.event.multiplier_old is not None), None)
        self.multiplier = Fraction(counting.multiplier if first is None else first)
        self.found = Index()
        self.run: list[State] = []
        self.last: State | None = None
        self.turns: list[DatedEvent] = []
        # Counted so far, unrounded: a multiplier with many decimals must not lose a quantum at every read.
        self.index = Fraction(0)

    def walk(self) -> Index:
        """The whole index."""
        place = 0
        for number, read in enumerate(self.reads):
            while place < len(self.events) and self._is_before(self.events[place], read):
                if number:
                    self._pass_event(self.events[place])
                else:
                    # Before the first read nothing is counted, but the multiplier may have changed.
                    self.multiplier = Fraction(self.events[place].event.multiplier_new or self.multiplier)
                place += 1
            # A recorded event in between may explain the odd read: the one after it is no witness against it then.
            following = self.reads[number + 1] if number + 1 < len(self.reads) else None
            if following is not None and place < len(self.events) and self.events[place].epoch_s <= following.epoch_s:
                following = None
            self._pass_read(read, following)
        if place < len(self.events) and self.last is not None:
            # What comes after the last read is reported with the next one; a final read counts at once.
            ends = _quanta(self.events[place].event.ends_at)
            if ends is not None:
                self._pass_read(State(self.events[place].epoch_s, ends, 0), None, event=self.events[place].event)
        self._end_run()
        return self.found

    def _is_before(self, event: DatedEvent, read: State) -> bool:
        if event.epoch_s != read.epoch_s:
            return event.epoch_s < read.epoch_s
        begins, ends = event.event.begins_at, event.event.ends_at
        shown = Decimal(read.quanta).scaleb(-9)
        return begins is not None and shown == begins and shown != ends

    def _pass_event(self, dated: DatedEvent) -> None:
        event = dated.event
        if event.kind is EventKind.ROLLOVER:
            self.turns.append(dated)
            return
        missing = missing_reads(event)
        ends, begins = _quanta(event.ends_at), _quanta(event.begins_at)
        known = self.last
        if ends is not None:
            self._pass_read(State(dated.epoch_s, ends, 0), None, event=event)
        if not missing and self.last is not None:
            text = f"{_kind(event)}: the display ended at {_shown(ends)} and went on from {_shown(begins)}"
            self._notice(_RULE_OF_EVENT[event.kind], dated.epoch_s, ends, begins, 0, text)
        for code in missing:
            before = known.quanta if known else None
            word = "final" if "final" in code else "initial"
            text = f"{_kind(event)} without {word} read: what was counted beside it is unknown"
            self._notice(code, dated.epoch_s, before, begins, 0, text)
        if missing:
            self._end_run()
        # Another count begins: turns recorded before it are of the old display.
        self.turns = []
        if event.multiplier_new is not None:
            self.multiplier = Fraction(event.multiplier_new)
        self.last = None if begins is None else State(dated.epoch_s, begins, 0)
        if self.last is not None and not self.run:
            self._append(self.last)

    def _pass_read(self, read: State, following: State | None, *, event: MeterEvent | None = None) -> None:
        last, counting = self.last, self.counting
        if last is None:
            self._begin(read)
            return
        hours = (read.epoch_s - last.epoch_s) / 3600
        delta = self._turned(read, last, hours)
        if delta < 0 and is_jitter(-delta, counting.resolution):
            text = f"stepped back from {_shown(last.quanta)} to {_shown(read.quanta)}, no more than its last digits"
            self._notice(JITTER, read.epoch_s, last.quanta, read.quanta, read.line, text)
            # The highest read stands until it is passed, so that nothing is counted twice.
            self.last = replace(last, epoch_s=read.epoch_s, line=read.line)
            self._append(self.last)
            return
        most = counting.limit.between(hours, counting.resolution)
        if 0 <= delta <= most:
            self._count(read, delta)
        elif following is not None and is_glitch(
            last.quanta,
            following.quanta,
            limit=self.counting.limit,
            resolution=self.counting.resolution,
            hours=(following.epoch_s - last.epoch_s) / 3600,
        ):
            text = f"{_shown(read.quanta)} between {_shown(last.quanta)} and {_shown(following.quanta)}"
            self._notice(GLITCH, read.epoch_s, last.quanta, read.quanta, read.line, text)
        elif delta < 0 and (modulus := self._modulus(last, read, hours)) is not None:
            text = f"passed {_shown(modulus)}: from {_shown(last.quanta)} on to {_shown(read.quanta)}"
            self._notice(ROLLOVER, read.epoch_s, last.quanta, read.quanta, read.line, text)
            self._count(read, delta + modulus)
        else:
            self._break(last, read, hours, event)

    def _turned(self, read: State, last: State, hours: float) -> int:
        """The register's difference, turns included that an event names and that do not contradict the reads."""
        delta = read.quanta - last.quanta
        if not self.turns:
            return delta
        turns, self.turns = self.turns, []
        sizes = [_quanta(each.event.wraps_at) or self.counting.modulus for each in turns]
        known = [size for size in sizes if size is not None]
        at, line = read.epoch_s, read.line
        if len(known) < len(sizes):
            text = "a rollover was recorded, but neither it nor the register says where the display wraps"
            self._notice("rollover_without_digits", at, last.quanta, read.quanta, line, text)
            return delta
        whole = delta + sum(known)
        if not 0 <= whole <= self.counting.limit.between(hours, self.counting.resolution):
            text = f"a rollover was recorded, but {_shown(last.quanta)} to {_shown(read.quanta)} shows none"
            self._notice("event_contradicted", at, last.quanta, read.quanta, line, text)
            return delta
        text = f"recorded rollover: from {_shown(last.quanta)} on to {_shown(read.quanta)}"
        self._notice(ROLLOVER, at, last.quanta, read.quanta, line, text)
        return whole

    def _modulus(self, last: State, read: State, hours: float) -> int | None:
        counting = self.counting
        return modulus_across(
            last.quanta,
            read.quanta,
            modulus=counting.modulus,
            resolution=counting.resolution,
            limit=counting.limit,
            hours=hours,
        )

    def _break(self, last: State, read: State, hours: float, event: MeterEvent | None) -> None:
        """No amount crosses from `last` to `read`: name what it looks like, and begin again."""
        counting = self.counting
        limit, resolution = counting.limit, counting.resolution
        what = f"from {_shown(last.quanta)} to {_shown(read.quanta)} in {hours:.4g} h"
        if event is not None:
            rule, text = "event_contradicted", f"{_kind(event)}: the final read does not follow the reads: {what}"
        elif read.quanta >= last.quanta:
            rule = JUMP
            text = f"rose {what}, above {limit.source}; an exchange or a wrong read: record an event or correct it"
        elif looks_like_reset(last.quanta, read.quanta, limit=limit, resolution=resolution, hours=hours):
            rule, text = "register_reset_suspected", f"fell {what}; record a reset, rollover or exchange with its reads"
        else:
            rule, text = "register_exchange_suspected", f"fell {what}; record an exchange with final and initial read"
        self._notice(rule, read.epoch_s, last.quanta, read.quanta, read.line, text)
        self._end_run()
        self._begin(read)

    def _count(self, read: State, delta: int) -> None:
        self.index += delta * self.multiplier
        self.last = read
        self._append(read)

    # A recorded turn that no read has confirmed is not carried over the break.
    def _begin(self, read: State) -> None:
        self.turns = []
        self.last = read
        self._append(read)

    def _append(self, read: State) -> None:
        state = State(read.epoch_s, round(self.index), read.line)
        # An event's final read may fall on a read's instant: one state stands, with the line that a person can look up.
        if self.run and self.run[-1].epoch_s == state.epoch_s:
            self.run[-1] = state if state.line else replace(state, line=self.run[-1].line)
        else:
            self.run.append(state)

    def _end_run(self) -> None:
        if self.run:
            self.found.runs.append(self.run)
        self.run = []

    def _notice(self, rule: str, epoch_s: int, before: int | None, after: int | None, line: int, text: str) -> None:
        self.found.notices.append(Notice(rule, epoch_s, before, after, line, text))


def _quanta(value: Decimal | None) -> int | None:
    return None if value is None else int(value.scaleb(9).to_integral_value())


def _shown(quanta: int | None) -> str:
    return "unknown" if quanta is None else f"{Decimal(quanta).scaleb(-9).normalize():f}"


def _kind(event: MeterEvent) -> str:
    return event.kind.value.replace("_", " ") + (f" (serial {event.serial})" if event.serial else "")
