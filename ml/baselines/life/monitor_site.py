"""Monitoring of a site's uses: rows from the lake, the weekly refit, and the last days beside their prediction."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.sites.calendar import quarter_hours
from assets.sites.view import site_readings
from assets.sites.virtual import streams_for
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Driver, Seu, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock, local_midnight_utc
from ml.baselines.life.monitoring import LEVEL, VIEW_DAYS, compare, fit_monitoring, refit_due, training_window
from ml.tracker import Tracker, log_baseline

HOURS = CANONICAL_MINUTES / 60.0


class RefitReport(Model):
    """What became of each SEU: refitted, still good, or refused with a finding."""

    fitted: tuple[BaselineVersion, ...] = ()
    kept: tuple[str, ...] = ()
    refused: dict[str, Finding] = {}


def refit_site(
    site: Site,
    *,
    lake: Lake,
    store: BaselineStore,
    tracker: Tracker,
    clock: Clock,
    fitted_by: str,
    seu_id: str | None = None,
    is_forced: bool = False,
) -> RefitReport:
    """Refit the monitoring baselines that are a week old, on the 90 days before today. Raises Unreachable."""
    today = clock.now_utc().astimezone(ZoneInfo(site.time_zone)).date()
    start, end = training_window(today)
    fitted, kept, refused = [], [], {}
    for seu in site.seus:
        if seu_id not in (None, seu.seu_id) or not seu.is_active:
            continue
        # Provisional ones, too: nobody approves a monitoring baseline.
        newest = store.latest(site.site_id, seu.seu_id, BaselineType.MONITORING)
        if not is_forced and not refit_due(newest, today):
            kept.append(seu.seu_id)
            continue
        start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
        digest = lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc)
        rows = monitor_rows(lake, site, seu, start, end)
        answer = fit_monitoring(rows, site=site, seu=seu, start=start, end=end, lake_digest=digest)
        if isinstance(answer, Finding):
            refused[seu.seu_id] = answer
            continue
        logged = log_baseline(tracker, answer, fitted_by=fitted_by)
        fitted.append(store.add(answer, logged.run_id, logged.checksum, fitted_by, clock))
    return RefitReport(fitted=tuple(fitted), kept=tuple(kept), refused=refused)


def monitored(
    site: Site,
    seu: Seu,
    version: BaselineVersion,
    *,
    lake: Lake,
    now_utc: datetime,
    days: int = VIEW_DAYS,
    as_of_utc: datetime | None = None,
) -> pl.DataFrame:
    """`compare(...)` over the last `days` local days up to now, quarter hours that were read only."""
    today = now_utc.astimezone(ZoneInfo(site.time_zone)).date()
    rows = monitor_rows(lake, site, seu, today - timedelta(days=days), today + timedelta(days=1), as_of_utc=as_of_utc)
    return compare(version, rows.filter(pl.col("actual_kw").is_not_null()))


def monitor_rows(
    lake: Lake, site: Site, seu: Seu, start: date, end: date, *, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """One row per quarter hour of the local dates [start, end).

    interval_start_utc, local_date, hours, level (`level.work_07`: working or rest day and local hour), actual_kw (null
    where a meter of the SEU has no reading), is_synthetic, and a Float64 column per driver: amounts per hour of drivers
    that add up, means of the others.
    """
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    by_id = {driver.driver_id: driver for driver in site.drivers}
    drivers = [by_id[each.driver_id] for each in seu.drivers]
    streams = [*streams_for(site, seu.meters), *(each.driver_id for each in drivers)]
    wanted = list(dict.fromkeys([*seu.meters, *streams]))
    readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=wanted)
    # Holidays are days of rest here: in ninety days there are too few for a level of their own.
    kind = pl.when(pl.col("day_type") == "weekday").then(pl.lit("work_")).otherwise(pl.lit("rest_"))
    spine = quarter_hours(site, start, end).select(
        "interval_start_utc",
        "local_date",
        hours=pl.lit(HOURS),
        level=pl.lit(LEVEL) + kind + pl.col("local_time").dt.strftime("%H"),
    )
    spine = spine.join(_power(readings, seu), on="interval_start_utc", how="left", maintain_order="left")
    for driver in drivers:
        spine = spine.join(_driver(readings, driver), on="interval_start_utc", how="left", maintain_order="left")
    return spine.with_columns(pl.col("is_synthetic").fill_null(value=False))


def _power(readings: pl.DataFrame, seu: Seu) -> pl.DataFrame:
    own = readings.filter(
        pl.col("meter_id").is_in(list(seu.meters)) & (pl.col("register") == "import") & (pl.col("unit") == "kwh")
    )
    grouped = own.group_by("interval_start_utc").agg(
        pl.col("value").sum(), present=pl.col("meter_id").n_unique(), is_synthetic=pl.col("is_synthetic").any()
    )
    # The sum of some of its meters is not the use's power.
    whole = pl.when(pl.col("present") == len(seu.meters)).then(pl.col("value") / HOURS)
    return grouped.select("interval_start_utc", "is_synthetic", actual_kw=whole)


def _driver(readings: pl.DataFrame, driver: Driver) -> pl.DataFrame:
    own = readings.filter((pl.col("meter_id") == driver.driver_id) & (pl.col("register") == "value"))
    value = pl.col("value") / HOURS if driver.aggregation == "sum" else pl.col("value")
    return own.select("interval_start_utc", value.cast(pl.Float64).alias(driver.driver_id))
