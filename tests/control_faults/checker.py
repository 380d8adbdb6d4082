"""Reads a history and says what must never have happened (dispatch.md B.7 and B.8, faults.md E1-E4). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.control_faults.history import Event, History

# The promise (E4): however everything else died, the device is at its safe value after that.
SAFE_WITHIN_S = 60.0
# Clocks of one site may differ by so much (I10); a window is judged by the agent's.
CLOCK_TOLERANCE_S = 2.0
# The state of charge that the guards may still believe.
SOC_AGE_S = 60.0
TERMINAL = {"COMPLETED", "ADVISED", "REJECTED", "EXPIRED", "SUPERSEDED", "BLOCKED", "UNVERIFIED", "REVERTED"}
TERMINAL |= {"OVERRIDDEN"}
EPSILON = 1e-6
# Of a read-back, by the templates.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Bounds:
    """An oracle's bounds of one device, written down by hand and not read from the program.

    safe: its safe value; low, high: in mode PARTIAL; soc_min, soc_max: percent, between which it may charge or
    discharge, None for a device without storage.
    """

    safe: float
    low: float
    high: float
    soc_min: float | None = None
    soc_max: float | None = None


@dataclass(frozen=True)
class LedgerEnd:
    """The ledger after all is over: (idempotency key, state) of each row, and what the chain's check says."""

    rows: Sequence[tuple[str, str]] = ()
    chain: Sequence[str] = ()


@dataclass(frozen=True)
class Span:
    """A device follows a set-point of ours from start_s to end_s."""

    device: str
    key: str
    value: float
    start_s: float
    end_s: float


@dataclass
class _Follower:
    """Spans of one device, as they follow from what it applied and when it went home."""

    device: str
    spans: list[Span] = field(default_factory=list)
    _open: Event | None = None

    def take(self, event: Event) -> None:
        self.end(event.at_s)
        if event.kind == "applied" and not event.is_revert:
            self._open = event

    def end(self, at_s: float) -> None:
        if self._open is not None:
            until_s = self._open.until_s if self._open.until_s is not None else float("inf")
            value = self._open.value or 0.0
            self.spans.append(Span(self.device, self._open.key, value, self._open.at_s, min(at_s, until_s)))
        self._open = None


def spans_of(history: History) -> list[Span]:
    """Every stretch of time in which a device follows a set-point of ours."""
    found: list[Span] = []
    for device in history.devices():
        follower = _Follower(device)
        for event in history.of("applied", "home"):
            if event.device == device:
                follower.take(event)
        follower.end(float("inf"))
        found += follower.spans
    return found


def check(history: History, bounds: Mapping[str, Bounds], ledger: LedgerEnd) -> list[str]:
    """Sentences for whatever must not have happened; empty where all is well."""
    query = {event.key: event for event in history.of("asked")}
    spans = [span for span in spans_of(history) if abs(span.value - bounds[span.device].safe) > EPSILON]
    return [
        *late(spans, query),
        *repeated(history),
        *blind(history),
        *forbidden(history, query, bounds),
        *rivals(history),
        *handed(history, spans),
        *unsafe(history, spans),
        *claimed(history, bounds),
        *unsettled(ledger),
    ]


def late(
    spans: Iterable[Span], requests: Mapping[str, Event], grace_s: float = CLOCK_TOLERANCE_S + EPSILON
) -> list[str]:
    """E2: a set-point is effective after the window of its command."""
    found = []
    for span in spans:
        event = requests.get(span.key)
        if event is None:
            found.append(f"LATE {span.device} followed {span.key}, which nobody asked for")
        elif event.until_s is not None and span.end_s > event.until_s + grace_s:
            found.append(f"LATE {span.device} followed {span.key} {span.end_s - event.until_s:.1f} s after its window")
    return found


def repeated(history: History) -> list[str]:
    """E3: a command takes effect once more after another one replaced it. Refreshes and equal re-sends are one."""
    found = []
    for device in history.devices():
        order: list[str] = []
        for event in history.of("applied"):
            if event.device == device and not event.is_revert and order[-1:] != [event.key]:
                if event.key in order:
                    found.append(f"REPEATED {device} took {event.key} again after {order[-1]}")
                order.append(event.key)
    return found


