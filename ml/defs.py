"""Shells: baselines and their expected energy, forecast models and the day-ahead forecast, anomalies of a site."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from data_quality.contracts.database import address_of
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.anomaly_event import COSTLY
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from ml.tracking import MlflowTracker
from orchestration.partitions import SITE_MONTHS, SITES, SPAN_IN_ONE_RUN, months_of_run, site_mapping
from orchestration.previews import (
    FINDINGS,
    Metadata,
    Preview,
    bars_png,
    by_site,
    confusion_png,
    embedded,
    event_png,
    feature_pictures,
    findings_metadata,
    lines,
    lines_png,
    table,
)
from orchestration.resources import ProjectResource
from orchestration.warehouse.mart_previews import USE_DAYS, use_pictures

if TYPE_CHECKING:
    from ml.anomaly_scoring.score_site import SiteScored
    from ml.forecasts.lifecycle.trial import Chart
    from ml.forecasts.train import Training

OWNERS = ["team:measurement"]
# Of a site with hundreds of uses nobody looks at all of them here, and each takes a tenth of a second to draw.
PICTURES = 24


class FitConfig(dg.Config):
    """Configuration of a fit with its person: whoever approves must be somebody else."""

    fitted_by: str = "meterloom"
    seu: str | None = None


def tracker_of(project: ProjectResource) -> MlflowTracker:
    """The model registry of the project."""
    # Here and not above: definitions are loaded by every process of Dagster, and MLflow takes seconds to import.
    from ml.tracking import MlflowTracker

    return MlflowTracker(project.project.mlflow_uri, project.project.mlflow_artifacts_dir)


def refusals(found: Mapping[str, Finding]) -> dg.MarkdownMetadataValue:
    """Refused items and reasons, as a table."""
    return table(["what", "why"], [[name, why.message] for name, why in found.items()])


@dg.asset(
    group_name="baselines",
    kinds={"mlflow"},
    owners=OWNERS,
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings"), "core_site__reference"],
)
def core_seu__baseline(
    context: dg.AssetExecutionContext,
    config: FitConfig,
    project: ProjectResource,
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Energy baselines of a site's SEUs: fitted on days, registered in MLflow, provisional until a person approves."""
    from ml.baselines.lifecycle.fit_site import fit_site, fitted_days

    site = project.site(context.partition_key)
    report = fit_site(
        site,
        lake=project.lake,
        store=project.baselines,
        tracker=tracker_of(project),
        clock=clock,
        fitted_by=config.fitted_by,
        seu_id=config.seu,
        fan_out=project.work(context.log.info),
    )
    rows = [
        [v.baseline_id, v.version, v.status.value, v.baseline.statistics.r2, v.baseline.statistics.cvrmse_g14 * 100]
        for v in report.fitted
    ]
    days = fitted_days(site, report.fitted[:PICTURES], lake=project.lake)
    pictures: dict[str, Preview] = {}
    if not days.is_empty():
        pictures = use_pictures(days, "energy_kwh", count=366)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.fitted),
            "baselines": table(["baseline", "version", "status", "R²", "CV(RMSE) %"], rows),
            "refused": refusals(report.refused),
            FINDINGS: findings_metadata(report.refused.values()),
            "registry": address_of(project.project.mlflow_uri),
            **pictures,
        }
    )


@dg.asset(
    group_name="baselines",
    kinds={"polars"},
    owners=OWNERS,
    partitions_def=SITE_MONTHS,
    backfill_policy=SPAN_IN_ONE_RUN,
    deps=[site_mapping("core_seu__baseline"), "core_lake__15min_readings"],
    io_manager_key="frames",
)
def core_seu__expected_days(context: dg.AssetExecutionContext, project: ProjectResource) -> pl.DataFrame:
    """Expected energy per SEU and local day by the newest baseline, kWh; null where a driver is missing."""
    from ml.baselines.lifecycle.fit_site import expected_of_site

    work, scopes = project.work(context.log.info), months_of_run(context, project)
    found = pl.concat(
        [expected_of_site(site, lake=project.lake, store=project.baselines, fan_out=work) for site, _ in scopes]
    )
    if len(scopes) > 1:
        return found
    [(site, _)] = scopes
    by_use = found.sort("local_date").partition_by("seu_id", as_dict=True, maintain_order=True)
    newest = {str(seu_id): rows.tail(USE_DAYS) for (seu_id,), rows in sorted(by_use.items())[:PICTURES]}
    if newest:
        times = next(iter(newest.values()))["local_date"].to_list()
        series = {seu_id: rows["expected_kwh"].to_list() for seu_id, rows in newest.items()}
        picture = lines(times, series, title=f"Expected energy of {site.name}", unit="kWh per day")
        context.add_output_metadata({"expected": picture})
    return found


