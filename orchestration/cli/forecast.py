"""`meterloom forecast`: train, compare and issue the forecasts of a project's site."""

from typing import Annotated

import typer

from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Day-ahead forecasts.", no_args_is_help=True)
    app.add_typer(group, name="forecast")

    @command(group, "issue", example="meterloom forecast issue --site my_site")
    def issue(call: Call, site: Annotated[str, typer.Option("--site", help="Which site.")]) -> Answer:
        """Backtest and register the models of a site, then issue the next 48 hours by the champions."""
        from orchestration.runner import open_runner

        project, known = call.project, call.project.site(site)
        with open_runner(project.project) as runner:
            runner.know_sites(sorted(project.sites))
            runner.run("forecast", partition=known.site_id)
        found = [project.forecasts.latest(known.site_id, f"meter:{target}") for target in known.forecast_targets]
        forecasts = [forecast for forecast in found if forecast is not None]
        rows = [
            [
                forecast.target,
                f"{row.time_utc:%Y-%m-%d %H:%M}Z",
                *(f"{value:.2f}" for value in (row.p10_kwh, row.p50_kwh, row.p90_kwh)),
            ]
            for forecast in forecasts
            for row in forecast.rows
        ]
        data = {
            "forecasts": [
                {
                    "target": forecast.target,
                    "issued_at": forecast.issued_at_utc,
                    "model": f"{forecast.model_name} v{forecast.model_version}",
                    "rows": [
                        {"time_utc": row.time_utc, "p10": row.p10_kwh, "p50": row.p50_kwh, "p90": row.p90_kwh}
                        for row in forecast.rows
                    ],
                }
                for forecast in forecasts
            ],
            "scores": project.forecasts.promotions(),
        }
        return Answer(
            data=data,
            columns=["target", "hour", "P10 kWh", "P50 kWh", "P90 kWh"],
            rows=rows,
            exit_code=DONE if forecasts else CHECK_FAILED,
        )