def blind(history: History) -> list[str]:
    """A command that is not proven yet is sent again by the same agent without a look at the device in between."""
    found, unread, proven = [], set(), set()
    for event in history.events:
        if event.kind == "told" and event.note == "VERIFIED":
            proven.add(event.key)
        elif event.kind == "read":
            unread = {each for each in unread if each[0] != event.device}
        elif event.kind == "sent" and not event.is_revert and event.key not in proven:
            if (event.device, event.key) in unread:
                found.append(f"BLIND {event.key} was sent to {event.device} again without a read in between")
            unread.add((event.device, event.key))
    return found


def forbidden(history: History, requests: Mapping[str, Event], bounds: Mapping[str, Bounds]) -> list[str]:
    """A set-point goes out that the oracle forbids: outside its bounds, another than planned, in a mode below PARTIAL,
    past a latch, or against the state of charge.
    """
    found, mode, latched = [], "SIMULATION", set()
    soc: dict[str, tuple[float, float]] = {}
    for event in history.events:
        if event.kind == "mode":
            mode = event.note
        elif event.kind == "latch":
            (latched.add if event.value else latched.discard)(event.device)
        elif event.kind == "soc":
            soc[event.device] = (event.value or 0.0, event.at_s)
        elif event.kind == "sent" and not event.is_revert:
            why = _why_forbidden(event, requests.get(event.key), bounds[event.device], soc.get(event.device))
            why += [f"in mode {mode}"] if mode not in ("PARTIAL", "FULL") else []
            why += ["past its latch"] if event.device in latched else []
            found += [f"FORBIDDEN {event.key} = {event.value:g} was sent to {event.device} {each}" for each in why]
    return found


def _why_forbidden(event: Event, requests: Event | None, allowed: Bounds, soc: tuple[float, float] | None) -> list[str]:
    value, why = event.value or 0.0, []
    if not allowed.low - EPSILON <= value <= allowed.high + EPSILON:
        why.append(f"outside {allowed.low:g}..{allowed.high:g}")
    if requests is None or requests.value != value or requests.device != event.device:
        why.append("though nobody asked for it")
    elif requests.until_s is not None and event.at_s >= requests.until_s + CLOCK_TOLERANCE_S:
        why.append(f"{event.at_s - requests.until_s:.1f} s after its window")
    if soc is not None and allowed.soc_max is not None and event.at_s - soc[1] > SOC_AGE_S:
        if value > 0 and soc[0] >= allowed.soc_max:
            why.append(f"to charge at {soc[0]:g} %")
        if value < 0 and soc[0] <= (allowed.soc_min or 0.0):
            why.append(f"to discharge at {soc[0]:g} %")
    return why


def rivals(history: History) -> list[str]:
    """Two processes send in one epoch, or one sends with an epoch that a later one has overtaken at the device."""
    found: list[str] = []
    owner: dict[int, str] = {}
    newest: dict[str, int] = {}
    for event in history.of("sent"):
        if owner.setdefault(event.epoch, event.who) != event.who:
            found.append(f"RIVALS {event.who} and {owner[event.epoch]} both send in epoch {event.epoch}")
        if event.epoch < newest.get(event.device, 0):
            found.append(f"RIVALS {event.who} sends in epoch {event.epoch} after epoch {newest[event.device]}")
        newest[event.device] = max(newest.get(event.device, 0), event.epoch)
    return list(dict.fromkeys(found))


