"""Changed months start a computation of exactly those months, one run a contiguous range: first KPIs, then EnPIs.

Late readings also start what rests on them beside the marts: baselines trained on them, reports that printed them.
A run that failed or was ended is asked for once more: its run key would forbid it.
"""

import hashlib
from collections.abc import Iterator, Mapping

import dagster as dg

from assets.kpi.enpi.stale_baselines import stale_baselines
from assets.kpi.incremental.stage import touched_months as readings_touched
from assets.stores.lake.merges import newest_entry
from assets.stores.warehouse.marts import BuiltSite
from orchestration.jobs import baseline, enpi, enpi_report, kpi
from orchestration.month_keys import split_key
from orchestration.partitions import SITES, MonthRange, graph_key, month_spans, request_of
from orchestration.resources import ProjectResource
from orchestration.sensors.sensor_inputs import UNMOVED, expecting, has_moved
from orchestration.ticks import looking_every
from orchestration.warehouse.report_to_dagster import tell

MOST_A_TICK = 200
AS_NEW = "the marts are as new as the lake"
# Some dozen events each: a command over a thousand sites is told of in the looks that follow it.
REPORTS_PER_TICK = 10


@looking_every(15, job=kpi, none=AS_NEW)
def lake_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Computes the KPIs of exactly those months again whose readings, site file, factors or formulas have changed.

    Looks every 15 s. One run of the job kpi for each span of neighbouring months of a site; where months stand by
    bucket, of a bucket, and its sites alone where one of them fails.
    """
    # What a command made is no run of the graph, and belongs in its record all the same.
    tell(context.instance, project, at_most=REPORTS_PER_TICK)
    if not has_moved(context, project):
        yield UNMOVED
        return
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    stage = project.stage("kpi")
    now = stage.now()
    yield from requests(context, "kpi", stage.stale(now), now)


@looking_every(30, job=enpi, none=AS_NEW)
def enpi_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Compares the days of a month with its baselines again where KPIs or baselines have changed.

    Looks every 30 s. One run of the job enpi for each span of neighbouring months; months whose KPIs are still made
    again wait for them.
    """
    if not has_moved(context, project):
        yield UNMOVED
        return
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    stage = project.stage("enpi")
    now = stage.now(expecting(project))
    stale = stage.stale(now)
    waiting = project.stage("kpi").stale() if stale else {}
    yield from requests(context, "enpi", {name: stale[name] for name in stale if name not in waiting}, now)


def touched_months(project: ProjectResource, *, after_id: int) -> tuple[set[str], int]:
    """`SITE|YYYY-MM` of manifest rows beyond an id, and the newest id."""
    after_ids = dict.fromkeys(project.sites, after_id)
    return set(readings_touched(project.sites, project.lake, after_ids=after_ids)), newest_entry(project.store)


def requests(
    context: dg.SensorEvaluationContext, job: str, stale: Mapping[str, int], now: Mapping[str, BuiltSite]
) -> Iterator[dg.RunRequest]:
    """One run for a range of months; the run key says what they are computed from, so that it is asked for once.

    Of thousands MOST_A_TICK, the first: whatever is done of them makes room for the next at the next look.
    """
    every = month_spans(stale)
    if len(every) > MOST_A_TICK:
        # Not seen: the next look asks in full.
        context.update_cursor("")
    for months in every[:MOST_A_TICK]:
        yield from _runs(context.instance, job, months, stale, now)


def _runs(
    instance: dg.DagsterInstance, job: str, months: MonthRange, stale: Mapping[str, int], now: Mapping[str, BuiltSite]
) -> Iterator[dg.RunRequest]:
    # The newest entry that any of them rests on, and the sites as they stand: either one changing is another run.
    newest = max(entry for name, entry in stale.items() if months.holds(name))
    basis = " ".join([str(newest), *(now[site_id].model_dump_json() for site_id in months.site_ids)])
    run_key = f"{job}:{months.first}:{months.last}:{hashlib.sha256(basis.encode()).hexdigest()[:16]}"
    if len(months.site_ids) > 1 and has_failed(instance, run_key):
        # What is wrong with one site is no reason for the others to wait.
        for site_id in months.site_ids:
            yield from _runs(instance, job, months._replace(site_ids=(site_id,)), stale, now)
    else:
        yield request_of(key_of_try(instance, run_key), months, "month")


_RUN_KEY = "dagster/run_key"
_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def has_failed(instance: dg.DagsterInstance, run_key: str) -> bool:
    """True where its newest run failed; one that was ended did not."""
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return bool(runs) and runs[0].status == dg.DagsterRunStatus.FAILURE


def key_of_try(instance: dg.DagsterInstance, run_key: str) -> str:
    """The run key of the next try: the same where it is new, is on its way or went well.

    What fails twice waits until something changes: it would fail for ever.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return f"{run_key}:again" if runs and runs[0].status in _FAILED else run_key


@looking_every(60, job=baseline, none="every baseline rests on the readings of today, or waits for its marts")
def baseline_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Fits a baseline again when readings that it was trained on have changed: a new version for a person to look at.

    Looks every 60 s. One run a site of the job baseline. The approved version stays in force until somebody with the
    role approves the new one.
    """
    if not has_moved(context, project):
        yield UNMOVED
        return
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    found = stale_baselines(project.sites.values(), lake=project.lake, baselines=project.baselines)
    # First the marts: a site whose months are still recomputed would be fitted twice.
    waiting = {name.partition("|")[0] for name in project.stage("kpi").stale()} if found else set()
    for site_id, stale in sorted(found.items()):
        if site_id not in waiting:
            yield dg.RunRequest(run_key=f"baseline:{site_id}:{_digest(sorted(stale.items()))}", partition_key=site_id)


@looking_every(60, job=enpi_report, none="every report rests on the readings of today, or waits for its marts")
def report_changes(
    context: dg.SensorEvaluationContext, project: ProjectResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Writes the next revision of a quarter's report when readings behind its figures have changed since.

    Looks every 60 s, and waits until the quarter's KPIs are as new as its readings. One run a site and quarter of the
    job enpi_report; earlier revisions stay as they are.
    """
    if not has_moved(context, project):
        yield UNMOVED
        return
    from orchestration.warehouse.fresh import stale_reports

    for key, basis in stale_reports(project).items():
        here = graph_key(key)
        yield request_of(f"report:{key}:{_digest(basis)}", MonthRange(here, here, (split_key(key)[1],)), "quarter")


def _digest(basis: object) -> str:
    return hashlib.sha256(repr(basis).encode()).hexdigest()[:16]
