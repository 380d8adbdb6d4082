"""Settlement of an event by its programme's rule as written, with the best method for the site's meter beside it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from assets.kpi.running_cost.interval_costs import main_meters
from assets.sites.view import site_readings
from assets.stores.ledgers.dr_events import DrEvents
from controls.demand_response.event_life import income_and_penalty, least_kw, moved
from controls.demand_response.load_programmes import programme_named
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day, zone

if TYPE_CHECKING:
    from ml.event_baselines.event_case import EventCase
    from orchestration.open_project import OpenProject

# The errors of a method are measured on the last 130 days of a kind, and some more teach it.
_BEFORE = timedelta(days=400)
_STEP = timedelta(minutes=15)
# Readings that come or change later than that are settled by hand.
_LATE = timedelta(days=120)
# Of these an event day is no day without an event.
_BEGUN = ("active", "restore", "settled", "stopped")


def settle_event(
    project: "OpenProject", event_id: str, *, clock: Clock, person: Person | None = None
) -> tuple[DrEvent, Settlement]:
    """The settled event and its settlement, stored as the next version; the same figures again change nothing.

    person: None for a machine. Raises BadInput: an event that never began or is not over (not_over), without readings
    of its hours (no_readings), or what `event_case` refuses.
    """
    from ml.event_baselines.settle import settle
    from ml.event_baselines.settled_events import findings_of, settled_events

    if person is not None:
        expect(person, Permission.DR_EXECUTE)
    events, now_utc = DrEvents(project.store), clock.now_utc()
    event = events.named(event_id)
    is_over = event.state in ("restore", "stopped", "settled") and now_utc >= event.end_utc
    if not is_over or not _was_active(events, event):
        why = "only one that began and is over is settled"
        raise BadInput(f"event {event.event_id} is {event.state}: {why}", reason="not_over")
    name = person.person_id if person else ""
    # Computed before the transaction: methods take seconds.
    site, terms = project.site(event.site_id), programme_named(project.project.root, event.programme)
    case = _case(project, event)
    [(since_utc, until_utc)] = case.spans_utc
    settled = settle(case.grid, case.events)
    rows = {each.method: each for each in settled_events(case, settled)}
    best = next((rows.get(each.name) for each in settled.scores if each.chosen), None)
    rule = rows.get(terms.baseline)
    amounts = income_and_penalty(terms, event.target_kw, rule) if rule else None
    made = Settlement(
        event_id=event.event_id, site_id=event.site_id, rule=rule, best=best, methods=settled.scores,
        target_kwh=event.target_kw * ((until_utc - since_utc) / timedelta(hours=1)),
        least_kw=least_kw(rule) if rule else None, income=amounts[0] if amounts else None,
        penalty=amounts[1] if amounts else None, currency=site.currency, terms=terms,
        findings=tuple(findings_of(case, settled)), person_id=name,
    )  # fmt: skip
    with project.store.together():
        after = events.move(event, lambda now: moved(now, "settled", person_id=name, reason="settled"), clock)
        return after, events.settle(made, clock)


class SettledNow(NamedTuple):
    """An event that is over, with its newest settlement; without one why not."""

    event: DrEvent
    settlement: Settlement | None
    why_not: str = ""


def settle_over(project: "OpenProject", site_id: str, clock: Clock) -> list[SettledNow]:
    """Every event of a site that is over and read up to the end of its rebound settled, by their times.

    One whose readings are missing waits; one that nothing can settle says why, and holds up no other.
    """
    from orchestration.views.dr_event_view import measured_kw

    found = []
    for event in over(project, clock.now_utc()):
        if event.site_id != site_id:
            continue
        stands = DrEvents(project.store).settlement(event.event_id)
        first, after = whole_steps(event.start_utc, _behind(event))
        count = (after - first) // _STEP
        steps = [(first + n * _STEP, first + (n + 1) * _STEP) for n in range(count)]
        if len(measured_kw(project, project.site(event.site_id), steps)) != count:
            found.append(SettledNow(event, stands, "" if stands else "waits for readings of its hours"))
            continue
        try:
            found.append(SettledNow(*settle_event(project, event.event_id, clock=clock)))
        except BadInput as fault:
            found.append(SettledNow(event, stands, str(fault)))
    return found


def whole_steps(start_utc: datetime, end_utc: datetime) -> tuple[datetime, datetime]:
    """The quarter hours that lie in a span as a whole: what can be measured of an event that begins within one."""
    zero = datetime.min.replace(tzinfo=start_utc.tzinfo)
    return start_utc + (zero - start_utc) % _STEP, end_utc - (end_utc - zero) % _STEP


def expect_settled(span_utc: tuple[datetime, datetime], site: Site) -> None:
    """Raises BadInput for an event that no baseline could settle: across midnight, say, or a change of clocks."""
    from ml.event_baselines.event_case import window_of

    since_utc, until_utc = whole_steps(*span_utc)
    if until_utc <= since_utc:
        raise BadInput(Sentence("an event must hold one whole quarter hour, or nothing settles it"), reason="bad_event")
    window_of(since_utc, until_utc, zone(site.time_zone), _STEP, None)


def over(project: "OpenProject", now_utc: datetime) -> list[DrEvent]:
    """Events that began and are over, with the hours in which loads come back, by time; of the last days alone."""
    events = DrEvents(project.store)
    ended = [each for each in events.current() if each.state in ("restore", "stopped", "settled")]
    found = [each for each in ended if now_utc - _LATE < each.end_utc and _behind(each) <= now_utc]
    # A person may stop an event before it begins, and then nothing was shed.
    begun = [each for each in found if each.state != "stopped" or _was_active(events, each)]
    return sorted(begun, key=lambda each: each.start_utc)


def behind(project: "OpenProject", now_utc: datetime) -> dict[str, dict[str, str]]:
    """Site -> event that is over -> digest of the readings that its settlement rests on."""
    found: dict[str, dict[str, str]] = {}
    for each in over(project, now_utc):
        span = {"start_utc": each.start_utc - _BEFORE, "end_utc": _behind(each)}
        found.setdefault(each.site_id, {})[each.event_id] = project.lake.digest(each.site_id, **span)
    return found


def _behind(event: DrEvent) -> datetime:
    """The end of the hours after an event in which its rebound is measured."""
    return event.end_utc + (event.end_utc - event.start_utc)


def _was_active(events: DrEvents, event: DrEvent) -> bool:
    return any(each.state == "active" for each in events.history(event))


def _case(project: "OpenProject", event: DrEvent) -> "EventCase":
    """The site's power by days, and the event on it. Days of other events are in no baseline."""
    from ml.event_baselines.event_case import event_case
    from ml.features.civil import civil_of
    from ml.features.forecast_case import Case
    from ml.features.series import Series, Stream, measured_on, series_of
    from ml.features.weather_as_of import NO_WEATHER, FixedWeather
    from ml.forecasts.file_case import TEMPERATURE, FileCase

    site = project.site(event.site_id)
    # Up to the end of the event's day: rebound is measured in the hours after it.
    end_utc = whole_steps(event.start_utc, _behind(event))[1] + _STEP
    readings = site_readings(project.lake, site, start_utc=event.start_utc - _BEFORE, end_utc=end_utc)
    roots = main_meters(site)
    found = [
        series_of(readings, site=site, stream=Stream(each, CONSUMPTION_REGISTER), end_utc=end_utc, step=_STEP)
        for each in roots
    ]
    found = [each for each in found if len(each.values)]
    if not found or len(found) < len(roots) or any(each.start_utc > event.start_utc for each in found):
        raise BadInput(
            f"no readings of {site.name}'s main meters in the event: nothing to settle", reason="no_readings"
        )
    length = min(len(each.values) for each in found)
    values: Any = np.sum([each.values[len(each.values) - length :] for each in found], axis=0)
    series = Series(end_utc - length * _STEP, values, _STEP, found[0].unit)
    degc = measured_on(readings, site=site, grid=series, unit="degc")
    weather = NO_WEATHER if degc is None else FixedWeather((TEMPERATURE,), degc[:, None])
    civil = civil_of(site, series.start_utc, length + 1, _STEP)
    known = FileCase(Case(series, civil, weather), f"site:{site.site_id}", site.time_zone, (), None)
    others = {
        local_day(each.start_utc, site.time_zone)
        for each in DrEvents(project.store).current(event.site_id)
        if each.state in _BEGUN and each.event_id != event.event_id
    }
    case = event_case(known, [whole_steps(event.start_utc, event.end_utc)], excluded=others)
    return replace(case, other_event_days=frozenset(others))
