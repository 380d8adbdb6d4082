"""Instances of workflows: seen, held until they are due, and their steps done, each once whatever is killed when.

The id of an instance is that of its trigger; ids of its order and its notices are made of it. A step and the row that
says so are one transaction.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.ledgers.workflow_instances import WorkflowInstances
from assets.stores.published.event_figures import figures_quoting
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.work_order import WorkOrder
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, parse_day
from data_quality.contracts.workflow import (
    ENDED,
    AnomalyOpen,
    ApprovalStep,
    Daily,
    Done,
    Instance,
    InstanceState,
    NotifyStep,
    OrderStep,
    Step,
    Workflow,
    instance_id_of,
)
from orchestration.workflows.digest import digest_of
from orchestration.workflows.load import workflow_named, workflows_of
from orchestration.workflows.notify import notices_to
from orchestration.workflows.triggers import Subject, fresh, subjects_of
from reports.pages.tasks import title_of
from reports.texts.locales import named

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


class At(NamedTuple):
    """A workflow at a site of a project."""

    project: "OpenProject"
    workflow: Workflow
    site: Site
    clock: Clock


def due(project: "OpenProject", clock: Clock) -> Iterator[tuple[At, Instance]]:
    """Every instance of every enabled workflow and site that has a step to do now."""
    for workflow in workflows_of(project).values():
        for site in project.sites.values() if workflow.enabled else ():
            if not workflow.sites or site.site_id in workflow.sites:
                at = At(project, workflow, site, clock)
                yield from ((at, each) for each in look(at))


def look(at: At, *, by: Person | None = None) -> list[Instance]:
    """Record what meets the trigger now, and what no longer does. Returns the instances that have a step to do.

    by: who asks for it by hand: nothing is held then, and nothing is too old.
    """
    ledger, workflow, site = WorkflowInstances(at.project.store), at.workflow, at.site
    is_daily, now_utc = isinstance(workflow.trigger, Daily), at.clock.now_utc()
    subjects = subjects_of(workflow, at.project, site, now_utc, with_old=by is not None)
    known = ledger.standing(site.site_id, workflow.name)
    if is_daily:
        subjects = fresh(subjects, [each.subject for each in known])
    steps = tuple(Done(name=each.name, step=each.step) for each in workflow.ordered())
    seen = [
        Instance(
            instance_id=instance_id_of(workflow.name, site.site_id, each.name), workflow=workflow.name,
            site_id=site.site_id, subject=each.name, state="watching", steps=steps,
            person_id=by.person_id if by is not None else "",
        )
        for each in subjects
    ]  # fmt: skip
    begun = {each.instance_id: each for each in [*known, *ledger.begin(seen, at.clock)]}
    here = {each.instance_id for each in seen}
    for name, each in begun.items():
        if each.state == "watching" and name not in here and not is_daily:
            begun[name] = ledger.put(each.model_copy(update={"state": "lapsed"}), at.clock)
    return [each for each in begun.values() if _is_due(each, workflow, now_utc, is_asked_for=by is not None)]


def _is_due(instance: Instance, workflow: Workflow, now_utc: datetime, *, is_asked_for: bool) -> bool:
    """Whether it has not ended, and has waited for as long as its trigger says since it was first seen; one that asks
    a person has a step to do again once nobody has answered in time.
    """
    seen_utc, trigger = instance.recorded_at_utc, workflow.trigger
    if instance.state == "asked" and seen_utc is not None:
        asking = next((each for each in workflow.steps if _of(instance, each).state == "asked"), None)
        return not isinstance(asking, ApprovalStep) or now_utc - seen_utc > timedelta(hours=asking.within_hours)
    if instance.state != "watching" or is_asked_for or not isinstance(trigger, AnomalyOpen) or seen_utc is None:
        return instance.state not in ENDED
    # The store's clock may be some microseconds ahead.
    return not trigger.minutes or now_utc - seen_utc >= timedelta(minutes=trigger.minutes)


def advance(at: At, instance: Instance) -> Instance:
    """Do the steps that are left, each in a transaction of its own, until one waits for a person."""
    ledger, subject = WorkflowInstances(at.project.store), _subject(at, instance)
    for step in at.workflow.ordered():
        with at.project.store.together():
            # As it stands: another process may have done the step meanwhile.
            instance = ledger.named(instance.instance_id)
            if instance.state in ENDED:
                return instance
            before = _of(instance, step)
            if before.state == "done":
                continue
            done, order_id = _do(at, step, instance, subject)
            if done != before:
                instance = ledger.put(_after(instance, done, order_id), at.clock)
        if instance.state in ("asked", "refused"):
            break
    return instance


def decide(
    project: "OpenProject", instance: Instance, clock: Clock, *, person: Person, reason: str, is_approved: bool
) -> Instance:
    """Record the answer to an instance that asks. Raises BadInput for one that asks nothing or no longer, a person
    without the role, who ran it (own_work), and an answer without reason.
    """
    at = At(project, workflow_named(project, instance.workflow), project.site(instance.site_id), clock)
    # Silence for too long was a no already.
    instance = advance(at, instance)
    asking = [
        each for each in at.workflow.steps if isinstance(each, ApprovalStep) and _of(instance, each).state == "asked"
    ]
    if instance.state != "asked" or not asking:
        raise BadInput(f"instance {instance.instance_id} is {instance.state} and asks nobody", reason="not_asked")
    person.must_be(asking[0].role)
    if person.person_id == instance.person_id:
        raise BadInput(f"{person.name} ran this workflow: another person approves it", reason="own_work")
    if not reason.strip():
        raise BadInput("an approval has a reason", reason="no_reason")
    word = "approved" if is_approved else "refused"
    done = _of(instance, asking[0]).model_copy(
        update={"state": "done" if is_approved else "refused", "told": f"{word} by {person.person_id}"}
    )
    said = {"person_id": person.person_id, "reason": reason.strip()}
    with project.store.together():
        ledger = WorkflowInstances(project.store)
        if ledger.named(instance.instance_id) != instance:
            raise BadInput("somebody answered it a moment ago", reason="changed_since")
        ledger.put(_after(instance, done).model_copy(update=said), clock)
    return advance(at, instance)


def _of(instance: Instance, step: Step) -> Done:
    return next((each for each in instance.steps if each.name == step.name), Done(name=step.name, step=step.step))


def _after(instance: Instance, done: Done, order_id: str = "") -> Instance:
    """The instance after a step; a step that the definition has only since it began is added."""
    others = [each for each in instance.steps if each.name != done.name]
    place = next((at for at, each in enumerate(instance.steps) if each.name == done.name), len(others))
    steps = (*others[:place], done, *others[place:])
    state: InstanceState = "done" if all(each.state == "done" for each in steps) else "running"
    if done.state in ("asked", "refused"):
        state = "asked" if done.state == "asked" else "refused"
    return instance.model_copy(update={"steps": steps, "state": state, "order_id": order_id or instance.order_id})


def _subject(at: At, instance: Instance) -> Subject:
    """What set the instance off, in words of the site; of what is gone meanwhile its name alone."""
    found = subjects_of(at.workflow, at.project, at.site, at.clock.now_utc(), locale=at.site.locale, with_old=True)
    return next((each for each in found if each.name == instance.subject), Subject(instance.subject))


def _do(at: At, step: Step, instance: Instance, subject: Subject) -> tuple[Done, str]:
    """The step after it was done, and the id of the order that it made."""
    now_utc, done = at.clock.now_utc(), Done(name=step.name, step=step.step, state="done")
    if isinstance(step, OrderStep):
        order = _order(at, step, instance, subject)
        return done.model_copy(update={"told": order.order_id}), order.order_id
    if isinstance(step, NotifyStep):
        severity = subject.finding.severity if subject.finding is not None else 4
        worded = partial(_text, at, step, subject)
        notices = notices_to(at.project, at.site, step, instance, worded, now_utc, severity=severity)
        Outbox(at.project.store).queue(notices, at.clock)
        told = ", ".join(sorted({each.person_id for each in notices}))
        return done.model_copy(update={"told": told or "nobody of them chose a channel"}), ""
    asked, asked_utc = _of(instance, step), instance.recorded_at_utc
    if asked.state == "asked" and asked_utc is not None:
        if now_utc - asked_utc <= timedelta(hours=step.within_hours):
            return asked, ""
        return done.model_copy(update={"state": "refused", "told": f"nobody answered in {step.within_hours} h"}), ""
    return done.model_copy(update={"state": "asked", "told": f"asks for the role {step.role.value}"}), ""


def _order(at: At, step: OrderStep, instance: Instance, subject: Subject) -> WorkOrder:
    """The order of an instance, under an id made of the instance's."""
    finding, site = subject.finding, at.site
    title = title_of(finding, site.locale, subject.cause) if finding else f"{at.workflow.title}: {instance.subject}"
    quoted = figures_quoting(at.project.store, site.site_id).get(instance.subject, [])
    wanted = WorkOrder(
        order_id=instance_id_of(instance.instance_id, step.name, "order"), site_id=site.site_id, title=title,
        priority=step.priority, source_kind="finding", source_id=instance.subject, figure_ids=tuple(quoted),
        reason=f"{at.workflow.name} {instance.instance_id}",
    )  # fmt: skip
    return WorkOrders(at.project.store).create(wanted, at.clock)


def _text(at: At, step: NotifyStep, subject: Subject, locale: str) -> str:
    """What the notice says, as a sentence that the edge words."""
    name = named(at.site.name)
    if step.about == "yesterday":
        day = parse_day(subject.name, "day") - timedelta(days=1)
        return Sentence("{0}, {1}", name, digest_of(at.project, at.site, day, locale))
    what = subject.finding.what if subject.finding is not None else subject.name
    return sentences((name, Sentence(at.workflow.title), what), ": ")
