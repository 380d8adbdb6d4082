"""Stored anomaly events as known at an instant, and the numbers of theirs that a figure quotes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.time import Period, parse_period
from reports.recompute.figure_sources import Sources, stored_sha256

FIELDS = ("measured_kwh", "expected_kwh", "kwh", "cost")
_EVIDENCE = {"measured_kwh": "measured", "expected_kwh": "expected"}
EVENT, EVENTS = "event", "events"


def events_of(sources: Sources, site_id: str, as_of_utc: datetime | None) -> list[AnomalyEvent]:
    """The events of a site that the detectors found then, by time."""
    key = ("anomaly events", site_id, as_of_utc)
    return sources.keep(key, lambda: AnomalyLedger(sources.lake.store).current(site_id, as_of_utc=as_of_utc))


def events_in(events: Sequence[AnomalyEvent], period: Period) -> list[AnomalyEvent]:
    """Events that begin in the period: each stands in one month."""
    return [each for each in events if period.start_utc <= each.start_utc < period.end_utc]


def event_number(event: AnomalyEvent, field: str) -> Decimal | None:
    """A number of an event as it is stored; None where it counts no energy, or has no cost. Raises OurFault."""
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not a number of an event")
    if event.kwh is None:
        return None
    if field in _EVIDENCE:
        value = next((each["value"] for each in event.evidence if each["name"] == _EVIDENCE[field]), None)
    else:
        value = getattr(event, field)
    return None if value is None else Decimal(repr(value))


def number(sources: Sources, site_id: str, event_id: str, as_of_utc: datetime, field: str) -> Decimal | None:
    """The same of a stored event by its id. Raises BadInput for an event that was not known then."""
    found = next((each for each in events_of(sources, site_id, as_of_utc) if each.event_id == event_id), None)
    if found is None:
        raise BadInput(f"no event {event_id!r} of site {site_id!r} was known then", reason="no_event")
    return event_number(found, field)


def event_input(event: AnomalyEvent) -> TraceInput:
    """An event as an input: its id and the hash of what is stored of it."""
    return TraceInput(kind="version", id=f"{event.site_id}/{event.event_id}", role=EVENT, sha256=stored_sha256([event]))


def events_input(sources: Sources, site_id: str, period: Period, as_of_utc: datetime) -> TraceInput:
    """The events of a period as an input `site/start/end`."""
    found = events_in(events_of(sources, site_id, as_of_utc), period)
    return TraceInput(
        kind="version", id=f"{site_id}/{period.start}/{period.end}", role=EVENTS, sha256=stored_sha256(found),
        value=f"{len(found)} events",
    )  # fmt: skip


def event_input_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    """The digest that an input of these roles has now, or had at an instant; empty where it is gone."""
    site_id, _, rest = given.id.partition("/")
    events = events_of(sources, site_id, as_of_utc)
    if given.role == EVENT:
        found = next((each for each in events if each.event_id == rest), None)
        return "" if found is None else stored_sha256([found])
    if site_id not in sources.sites:
        return ""
    return stored_sha256(events_in(events, parse_period(rest, sources.sites[site_id].time_zone)))
