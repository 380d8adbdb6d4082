"""Steps of workflows: notices, tasks, approvals with escalation, and proposals (drafts, plans), each once."""

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from assets.stores.ledgers.notices import Outbox
from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.published.event_figures import figures_quoting
from assets.stores.transactions import Store
from assets.stores.warehouse.marts import if_published, read_mart
from data_quality.contracts.access.permissions import sees_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import Notice, id_of
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.reporting.work_order import WorkOrder
from data_quality.contracts.sentence import Sentence, parts_of, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_day
from data_quality.contracts.workflow import (
    ApprovalStep,
    CurtailStep,
    EscalateStep,
    Instance,
    MvPlanStep,
    NotifyStep,
    OrderStep,
    ReportStep,
    Step,
    StepResult,
    instance_id_of,
)
from orchestration.notices.choices import choices_of, may_be_notified
from orchestration.notices.decide import quiet_end
from orchestration.workflows.proposals import curtailment, drafts, mv_plan
from orchestration.workflows.triggers import At, Subject, subjects_of
from reports.assess import Asking
from reports.figures.answer import figures_of
from reports.figures.query import Query
from reports.pages.tasks import PATH, in_letters, title_of
from reports.texts.locales import format_alike, long_date, named, page_word, unit_text

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


def of(instance: Instance, step: Step) -> StepResult:
    """A step of an instance as it stands."""
    return next((each for each in instance.steps if each.name == step.name), StepResult(name=step.name, step=step.step))


def order_of(store: Store, instance: Instance) -> WorkOrder:
    """The task that an instance made, or that set it off. Raises BadInput (no_order)."""
    return WorkOrders(store).named(instance.order_id or instance.subject, instance.site_id)


def subject_of(at: At, instance: Instance) -> Subject:
    """Trigger of the instance in words of the site; of what is gone meanwhile its name alone."""
    found = subjects_of(at.workflow, at.project, at.site, at.clock.now_utc(), locale=at.site.locale, with_old=True)
    return next((each for each in found if each.name == instance.subject), Subject(instance.subject))


def prepared(at: At, step: Step, subject: Subject) -> StepResult | None:
    """A step that only proposes, after its work; None of every other."""
    done = StepResult(name=step.name, step=step.step, state="done")
    if isinstance(step, CurtailStep):
        return done.with_message(curtailment(at, step, subject))
    if isinstance(step, ReportStep):
        return done.with_message(drafts(at, step, subject))
    return done.with_message(mv_plan(at, step, subject)) if isinstance(step, MvPlanStep) else None


def do(at: At, step: Step, instance: Instance, subject: Subject) -> tuple[StepResult, str]:
    """The step after it was done, and the id of the order that it made."""
    done = StepResult(name=step.name, step=step.step, state="done")
    if isinstance(step, OrderStep):
        order = _order(at, step, instance, subject)
        return done.model_copy(update={"told": order.order_id}), order.order_id
    if isinstance(step, NotifyStep):
        outcome = _notify(at, step, instance, subject) or "nobody of them chose a channel"
        figures = questions_of(at.site, _yesterday(subject)).values() if step.about == "yesterday" else ()
        return done.model_copy(update={"told": outcome, "figures": tuple(map(str, figures))}), ""
    if isinstance(step, EscalateStep):
        return _escalated(at, step, instance, subject, done), ""
    if isinstance(step, ApprovalStep):
        return _approval(at, step, instance, subject), ""
    raise TypeError(f"step {step.step} is prepared, not done")


def _approval(at: At, step: ApprovalStep, instance: Instance, subject: Subject) -> StepResult:
    """An approval after the role is asked, the next one is, or nobody is left."""
    before, asked_utc = of(instance, step), instance.recorded_at_utc
    level = before.level
    if before.state == "asked" and asked_utc is not None:
        if at.clock.now_utc() - asked_utc <= timedelta(hours=step.within_hours):
            return before
        level += 1
    if level >= len(step.roles):
        outcome = f"nobody answered in {step.within_hours * len(step.roles)} h"
        return before.model_copy(update={"state": "refused", "told": outcome})
    role = step.roles[level]
    asking = NotifyStep(step="notify", name=f"{step.name}_{role.value}", roles=(role,))
    _notify(at, asking, instance, subject, Sentence("waits for an approval"))
    outcome = f"asks for the role {role.value}"
    return before.model_copy(update={"state": "asked", "told": outcome, "level": level})


def _yesterday(subject: Subject) -> date:
    return parse_day(subject.name, "day") - timedelta(days=1)


