"""Energy of one quarter hour of a scope, from its readings: the marts know no time shorter than an hour."""

from decimal import Decimal

import polars as pl

from assets.kpi.scope_quarters import scope_quarters
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.time import Period, parse_instant
from reports.recompute.figure_sources import Sources, parse_dates

QUARTER = "scope_quarter"


def scope_quarter(trace: Trace, sources: Sources) -> Decimal | None:
    """KWh; None where nothing was read. parameters: site, scope, start, end: the local day; quarter_start_utc."""
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    start, end = parse_dates(named)
    day = Period(label="", start=start, end=end, time_zone=site.time_zone)
    readings = sources.stream_readings(site, sources.meters(site, named["scope"]), start, end, trace.as_of_utc)
    rows = scope_quarters(site, named["scope"], day, readings)
    found = rows.filter(pl.col("interval_start_utc") == parse_instant(named["quarter_start_utc"]))["kwh"]
    return None if found.is_empty() else found[0]
