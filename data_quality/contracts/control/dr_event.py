"""An event of demand response as an act left it: state, exact commands, who approved them, what it came to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from data_quality.contracts.baselines.baseline import canonical_sha256
from data_quality.contracts.baselines.event_baseline import MethodScore, SettledEvent
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.control.dr_programme import Programme
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Stored

EventState = Literal[
    "created", "proposed", "approved", "armed", "active", "restore", "settled", "lapsed", "stopped", "opted_out"
]


class EventCommand(Model):
    """A set-point over [from_utc, until_utc) that an event asks for. kw: what it sheds.

    A load that rebounds keeps its set-point up to ten minutes longer, so that not all come back at once. sent: id of
    the command in the ledger, and outcome: its state then; both empty before it was sent. back_utc: when it goes back
    earlier than planned.
    """

    load: str
    device_id: str
    capability: str
    value: float
    unit: str
    from_utc: datetime
    until_utc: datetime
    kw: float
    rebounds: bool = False
    sent: str = ""
    outcome: str = ""
    back_utc: datetime | None = None

    @property
    def ends_utc(self) -> datetime:
        """When its set-point ends."""
        return self.until_utc if self.back_utc is None else min(self.until_utc, self.back_utc)

    @property
    def outcome_text(self) -> str:
        """Outcome as a sentence that the edge words: the state's code and the ledger's reason."""
        state, mark, why = self.outcome.partition(": ")
        is_state = bool(mark) and state.isupper()
        return Sentence("{0}: {1}", state, Stored(why)) if is_state else Stored(self.outcome)


class EventApproval(Model):
    """A person's yes to exactly one digest. public_key: the key it was signed with; empty where nobody signs.

    class_id: of the pre-approved class that stands for a second person; empty for one who approved this event.
    """

    person_id: str
    digest: str
    public_key: str = ""
    class_id: str = ""
    at_utc: datetime
    expires_utc: datetime


class DrEvent(Model):
    """An event. source: where the call came from, once a site (`openadr:…`); empty: a person. digest: of plan and
    commands; empty before a plan. told_utc: when it was called. armed_by: who armed it. unplanned: why the call of a
    machine has no plan yet; None with one.
    """

    event_id: str
    site_id: str
    programme: str
    state: EventState
    start_utc: datetime
    end_utc: datetime
    target_kw: float
    source: str = ""
    told_utc: datetime
    digest: str = ""
    plan: CurtailmentPlan | None = None
    unplanned: Finding | None = None
    commands: tuple[EventCommand, ...] = ()
    approvals: tuple[EventApproval, ...] = ()
    proposed_by: str = ""
    armed_by: str = ""
    person_id: str = ""
    reason: str = ""
    recorded_at_utc: datetime | None = None

    @property
    def has_begun(self) -> bool:
        """False while a person can still opt out of it."""
        return self.state not in ("created", "proposed", "approved", "armed")

    @property
    def is_open(self) -> bool:
        """True while an act may still move it."""
        return self.state in ("created", "proposed", "approved", "armed", "active", "restore")


class Settlement(Model):
    """Outcome of an event. rule: the programme's, settled as written; best: the method with the least error for the
    meter. least_kw: the least power shed in any step. Amounts in the site's currency; None: not settled. terms: the
    programme's as they were then; None in settlements from before they were kept.
    """

    event_id: str
    site_id: str
    version: int = 1
    target_kwh: float
    rule: SettledEvent | None
    best: SettledEvent | None
    methods: tuple[MethodScore, ...]
    least_kw: float | None
    income: float | None
    penalty: float | None
    currency: str
    terms: Programme | None = None
    findings: tuple[Finding, ...] = ()
    person_id: str = ""
    recorded_at_utc: datetime | None = None


class ClassTerms(Model):
    """A class of events that need no second person each: of a programme, up to a power and a length.

    is_armed: an event of it is armed with its plan and begins without a person.
    """

    site_id: str
    programme: str
    max_kw: float
    max_minutes: int
    is_armed: bool = False

    @property
    def class_id(self) -> str:
        """Its name: other terms are another class."""
        # A class whose events a person arms has the name that it had before there was another.
        excluded = set() if self.is_armed else {"is_armed"}
        return canonical_sha256(self.model_dump(mode="json", include=set(ClassTerms.model_fields) - excluded))[:12]


class ClassVote(ClassTerms):
    """A person's vote on a class. is_yes: False takes back all votes before."""

    is_yes: bool
    person_id: str
    public_key: str = ""
    reason: str
    recorded_at_utc: datetime | None = None


def digest_of(event: DrEvent, plan: CurtailmentPlan, commands: Sequence[EventCommand]) -> str:
    """SHA-256 over everything that is approved: any other event, step, device, value or time makes another."""
    names = ("load", "device_id", "capability", "value", "unit", "from_utc", "until_utc", "kw", "rebounds")
    content: dict[str, Any] = event.model_dump(
        mode="json", include={"event_id", "site_id", "programme", "start_utc", "end_utc", "target_kw"}
    )
    content["plan"] = plan.model_dump(mode="json")
    content["commands"] = [each.model_dump(mode="json", include=set(names)) for each in commands]
    return canonical_sha256(content)
