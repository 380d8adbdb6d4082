"""Schedules: a tick an hour in UTC, and what is due then in each site's own local time.

A cron line in local time runs zero or two times on some days, and a tick that was missed is gone. Here a tick only
asks what is due (reports/lifecycle/due.py), so none is missed and none counts twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from itertools import islice

import dagster as dg

from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc, months_after
from orchestration.advice_asset import advise
from orchestration.jobs import (
    anomalies,
    benchmark,
    bill_audit,
    disclosure,
    enpi_report,
    execution,
    forecast,
    forecast_issue,
    forecast_watch,
    monitoring,
    month_reports,
    pull,
    trust,
    weather,
)
from orchestration.month_keys import site_month_key, site_quarter_key
from orchestration.partitions import (
    PARTITION_TAG,
    SITES,
    SITES_TAG,
    MonthRange,
    active_runs,
    graph_key,
    request_of,
    year_request,
)
from orchestration.resources import ProjectResource
from orchestration.ticks import in_utc
from orchestration.views.benchmarks import due_benchmarks
from orchestration.views.due_reports import due_starts, local_days
from orchestration.views.pack_subjects import Subject, due_packs
from reports.lifecycle.due import DAYS_AFTER, due_since_utc

# What a schedule answers.
Requests = Iterator[dg.RunRequest | dg.SkipReason]
# A new project has many months behind it: they are caught up hour by hour, beside the day's work.
MONTHS_A_TICK = 3
# A minute a target and week: some tries for a year of hours, and nobody waits for it.
TUNE_WITHIN_S = 60.0
RUN_KEY = {1: "month", 3: "enpi"}


@in_utc(job=enpi_report, cron_schedule="0 * * * *")
def quarterly_enpi_reports(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Writes the quarter's EnPI report of every site with significant energy uses, and those that were missed.

    Looks every hour. A quarter is due from 06:00 of the fifth day after it, in the site's own time. One run a site and
    quarter of the job enpi_report; one that failed is asked for again on the next day.
    """
    sites = {site_id: site for site_id, site in project.sites.items() if site.seus}
    yield from requests_of(context, project, sites, job_name=enpi_report.name, report="enpi_quarter", months=3)


