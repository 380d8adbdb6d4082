"""The course of an event: measured and usual values of its hours and of those around it."""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent
from data_quality.contracts.site_file.site import Site
from ml.anomaly_scoring.score_site import usual_of
from ml.features.series import Series, Stream, series_of

# Days before a span whose hours say what is usual, with some for days of another type.
_BEFORE = timedelta(days=50)


class EventCourse(NamedTuple):
    """An entry an hour: when it begins, what was measured and what is usual. unit: of an hour."""

    times: list[datetime]
    measured: list[float | None]
    usual: list[float | None]
    unit: str


def event_course(event: AnomalyEvent, series: Series, site: Site) -> EventCourse:
    """The hours of an event and a quarter of its length around them, a day at least."""
    first, after = _around(event)
    first, after = max(first, series.start_utc), min(after, series.end_utc)
    places = range(series.index(first), series.index(after))
    measured = [None if math.isnan(series.values[n]) else float(series.values[n]) for n in places]
    return EventCourse([series.time(n) for n in places], measured, usual_of(series, site, first, after), series.unit)


def stored_course(
    event: AnomalyEvent, site: Site, lake: Lake, *, as_of_utc: datetime | None = None
) -> EventCourse | None:
    """The course of a stored event by the readings as of then; None where there are none in its hours."""
    first, after = _around(event)
    readings = site_readings(
        lake, site, start_utc=first - _BEFORE, end_utc=after, as_of_utc=as_of_utc, meters=[event.meter_id]
    )
    series = series_of(readings, site=site, stream=Stream(event.meter_id, event.register_id), end_utc=after)
    if not len(series.values) or series.start_utc >= event.end_utc:
        return None
    return event_course(event, series, site)


def _around(event: AnomalyEvent) -> tuple[datetime, datetime]:
    around = max((event.end_utc - event.start_utc) / 4, timedelta(days=1))
    hour = timedelta(hours=1)
    return event.start_utc - around // hour * hour, event.end_utc + around // hour * hour
