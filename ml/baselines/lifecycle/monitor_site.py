"""Monitoring of a site's uses: rows from the lake, the weekly refit, and the last days with their prediction."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from assets.kpi.enpi.daily import uses_streams
from assets.sites.calendar import quarter_hours
from assets.sites.view import readings_in
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import LakeFile, expect_unchanged
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import Baseline, BaselineType, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Driver, Seu, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock, local_day, local_midnight_utc
from data_quality.contracts.work.work_port import FanOut, in_order
from ml.baselines.lifecycle.fit_site import registered
from ml.baselines.lifecycle.monitoring import LEVEL, VIEW_DAYS, compare, fit_monitoring, refit_due, training_window
from ml.baselines.lifecycle.uses_task import UsesTask, answers_of, tasks_of
from ml.tracking import MlflowTracker

HOURS = CANONICAL_MINUTES / 60.0
# Columns of LAKE_SCHEMA other than its key.
COLUMNS = ("value", "unit", "is_synthetic")
# Ninety days of quarter hours of so many streams are a million rows.
STREAMS_A_BLOCK = 115


class RefitReport(Model):
    """Outcome of each SEU: refitted, still good, or refused with a finding."""

    fitted: tuple[BaselineVersion, ...] = ()
    kept: tuple[str, ...] = ()
    refused: dict[str, Finding] = {}


def refit_site(
    site: Site,
    *,
    lake: Lake,
    store: BaselineStore,
    tracker: MlflowTracker,
    clock: Clock,
    fitted_by: str,
    seu_id: str | None = None,
    is_forced: bool = False,
    fan_out: FanOut = in_order,
) -> RefitReport:
    """Refit the monitoring baselines that are a week old, on the 90 days before today. Raises Unreachable."""
    today = local_day(clock.now_utc(), site.time_zone)
    start, end = training_window(today)
    # Provisional ones, too: nobody approves a monitoring baseline.
    newest = store.in_force(site.site_id, BaselineType.MONITORING)
    wanted = [seu for seu in site.seus if seu_id in (None, seu.seu_id) and seu.is_active]
    due = [seu for seu in wanted if is_forced or refit_due(newest.get(seu.seu_id), today)]
    fitted: dict[str, BaselineVersion] = {}
    refused: dict[str, Finding] = {}
    tasks = list(tasks_of(site, {(start, end): due}, lake=lake, clock=clock, streams=STREAMS_A_BLOCK))
    for answers in answers_of(refit_uses, tasks, fan_out, what="refits"):
        made, others = registered(answers, store=store, tracker=tracker, clock=clock, fitted_by=fitted_by)
        fitted |= made
        refused |= others
    refitted = {seu.seu_id for seu in due}
    kept = tuple(seu.seu_id for seu in wanted if seu.seu_id not in refitted)
    return RefitReport(fitted=tuple(fitted.values()), kept=kept, refused=refused)


def refit_uses(task: UsesTask) -> dict[str, Baseline | Finding]:
    """Use -> its monitoring baseline, or why there is none. Pure, as `fit_uses`."""
    expect_unchanged(task.files)
    rows_of = _monitor_rows(task.files, task.site, task.seus, task.start, task.end)
    # As `fit_uses`.
    with threadpool_limits(limits=1, user_api="blas"):
        return {
            seu.seu_id: fit_monitoring(
                rows, site=task.site, seu=seu, start=task.start, end=task.end, lake_digest=task.lake_digest
            )
            for seu, rows in rows_of
        }


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
    today = local_day(now_utc, site.time_zone)
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
    span = _span(site, start, end)
    files = lake.parts(site.site_id, **span, as_of_utc=as_of_utc)
    return next(rows for _, rows in _monitor_rows(files, site, [seu], start, end))


def _monitor_rows(
    files: Sequence[LakeFile], site: Site, seus: Sequence[Seu], start: date, end: date
) -> Iterator[tuple[Seu, pl.DataFrame]]:
    """The rows of each use, out of one look into the files."""
    readings = readings_in(files, site, **_span(site, start, end), meters=uses_streams(seus), columns=COLUMNS)
    own = {str(name): rows for (name,), rows in readings.partition_by("meter_id", as_dict=True).items()}
    nothing = readings.clear()
    # Holidays are days of rest here: in ninety days there are too few for a level of their own.
    kind = pl.when(pl.col("day_type") == "weekday").then(pl.lit("work_")).otherwise(pl.lit("rest_"))
    spine = quarter_hours(site, start, end).select(
        "interval_start_utc",
        "local_date",
        hours=pl.lit(HOURS),
        level=pl.lit(LEVEL) + kind + pl.col("local_time").dt.strftime("%H"),
    )
    by_id = {driver.driver_id: driver for driver in site.drivers}
    for seu in seus:
        meters = pl.concat([nothing, *(own[name] for name in sorted(set(seu.meters)) if name in own)])
        parts = [_power(meters, seu)]
        parts += [_driver(own.get(each.driver_id, nothing), by_id[each.driver_id]) for each in seu.drivers]
        rows = spine
        for part in parts:
            rows = rows.join(part, on="interval_start_utc", how="left", maintain_order="left")
        yield seu, rows.with_columns(pl.col("is_synthetic").fill_null(value=False))


def _span(site: Site, start: date, end: date) -> dict[str, datetime]:
    begin, after = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    return {"start_utc": begin, "end_utc": after}


def _power(readings: pl.DataFrame, seu: Seu) -> pl.DataFrame:
    own = readings.filter((pl.col("register") == "import") & (pl.col("unit") == "kwh"))
    grouped = own.group_by("interval_start_utc").agg(
        pl.col("value").sum(), present=pl.col("meter_id").n_unique(), is_synthetic=pl.col("is_synthetic").any()
    )
    # The sum of some of its meters is not the use's power.
    whole = pl.when(pl.col("present") == len(seu.meters)).then(pl.col("value") / HOURS)
    return grouped.select("interval_start_utc", "is_synthetic", actual_kw=whole)


def _driver(readings: pl.DataFrame, driver: Driver) -> pl.DataFrame:
    own = readings.filter(pl.col("register") == "value")
    value = pl.col("value") / HOURS if driver.aggregation == "sum" else pl.col("value")
    return own.select("interval_start_utc", value.cast(pl.Float64).alias(driver.driver_id))
