"""The outbox of notices, append-only: queued, tried, sent or given up, one row each; and cases of findings."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from assets.stores.journal import Ledger
from assets.stores.schema.tables_findings import finding_cases, notice_events
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.notice import Channel, Notice
from data_quality.contracts.reporting.open_finding import KEPT_FOR
from data_quality.contracts.time import Clock

_AT_ONCE = 500
_MOST_DUE = 2000
_NOTICES = Ledger(notice_events, Notice)


class Case(Model):
    """One case of a finding. number: 1 is its first."""

    site_id: str
    finding_id: str
    number: int
    is_open: bool
    recorded_at_utc: datetime


_CASES = Ledger(finding_cases, Case)


class Outbox(Repository):
    """Notices and cases in the transactional store."""

    def cases(self, site_id: str, open_ids: Collection[str], clock: Clock) -> dict[str, int]:
        """The number of the case of each open finding, after those that came and went since the last look.

        One that comes again within a day is the case that it was.
        """
        now_utc = clock.now_utc()
        with self.store.together():
            last = {each.finding_id: each for each in _CASES.all_as_of(self.store, "finding_id", site_id=site_id)}
            numbers, rows = dict[str, int](), []
            for name in open_ids:
                case = last.get(name)
                is_new = case is None or not (case.is_open or now_utc - case.recorded_at_utc <= KEPT_FOR)
                numbers[name] = (case.number if case else 0) + is_new
                if case is None or not case.is_open:
                    rows.append((name, numbers[name], True))
            gone = [each for each in last.values() if each.is_open and each.finding_id not in numbers]
            rows += [(each.finding_id, each.number, False) for each in gone]
            named = ("finding_id", "number", "is_open")
            if rows:
                _CASES.add(
                    self.store, clock, *({"site_id": site_id, **dict(zip(named, row, strict=True))} for row in rows)
                )
        return numbers

    def queue(self, notices: Sequence[Notice], clock: Clock) -> list[Notice]:
        """Queue notices, each once, and withdrawn ones again. Returns those that were not queued before."""
        added: list[Notice] = []
        for at in range(0, len(notices), _AT_ONCE):
            some = {each.notice_id: each for each in notices[at : at + _AT_ONCE]}
            # Asked and added in one write transaction: of two processes only one finds a notice missing.
            with self.store.together():
                known = {each.notice_id: each for each in _NOTICES.history(self.store, notice_id=tuple(some))}
                new = [each for name, each in some.items() if name not in known]
                # One that was tried goes under the name that it had: a receiver that has it drops it.
                new += [
                    some[name].model_copy(
                        update={"attempts": old.attempts, "letter_id": old.letter_id * bool(old.attempts)}
                    )
                    for name, old in known.items()
                    if old.state == "obsolete"
                ]
                self.record(new, clock)
            added += new
        return added

    def record(self, notices: Iterable[Notice], clock: Clock) -> None:
        """Append what became of notices."""
        _NOTICES.put(self.store, clock, *notices)

    def due(self, channel: Channel, now_utc: datetime, *, but: Collection[str] = ()) -> list[Notice]:
        """Notices of a channel to try now, the oldest first; of very many the first two thousand. but: not to these
        addresses.
        """
        waits = (notice_events.c.channel == channel, notice_events.c.state.in_(("queued", "retrying")))
        query = self._last().where(*waits, notice_events.c.next_utc <= now_utc, notice_events.c.address.not_in(but))
        return self._read(query.order_by(notice_events.c.id).limit(_MOST_DUE))

    def waiting(self) -> dict[str, list[Notice]]:
        """Notices of findings and work orders that are to be sent yet, by site."""
        is_waiting = notice_events.c.state.in_(("queued", "retrying")) & (notice_events.c.finding_id != "")
        is_waiting &= notice_events.c.kind != "workflow"
        found: dict[str, list[Notice]] = {}
        for each in self._read(self._last().where(is_waiting)):
            found.setdefault(each.site_id, []).append(each)
        return found

    def letters_since(self, since_utc: datetime) -> dict[tuple[str, str], dict[str, datetime]]:
        """By person and channel: letters that were sent since then, each with when."""
        columns = ("person_id", "channel", "letter_id", "recorded_at_utc")
        is_newer = notice_events.c.recorded_at_utc >= since_utc
        query = sa.select(*(notice_events.c[name] for name in columns)).where(notice_events.c.state == "sent", is_newer)
        found: dict[tuple[str, str], dict[str, datetime]] = {}
        for row in self.store.rows(query):
            found.setdefault((row["person_id"], row["channel"]), {})[row["letter_id"]] = row["recorded_at_utc"]
        return found

    def notices(self, *, person_id: str | None = None, states: Collection[str] = (), most: int = 500) -> list[Notice]:
        """Notices as they stand, the newest first."""
        query = self._last().order_by(notice_events.c.id.desc()).limit(most)
        if person_id is not None:
            query = query.where(notice_events.c.person_id == person_id)
        return self._read(query.where(notice_events.c.state.in_(states)) if states else query)

    def retry(self, notice_id: str, clock: Clock) -> Notice:
        """Ask again for one that was given up. Raises BadInput (no_notice, not_dead)."""
        with self.store.together():
            known = self._read(self._last().where(notice_events.c.notice_id.startswith(notice_id, autoescape=True)))
            if len(known) != 1 or not notice_id:
                raise BadInput(
                    f"{len(known) or 'no'} notice{'s' if len(known) > 1 else ''} with an id that starts with "
                    f"{notice_id!r}", reason="no_notice", mend="meterloom notices list shows them",
                )  # fmt: skip
            if known[0].state != "dead":
                raise BadInput(f"notice {known[0].notice_id} is {known[0].state}, and not dead", reason="not_dead")
            queued = known[0].model_copy(update={"state": "queued", "attempts": 0, "next_utc": clock.now_utc()})
            self.record([queued], clock)
        return queued

    def _last(self) -> sa.Select[tuple[object, ...]]:
        last = sa.select(sa.func.max(notice_events.c.id)).group_by(notice_events.c.notice_id)
        return sa.select(notice_events).where(notice_events.c.id.in_(last))

    def _read(self, query: sa.Select[tuple[object, ...]]) -> list[Notice]:
        return [_NOTICES.read(row) for row in self.store.rows(query)]
