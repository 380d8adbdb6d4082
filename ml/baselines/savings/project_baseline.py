"""The baseline of an M&V project, fitted on the time before the measure; what it saved says assets/kpi/claims."""

from assets.kpi.claims.mv_savings import project_use
from assets.kpi.enpi.daily import seu_days
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day, local_midnight_utc
from ml.baselines.models.ols import fit_daily
from ml.registered_baselines import log_baseline
from ml.tracking import MlflowTracker


def fit_project(
    site: Site,
    project: MvProject,
    *,
    lake: Lake,
    store: BaselineStore,
    tracker: MlflowTracker,
    clock: Clock,
    fitted_by: str,
) -> BaselineVersion | Finding:
    """Fit and register the project's baseline, provisional until another person approves it. Raises Unreachable."""
    start, end = project.baseline_period
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    use = project_use(site, project)
    readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc)
    answer = fit_daily(
        seu_days(readings, site=site, seu=use, start=start, end=end),
        site=site,
        seu=use,
        start=start,
        end=end,
        today=local_day(clock.now_utc(), site.time_zone),
        lake_digest=lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc),
        baseline_type=BaselineType.MV_PROJECT,
        confidence=project.plan.confidence,
    )
    if isinstance(answer, Finding):
        return answer
    logged = log_baseline(tracker, answer, fitted_by=fitted_by)
    return store.add(answer, logged.run_id, logged.checksum, fitted_by, clock)
