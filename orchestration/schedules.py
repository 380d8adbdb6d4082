"""Schedules, in UTC: a local 02:00 runs zero or two times a year."""

from collections.abc import Iterator
from datetime import date, datetime

import dagster as dg

from orchestration.jobs import enpi_report, forecast
from orchestration.partitions import SITES, site_quarter_key
from orchestration.resources import ProjectResource


def quarter_before(day: date) -> date:
    """First day of the calendar quarter that ended before `day`'s quarter began."""
    index = day.year * 4 + (day.month - 1) // 3 - 1
    return date(index // 4, index % 4 * 3 + 1, 1)


@dg.schedule(
    job=enpi_report,
    # The 5th: late readings of the last days of the quarter have had time to arrive.
    cron_schedule="0 6 5 1,4,7,10 *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def quarterly_enpi_reports(
    context: dg.ScheduleEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """The last quarter's EnPI report of every site that has SEUs."""
    first_day = quarter_before(context.scheduled_execution_time.date())
    sites = {site_id: site for site_id, site in project.sites.items() if site.seus}
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(sites))
    if not sites:
        yield dg.SkipReason("no site file names an SEU")
    for site_id in sorted(sites):
        key = site_quarter_key(site_id, first_day)
        yield dg.RunRequest(run_key=f"enpi:{key}", partition_key=key)


@dg.schedule(
    job=forecast,
    cron_schedule="10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def hourly_forecasts(
    context: dg.ScheduleEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A fresh day-ahead forecast of every site that asks for one."""
    due = sorted(
        site_id
        for site_id, site in project.sites.items()
        if site.forecast_targets and any(asset.template for asset in site.assets)
    )
    context.instance.add_dynamic_partitions(SITES.name or "sites", due)
    if not due:
        yield dg.SkipReason("no site with live data asks for forecasts")
    for site_id in due:
        yield dg.RunRequest(
            run_key=f"forecast:{site_id}:{hour(context.scheduled_execution_time)}", partition_key=site_id
        )


def hour(moment: datetime) -> str:
    """The hour of a tick, as part of a run key."""
    return moment.strftime("%Y-%m-%dT%H")


SCHEDULES = [quarterly_enpi_reports, hourly_forecasts]
