"""Event history in order, one JSONL line each, so that a red run can be read and checked once more."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# asked: a plan wants a value (until_s: end of its window). sent: bytes left for a device (until_s: end of its time to
# live). applied: the device follows a value until until_s. home: it is at its safe value. read: somebody read it.
# told: the ledger says a state. mode, soc, latch: what the guards depend on. nemesis, mended: a fault begins, ends.
# killed, started: a process; clock: the wall clock was moved. hand: a person sets a device by the command `key` (value
# 1, until_s: its end), or gives it back (0).
KINDS = (
    *("asked", "sent", "applied", "home", "read", "told", "mode", "soc", "latch", "hand"),
    *("nemesis", "mended", "killed", "started", "clock"),
)
REVERT = "revert-"


@dataclass(frozen=True)
class Event:
    """at_s, until_s: seconds of one true clock that no nemesis moves. key: the command; who: the process."""

    at_s: float
    kind: str
    device: str = ""
    key: str = ""
    value: float | None = None
    until_s: float | None = None
    who: str = ""
    note: str = ""
    epoch: int = 0

    @property
    def is_revert(self) -> bool:
        """True for a set-point that is the way home."""
        return self.key.startswith(REVERT)


@dataclass
class History:
    """Events in the order in which they happened."""

    events: list[Event] = field(default_factory=list)

    def record(self, at_s: float, kind: str, **facts: Any) -> None:
        """One more event."""
        assert kind in KINDS, kind
        self.events.append(Event(at_s, kind, **facts))

    def of(self, *kinds: str) -> Iterator[Event]:
        """Events of these kinds."""
        return (event for event in self.events if event.kind in kinds)

    def devices(self) -> list[str]:
        """Devices that something happened to."""
        return sorted({event.device for event in self.of("sent", "applied", "home")})

    def write(self, path: Path) -> Path:
        """The history as JSONL; what is empty is left out."""
        lines = (
            {name: text for name, text in asdict(event).items() if text or name == "at_s"} for event in self.events
        )
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    @classmethod
    def read(cls, *paths: Path) -> "History":
        """One history of one or several files, put in order of time."""
        events: list[Event] = []
        for path in paths:
            # A process that was killed may leave half a line behind: it had not happened yet.
            lines = path.read_text(encoding="utf-8").splitlines()
            events += [Event(**json.loads(line)) for line in lines if line.endswith("}")]
        return cls(sorted(events, key=lambda event: event.at_s))
