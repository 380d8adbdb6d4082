"""Workflows as data: what sets one off, and its steps, each a notice, a work order or an approval."""

from datetime import datetime, time
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.people import Role
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.reporting.work_order import Priority

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
            raise ValueError(f"step {self.name!r} tells nobody: give it roles or people")
        return self


class OrderStep(Model):
    """A work order about what set the workflow off."""

    step: Literal["order"]
    name: Name
    after: tuple[Name, ...] = ()
    priority: Priority = "P3"


class ApprovalStep(Model):
    """An approval by a person of the role, other than who set the workflow off; silence for so long means no."""

    step: Literal["approval"]
    name: Name
    after: tuple[Name, ...] = ()
    role: Role
    within_hours: int = Field(default=24, ge=1, le=720)


Trigger = Annotated[AnomalyOpen | Daily | BillDiffers, Field(discriminator="kind")]
Step = Annotated[NotifyStep | OrderStep | ApprovalStep, Field(discriminator="step")]


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
        return self

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


class Done(Model):
    """A step of an instance. told: what came of it, in a few words."""

    name: str
    step: str
    state: Literal["open", "asked", "done", "refused"] = "open"
    told: str = ""


class Instance(Model):
    """One run of a workflow as it stands. subject: what set it off; order_id: the work order that it made, or empty.

    person_id, reason: of who ran, approved or refused it last, or empty.
    """

    instance_id: str
    workflow: str
    site_id: str
    subject: str
    state: InstanceState
    steps: tuple[Done, ...] = ()
    order_id: str = ""
    person_id: str = ""
    reason: str = ""
    recorded_at_utc: datetime | None = None


def instance_id_of(workflow: str, site_id: str, subject: str) -> str:
    """The same for the same trigger, so that a look that is repeated makes no second instance."""
    return sha256("\n".join((workflow, site_id, subject)).encode()).hexdigest()[:12]
