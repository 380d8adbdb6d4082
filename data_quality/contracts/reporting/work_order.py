"""Work orders: a task for a person with priority, due day and state, and where it comes from."""

from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal

from pydantic import Field

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.open_finding import Severity

Priority = Literal["P1", "P2", "P3", "P4"]
PRIORITIES: tuple[Priority, ...] = ("P1", "P2", "P3", "P4")
OrderState = Literal["open", "assigned", "done", "cancelled"]
SourceKind = Literal["", "finding", "workflow", "recommendation"]
ENDED: tuple[OrderState, ...] = ("done", "cancelled")
_MOST_LETTERS = 200


class WorkOrder(Model):
    """A work order as an act left it. due: a local day of the site; assignee: empty where nobody has it.

    title: in the site's language, or as a person wrote it. title_parts: the same as a sentence (`parts_of`), worded
    where it is read; None of a person's, and of orders from before.
    source_kind, source_id: of what it was made. figure_ids: of stored reports that quote that. person_id: who did the
    last act, empty for a workflow; reason: of that act.
    """

    order_id: str
    site_id: str
    title: str = Field(min_length=1, max_length=_MOST_LETTERS)
    title_parts: dict[str, Any] | None = None
    priority: Priority
    state: OrderState = "open"
    due: date | None = None
    assignee: str = ""
    source_kind: SourceKind = ""
    source_id: str = ""
    figure_ids: tuple[str, ...] = ()
    person_id: str = ""
    reason: str = ""
    recorded_at_utc: datetime | None = None

    @property
    def is_open(self) -> bool:
        """True where it waits for somebody."""
        return self.state not in ENDED

    @property
    def severity(self) -> Severity:
        """The severity that notices of it have: P1 as a critical finding, P4 as information."""
        levels: dict[Priority, Severity] = {"P1": 1, "P2": 2, "P3": 3, "P4": 4}
        return levels[self.priority]


def order_id_of(site_id: str, source: str, title: str, before: int) -> str:
    """A short id, the same for the same order. source: kind and id of it; before: orders alike that have ended."""
    return sha256("\n".join((site_id, source, title, str(before))).encode()).hexdigest()[:12]