@dg.asset(
    group_name="baselines",
    kinds={"mlflow"},
    owners=OWNERS,
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings"), "core_site__reference"],
)
def core_seu__monitoring_baseline(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Monitoring baselines of a site's SEUs, refitted where they are a week old; they feed no report."""
    from ml.baselines.lifecycle.monitor_site import refit_site

    report = refit_site(
        project.site(context.partition_key),
        lake=project.lake,
        store=project.baselines,
        tracker=tracker_of(project),
        clock=clock,
        # Refitted by the schedule: nobody approves these, so nobody's name is needed.
        fitted_by="meterloom",
        fan_out=project.work(context.log.info),
    )
    rows = [[v.baseline_id, v.version, v.baseline.statistics.cvrmse_g14 * 100] for v in report.fitted]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.fitted),
            "refitted": table(["baseline", "version", "CV(RMSE) %"], rows),
            "kept": list(report.kept),
            "refused": refusals(report.refused),
        }
    )


class TrainConfig(dg.Config):
    """Configuration of a training: the targets, the length of the trial, and the reason.

    targets: names, all of the site if empty. tune_within_s: how long parameters are searched for each target;
    above 0 the slow kinds of model (exponential smoothing) are tried too.
    """

    targets: list[str] = []
    backtest_days: int = 28
    folds: int = 2
    tune_within_s: float = 0.0
    reason: str = ""


def drawn(chart: "Chart") -> bytes:
    """A chart's numbers as a picture."""
    names = [each for each in chart.at if isinstance(each, str)]
    if names:
        return bars_png(names, chart.series, title=chart.title, unit=chart.unit)
    moments = [each for each in chart.at if isinstance(each, datetime)]
    return lines_png(moments, chart.series, title=chart.title, unit=chart.unit)


