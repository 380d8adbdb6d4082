"""Proposals of workflows: a curtailment plan, drafts of reports, the draft of an M&V project. Nothing is executed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.kpi.running_cost.interval_costs import main_meters
from assets.stores.whole_file import whole_file
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.time import local_day, months_after, parse_period
from data_quality.contracts.workflow import CurtailStep, MvPlanStep, ReportStep
from orchestration.workflows.triggers import At, Subject
from reports.texts.locales import format_alike, unit_text

if TYPE_CHECKING:
    from controls.demand_response.curtailment import Event

# Of every plan that is proposed; behind it stands what came of it.
_PLAN = "curtailment plan {0} proposed: {1} kWh ({2} to {3}), cost {4}"


def curtailment(at: At, step: CurtailStep, subject: Subject) -> Sentence:
    """A curtailment plan for a forecast peak, with the event that it became, or why there is none. Commands nothing."""
    from controls.demand_response.curtailment import Event, check_event

    if subject.peak is None:
        return Sentence("no curtailment plan: {0}", "the peak is not forecast any more")
    event = Event(subject.peak.start_utc, subject.peak.end_utc, subject.peak.over_kw)
    try:
        check_event(event, now_utc=at.clock.now_utc())
        return _planned(at, step, event, f"workflow:{at.workflow.name}:{subject.name}")
    except BadInput as fault:
        return Sentence("no curtailment plan: {0}", str(fault))


def _planned(at: At, step: CurtailStep, event: "Event", source: str) -> Sentence:
    from orchestration.views.usual_load import proposed_curtailment

    found = proposed_curtailment(at.project, at.site, event, at.clock.now_utc(), preference=step.prefer)
    plan = found.plan
    if isinstance(plan, Finding):
        return Sentence("no curtailment plan: {0}", plan.message)
    if not step.programme:
        return _plan_sentence(at, plan, f"{_PLAN}; nothing is switched by it")
    try:
        return _as_event(at, step, event, plan, found.drawn_kw, source)
    except BadInput as fault:
        return _plan_sentence(at, plan, f"{_PLAN}; no event: {{5}}", str(fault))


def _as_event(
    at: At,
    step: CurtailStep,
    event: "Event",
    plan: CurtailmentPlan,
    drawn_kw: Mapping[str, Sequence[float]],
    source: str,
) -> Sentence:
    """The plan as an event of the programme. One source has one event, and what people did with it meanwhile stands."""
    from orchestration.demand_response.acts import create_event, propose_plan, with_commands

    site, span, words = at.site, (event.start_utc, event.end_utc), f"workflow {at.workflow.name}"
    planned = with_commands(at.project, site, event, plan, drawn_kw, at.clock.now_utc())
    # Both or neither: an event that is called and has no plan would stand in the way of others.
    with at.project.store.together():
        made, _ = create_event(
            at.project, site.site_id, step.programme, span, event.target_kw, source=source, clock=at.clock, reason=words
        )
        if made.state == "created":
            made = propose_plan(at.project, made, planned, clock=at.clock, reason=words)
    if made.plan is None:
        return Sentence("no curtailment plan: {0}", f"event {made.event_id} is {made.state}")
    if made.state == "proposed":
        return _plan_sentence(
            at, made.plan, f"{_PLAN}; event {{5}} waits for the approval of two people", made.event_id
        )
    return _plan_sentence(at, made.plan, f"{_PLAN}; event {{5}} is {{6}}", made.event_id, made.state)


def _plan_sentence(at: At, plan: CurtailmentPlan, pattern: str, *given: str) -> Sentence:
    low, high = plan.interval_kwh
    [cost] = format_alike([round(plan.cost, 2)], at.site.currency, locale=at.site.locale)
    return Sentence(
        pattern, plan.id, f"{plan.expected_kwh:,.1f}", f"{low:,.1f}", f"{high:,.1f}",
        f"{cost} {unit_text(at.site.currency)}", *given,
    )  # fmt: skip


def drafts(at: At, step: ReportStep, subject: Subject) -> Sentence:
    """Drafts of templates about a month in the library; the same content again is the same revision.

    One that cannot be made is named with its reason and stops no other.
    """
    from reports.make_report import make_report

    project, results = at.project, list[str]()
    marts = project.project.marts_dir
    for name in step.templates:
        try:
            request = replace(
                project.report_request(at.clock), formats=("pdf", "xlsx"), maker=f"workflow:{at.workflow.name}",
                marts_dir=marts if any(marts.glob("mart_seu__day_enpi/*")) else None,
            )  # fmt: skip
            content = make_report(name, at.site, parse_period(subject.name, at.site.time_zone), request).content
            results.append(f"{content.report_id}@{content.revision}")
        except BadInput as fault:
            results.append(f"{name}: {fault}")
    return Sentence("drafts for review: {0}", "; ".join(results))


def mv_plan(at: At, step: MvPlanStep, subject: Subject) -> Sentence:
    """An M&V project for a task, as a draft file for the site file: of the use that the task's source names before a
    slash (hvac/setback), else of the whole site. Baseline: the twelve months before the next one; a person agrees.
    """
    if subject.order is None:
        return Sentence("no M&V plan: {0}", "the task has ended")
    order, site = subject.order, at.site
    today = local_day(at.clock.now_utc(), site.time_zone)
    start = months_after(today.replace(day=1), 1)
    seu = next((each for each in site.seus if each.seu_id == order.source_id.partition("/")[0]), None)
    draft = MvProject(
        project_id=f"order-{order.order_id}", name=order.title, option="C",
        boundary=f"the use {seu.seu_id}" if seu else "the whole site", seu=seu.seu_id if seu else None,
        meters=() if seu else main_meters(site), installation_start=start, installation_end=start,
        reporting_end=months_after(start, step.months),
    )  # fmt: skip
    # JSON is YAML: what stands there is what the contract took.
    text = (
        f"# Draft for the site file of {site.site_id}, by the task {order.order_id}. A person agrees and copies it.\n"
    )
    text += f"projects: [{draft.model_dump_json(exclude_defaults=True, exclude_none=True)}]\n"
    path = at.project.project.root / "workflows" / "drafts" / f"{at.site.site_id}_{subject.name}.yaml"
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return Sentence("M&V plan drafted: {0}", str(path.relative_to(at.project.project.root)))
