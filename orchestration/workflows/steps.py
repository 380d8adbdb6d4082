"""Steps of workflows: notices, tasks, approvals with escalation, and proposals (drafts, plans), each once."""

from datetime import date, timedelta
from functools import partial

from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.published.event_figures import figures_quoting
from assets.stores.transactions import Store
from data_quality.contracts.reporting.work_order import WorkOrder
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.time import parse_day
from data_quality.contracts.workflow import (
    ApprovalStep,
    CurtailStep,
    Done,
    EscalateStep,
    Instance,
    MvPlanStep,
    NotifyStep,
    OrderStep,
    ReportStep,
    Step,
    instance_id_of,
)
from orchestration.workflows.digest import digest_of, questions_of
from orchestration.workflows.notify import notices_to
from orchestration.workflows.proposals import curtailment, drafts, mv_plan
from orchestration.workflows.triggers import At, Subject, subjects_of
from reports.pages.tasks import title_of
from reports.texts.locales import named


def of(instance: Instance, step: Step) -> Done:
    """A step of an instance as it stands."""
    return next((each for each in instance.steps if each.name == step.name), Done(name=step.name, step=step.step))


def order_of(store: Store, instance: Instance) -> WorkOrder:
    """The task that an instance made, or that set it off. Raises BadInput (no_order)."""
    return WorkOrders(store).named(instance.order_id or instance.subject, instance.site_id)


def subject_of(at: At, instance: Instance) -> Subject:
    """Trigger of the instance in words of the site; of what is gone meanwhile its name alone."""
    found = subjects_of(at.workflow, at.project, at.site, at.clock.now_utc(), locale=at.site.locale, with_old=True)
    return next((each for each in found if each.name == instance.subject), Subject(instance.subject))


def prepared(at: At, step: Step, subject: Subject) -> Done | None:
    """A step that only proposes, after its work; None of every other."""
    done = Done(name=step.name, step=step.step, state="done")
    if isinstance(step, CurtailStep):
        return done.told_as(curtailment(at, step, subject))
    if isinstance(step, ReportStep):
        return done.told_as(drafts(at, step, subject))
    return done.told_as(mv_plan(at, step, subject)) if isinstance(step, MvPlanStep) else None


def do(at: At, step: Step, instance: Instance, subject: Subject) -> tuple[Done, str]:
    """The step after it was done, and the id of the order that it made."""
    done = Done(name=step.name, step=step.step, state="done")
    if isinstance(step, OrderStep):
        order = _order(at, step, instance, subject)
        return done.model_copy(update={"told": order.order_id}), order.order_id
    if isinstance(step, NotifyStep):
        told = _notify(at, step, instance, subject) or "nobody of them chose a channel"
        asked = questions_of(at.site, _yesterday(subject)).values() if step.about == "yesterday" else ()
        return done.model_copy(update={"told": told, "figures": tuple(map(str, asked))}), ""
    if isinstance(step, EscalateStep):
        return _escalated(at, step, instance, subject, done), ""
    if isinstance(step, ApprovalStep):
        return _asked(at, step, instance, subject), ""
    raise TypeError(f"step {step.step} is prepared, not done")


def _asked(at: At, step: ApprovalStep, instance: Instance, subject: Subject) -> Done:
    """An approval after the role is asked, the next one is, or nobody is left."""
    before, asked_utc = of(instance, step), instance.recorded_at_utc
    level = before.level
    if before.state == "asked" and asked_utc is not None:
        if at.clock.now_utc() - asked_utc <= timedelta(hours=step.within_hours):
            return before
        level += 1
    if level >= len(step.roles):
        told = f"nobody answered in {step.within_hours * len(step.roles)} h"
        return before.model_copy(update={"state": "refused", "told": told})
    role = step.roles[level]
    asking = NotifyStep(step="notify", name=f"{step.name}_{role.value}", roles=(role,))
    _notify(at, asking, instance, subject, Sentence("waits for an approval"))
    told = f"asks for the role {role.value}"
    return before.model_copy(update={"state": "asked", "told": told, "level": level})


def _yesterday(subject: Subject) -> date:
    return parse_day(subject.name, "day") - timedelta(days=1)


def _escalated(at: At, step: EscalateStep, instance: Instance, subject: Subject, done: Done) -> Done:
    """The step while its task is open, once it was for too long, or after it has ended."""
    before, order = of(instance, step), order_of(at.project.store, instance)
    if not order.is_open:
        return done.model_copy(update={"told": f"the task is {order.state}"})
    since_utc = instance.recorded_at_utc
    is_over = since_utc is not None and at.clock.now_utc() - since_utc > timedelta(hours=step.hours)
    if before.state != "waiting" or not is_over:
        return before.model_copy(update={"state": "waiting", "told": f"the task has {step.hours} h"})
    priority = min(step.priority, order.priority)
    WorkOrders(at.project.store).move(
        order, order.state, person_id="", reason=f"not done in {step.hours} h", clock=at.clock, priority=priority
    )
    asking = NotifyStep(step="notify", name=step.name, roles=step.roles)
    told = _notify(at, asking, instance, subject, Sentence("the task is not done after {0} h", step.hours))
    return done.model_copy(update={"told": f"{priority}; {told or 'nobody of them chose a channel'}"})


def _notify(at: At, step: NotifyStep, instance: Instance, subject: Subject, last: str = "") -> str:
    """Notices of a step into the outbox. Returns who gets one."""
    severity = subject.finding.severity if subject.finding is not None else 4
    worded = partial(_text, at, step, instance, subject, last)
    notices = notices_to(at.project, at.site, step, instance, worded, at.clock.now_utc(), severity=severity)
    Outbox(at.project.store).queue(notices, at.clock)
    return ", ".join(sorted({each.person_id for each in notices}))


def _order(at: At, step: OrderStep, instance: Instance, subject: Subject) -> WorkOrder:
    """The order of an instance, under an id made of the instance's: of its finding, else of the workflow itself."""
    finding, site = subject.finding, at.site
    title = title_of(finding, site.locale, subject.cause) if finding else f"{at.workflow.title}: {instance.subject}"
    quoted = figures_quoting(at.project.store, site.site_id).get(instance.subject, [])
    results = "; ".join(each.told for each in instance.steps if each.pattern)
    wanted = WorkOrder(
        order_id=instance_id_of(instance.instance_id, step.name, "order"), site_id=site.site_id, title=title,
        priority=step.priority, source_kind="finding" if finding else "workflow",
        source_id=instance.subject if finding else instance.instance_id, figure_ids=tuple(quoted),
        reason=": ".join(filter(None, (f"{at.workflow.name} {instance.instance_id}", results))),
    )  # fmt: skip
    return WorkOrders(at.project.store).create(wanted, at.clock)


def _text(at: At, step: NotifyStep, instance: Instance, subject: Subject, last: str, locale: str) -> str:
    """Text of the notice, as a sentence that the edge words."""
    name = named(at.site.name)
    if step.about == "yesterday":
        text = digest_of(at.project, at.site, _yesterday(subject), locale, at.clock.now_utc())
        return Sentence("{0}, {1}", name, text)
    what = subject.finding.what if subject.finding is not None else subject.what or subject.name
    told = sentences((what, *(each.sentence for each in instance.steps), last))
    return sentences((name, Sentence(at.workflow.title), told), ": ")
