"""Acts of the demo's people: an event at the tower, the factory's digest with a task of its worst anomaly, and
a recommendation that is accepted.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from itertools import product
from typing import Any

from assets.sites.load_sites import load_people
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, recent
from controls.simulator.worlds.anchor import ANCHOR
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.time import Clock, FixedClock, local_midnight_utc
from orchestration.advice_asset import last_year
from orchestration.demonstration.demo_dates import digest_morning
from orchestration.demonstration.demo_event import run_event
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from orchestration.views import advice, work_orders
from orchestration.views.finding_sources import finding_of
from orchestration.workflows.run import advance, look, workflow_named
from orchestration.workflows.steps import digest_of
from orchestration.workflows.triggers import At
from reports.pages.tasks import title_of

SITE = "factory"


def demand_response(
    project: ProjectResource, say: Callable[[str], None], *, until: date, clock: Clock
) -> dict[str, Any] | None:  # fmt: skip
    """Id, state and settlement of the tower's event; None at ANCHOR, where nobody switched anything."""
    if until == ANCHOR:
        return None
    found = run_event(project, say, until=until, clock=clock)
    if found is None:
        return None
    event, settled = found
    kept = settled.model_dump(mode="json", include={"target_kwh", "rule", "best", "income", "penalty", "currency"})
    return {"id": event.event_id, "state": event.state, "settlement": kept}


def run_workflows(project: ProjectResource, clock: Clock, say: Callable[[str], None], *, until: date) -> dict[str, Any]:
    """Text of the newest digest that is due by the clock, up to that of the day before `until`, and the id of the
    order; an order is made once.
    """
    carla = load_people(project.project.people_file).acting("carla", Role.OPERATOR)
    with closing(OpenProject(str(project.project.root))) as opened:
        site = opened.site(SITE)
        due = digest_morning(until, site.time_zone, clock.now_utc())
        morning = FixedClock(due)
        at = At(opened, workflow_named(opened, "daily_digest"), site, morning)
        for each in look(at):
            advance(at, each)
        text = digest_of(opened, site, due.date() - timedelta(days=1), site.locale, morning.now_utc())
        say(f"digest: {text}")
        order_id = None
        if known := list(recent(AnomalyLedger(opened.store).current(SITE))):
            # The most severe one, of two the newest.
            worst = min(sorted(known, key=lambda one: one.end_utc, reverse=True), key=lambda one: one.severity)
            finding = finding_of(worst, site, locale=site.locale)
            made = work_orders.create(
                opened, site, clock, person=carla, title=title_of(finding, worst.cause), priority="P3",
                reason="Demo: somebody looks at it on site", finding_id=finding.finding_id,
            )  # fmt: skip
            order_id = made.order_id
            say(f"task {made.order_id} {made.priority}: {made.title}")
    return {"digest": str(text), "order": order_id}


def run_advice(project: ProjectResource, clock: Clock, say: Callable[[str], None], *, until: date) -> dict[str, Any]:
    """Number of recommendations by site, and id, order and baseline of the one that Anna accepted; None of none."""
    from ml.defs import tracker_of

    anna = load_people(project.project.people_file).acting("anna", Role.APPROVER)
    found, accepted = dict[str, int](), None
    with closing(OpenProject(str(project.project.root))) as opened:
        for site_id in ("factory", "tower"):
            site = opened.site(site_id)
            span = last_year(site, FixedClock(local_midnight_utc(until, site.time_zone)))
            made = advice.run(opened, site, span, clock, sources=opened.sources(keeps=False))
            found[site_id] = len(made)
            say(f"{site.name}: {len(made)} recommendations")
            best = next((each for each in made if each.savings_kwh > 0 and each.status == "new"), None)
            if accepted is None and best is not None:
                after, _ = advice.accept(
                    opened, best, clock, person=anna, reason="Demo: it costs an hour of work",
                    tracker=tracker_of(project),
                )  # fmt: skip
                accepted = {"id": after.recommendation_id, "order": after.order_id, "baseline": after.baseline}
                say(f"accepted: {after.kind} of {after.scope}, task {after.order_id}")
    return {"recommendations": found, "accepted": accepted}


# The site's own language, and another.
LANGUAGES = ("en", "de")


def run_disclosure(
    project: ProjectResource, clock: Clock, say: Callable[[str], None], *, until: date, full: bool = False
) -> list[str]:
    """Revisions of packs of the last full year: one pack of the factory and of the demo's organisation, and what the
    factory's measures are worth; full: all packs, of all sites too, in two languages and three formats.
    """
    from orchestration.views.pack_subjects import answers_of, groups_of, make_pack, pack_sources, subjects_of
    from reports.content.template_report import datasets_of
    from reports.content.templates import packs_of
    from reports.datasets import measures
    from reports.make_report import StoredReport

    with closing(OpenProject(str(project.project.root))) as opened:
        subjects, year = subjects_of(opened), until.year - 1
        first = date(year, 1, 1)
        packs = {name: each for name, each in packs_of().items() if each.framework and each.framework.holds(first)}
        wanted = [*product(subjects, packs)]
        if not full:
            # The pack that asks the most of those that are for the year, and what asks for measures.
            most = max(packs, key=lambda name: len(packs[name].points))
            wanted = [(name, most) for name in (SITE, *groups_of(opened))]
            wanted += [(SITE, name) for name, each in packs.items() if measures.NAME in datasets_of(each)]
        shared: dict[str, Any] = {
            "known": pack_sources(opened, clock), "maker": "carla", "answers": answers_of(opened),
            "formats": ("pdf", "xlsx", "json") if full else ("pdf", "xlsx"),
        }  # fmt: skip
        made, unread = list[StoredReport](), set[str]()
        for (name, pack), language in product(wanted, LANGUAGES if full else ("",)):
            subject = subjects[name]
            if subject.subject_id in unread:
                continue
            try:
                made.append(make_pack(opened, subject, pack, year, clock, language=language, **shared))
            except BadInput as fault:
                # A quick demo's tower has two months, and they may lie in the running year.
                if fault.reason != "no_readings":
                    raise
                unread.add(subject.subject_id)
                say(str(fault))
    names = [f"{each.content.report_id}@{each.content.revision}" for each in made]
    counts = [f"{each.content.report_id}: {len(each.content.data)} data points" for each in made]
    say(f"{len(names)} reports of {len(packs)} packs" if full else "; ".join(counts))
    return names