@dg.asset(
    group_name="forecasts",
    kinds={"mlflow", "lightgbm"},
    owners=OWNERS,
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings"), "core_site__reference", "core_site__weather_forecast"],
)
def core_site__forecast_models(
    context: dg.AssetExecutionContext,
    config: TrainConfig,
    project: ProjectResource,
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Forecast models of a site, backtested in several folds with a rolling origin, one run of MLflow a target.

    The best is trained on everything and registered; the champion moves only on a gain that chance does not explain.
    """
    from ml.forecasts.site_forecast import train_site

    tracker = tracker_of(project)
    made = train_site(
        project.site(context.partition_key),
        lake=project.lake,
        store=project.forecasts,
        tracker=tracker,
        clock=clock,
        weather=project.weather,
        only=config.targets,
        backtest_days=config.backtest_days,
        folds=config.folds,
        tune_within_s=config.tune_within_s,
        fan_out=project.work(context.log.info),
    )
    pictures: dict[str, Preview] = {}
    for each in made.trained:
        files = {f"{chart.name}.png": drawn(chart) for chart in each.charts}
        tracker.add_files(each.registered.run_id, "plots", files)
        for chart in each.charts:
            pictures[f"{each.target} {chart.name}"] = embedded(files[f"{chart.name}.png"], title=chart.title)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(made.trained),
            "why": config.reason or "asked by hand",
            **trained_tables(made.trained),
            "registry": address_of(project.project.mlflow_uri),
            "refused": refusals(made.refused),
            FINDINGS: findings_metadata([*made.refused.values(), *(f for each in made.trained for f in each.findings)]),
            **pictures,
        }
    )


def trained_tables(trained: Sequence["Training"]) -> dict[str, dg.MarkdownMetadataValue]:
    """Leading models and reasons, every kind's scores on the same steps, the best one's by fold, lead and season."""
    decisions = [
        [each.target, each.decision.model, each.decision.is_promoted, each.decision.reason] for each in trained
    ]
    scores = [
        [each.target, name, score.nrmse * 100, score.wape * 100, score.coverage_p10_p90 * 100, score.crps]
        for each in trained
        for name, score in each.scores.items()
    ]
    parts = [
        [each.target, part.kind, part.name, part.score.nrmse * 100, part.score.coverage_p10_p90 * 100, part.skill]
        for each in trained
        for part in each.slices
        if part.model_name == each.best
    ]
    return {
        "decisions": table(["target", "model", "leads", "why", "tuning"], decisions),
        "scores": table(["target", "model", "NRMSE %", "WAPE %", "P10–P90 covers %", "CRPS"], scores),
        "parts": table(["target", "part", "of", "NRMSE %", "P10–P90 covers %", "skill"], parts, limit=100),
    }


@dg.asset(
    group_name="forecasts",
    kinds={"polars"},
    owners=OWNERS,
    partitions_def=SITES,
    deps=["core_site__forecast_models", site_mapping("core_lake__15min_readings"), "core_site__weather_forecast"],
)
def core_site__day_ahead_forecast(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """P10, P50 and P90 of each forecast target of a site, by its champion; what is still good is not recomputed."""
    from ml.forecasts.site_forecast import forecast_site

    site = project.site(context.partition_key)
    issued = forecast_site(
        site,
        lake=project.lake,
        store=project.forecasts,
        tracker=tracker_of(project),
        clock=clock,
        weather=project.weather,
        features_in=project.project.data_dir,
    )
    pictures = {
        f.target: lines(
            [row.time_utc for row in f.rows],
            {
                "P50": [row.p50 for row in f.rows],
                "P10": [row.p10 for row in f.rows],
                "P90": [row.p90 for row in f.rows],
            },
            title=f"{f.target}, issued {f.issued_at_utc:%Y-%m-%d %H:%M}Z",
            unit=f"{f.unit} in {f.step_minutes} min",
        )
        for f in issued.forecasts
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(len(f.rows) for f in issued.forecasts),
            "targets": [f.target for f in issued.forecasts],
            "reused": list(issued.reused),
            "moved": table(["target", "what moved it"], [[f.target, line] for f in issued.forecasts for line in f.why]),
            "said": table(["what", "severity", "why"], [[w.code, w.severity, w.message] for w in issued.warnings]),
            "refused": refusals(issued.refused),
            FINDINGS: findings_metadata(issued.refused.values()),
            **pictures,
        }
    )


@dg.asset(
    group_name="forecasts",
    kinds={"polars"},
    owners=OWNERS,
    partitions_def=SITES,
    deps=["core_site__day_ahead_forecast", site_mapping("core_lake__15min_readings")],
)
def core_site__forecast_scores(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Accuracy of a site's issued forecasts, by target, day, lead and version; what drifts; who may lead."""
    from ml.forecasts.lifecycle.watch_site import watch_site

    found = watch_site(
        project.site(context.partition_key),
        lake=project.lake,
        store=project.forecasts,
        tracker=tracker_of(project),
        clock=clock,
        weather=project.weather,
    )
    newest = {each.target: max((s.local_day for s in each.scores), default=None) for each in found.watched}
    features = feature_pictures(
        project.site(context.partition_key), [each.target for each in found.watched][:PICTURES],
        lake=project.lake, weather=project.weather, now_utc=clock.now_utc(),
        data_dir=project.project.data_dir,
    )  # fmt: skip
    rows = [
        [
            s.target,
            s.local_day,
            s.lead,
            f"{s.model_name} v{s.model_version}",
            s.is_shadow,
            s.crps,
            s.coverage * 100,
            s.skill,
        ]
        for each in found.watched
        for s in each.scores
        if s.local_day == newest[each.target]
    ]
    drifts = [[each.target, f.code, f.message] for each in found.watched if each.drift for f in each.drift.findings]
    decisions = [
        [each.target, each.decision.model, each.decision.is_promoted, each.decision.reason]
        for each in found.watched
        if each.decision
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(each.written for each in found.watched),
            "newest_day": table(["target", "day", "lead", "model", "shadow", "CRPS", "covers %", "skill"], rows),
            "drift": table(["target", "what", "why"], drifts),
            "decisions": table(["target", "model", "leads", "why"], decisions),
            "refused": refusals(found.refused),
            **{
                f"{each.target} trend": embedded(drawn(each.trend), title=each.trend.title)
                for each in found.watched
                if each.trend
            },
            **{name: embedded(png, title=name) for name, png in features.items()},
        }
    )


# Each picture takes a tenth of a second to draw; these are looked at first.
EVENTS_DRAWN = 6


