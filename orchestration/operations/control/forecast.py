"""`meterloom forecast`: train, compare and issue the forecasts of a project's site."""

from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import PROJECT, Call, operation
from orchestration.operations.options import SiteOption

# Over pairs of a forecast and a row of it.
STEPS = (
    "target: {0.target} | from: {1.time_utc} | P10: {1.p10:.3f} | P50: {1.p50:.3f} | P90: {1.p90:.3f} | unit: {0.unit}"
)


@operation("forecast issue", takes=PROJECT, example="--site home", writes=True)
def issue(call: Call, site: SiteOption) -> Answer:
    """Backtest and register the models of a site, then issue its forecasts by the champions; what is good stays."""
    from ml.forecasts.issue import findings_of
    from ml.forecasts.targets import targets_of
    from orchestration.runner import open_runner

    project, known = call.project, call.project.site(site)
    call.doing(f"backtesting and issuing the forecasts of {site}")
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        findings = runner.run("forecast", partition=known.site_id).findings
    found = [project.forecasts.latest(known.site_id, target.name) for target in targets_of(known)]
    forecasts = [forecast for forecast in found if forecast is not None]
    result = {
        "forecasts": [
            {
                "target": forecast.target,
                "issued_at": forecast.issued_at_utc,
                "model": f"{forecast.model_name} v{forecast.model_version}",
                "unit": forecast.unit,
                "step_minutes": forecast.step_minutes,
                "labels": forecast.labels,
                "why": forecast.why,
                "rows": forecast.rows,
            }
            for forecast in forecasts
        ],
        "scores": project.forecasts.promotions(),
        "findings": findings,
    }
    steps = Table([(forecast, row) for forecast in forecasts for row in forecast.rows], STEPS)
    lines = [finding.message for forecast in forecasts for finding in findings_of(forecast)]
    # A warning of a training stops no forecast.
    lines += [
        f"no forecast of {finding.scope}: {finding.message}" if finding.severity == "blocking" else finding.message
        for finding in findings
    ]
    for forecast in forecasts:
        if forecast.why:
            lines += [f"What moved {forecast.target}:", *(f"  {line}" for line in forecast.why)]
    return Answer(result, steps, "\n".join(lines), exit_code=DONE if forecasts else CHECK_FAILED)