def handed(history: History, spans: Sequence[Span]) -> list[str]:
    """Another command goes to a device that a person has set; or theirs goes out, or stands, past its give-back."""
    found, ahead_s = [], 0.0
    open_: dict[str, Event] = {}
    over: dict[str, float] = {}
    for event in history.of("hand", "told", "clock", "sent"):
        if event.kind == "clock":
            ahead_s = max(ahead_s, event.value or 0.0)
        elif event.kind == "hand" and event.value:
            # A second one of the same person follows the first.
            open_[event.device] = event
        elif event.kind == "hand" or (event.kind == "told" and event.note in TERMINAL):
            if (mine := open_.get(event.device)) is not None and mine.key == event.key:
                over[event.key] = event.at_s
                del open_[event.device]
        elif event.kind == "sent" and not event.is_revert:
            mine = open_.get(event.device)
            until_s = mine.until_s if mine is not None and mine.until_s is not None else 0.0
            if mine is not None and mine.key != event.key and event.at_s < until_s - CLOCK_TOLERANCE_S - ahead_s:
                found.append(f"HANDS {event.key} was sent to {event.device}, which {mine.key} has by hand")
            if event.key in over:
                found.append(f"HANDS {event.key} was sent to {event.device} after it was given back")
    stood = [span for span in spans if span.end_s - over.get(span.key, span.end_s) > SAFE_WITHIN_S]
    return [*found, *(f"HANDS {span.device} followed {span.key} after it was given back" for span in stood)]


def unsafe(history: History, spans: Sequence[Span]) -> list[str]:
    """E4: a set-point that nobody renewed, or whose guardians are gone, stands longer than the promised minute."""
    found = [
        f"UNSAFE {span.device} followed {span.key} for {span.end_s - span.start_s:.0f} s without being renewed"
        for span in spans
        if span.end_s - span.start_s > SAFE_WITHIN_S
    ]
    for start_s, end_s, name in _outages(history):
        for span in spans:
            stands_s = min(span.end_s, end_s) - start_s
            if span.start_s < end_s and stands_s > SAFE_WITHIN_S:
                found.append(f"UNSAFE {span.device} followed {span.key} {stands_s:.0f} s into: {name}")
    return found


def _outages(history: History) -> list[tuple[float, float, str]]:
    """Stretches in which the devices must come home: nemesis to mended, and all agents dead to one started."""
    found, began = [], {}
    alive: set[str] = set()
    for event in history.of("nemesis", "mended", "killed", "started"):
        if event.kind == "nemesis":
            began.setdefault(event.note, event.at_s)
        elif event.kind == "mended" and event.note in began:
            found.append((began.pop(event.note), event.at_s, event.note))
        elif event.kind == "started":
            alive.add(event.who)
            if "no agent" in began:
                found.append((began.pop("no agent"), event.at_s, "no agent"))
        elif event.kind == "killed":
            alive.discard(event.who)
            if not alive:
                began["no agent"] = event.at_s
    return [*found, *((start_s, float("inf"), name) for name, start_s in began.items())]


def claimed(history: History, bounds: Mapping[str, Bounds]) -> list[str]:
    """The ledger says VERIFIED of a command that its device does not follow at that moment."""
    found = []
    holds: dict[str, Event] = {}
    for event in history.of("applied", "home", "told"):
        if event.kind != "told":
            holds[event.device] = event
        elif event.note == "VERIFIED":
            held = holds.get(event.device)
            is_held = held is not None and held.kind == "applied" and event.at_s < (held.until_s or float("inf"))
            key = held.key if is_held and held is not None and not held.is_revert else ""
            value = held.value if is_held and held is not None else bounds[event.device].safe
            # A device at its safe value obeys a command for that value, whoever brought it there.
            if key not in ("", event.key) or abs((value or 0.0) - (event.value or 0.0)) > TOLERANCE:
                found.append(f"CLAIMED {event.key} is told VERIFIED; {event.device} follows {key or 'nothing'}")
    return found


def unsettled(ledger: LedgerEnd) -> list[str]:
    """A row without an outcome, two rows of one key, a chain that does not hold."""
    found = [f"CHAIN {problem}" for problem in ledger.chain]
    keys = [key for key, _ in ledger.rows]
    found += [f"KEYS {key} has {keys.count(key)} rows" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    # PROPOSED: nobody released it, so nothing is due.
    found += [f"OPEN {key} stays {state}" for key, state in ledger.rows if state not in TERMINAL | {"PROPOSED"}]
    return found
