"""`meterloom forecast`: train, compare and issue the forecasts of a project's site."""

from orchestration.cli.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.cli.frame import PROJECT, Call, command
from orchestration.cli.options import SiteOption

# Over pairs of a forecast and a row of it.
HOURS = "target: {0.target} | hour: {1.time_utc} | P10 kWh: {1.p10:.2f} | P50 kWh: {1.p50:.2f} | P90 kWh: {1.p90:.2f}"


@command("forecast issue", takes=PROJECT, example="--site my_site")
def issue(call: Call, site: SiteOption) -> Answer:
    """Backtest and register the models of a site, then issue the next 48 hours by the champions."""
    from orchestration.runner import open_runner

    project, known = call.project, call.project.site(site)
    call.doing(f"backtesting and issuing the forecasts of {site}")
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        runner.run("forecast", partition=known.site_id)
    found = [project.forecasts.latest(known.site_id, f"meter:{target}") for target in known.forecast_targets]
    forecasts = [forecast for forecast in found if forecast is not None]
    result = {
        "forecasts": [
            {
                "target": forecast.target,
                "issued_at": forecast.issued_at_utc,
                "model": f"{forecast.model_name} v{forecast.model_version}",
                "why": forecast.why,
                "rows": [
                    {"time_utc": row.time_utc, "p10": row.p10, "p50": row.p50, "p90": row.p90} for row in forecast.rows
                ],
            }
            for forecast in forecasts
        ],
        "scores": project.forecasts.promotions(),
    }
    hours = Table([(forecast, row) for forecast in forecasts for row in forecast.rows], HOURS)
    moved = [
        f"What moved {forecast.target}:\n" + "\n".join(f"  {line}" for line in forecast.why)
        for forecast in forecasts
        if forecast.why
    ]
    return Answer(result, hours, "\n".join(moved), exit_code=DONE if forecasts else CHECK_FAILED)
