"""Late readings start what rests on them beside the marts: baselines trained on them, reports that printed them."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from assets.kpi.enpi.stale_baselines import stale_baselines
from orchestration.jobs import baseline, enpi_report
from orchestration.month_keys import split_key
from orchestration.partitions import SITES, MonthRange, key_here, request_of
from orchestration.resources import ProjectResource
from orchestration.sensors.sensor_standing import UNMOVED, has_moved
from orchestration.ticks import looking_every


@looking_every(60, job=baseline)
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
    is_quiet = True
    found = stale_baselines(project.sites.values(), lake=project.lake, baselines=project.baselines)
    # First the marts: a site whose months are still recomputed would be fitted twice.
    waiting = {name.partition("|")[0] for name in project.stage("kpi").stale()} if found else set()
    for site_id, stale in sorted(found.items()):
        if site_id not in waiting:
            is_quiet = False
            yield dg.RunRequest(run_key=f"baseline:{site_id}:{_digest(sorted(stale.items()))}", partition_key=site_id)
    if is_quiet:
        yield dg.SkipReason("every baseline rests on the readings of today, or waits for its marts")


@looking_every(60, job=enpi_report)
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

    is_quiet = True
    for key, basis in stale_reports(project).items():
        is_quiet = False
        here = key_here(key)
        yield request_of(f"report:{key}:{_digest(basis)}", MonthRange(here, here, (split_key(key)[1],)), "quarter")
    if is_quiet:
        yield dg.SkipReason("every report rests on the readings of today, or waits for its marts")


def _digest(basis: object) -> str:
    return hashlib.sha256(repr(basis).encode()).hexdigest()[:16]
