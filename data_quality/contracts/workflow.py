"""Workflows as data: what sets one off, and its steps, each a notice, a task, an approval or a proposal."""

from datetime import datetime, time
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.control.curtailment import Preference
from data_quality.contracts.model import Model
from data_quality.contracts.people import Role
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.reporting.work_order import Priority
from data_quality.contracts.sentence import Sentence

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
InstanceState = Literal["watching", "running", "asked", "done", "refused", "lapsed"]
ENDED: tuple[InstanceState, ...] = ("done", "refused", "lapsed")


class AnomalyOpen(Model):
    """An anomaly of one of the severities that nobody has acted on for so many minutes since it was first seen.

    newest_days: one that ended longer ago sets nothing off, so that a project's first look orders no past away.
    """

    kind: Literal["anomaly_open"]
    severities: tuple[Severity, ...] = (1, 2)
    minutes: int = Field(default=30, ge=0, le=10_080)
    newest_days: int = Field(default=7, ge=1, le=92)

    def __str__(self) -> str:
        levels = " or ".join(map(str, self.severities))
        return f"anomaly of severity {levels} open for {self.minutes} min"


class Daily(Model):
    """A time of the site's clock, once each local day, on days of 23 and 25 hours too. made_up_days: of missed days."""

    kind: Literal["daily"]
    at: time
    made_up_days: int = Field(default=1, ge=0, le=7)

    def __str__(self) -> str:
        return f"daily at {self.at:%H:%M} of the site's clock"


class BillDiffers(Model):
    """A stored bill of a supplier whose newest audit differs from it by more than the site's limit."""

    kind: Literal["bill_differs"]

    def __str__(self) -> str:
        return "bill that differs from what it comes to"


class PeakForecast(Model):
    """A local day to come on which the P90 of the main meter's last forecast is above a target, kW.

    target_kw: none: the lowest limit of the site's alert rules of kind `peak`; hours_ahead: how far is looked.
    """

    kind: Literal["peak_forecast"]
    target_kw: float | None = Field(default=None, gt=0)
    hours_ahead: int = Field(default=48, ge=1, le=168)

    def __str__(self) -> str:
        return f"P90 of the forecast above {f'{self.target_kw:g} kW' if self.target_kw else 'the peak target'}"


class MonthClosed(Model):
    """The month before, once, from a time of the site's clock on the day of the month on which it counts as closed."""

    kind: Literal["month_closed"]
    day: int = Field(default=5, ge=1, le=28)
    at: time = time(6)

    def __str__(self) -> str:
        return f"month closed on day {self.day} at {self.at:%H:%M} of the site's clock"


class OrderOpen(Model):
    """An open work order that was made of one of these sources."""

    kind: Literal["order_open"]
    sources: tuple[Literal["finding", "workflow", "recommendation"], ...] = Field(
        default=("recommendation",), min_length=1
    )

    def __str__(self) -> str:
        return f"open task made of a {' or '.join(self.sources)}"


class NotifyStep(Model):
    """A notice to people of these roles, and to these by person_id, over the channels that they chose.

    about: what set the workflow off, or the numbers of the day before.
    """

    step: Literal["notify"]
    name: Name
    after: tuple[Name, ...] = ()
    roles: tuple[Role, ...] = ()
    people: tuple[str, ...] = ()
    about: Literal["subject", "yesterday"] = "subject"

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.roles and not self.people:
            raise ValueError(f"step {self.name!r} notifies nobody: give it roles or people")
        return self


class OrderStep(Model):
    """A work order about what set the workflow off."""

    step: Literal["order"]
    name: Name
    after: tuple[Name, ...] = ()
    priority: Priority = "P3"


