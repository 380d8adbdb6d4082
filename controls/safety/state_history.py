"""Measured history of the devices: since when they are on or off, their starts and our writes. It survives a restart;
a device without history counts as just switched.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from assets.stores.schema.tables_control import device_states
from assets.stores.seals import append, raw_of_site
from assets.stores.transactions import Store, read_rows, site_transaction
from assets.stores.trust import proven
from data_quality.contracts.time import parse_instant

HOUR_S, DAY_S = 3600.0, 86400.0
# Said again so often that it is still so; a longer gap than twice of it leaves open what happened in between.
SEEN_S = 300.0
Key = tuple[str, str]


@dataclass
class Past:
    """One capability. Times are monotonic seconds; those of before this process are below its start."""

    is_on: bool | None = None
    since_s: float = 0.0
    told_s: float = 0.0
    written_s: float | None = None
    starts: deque[float] = field(default_factory=deque)
    writes: deque[float] = field(default_factory=deque)


class StateHistory:
    """The history of a site's devices. `saw` and `wrote` only note; `flush` stores, so that no write waits for it."""

    def __init__(self, store: Store, site_id: str) -> None:
        self._store, self._site_id = store, site_id
        self._past: dict[Key, Past] = {}
        self._pending: list[dict[str, Any]] = []
        self._is_loaded = False
        self._is_doubtful = False

    def load(self, now_utc: datetime, now_s: float) -> None:
        """Read what the last day left, once. Raises Unreachable. Rows that nobody can believe are no history."""
        if self._is_loaded:
            return
        table = device_states
        is_young = table.c.recorded_at_utc > now_utc - timedelta(seconds=DAY_S)
        query = raw_of_site(table, self._site_id).where(is_young)
        rows, problems = proven(self._store, table, read_rows(self._store, query))
        self._is_loaded, self._is_doubtful = True, bool(problems)
        for row in rows if not problems else ():
            past = self._past.setdefault((row["device_id"], row["capability"]), Past())
            # A row from the future: its clock was wrong, and what it says counts as of now.
            at_s = now_s - max((now_utc - parse_instant(row["recorded_at_utc"])).total_seconds(), 0.0)
            if row["state"] == "write":
                past.writes.append(at_s)
                past.written_s = at_s
            else:
                # Written as switched, it was: even where it stood the same before a gap in which nobody looked.
                if row["state"] == "switched":
                    past.is_on = None
                self._turn(past, bool(row["is_on"]), at_s)
                past.told_s = at_s

    def saw(self, key: Key, is_on: bool, now_utc: datetime, now_s: float) -> None:
        """Note what was measured. The first look, and one after a gap, counts as a switch that just happened."""
        past = self._past.setdefault(key, Past())
        if past.is_on is not None and now_s - past.told_s > 2 * SEEN_S:
            past.is_on = None
        if past.is_on is is_on and now_s - past.told_s < SEEN_S:
            return
        state = "seen" if past.is_on is is_on else "switched"
        self._turn(past, is_on, now_s)
        past.told_s = now_s
        self._note(key, state, now_utc, is_on=is_on)

    def wrote(self, key: Key, now_utc: datetime, now_s: float, *, is_counted: bool) -> None:
        """Note a write of ours; is_counted: it wears the device out, so that a restart must know of it."""
        past = self._past.setdefault(key, Past())
        past.written_s = now_s
        if is_counted:
            past.writes.append(now_s)
            self._note(key, "write", now_utc)

    def flush(self) -> None:
        """Store what was noted. Raises Unreachable; it is then stored with the next."""
        if self._pending:
            with site_transaction(self._store, self._site_id) as connection:
                append(connection, device_states, self._pending)
            self._pending = []

    def live(self, key: Key, now_s: float) -> dict[str, Any]:
        """Fields of Live; what is not known is left out."""
        past = self._past.get(key, Past())
        hour, day = (sum(at_s > now_s - span_s for at_s in past.writes) for span_s in (HOUR_S, DAY_S))
        found: dict[str, Any] = {
            "since_write_s": None if past.written_s is None else now_s - past.written_s,
            "writes_last_hour": None if self._is_doubtful or not self._is_loaded else hour,
            "writes_last_day": None if self._is_doubtful or not self._is_loaded else day,
        }
        if past.is_on is None or now_s - past.told_s > 2 * SEEN_S:
            return found
        while past.starts and past.starts[0] <= now_s - DAY_S:
            past.starts.popleft()
        while past.writes and past.writes[0] <= now_s - DAY_S:
            past.writes.popleft()
        return found | {
            "is_on": past.is_on,
            "state_for_s": now_s - past.since_s,
            "starts_last_hour": sum(at_s > now_s - HOUR_S for at_s in past.starts),
        }

    def _turn(self, past: Past, is_on: bool, at_s: float) -> None:
        if past.is_on is not is_on:
            past.is_on, past.since_s = is_on, at_s
            if is_on:
                past.starts.append(at_s)

    def _note(self, key: Key, state: str, now_utc: datetime, *, is_on: bool | None = None) -> None:
        self._pending.append(
            {
                "site_id": self._site_id,
                "device_id": key[0],
                "capability": key[1],
                "state": state,
                "is_on": is_on,
                "recorded_at_utc": now_utc,
            }
        )
