"""Sites of a project as a benchmark takes them: use, floor area and quarter hours of those that somebody owns."""

from collections import Counter
from datetime import timedelta

import polars as pl

from assets.kpi.benchmark.register import RegisteredSite
from assets.kpi.scope_quarters import scope_quarters
from assets.sites.organisation import parts_of
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period


def owned_through(organisation: Organisation, period: Period) -> dict[str, str]:
    """Sites that the organisation owns through a period, with their use as its file names it, in small letters as
    registers have it: a part of a year is no year's energy. In the file's order.
    """
    uses = {each.site: each.subsector.casefold() for each in organisation.sites if each.subsector}
    days = Counter[str]()
    for part in parts_of(organisation, period):
        days[part.site_id] += part.period.days if part.share > 0 else 0
    return {name: uses.get(name, "") for name, owned in days.items() if owned == period.days}


def hours_through(organisation: Organisation, period: Period) -> dict[str, float]:
    """Opening hours a week of those sites of `owned_through` whose file states them, by the last that it states."""
    stated = {each.site: float(each.hours_per_week) for each in organisation.sites if each.hours_per_week is not None}
    return {name: stated[name] for name in owned_through(organisation, period) if name in stated}


def registered(site: Site, use: str, period: Period, hours_per_week: float | None = None) -> RegisteredSite:
    """A site as a register has it, with its floor area on the last day of the period, m²."""
    dated = [area.m2 for area in site.premises.floor_areas if area.holds_on(period.end - timedelta(days=1))]
    area = float(dated[0]) if dated else site.floor_area_m2
    return RegisteredSite(
        site=site.site_id, use=use, climate=site.country, floor_area_m2=area, hours_per_week=hours_per_week
    )


def quarters(site: Site, period: Period, readings: pl.DataFrame) -> pl.DataFrame:
    """Quarter hours of the site's electricity in which all its meters were read: site, start_utc, local_start (naive),
    minutes, hours, kwh. readings: LAKE_SCHEMA rows of the meters of `site:<id>`.
    """
    rows = scope_quarters(site, f"site:{site.site_id}", period, readings).filter(pl.col("coverage") == 1)
    start = pl.col("interval_start_utc")
    return rows.select(
        site=pl.lit(site.site_id),
        start_utc=start,
        local_start=start.dt.convert_time_zone(site.time_zone).dt.replace_time_zone(None),
        minutes=pl.lit(15, pl.Int64),
        hours=pl.lit(0.25),
        kwh=pl.col("kwh").cast(pl.Float64),
    )