@dg.asset(
    group_name="anomalies",
    kinds={"polars"},
    owners=OWNERS,
    partitions_def=SITE_MONTHS,
    backfill_policy=SPAN_IN_ONE_RUN,
    deps=["core_lake__15min_readings", "core_marts__published"],
)
def core_site__anomaly_events(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Anomaly events of the electricity meters of a site in its months, with energy and cost; kept while they grow."""
    from assets.stores.ledgers.alert_rules import AlertRules
    from assets.stores.warehouse.marts import MartReader
    from ml.anomaly_scoring.live_limits import keep_limits
    from ml.anomaly_scoring.score_site import score_site

    read, shown = MartReader(project.project.marts_dir), dict[str, Metadata]()
    for site, period in months_of_run(context, project):
        found = score_site(site, period, lake=project.lake, read=read, clock=clock)
        AlertRules(project.store).record(site, clock)
        if found.limits is not None:
            keep_limits(project.project.limits_dir, found.limits)
        shown[site.site_id] = events_shown(site, found)
    return dg.MaterializeResult(metadata=by_site(shown))


def events_shown(site: Site, found: "SiteScored") -> Metadata:
    """The events of a scoring as a table, the dearest as pictures: what was measured beside what is usual."""
    from ml.anomaly_scoring.event_course import event_course

    dearest = sorted(found.events, key=lambda each: (-(each.cost or 0.0), each.severity, each.start_utc))
    rows = [
        [
            e.meter_id, e.kind.replace("_", " "), e.cause, e.confidence, e.start_utc, e.end_utc, e.kwh, e.cost,
            e.currency,
        ]
        for e in dearest
    ]  # fmt: skip
    pictures: dict[str, Preview] = {}
    for each in dearest[:EVENTS_DRAWN]:
        kind = each.kind.replace("_", " ")
        course = event_course(each, found.series[each.meter_id], site)
        png = event_png(
            course.times,
            {"measured": course.measured, "usual": course.usual},
            shaded=(each.start_utc, each.end_utc),
            title=f"{each.meter_id}: {kind}",
            unit=f"{course.unit} per hour",
            time_zone=site.time_zone,
        )
        title = f"{each.meter_id} {kind} {each.start_utc:%Y-%m-%d}"
        pictures[title] = embedded(png, title=title)
    return {
        "dagster/row_count": len(found.events),
        "judged": found.judged,
        "written": sum(found.published),
        "events": table(["meter", "kind", "cause", "confidence", "from", "to", "kWh", "cost", "currency"], rows),
        "not_judged": refusals(found.findings),
        **pictures,
    }


@dg.asset(group_name="anomalies", kinds={"mlflow"}, owners=OWNERS, deps=["core_site__anomaly_events"])
def core_project__cause_model(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.MaterializeResult:
    """Model that tells causes of anomalies, learned from new labels of people; a better one waits for a person."""
    from ml.anomaly_scoring.learn_project import learn_project

    # After the scoring and not before it: a registry that is away must not keep events from being found.
    found = learn_project(
        project.sites.values(), project.lake, tracker=tracker_of(project), clock=clock, draw=confusion_png
    )
    version, shown = found.version, dict[str, Preview]()
    if found.picture:
        shown["confusion"] = embedded(found.picture, title="Causes by people and by the model")
    rows = [[name.replace("_", " "), value] for name, value in version.figures.items()]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": found.labels, "version": version.version, "leads": version.is_taken,
            "waits_for_a_person": found.reason == "better" and not version.is_taken,
            "why": found.finding.message if found.finding else found.reason.replace("_", " "),
            "figures": table(["figure", "value"], rows), **shown,
        }
    )  # fmt: skip


@dg.asset_check(asset="core_site__anomaly_events", blocking=False)
def no_costly_anomaly_is_open(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
    """No event of a site that costs much is without anybody who muted or explained it."""
    from assets.stores.ledgers.alert_events import AlertEvents
    from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, open_events

    rows = [
        [site_id, each.event_id, each.meter_id, each.kind, each.cost, each.currency]
        for site_id in sorted(project.sites)
        for each in open_events(
            AnomalyLedger(project.store).current(site_id), AlertEvents(project.store), now_utc=clock.now_utc()
        )
        if each.cost is not None and each.cost >= COSTLY
    ]
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"open": table(["site", "event", "meter", "kind", "cost", "currency"], rows), "events": len(rows)},
    )
