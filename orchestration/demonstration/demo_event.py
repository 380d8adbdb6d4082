"""The demo's event of demand response: called, planned, approved by two people, settled, reported, by its readings."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from assets.sites.load_sites import load_people
from controls.simulator.worlds.lapses import EVENT_HOURS, event_day
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock, FixedClock, zone
from orchestration.demand_response.acts import approve_event, arm_event, create_event, propose_event
from orchestration.demand_response.run import advance
from orchestration.demand_response.settle import settle_event
from orchestration.demonstration.demo_dispatch import sign_demo
from orchestration.demonstration.demo_tower import TOWER
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from reports.datasets.dr_events import day_of

PROGRAMME = "own_peak"


def run_event(
    project: ProjectResource, say: Callable[[str], None], *, until: date, clock: Clock
) -> tuple[DrEvent, Settlement] | None:
    """The tower's event, two months back, with its report as of `clock`; None where its loads do not give the target.

    Its loads have no device: people switch them, nothing is commanded.
    """
    site, people = project.site(TOWER), load_people(project.project.people_file)
    carla, anna = people.acting("carla", Role.OPERATOR), people.acting("anna", Role.APPROVER)
    start, end = (
        datetime.combine(event_day(until), time(hour), zone(site.time_zone)).astimezone(UTC) for hour in EVENT_HOURS
    )  # fmt: skip
    with closing(OpenProject(str(project.project.root))) as opened:
        at = partial(_at, start)
        before = at(hours=-20)
        span, target_kw = (start, end), 40.0
        act: dict[str, Any] = {"person": carla, "reason": "Demo: the day of the month's peak"}
        event, _ = create_event(opened, TOWER, PROGRAMME, span, target_kw, clock=before, source="demo", **act)
        made = propose_event(opened, event.event_id, clock=before, sign=partial(_sign, opened, carla, before), **act)
        if isinstance(made, Finding):
            say(f"event {event.event_id} has no plan: {made.message}")
            return None
        now, words = at(hours=-18), "Demo: loads and limits were looked at"
        approve_event(
            opened, event.event_id, made.digest, clock=now, person=anna, reason=words,
            sign=partial(_sign, opened, anna, now),
        )  # fmt: skip
        now = at(hours=-1)
        arm_event(
            opened, event.event_id, clock=now, person=carla, reason="Demo: the house engineer is on site",
            sign=partial(_sign, opened, carla, now),
        )  # fmt: skip
        advance(opened, at(minutes=0))
        advance(opened, FixedClock(end))
        settled = settle_event(opened, event.event_id, clock=FixedClock(end + timedelta(days=1)), person=carla)
        _report(opened, settled[0], clock)
    say(_outcome_text(*settled))
    return settled


def _report(project: OpenProject, event: DrEvent, clock: Clock) -> None:
    """The settled event on paper, as its own figures have it."""
    from reports.make_report import make_report

    site = project.site(event.site_id)
    request = replace(project.report_request(clock), templates_dir=None, maker="carla")
    make_report("dr_event", site, day_of(event, site.time_zone), request, event_id=event.event_id)


def _at(start: datetime, **later: float) -> FixedClock:
    return FixedClock(start + timedelta(**later))


def _sign(project: OpenProject, person: Person, clock: FixedClock, kind: str, subject: str, **facts: str) -> None:
    sign_demo(project, person, kind=kind, subject=subject, facts=facts, clock=clock)


def _outcome_text(event: DrEvent, settled: Settlement) -> str:
    lines = [f"event {event.event_id} {event.state}, target {settled.target_kwh:.0f} kWh"]
    for text, each in (("the programme's rule", settled.rule), ("best for this meter", settled.best)):
        if each is not None and each.shed_kwh is not None and each.interval_kwh is not None:
            low, high = each.interval_kwh
            lines.append(f"{text}, {each.method}: {each.shed_kwh:.0f} kWh shed (90 %: {low:.0f} to {high:.0f})")
    return "; ".join(lines)