# After the quarter's report, which is what its readers wait for.
@in_utc(job=month_reports, cron_schedule="20 * * * *")
def monthly_reports(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Writes the reports that end with a month for every site: data quality, bills, summaries, inventory, the year.

    Looks every hour, 20 minutes past. A month is due from 06:00 of the fifth day after it, in the site's own time; of
    months that were missed three are made up an hour. One run a site and month of the job month_reports.
    """
    # Every month has its data-quality report: where that is missing, the month was not made.
    yield from requests_of(
        context,
        project,
        project.sites,
        job_name=month_reports.name,
        report="data_quality",
        months=1,
        at_most=MONTHS_A_TICK,
    )


# A year's packs are read by auditors, a quarter's report by who runs the plant: theirs goes first.
@in_utc(job=disclosure, cron_schedule="45 * * * *", none="no year is due")
def yearly_disclosures(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Makes the packs of data points that meterloom.yaml states under report.packs, of every year that is due.

    Looks every hour, 45 minutes past. A year is due from 06:00 of the fifth day after it, in the site's own time, of an
    organisation that of its first site. One run a year of the job disclosure; one that failed is asked for again on the
    next day.
    """
    due = due_packs(project, context.scheduled_execution_time)
    yield from years_of(context, [(first, of) for first, of, _ in due], job_name=disclosure.name)


@in_utc(job=benchmark, cron_schedule="55 * * * *", none="no year is due")
def yearly_benchmarks(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Ranks the sites of the organisation among their peers in every year that is due.

    Looks every hour, 55 minutes past. Due as the packs of data points; one run a year of the job benchmark.
    """
    yield from years_of(context, due_benchmarks(project, context.scheduled_execution_time), job_name=benchmark.name)


def years_of(context: dg.ScheduleEvaluationContext, due: Iterable[tuple[date, Subject]], *, job_name: str) -> Requests:
    """A run for each year that is due and not on its way, newest first, which names whom it is due for."""
    wanted = dict[date, dict[str, None]]()
    for first, each in due:
        now_utc = context.scheduled_execution_time
        if not has_run_of_day(context.instance, job_name, f"{first}", each.subject_id, each.time_zone, now_utc):
            wanted.setdefault(first, {})[each.subject_id] = None
    for first, names in wanted.items():
        yield year_request(f"{job_name}:{first}:{','.join(names)}", first, list(names))


def requests_of(
    context: dg.ScheduleEvaluationContext,
    project: ProjectResource,
    sites: Mapping[str, Site],
    *,
    job_name: str,
    report: str,
    months: int,
    at_most: int | None = None,
) -> Requests:
    """Run requests due for these sites at the tick and not on their way, newest first; the next ticks take the rest.

    report: whose revisions say "made".
    """
    now_utc = context.scheduled_execution_time
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(sites))
    due = [
        (first, site_id)
        for site_id, site in sites.items()
        for first in due_starts(project, site, now_utc, report=report, months=months)
    ]
    wanted = dict[str, list[str]]()
    for first, site_id in sorted(due, key=lambda each: (-each[0].toordinal(), each[1])):
        # A quarter's key and a month's have one form: first local day and site, or its bucket.
        key = graph_key(site_quarter_key(site_id, first))
        if not has_run_of_day(context.instance, job_name, key, site_id, sites[site_id].time_zone, now_utc):
            wanted.setdefault(key, []).append(site_id)
    if not wanted:
        yield dg.SkipReason("no report is due" if sites else "no site file names an SEU")
    for key, site_ids in islice(wanted.items(), at_most):
        months_of = MonthRange(key, key, tuple(site_ids))
        yield request_of(f"{RUN_KEY[months]}:{key}", months_of, "month" if months == 1 else "quarter")


def has_run_of_day(
    instance: dg.DagsterInstance, job_name: str, key: str, name: str, time_zone: str, now_utc: datetime
) -> bool:
    """True where a run of that partition over the site, or organisation, of that name is on its way, or was begun
    since this local day's requests began.

    A run that fails is so asked for once a day, not once an hour.
    """
    since, tags = due_since_utc(now_utc, time_zone), {PARTITION_TAG: key}
    today = dg.RunsFilter(job_name=job_name, tags=tags, created_after=since, created_before=now_utc)
    runs = (run for each in (active_runs(job_name, key), today) for run in instance.get_runs(each))
    return any(name in run.tags.get(SITES_TAG, name).split(",") for run in runs)


# Off the reports' minutes: only two steps run at a time.
@in_utc(job=forecast_issue, cron_schedule="10 * * * *", none="no site with live data asks for forecasts")
def hourly_forecasts(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Issues a fresh day-ahead forecast for every site whose devices follow it.

    Every hour, 10 minutes past; one run a site of the job forecast_issue. Sites without devices issue theirs by
    command.
    """
    due = [
        site_id
        for site_id, site in project.sites.items()
        # Fresh every hour only where devices follow it; others issue theirs by command.
        if (site.forecast_targets or site.forecasts) and site.assets
    ]
    hour = f"{context.scheduled_execution_time:%Y-%m-%dT%H}"
    yield from one_run_a_site(context, due, key=f"forecast:{{}}:{hour}")


@in_utc(job=forecast, cron_schedule="25 * * * *", none="no forecast model is due")
def weekly_retraining(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Trains the forecast models of a site again once a week of new readings is in, or after drift.

    Looks every hour, 25 minutes past, so that a missed week is made up; a site whose readings have ended is not
    trained again on the same ones. At most one run a site and day of the job forecast, which says why in its config.
    """
    now_utc = context.scheduled_execution_time
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    for site_id, site in sorted(project.sites.items()):
        reasons = retraining_of(project, site, now_utc)
        if not reasons or has_run_of_day(context.instance, forecast.name, site_id, site_id, site.time_zone, now_utc):
            continue
        reason = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        config = {"targets": sorted(reasons), "reason": reason, "tune_within_s": TUNE_WITHIN_S}
        yield dg.RunRequest(
            run_key=f"retrain:{site_id}:{now_utc.date()}",
            partition_key=site_id,
            run_config={"ops": {"core_site__forecast_models": {"config": config}}},
        )


def retraining_of(project: ProjectResource, site: Site, now_utc: datetime) -> dict[str, str]:
    """Reason to retrain by forecast target of a site; empty where none is due."""
    from ml.forecasts.lifecycle.promotion import retrain_reasons
    from ml.forecasts.targets import targets_of

    names, span = [each.name for each in targets_of(site)], project.lake.span(site.site_id)
    if not names or span is None:
        return {}
    store = project.forecasts
    decisions = [each for each in store.promotions() if each["model_name"].startswith(f"{site.site_id}.")]
    # Prices reach beyond today; a day that is not over has no readings to learn from yet.
    ended = datetime.combine(span[1], time.min, tzinfo=UTC)
    return retrain_reasons(names, decisions, store.drifts(site.site_id), known_until_utc=min(now_utc, ended))


# Late enough that the day's last readings are in; what is not, is scored on a later night.
@in_utc(job=forecast_watch, cron_schedule="15 3 * * *", none="no site asks for forecasts")
def nightly_forecast_scores(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Scores the issued forecasts of every site that has targets, looks for drift and compares challengers.

    Every day at 03:15 UTC; one run a site of the job forecast_watch. A night that was missed is caught up by the next.
    """
    due = [site_id for site_id, site in project.sites.items() if site.forecast_targets or site.forecasts]
    key = f"forecast_watch:{{}}:{context.scheduled_execution_time.date()}"
    yield from one_run_a_site(context, due, key=key)


# Before the hour's forecasts, which are made from it.
@in_utc(job=weather, cron_schedule="2 * * * *", none="no site's weather feed is due")
def hourly_weather(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Asks the weather feed of every site that has one and is due: as often as its weather_feed says, in hours.

    Looks every hour, two minutes past; one run a site of the job weather. A look that failed is repeated in an hour.
    """
    now_utc = context.scheduled_execution_time
    due = [
        site_id
        for site_id, site in project.sites.items()
        if site.weather_feed and site.weather_feed.is_due(project.weather.newest_available_utc(site_id), now_utc)
    ]
    key = f"weather:{{}}:{now_utc:%Y-%m-%dT%H}"
    yield from one_run_a_site(context, due, key=key)


# After the quarter hour, whose last values take a moment to be in the bucket.
@in_utc(job=pull, cron_schedule="3-59/15 * * * *", none="no site has a pulled source that is due")
def quarter_hourly_pulls(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Asks the pulled sources of every site that has some which are due: InfluxDB by minutes, prices by hours.

    Looks every quarter hour, three minutes after it; one run a site of the job pull. A look that failed is repeated.
    """
    from assets.feeds.fetch_sources import is_due, pulled_sources

    now_utc = context.scheduled_execution_time
    due = [
        site_id
        for site_id, site in project.sites.items()
        if any(is_due(project.project, site, source, now_utc) for source in pulled_sources(site))
    ]
    key = f"pull:{{}}:{now_utc:%Y-%m-%dT%H:%M}"
    yield from one_run_a_site(context, due, key=key)


# After the quarter hour's commands have ended, and been read back.
@in_utc(job=execution, cron_schedule="7 * * * *", none="no site has a plan")
def hourly_execution(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Holds what the devices of every site did against its plans; a site that was never planned is left alone.

    Every hour, seven minutes past; one run a site of the job execution.
    """
    due = [site_id for site_id in project.sites if project.plans.latest(site_id) is not None]
    key = f"execution:{{}}:{context.scheduled_execution_time:%Y-%m-%dT%H}"
    yield from one_run_a_site(context, due, key=key)


@in_utc(job=monitoring, cron_schedule="30 2 * * *", none="no site file names an SEU")
def daily_monitoring(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Refits the monitoring baselines of every site that are a week old; they warn early and feed no report.

    Checked every day at 02:30 UTC, so that a missed day costs a day and no week. One run a site of the job monitoring.
    """
    due = [site_id for site_id, site in project.sites.items() if site.seus]
    key = f"monitoring:{{}}:{context.scheduled_execution_time.date()}"
    yield from one_run_a_site(context, due, key=key)


@in_utc(job=anomalies, cron_schedule="15 4 * * *", none="no site has readings of the last two months")
def nightly_anomalies(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Judges the meters of every site with readings in the last two months, up to the newest reading.

    Every day at 04:15 UTC, after the night's readings; one run a site of the job anomalies. It changes no reading.
    """
    now_utc = context.scheduled_execution_time
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    month = now_utc.date().replace(day=1)
    before = months_after(month, -1)
    spans = {site_id: project.lake.span(site_id) for site_id in sorted(project.sites)}
    due = [site_id for site_id, span in spans.items() if span is not None and span[1] >= before]
    for site_id in due:
        months = MonthRange(
            graph_key(site_month_key(site_id, before)), graph_key(site_month_key(site_id, month)), (site_id,)
        )
        yield request_of(f"anomalies:{site_id}:{now_utc.date()}", months, "month")


@in_utc(job=bill_audit, cron_schedule="40 3 * * *", none="no bill is stored")
def daily_bill_audits(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Holds every stored supplier's bill against readings and tariffs again, since those that were missing may be here.

    Every day at 03:40 UTC; one run of the job bill_audit for each site with bills. It changes no bill and no figure.
    """
    books = BillStore(project.project.data_dir / "bills", project.store)
    due = [site_id for site_id in project.sites if books.bills(site_id)]
    key = f"bills:{{}}:{context.scheduled_execution_time.date()}"
    yield from one_run_a_site(context, due, key=key)


@in_utc(job=advise, cron_schedule="35 * * * *", none="no site has a month that is due")
def monthly_advice(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> Requests:
    """Looks for savings in the last twelve whole months of every site that has readings of the last of them.

    Looks every hour, 35 minutes past. A month is due from the fifth day after it, in the site's own time, when most
    readings are in; one run a site and month of the job advise, and after one that failed another on the next day. A
    second run of a month adds nothing to what stands.
    """
    due, now_utc = [], context.scheduled_execution_time
    for site_id, site in project.sites.items():
        today = local_day(now_utc, site.time_zone)
        span = local_days(project, site, 1)
        if today.day > DAYS_AFTER and span is not None and span[1] >= months_after(today.replace(day=1), -1):
            due.append((site_id, today))
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(site_id for site_id, _ in due))
    for site_id, today in sorted(due):
        zone = project.sites[site_id].time_zone
        since, tags = local_midnight_utc(today.replace(day=1), zone), {PARTITION_TAG: site_id}
        runs = context.instance.get_runs(dg.RunsFilter(job_name=advise.name, tags=tags, created_after=since))
        is_done = any(each.status is not dg.DagsterRunStatus.FAILURE for each in runs)
        if not (is_done or has_run_of_day(context.instance, advise.name, site_id, site_id, zone, now_utc)):
            again = f":{today}" if runs else ""
            yield dg.RunRequest(run_key=f"advise:{site_id}:{today:%Y-%m}{again}", partition_key=site_id)


@in_utc(job=trust, cron_schedule="50 2 * * *")
def daily_trust(context: dg.ScheduleEvaluationContext) -> Requests:
    """Looks whether everything on which safety, money or approval rests is still what was written.

    Every day at 02:50 UTC; one run of the job trust over the whole project. It only reads.
    """
    yield dg.RunRequest(run_key=f"trust:{context.scheduled_execution_time.date()}")


def one_run_a_site(context: dg.ScheduleEvaluationContext, site_ids: Iterable[str], *, key: str) -> Requests:
    """A run for each of these sites. key: the run key, with {} where the site stands."""
    due = sorted(site_ids)
    context.instance.add_dynamic_partitions(SITES.name or "sites", due)
    for site_id in due:
        yield dg.RunRequest(run_key=key.format(site_id), partition_key=site_id)


SCHEDULES = [
    quarterly_enpi_reports,
    monthly_reports,
    yearly_disclosures,
    yearly_benchmarks,
    daily_monitoring,
    daily_bill_audits,
    daily_trust,
    hourly_execution,
    hourly_weather,
    quarter_hourly_pulls,
    hourly_forecasts,
    weekly_retraining,
    nightly_forecast_scores,
    nightly_anomalies,
    monthly_advice,
]
