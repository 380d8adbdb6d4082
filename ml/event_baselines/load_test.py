"""A sheddable load in a planned test: what its meter drew less than the regression's baseline, with its interval."""

from datetime import datetime, timedelta

import polars as pl

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.sheddable_load import Evidence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from ml.event_baselines.event_case import event_case
from ml.event_baselines.settle import settle
from ml.event_baselines.settled_events import settled_events
from ml.features.series import HOUR, QUARTER, Stream
from ml.forecasts.file_case import FileCase
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target

_METHOD = "regression"


class LoadTest(Model):
    """A test of one load: mean power shed over [start, end) with its 90 % interval, and the evidence that it is."""

    load: str
    meter: str
    start_utc: datetime
    end_utc: datetime
    shed_kw: float
    interval_kw: tuple[float, float]
    baseline_kwh: float
    actual_kwh: float
    rebound_kwh: float | None
    ramp_flag: bool
    evidence: Evidence


def load_test(
    readings: pl.DataFrame, site: Site, load_id: str, meter: str, start_utc: datetime, end_utc: datetime
) -> LoadTest | Finding:
    """The test of a load by its meter. readings: LAKE_SCHEMA, of the meter and of the site's weather.

    A Finding where nothing is proven: too few days before, no interval, gaps, or a shed whose interval holds zero.
    Raises BadInput for an event that no baseline can settle.
    """
    whole_hours = all(each.minute == 0 for each in (start_utc, end_utc))
    target = Target(site.site_id, "stream", Stream(meter, CONSUMPTION_REGISTER), step=HOUR if whole_hours else QUARTER)
    case = target_case(readings, site=site, target=target, end_utc=end_utc + timedelta(hours=6))
    if isinstance(case, Finding):
        return case
    if not len(case.series.values):
        return _unproven(load_id, f"{meter} has no readings before the event")
    known = FileCase(case, f"meter:{meter}", site.time_zone, (), weather_until=None)
    events = event_case(known, [(start_utc, end_utc)])
    rows = settled_events(events, settle(events.grid, events.events, methods=(_METHOD,)))
    if not rows:
        return _unproven(load_id, "fewer than 20 days of the same kind before the month of the event")
    [row] = rows
    if row.shed_kwh is None or row.interval_kwh is None or row.baseline_kwh is None or row.actual_kwh is None:
        return _unproven(load_id, "too few days without an event to give an interval, or no readings in the event")
    if any(each.actual_kwh is None for each in row.intervals):
        return _unproven(load_id, "readings are missing in the event")
    low, high = row.interval_kwh
    if low <= 0:
        said = f"{row.shed_kwh:,.1f} kWh less than expected, and the interval {low:,.1f} to {high:,.1f} kWh holds zero"
        return _unproven(load_id, said)
    hours = (end_utc - start_utc) / HOUR
    return LoadTest(
        load=load_id, meter=meter, start_utc=start_utc, end_utc=end_utc, shed_kw=round(row.shed_kwh / hours, 3),
        interval_kw=(round(low / hours, 3), round(high / hours, 3)), baseline_kwh=row.baseline_kwh,
        actual_kwh=row.actual_kwh, rebound_kwh=row.rebound_kwh, ramp_flag=row.ramp_flag,
        evidence=Evidence(
            basis="tested", on=start_utc.astimezone(zone(site.time_zone)).date(),
            half_width_share=round((high - low) / 2 / row.shed_kwh, 3),
        ),
    )  # fmt: skip


def _unproven(load_id: str, said: str) -> Finding:
    return Finding(code="load_not_proven", scope=f"load:{load_id}", message=f"{load_id}: not proven: {said}")
