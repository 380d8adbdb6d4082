"""Readings behind a load: usual power and drivers of hours to come, the year before a test, a plan for an event."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from assets.kpi.running_cost.interval_costs import main_meters
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.dr_events import AcceptedLoads
from controls.demand_response.curtailment import Event, library_for, plan_curtailment
from data_quality.contracts.control.curtailment import CurtailmentPlan, Preference
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.sheddable_load import ShedByDriver
from data_quality.contracts.site_file.site import Site
from data_quality.reading_grid import DRIVER_REGISTER
from ml.anomaly_scoring.score_site import usual_of
from ml.features.series import HOUR, Stream, series_of

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


_BEFORE = timedelta(days=50)
_YEAR, _AFTER = timedelta(days=400), timedelta(hours=6)


def usual_power_kw(
    lake: Lake, site: Site, steps: Sequence[tuple[datetime, datetime]], *, now_utc: datetime
) -> dict[str, list[float]]:
    """Usual power of the meters of sheddable loads in each step, kW, by local hour and kind of day.

    A meter without readings is left out; so is one that has none of a step's hour.
    """
    meters = sorted({load.meter for load in site.sheddable_loads if load.meter})
    found = {}
    for meter in meters:
        hours = _usual_hours(lake, site, Stream(meter, CONSUMPTION_REGISTER), steps, now_utc)
        if hours and None not in hours.values():
            found[meter] = [float(hours[_hour(start)] or 0.0) for start, _ in steps]
    return found


def usual_site_kw(
    lake: Lake, site: Site, steps: Sequence[tuple[datetime, datetime]], *, now_utc: datetime
) -> dict[datetime, float]:
    """Usual power of a site's main meters by steps, kW; empty where one of them has no readings of these hours."""
    found = [_usual_hours(lake, site, Stream(each, CONSUMPTION_REGISTER), steps, now_utc) for each in main_meters(site)]
    if not found or not all(found) or any(None in hours.values() for hours in found):
        return {}
    return {start: sum(float(hours[_hour(start)] or 0.0) for hours in found) for start, _ in steps}


def usual_peak_kw(lake: Lake, site: Site, steps: Sequence[tuple[datetime, datetime]], *, now_utc: datetime) -> float:
    """Highest usual power of a site in the hours of the steps, kW; 0 where it is not known."""
    return max(usual_site_kw(lake, site, steps, now_utc=now_utc).values(), default=0.0)


def usual_drivers(
    lake: Lake, site: Site, start_utc: datetime, end_utc: datetime, *, now_utc: datetime
) -> dict[str, float]:
    """Mean of the usual values of drivers that loads depend on, over a span."""
    names = {load.max_shed_kw.driver for load in site.sheddable_loads if isinstance(load.max_shed_kw, ShedByDriver)}
    found = {}
    for name in sorted(names):
        hours = _usual_hours(lake, site, Stream(name, DRIVER_REGISTER), [(start_utc, end_utc)], now_utc)
        if known := [value for value in hours.values() if value is not None]:
            found[name] = float(np.mean(known))
    return found


def readings_around_test(lake: Lake, site: Site, meter: str, end_utc: datetime) -> pl.DataFrame:
    """Readings of a meter and of the site's temperatures, a year before a test's end and the hours of its rebound."""
    degc = [each.driver_id for each in site.drivers if each.unit == "degc"]
    return site_readings(lake, site, start_utc=end_utc - _YEAR, end_utc=end_utc + _AFTER, meters=[meter, *degc])


def _usual_hours(
    lake: Lake, site: Site, stream: Stream, steps: Sequence[tuple[datetime, datetime]], now_utc: datetime
) -> dict[datetime, float | None]:
    """Usual value of each UTC hour of the steps; empty without readings in the weeks before."""
    first, after = _hour(steps[0][0]), _hour(steps[-1][1] - timedelta(microseconds=1)) + HOUR
    readings = site_readings(lake, site, start_utc=first - _BEFORE, end_utc=now_utc, meters=[stream.stream_id])
    series = series_of(readings, site=site, stream=stream, end_utc=after)
    if not len(series.values) or series.start_utc >= first:
        return {}
    return {first + n * HOUR: value for n, value in enumerate(usual_of(series, site, first, after))}


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


class Proposal(NamedTuple):
    """The plan, or a finding why the loads do not give the target; limits of the library; usual power of its meters in
    the steps of the event, kW.
    """

    plan: CurtailmentPlan | Finding
    limits: tuple[str, ...]
    drawn_kw: dict[str, list[float]]


def proposed_curtailment(
    project: "OpenProject", site: Site, event: Event, now_utc: datetime, *, preference: Preference
) -> Proposal:
    """The proposal for an event that was checked before. Raises BadInput (no_loads)."""
    if not site.sheddable_loads:
        mend = "add sheddable_loads to its file"
        raise BadInput(f"site {site.site_id} has no sheddable load", reason="no_loads", mend=mend)
    site = AcceptedLoads(project.store).site(site)
    drawn_kw = usual_power_kw(project.lake, site, event.steps(), now_utc=now_utc)
    drivers = usual_drivers(project.lake, site, event.start_utc, event.end_utc, now_utc=now_utc)
    library = library_for(site, event, now_utc=now_utc, drivers=drivers, drawn_kw=drawn_kw)
    return Proposal(plan_curtailment(site, event, library, preference=preference), library.limits, drawn_kw)
