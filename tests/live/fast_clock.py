"""A clock that runs faster than the machine's, the same in every process that is given its text."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self


@dataclass(frozen=True)
class FastClock:
    """Was at first_utc when the machine's clock said began_s, and has run `speed` times as fast since."""

    began_s: float
    first_utc: datetime
    speed: float

    @classmethod
    def from_now(cls, first_utc: datetime, *, speed: float) -> Self:
        return cls(time.time(), first_utc, speed)

    @classmethod
    def of(cls, text: str) -> Self:
        began, first, speed = text.split()
        return cls(float(began), datetime.fromisoformat(first).astimezone(UTC), float(speed))

    def __str__(self) -> str:
        return f"{self.began_s!r} {self.first_utc.isoformat()} {self.speed!r}"

    def now_utc(self) -> datetime:
        return self.first_utc + timedelta(seconds=(time.time() - self.began_s) * self.speed)
