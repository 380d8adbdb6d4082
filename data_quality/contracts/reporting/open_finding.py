"""Open findings of a site, of any source, with a name that stays the same while the cause does."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from pydantic import Field

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Text, sentences

Severity = Literal[1, 2, 3, 4]
SEVERITY_WORDS: dict[Severity, str] = {1: "Critical", 2: "High", 3: "Medium", 4: "Info"}
# A bill that differs is disputed or accepted as billed (ADR 47).
FindingState = Literal["open", "acknowledged", "muted", "explained", "closed", "disputed", "accepted"]
FindingAct = Literal["acknowledged", "muted", "explained", "closed", "reopened", "disputed", "accepted"]
# Where a list keeps a finding of each state.
Tab = Literal["open", "muted", "closed"]
# What is reported later than this after an act is another case of the same cause, and open again.
KEPT_FOR = timedelta(hours=24)


class OpenFinding(Model):
    """One finding as its source reports it now. source: who found it; cause: what it is, the same at each look.
    at_utc: when it was last reported, where that is kept; is_end: that is the exclusive end of a span; time_zone: by
    whose clock its day is told. count: cases of it. worth: in money, as people read it. mend: what to do about it. why:
    the likely cause in one line, where the source says one. loss: what it cost, in the site's currency, over loss_days:
    the local days that it covers, or of an energy use those that were compared; None where no money is known, or none
    was lost. loss_of: expression of figures that gives the loss a day. kind, of: what it is and whose, where several
    may be alike but for that. stored_id: of what its source keeps under an id of its own. rule_kind, scopes, amounts:
    by which alert rules judge it; amounts by unit.
    """

    site_id: str
    time_zone: str = Field("UTC", exclude=True)
    source: str
    cause: str
    severity: Severity
    what: Text
    mend: Text = ""
    at_utc: datetime | None = None
    is_end: bool = Field(False, exclude=True)
    count: int = 1
    worth: Text = ""
    why: Text = ""
    loss: float | None = Field(None, ge=0)
    loss_days: int | None = Field(None, ge=1)
    currency: str = ""
    loss_of: str = Field("", exclude=True)
    kind: Text = ""
    of: Text = ""
    stored_id: str = Field("", exclude=True)
    rule_kind: str = Field("", exclude=True)
    scopes: tuple[str, ...] = Field((), exclude=True)
    amounts: Mapping[str, float] = Field(default={}, exclude=True)

    @property
    def finding_id(self) -> str:
        """Short, for a person types it."""
        return self.stored_id or sha256("\n".join((self.site_id, self.source, self.cause)).encode()).hexdigest()[:12]

    @property
    def with_mend(self) -> Text:
        """The finding and its mend, as one sentence."""
        return sentences((self.what, self.mend))

    @property
    def loss_per_day(self) -> float | None:
        """Its loss over the days that it covers, in its currency a day."""
        return None if self.loss is None or self.loss_days is None else self.loss / self.loss_days


def tab_of(state: FindingState) -> Tab:
    """Open: somebody has to act, or acts; closed: nobody has to."""
    return "muted" if state == "muted" else "open" if state in ("open", "acknowledged") else "closed"


class FindingEvent(Model):
    """Act of a person on a finding. until_utc: of `muted`; what: the finding's sentence as they saw it."""

    finding_id: str
    site_id: str
    act: FindingAct
    until_utc: datetime | None = None
    person_id: str
    reason: str
    what: str
    recorded_at_utc: datetime


def state_after(
    events: list[FindingEvent], *, at_utc: datetime | None, now_utc: datetime
) -> tuple[FindingState, FindingEvent | None]:
    """State of a finding after these events, the oldest first, and the event that it rests on.

    at_utc: when the finding was last reported. A mute ends by itself; what stood before it holds again then.
    """
    state: FindingState = "open"
    rests_on: FindingEvent | None = None
    for each in events:
        if each.act == "muted" and each.until_utc is not None and each.until_utc <= now_utc:
            continue
        state, rests_on = ("open", None) if each.act == "reopened" else (each.act, each)
    is_newer = rests_on is not None and at_utc is not None and at_utc > rests_on.recorded_at_utc + KEPT_FOR
    return ("open", None) if is_newer and state != "muted" else (state, rests_on)
