"""An event of demand response as its page is given it: the course of the site's power around it, and its acts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING

from assets.kpi.running_cost.interval_costs import main_meters
from assets.sites.view import site_readings
from assets.stores.ledgers.dr_events import DrEvents
from controls.demand_response.load_programmes import programme_named
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from orchestration.views.usual_load import usual_site_kw
from reports.pages.dr_event_acts import EventActor
from reports.pages.dr_events import CourseStep, EventDetail

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

Steps = list[tuple[datetime, datetime]]
_STEP, _AROUND = timedelta(minutes=15), timedelta(hours=2)


def event_detail(
    project: "OpenProject", site: Site, event: DrEvent, *, now_utc: datetime, as_of_utc: datetime | None,
    actor: EventActor,
) -> EventDetail:  # fmt: skip
    """The event with everything that its page shows, as known at T."""
    events = DrEvents(project.store)
    return EventDetail(
        site=site, event=event, programme=programme_titles(project, [event])[event.programme],
        course=course_of(project, site, event, now_utc=now_utc),
        settlement=events.settlement(event.event_id, as_of_utc=as_of_utc),
        history=events.history(event, as_of_utc=as_of_utc),
        names=project.names, now_utc=now_utc, actor=actor,
    )  # fmt: skip


def programme_titles(project: "OpenProject", events: Sequence[DrEvent]) -> dict[str, str]:
    """Titles of the programmes of events; of one whose file is gone its name."""
    found = {}
    for name in {each.programme for each in events}:
        try:
            found[name] = programme_named(project.project.root, name).title
        except BadInput:
            found[name] = name
    return found


def course_of(project: "OpenProject", site: Site, event: DrEvent, *, now_utc: datetime) -> list[CourseStep]:
    """Usual and measured power by quarter hours, from two hours before an event to two hours after it."""
    steps, measured = power_around(project, site, event)
    usual = usual_site_kw(project.lake, site, steps, now_utc=min(now_utc, event.start_utc))
    return [CourseStep(start, usual.get(start), measured.get(start)) for start, _ in steps]


def power_around(project: "OpenProject", site: Site, event: DrEvent) -> tuple[Steps, dict[datetime, float]]:
    """Quarter hours from two hours before an event to two hours after it, and what was measured in them, kW."""
    first = event.start_utc - _AROUND
    # An event may begin within a quarter hour.
    first -= timedelta(seconds=first.timestamp() % _STEP.total_seconds())
    count = (event.end_utc + _AROUND - first) // _STEP
    steps = [(first + n * _STEP, first + (n + 1) * _STEP) for n in range(count)]
    return steps, measured_kw(project, site, steps)


def measured_kw(project: "OpenProject", site: Site, steps: Steps) -> dict[datetime, float]:
    """Power of the main meters together by steps that all of them have."""
    from ml.features.series import Stream, series_of

    first, after = steps[0][0], steps[-1][1]
    roots = main_meters(site)
    readings = site_readings(project.lake, site, start_utc=first, end_utc=after, meters=roots)
    total: dict[datetime, list[float]] = {}
    for root in roots:
        series = series_of(readings, site=site, stream=Stream(root, CONSUMPTION_REGISTER), end_utc=after, step=_STEP)
        for n, value in enumerate(series.values):
            total.setdefault(series.start_utc + n * _STEP, []).append(float(value))
    per_hour = timedelta(hours=1) / _STEP
    return {
        start: sum(values) * per_hour
        for start, values in total.items()
        if len(values) == len(roots) and all(isfinite(each) for each in values)
    }