class ApprovalStep(Model):
    """An approval by a person of the role, other than who set the workflow off.

    Silence for `within_hours` asks the next role of `escalation` too, for as long again; of the last it means no.
    """

    step: Literal["approval"]
    name: Name
    after: tuple[Name, ...] = ()
    role: Role
    within_hours: int = Field(default=24, ge=1, le=720)
    escalation: tuple[Role, ...] = ()

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles in the order in which they decide."""
        return (self.role, *self.escalation)


class EscalateStep(Model):
    """A task that is still open after so many hours gets a priority, and people of these roles are notified."""

    step: Literal["escalate"]
    name: Name
    after: tuple[Name, ...] = ()
    hours: int = Field(default=48, ge=1, le=2160)
    roles: tuple[Role, ...] = Field(min_length=1)
    priority: Priority = "P2"


class CurtailStep(Model):
    """A curtailment plan that keeps the forecast peak at the target, proposed as an event of a programme.

    Nothing is executed before two people, or a class that two people signed, approved the event and one armed it.
    """

    step: Literal["curtail"]
    name: Name
    after: tuple[Name, ...] = ()
    prefer: Preference = "cost"
    programme: str = Field(default="own_peak", max_length=64, description="Whose event it becomes; none: a plan alone")


class ReportStep(Model):
    """Drafts in the library of these report templates about the month that closed."""

    step: Literal["report"]
    name: Name
    after: tuple[Name, ...] = ()
    templates: tuple[Name, ...] = Field(min_length=1)


class MvPlanStep(Model):
    """A draft of an M&V project for the task that set the workflow off, as text for the site file."""

    step: Literal["mv_plan"]
    name: Name
    after: tuple[Name, ...] = ()
    months: int = Field(default=12, ge=1, le=36)


Trigger = Annotated[
    AnomalyOpen | Daily | BillDiffers | PeakForecast | MonthClosed | OrderOpen, Field(discriminator="kind")
]
Step = Annotated[
    NotifyStep | OrderStep | ApprovalStep | EscalateStep | CurtailStep | ReportStep | MvPlanStep,
    Field(discriminator="step"),
]
# The trigger whose subject a step works on.
_NEEDS = {"curtail": "peak_forecast", "report": "month_closed", "mv_plan": "order_open"}


class Workflow(Model):
    """One definition. sites: of which alone; none named: all. Steps run in the order of the file, but behind those that
    `after` names.
    """

    name: Name
    title: str = Field(min_length=1)
    enabled: bool = True
    sites: tuple[str, ...] = ()
    trigger: Trigger
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_can_be_ordered(self) -> Self:
        names = [each.name for each in self.steps]
        twice = next((each for each in names if names.count(each) > 1), None)
        if twice:
            raise ValueError(f"two steps are called {twice!r}")
        for each in self.steps:
            for before in each.after:
                if before not in names:
                    known = ", ".join(names)
                    raise ValueError(f"step {each.name!r} is after {before!r}, which is none of the steps {known}")
        try:
            self.ordered()
        except CycleError as fault:
            raise ValueError(f"steps wait for each other: {' → '.join(fault.args[1])}") from None
        wrong = next((each.name for each in self.steps if _is_about_a_subject(each)), None)
        if wrong and isinstance(self.trigger, Daily):
            raise ValueError(f"step {wrong!r} needs a finding or a bill, and the trigger is a time of day")
        self._fits_its_trigger()
        return self

    def _fits_its_trigger(self) -> None:
        kind, has_order = self.trigger.kind, any(each.step == "order" for each in self.steps)
        for each in self.steps:
            if _NEEDS.get(each.step, kind) != kind:
                raise ValueError(f"step {each.name!r} ({each.step}) needs the trigger {_NEEDS[each.step]}, not {kind}")
            if each.step == "escalate" and not has_order and kind != "order_open":
                raise ValueError(f"step {each.name!r} has no task to escalate: put a step order before it")
        if isinstance(self.trigger, OrderOpen) and "workflow" in self.trigger.sources and has_order:
            raise ValueError("tasks of workflows set it off, and it makes such a task: it would never end")

    def ordered(self) -> list[Step]:
        """The steps in the order in which they run. Raises CycleError."""
        place = {each.name: at for at, each in enumerate(self.steps)}
        order, sorter = list[str](), TopologicalSorter({each.name: each.after for each in self.steps})
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=place.__getitem__)
            order += ready
            sorter.done(*ready)
        return [self.steps[place[each]] for each in order]


def _is_about_a_subject(step: Step) -> bool:
    return isinstance(step, OrderStep) or (isinstance(step, NotifyStep) and step.about == "subject")


class StepResult(Model):
    """A step of an instance. told: what came of it, in a few words; pattern, given: the same as a sentence, for what
    notices quote. level: of an approval, the place of the role that decides. figures: of a digest, as queries.
    """

    name: str
    step: str
    state: Literal["open", "asked", "waiting", "done", "refused"] = "open"
    told: str = ""
    pattern: str = ""
    given: tuple[str, ...] = ()
    level: int = 0
    figures: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Text that notices quote of it; empty where there is none."""
        return Sentence(self.pattern, *self.given) if self.pattern else ""

    def with_message(self, sentence: Sentence) -> "StepResult":
        """The step with what came of it."""
        given = tuple(map(str, sentence.given))
        return self.model_copy(update={"told": str(sentence), "pattern": sentence.pattern, "given": given})


class Instance(Model):
    """One run of a workflow as it stands. subject: what set it off; order_id: the work order that it made, or empty.

    person_id, reason: of who ran, approved or refused it last, or empty.
    """

    instance_id: str
    workflow: str
    site_id: str
    subject: str
    state: InstanceState
    steps: tuple[StepResult, ...] = ()
    order_id: str = ""
    person_id: str = ""
    reason: str = ""
    recorded_at_utc: datetime | None = None


def instance_id_of(workflow: str, site_id: str, subject: str) -> str:
    """The same for the same trigger, so that a look that is repeated makes no second instance."""
    return sha256("\n".join((workflow, site_id, subject)).encode()).hexdigest()[:12]
