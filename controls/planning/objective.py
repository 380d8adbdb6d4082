"""The objective of a site's plans and the carbon intensity of each step, put into a request."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.carbon.factor_choice.meter_factors import electricity_factors, known_factors
from assets.stores.lake.lake import Lake
from controls.optimiser.case import case_of
from controls.optimiser.objective import measures_wanted
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site

# By UTC start of each quarter hour, kgCO2e per kWh of imported electricity.
Intensity = Mapping[datetime, float]


def with_objective(request: PlanRequest, site: Site, lake: Lake) -> PlanRequest | Finding:
    """The request with the site's objective; a blocking finding where it counts carbon that is not known."""
    wanted = site.objective
    found = request.model_copy(update={"objective": wanted})
    if wanted.is_default:
        return found
    steps = [start for start, _ in case_of(request).windows_utc]
    source, known = intensity(site, lake, steps)
    missing = [step for step in steps if step not in known]
    if missing and "carbon" in measures_wanted(wanted):
        first = missing[0].astimezone(ZoneInfo(site.time_zone))
        return Finding(
            code="no_carbon_intensity",
            severity="blocking",
            scope=site.site_id,
            message=(
                f"the objective {wanted.preset} counts carbon, and that of a kWh is not known ({source}) from"
                f" {first:%Y-%m-%d %H:%M} on: give an electricity factor or objective.carbon_stream in the site file"
            ),
            facts={"steps_missing": len(missing)},
        )
    if missing:
        return found
    per_step = tuple(known[step] for step in steps)
    return found.model_copy(
        update={"carbon_kgco2e_per_kwh": per_step, "inputs": request.inputs | {"carbon_intensity": source}}
    )


def intensity(site: Site, lake: Lake, steps: list[datetime]) -> tuple[str, Intensity]:
    """Where the carbon of a kWh is known from, and it: the objective's stream, else the location-based factors.

    The two are never mixed: a factor of the year beside the hours of a stream would make the stream's holes look clean
    or dirty. Steps: UTC starts of quarter hours.
    """
    zone, stream = ZoneInfo(site.time_zone), site.objective.carbon_stream
    if stream is not None:
        end = steps[-1] + timedelta(minutes=1)
        rows = lake.current(site.site_id, start_utc=steps[0], end_utc=end, meters=[stream])
        known = rows.filter(pl.col("unit") == "kgco2e_per_kwh").select("interval_start_utc", "value")
        return f"stream {stream}", dict(known.iter_rows())
    days = {step: step.astimezone(zone).date() for step in steps}
    factors = electricity_factors(
        known_factors(site, lake.store), min(days.values()), max(days.values()) + timedelta(1)
    )
    by_day = {day: float(value) for day, value in factors.iter_rows() if value is not None}
    return "factors of the site", {step: by_day[day] for step, day in days.items() if day in by_day}
