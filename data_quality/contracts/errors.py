"""The two kinds of fault: the world's (counted, then we go on) and ours (raised, and we stop).

MeterloomError
├── WorldFault        a file, device, feed or factor outside us is wrong
│   ├── BadRow        one row of a file: goes to quarantine
│   ├── BadInput      a whole file or request: refused with one sentence, exit code 2
│   └── Unreachable   a part we need does not answer, exit code 3
│       └── Busy      it is held by another process for now
├── RunFailed         a run ended red by what it looked at, exit code 1
└── OurFault          a promise of our own code is broken: never caught below the process edge, exit code 70
"""

from typing import Protocol, Self


class Placed(Protocol):
    """Value with the line of the file that it was read from; line 0: not from a line."""

    @property
    def file(self) -> str:
        """Its path, empty where it is from no file."""

    @property
    def line(self) -> int:
        """Its line, from 1."""


class MeterloomError(Exception):
    """Base of everything we raise on purpose."""


class WorldFault(MeterloomError):
    """Outside us: quarantine with a reason, count, continue."""


class BadRow(WorldFault):
    """One row that cannot be a reading. `reason` is a short code that quarantine counts by."""

    def __init__(self, *, file: str, line: int, reason: str, expected: str, got: str) -> None:
        self.file, self.line, self.reason, self.expected, self.got = file, line, reason, expected, got
        super().__init__(f"{file}, line {line}: expected {expected}, got {got!r}")


class BadInput(WorldFault):
    """A file or a request that cannot be used as it is: what, where, what was expected.

    `reason` is a short code (snake_case) for counting; `mend` says what to do, where we know it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        reason: str = "bad_input",
        mend: str = "",
    ) -> None:
        self.message, self.file, self.line, self.column = message, file, line, column
        self.reason, self.mend = reason, mend
        where = "".join([file, f", line {line}" if line else "", f", column {column}" if column else ""])
        super().__init__(f"{where}: {message}" if where else message)

    @classmethod
    def at(cls, place: Placed, message: str, *, reason: str = "bad_input", mend: str = "") -> Self:
        """The fault of something that knows its own file and line."""
        return cls(message, file=place.file, line=place.line, reason=reason, mend=mend)


class Unreachable(WorldFault):
    """A broker, device, database or server that is needed does not answer."""


class Busy(Unreachable):
    """A database is held by another process for now; its sentence has no address and no secret but its file."""


class RunFailed(MeterloomError):
    """A run did its work and ended red: a check that blocks, or a step that says what is missing."""


class OurFault(MeterloomError):
    """A broken promise of our own code: never caught below the process edge."""
