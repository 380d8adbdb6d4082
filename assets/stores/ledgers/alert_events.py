"""Acts of people on findings, append-only: acknowledged, muted until, explained, opened again."""

from collections import defaultdict
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import Ledger
from assets.stores.schema.tables_findings import alert_events, work_orders
from assets.stores.transactions import Repository
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.open_finding import FindingAct, FindingEvent, OpenFinding
from data_quality.contracts.time import Clock

_SAME = ("act", "person_id", "reason", "until_utc")
_OF_BILLS = ("disputed", "accepted")
_EVENTS = Ledger(alert_events, FindingEvent)


class AlertEvents(Repository):
    """The events of one transactional store."""

    def of_site(self, site_id: str, *, as_of_utc: datetime | None = None) -> dict[str, list[FindingEvent]]:
        """By finding, the oldest first, as known at T."""
        found: dict[str, list[FindingEvent]] = defaultdict(list)
        for each in _EVENTS.history(self.store, as_of_utc=as_of_utc, site_id=site_id):
            found[each.finding_id].append(each)
        return found

    def record(
        self,
        finding: OpenFinding,
        act: FindingAct,
        *,
        person: Person,
        reason: str,
        clock: Clock,
        until_utc: datetime | None = None,
        seen: str | None = None,
    ) -> FindingEvent:
        """Write down what a person did; a form sent twice is the event that stands. Raises BadInput for who may not,
        without reason, a mute without an end, and (changed_since) where somebody acted since the form was made.

        seen: `stamp` of the last event then; None: without a form.
        """
        if not reason.strip():
            raise BadInput(f"a finding is {act} with a reason", reason="no_reason")
        if (act == "muted") != (until_utc is not None):
            raise BadInput("a mute has an end, and nothing else has", reason="no_end")
        if until_utc is not None and until_utc <= clock.now_utc():
            raise BadInput(f"a mute ends later than now, got {until_utc:%Y-%m-%d %H:%M}Z", reason="bad_end")
        made = FindingEvent(
            finding_id=finding.finding_id, site_id=finding.site_id, act=act, until_utc=until_utc,
            person_id=person.person_id, reason=reason.strip(), what=str(finding.what), recorded_at_utc=clock.now_utc(),
        )  # fmt: skip
        # Read and added in one write transaction: of two forms that were filled in at once one is refused.
        with self.store.together():
            last = _EVENTS.latest(self.store, site_id=finding.site_id, finding_id=finding.finding_id)
            is_of_bill = act in _OF_BILLS or (last is not None and last.act in _OF_BILLS)
            expect(person, Permission.BILL_RECONCILE if is_of_bill else Permission.ANOMALY_UPDATE)
            if last is not None and seen is not None and seen != stamp(last):
                if all(getattr(last, name) == getattr(made, name) for name in _SAME):
                    return last
                raise BadInput(
                    f"it was {last.act} by {last.person_id} since this form was opened",
                    reason="changed_since",
                    mend="open the page again",
                )
            (made,) = _EVENTS.put(self.store, clock, made)
        return made


def stamp(event: FindingEvent | None) -> str:
    """Stamp of the last event in a form, which tells whether somebody acted since."""
    return "" if event is None else event.recorded_at_utc.isoformat()


# Every page asks it, and to put the question costs more than to answer it.
@lru_cache(maxsize=256)
def last_acts(site_id: str) -> sa.Select[Any]:
    """Question for the numbers of the last acts on findings and on tasks: counts hold until there is another."""
    newest = (
        sa.select(sa.func.max(each.c.id)).where(each.c.site_id == site_id) for each in (alert_events, work_orders)
    )
    return sa.select(*(each.scalar_subquery().label(name) for name, each in zip("ft", newest, strict=True)))