def _escalated(at: At, step: EscalateStep, instance: Instance, subject: Subject, done: StepResult) -> StepResult:
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
    notified = _notify(at, asking, instance, subject, Sentence("the task is not done after {0} h", step.hours))
    return done.model_copy(update={"told": f"{priority}; {notified or 'nobody of them chose a channel'}"})


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
    title = (
        title_of(finding, subject.cause)
        if finding
        else Sentence("{0}: {1}", Sentence(at.workflow.title), instance.subject)
    )
    quoted = figures_quoting(at.project.store, site.site_id).get(instance.subject, [])
    results = "; ".join(each.told for each in instance.steps if each.pattern)
    wanted = WorkOrder(
        order_id=instance_id_of(instance.instance_id, step.name, "order"), site_id=site.site_id,
        title=in_letters(title, site.locale), title_parts=parts_of(title),
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
    course = sentences((what, *(each.sentence for each in instance.steps), last))
    return sentences((name, Sentence(at.workflow.title), course), ": ")


SOURCE = "workflows"


def notices_to(
    project: "OpenProject",
    site: Site,
    step: NotifyStep,
    instance: Instance,
    worded: Callable[[str], str],
    now_utc: datetime,
    *,
    severity: Severity,
) -> list[Notice]:
    """Notices of a step, one a channel of each person whom it names, by id or role, and who sees the site.

    A workflow names its people, so their severity limit does not count; a list of sources does, and quiet hours do.
    """
    made = []
    for person in project.people.people:
        is_named = person.person_id in step.people or set(step.roles) & set(person.roles)
        if not is_named or not may_be_notified(person) or not sees_site(person, site.site_id):
            continue
        choices = choices_of(project.store, person.person_id)
        text = page_word(worded(choices.locale), choices.locale) if choices.ways else ""
        held_utc = quiet_end(choices.quiet, site.time_zone, now_utc) if severity > 1 else None
        for way in choices.ways:
            if way.sources and SOURCE not in way.sources:
                continue
            made.append(
                Notice(
                    notice_id=id_of(instance.instance_id, step.name, person.person_id, way.channel, way.address),
                    person_id=person.person_id, site_id=site.site_id, finding_id=instance.instance_id,
                    channel=way.channel, address=way.address, severity=severity, text=text,
                    cause=f"{site.site_id} {SOURCE} {instance.workflow}", per_hour=choices.per_hour,
                    link=f"{project.project.settings.server.web_url}{PATH}?site={site.site_id}",
                    next_utc=held_utc or now_utc, kind="workflow",
                )
            )  # fmt: skip
    return made


DAY_KPIS = {"consumption_kwh": "Energy", "cost": "Cost", "emission_kgco2e": "Carbon"}


def digest_of(project: "OpenProject", site: Site, day: date, locale: str, now_utc: datetime) -> str:
    """Sentence about a local day of 23, 24 or 25 hours, of the published marts; what they do not have is said."""
    figures = figures_of_day(project, site, day, now_utc)
    figures_text = day_text(day, figures, locale)
    return sentences((figures_text, _against(project, site, day, locale)), "; ") if figures else figures_text


def day_text(day: date, figures: Mapping[str, tuple[float, str]], locale: str) -> str:
    """The figures of a day in a line. figures: value and unit by measure, of those that are known."""
    if not figures:
        return Sentence("{0}: no readings yet", long_date(day, locale))
    amounts = [
        _amount(*figures[kpi], locale) if kpi in figures else Sentence("{0}: not known", Sentence(title))
        for kpi, title in DAY_KPIS.items()
    ]
    return Sentence("{0}: {1}", long_date(day, locale), sentences(amounts, ", "))


def questions_of(site: Site, day: date) -> dict[str, Query]:
    """The digest's figures by measure, each as the question that its page of reasons answers."""
    span = f"{day}/{day + timedelta(days=1)}"
    return {kpi: Query(measure=kpi, scopes=(f"site:{site.site_id}",), span=span) for kpi in DAY_KPIS}


def figures_of_day(project: "OpenProject", site: Site, day: date, now_utc: datetime) -> dict[str, tuple[float, str]]:
    """Value and unit of those that the published marts have."""
    marts = project.project.marts_dir
    given = Asking(
        site=site, sources=project.sources(keeps=False), marts_dir=marts, read=partial(read_mart, marts),
        as_of_utc=now_utc,
    )  # fmt: skip
    found = {}
    for kpi, question in questions_of(site, day).items():
        try:
            figure, _ = figures_of(question, given)
        except BadInput as fault:
            if fault.reason not in ("no_number", "mart_missing"):
                raise
            continue
        if figure.value is not None:
            found[kpi] = float(figure.value), figure.unit
    return found


def _against(project: "OpenProject", site: Site, day: date, locale: str) -> str:
    """Uses that have an approved baseline and are compared on the day, together."""
    approved = {each.baseline_id for each in project.baselines.versions() if each.status == "approved"}
    rows = if_published(
        lambda: read_mart(
            project.project.marts_dir, "mart_seu__day_enpi", site_id=site.site_id, where=pl.col("local_date") == day
        ),
        lambda _: pl.DataFrame(),
    )
    found = compared_kwh(rows, site, approved)
    return (
        ""
        if found is None
        else Sentence("uses with a baseline took {0}, expected {1}", *(_amount(each, "kwh", locale) for each in found))
    )


def compared_kwh(rows: pl.DataFrame, site: Site, approved: Collection[str]) -> tuple[float, float] | None:
    """Measured and expected energy of the uses whose baselines are approved; of those that overlap none, for their
    energy is in others. rows: of mart_seu__day_enpi. None where no use is compared.
    """
    if rows.is_empty():
        return None
    apart = [each.seu_id for each in site.seus if not each.is_aggregate]
    counted = pl.col("is_compared") & pl.col("baseline_id").is_in(list(approved)) & pl.col("seu_id").is_in(apart)
    rows = rows.filter(counted)
    return None if rows.is_empty() else (float(rows["actual_kwh"].sum()), float(rows["expected_kwh"].sum()))


def _amount(value: float, unit: str, locale: str) -> str:
    [text] = format_alike([round(value, 2)], unit, locale=locale)
    return f"{text} {unit_text(unit)}"
