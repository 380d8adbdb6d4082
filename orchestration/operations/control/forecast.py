"""`meterloom forecast issue|list|show|scores|features`: forecasts of a site as issued, how good they were, and why."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_day, parse_day
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, Argument, Call, Option, Written, operation
from orchestration.operations.options import SiteOption, write_file

if TYPE_CHECKING:
    from data_quality.contracts.control.forecast import Forecast
    from data_quality.contracts.site_file.site import Site


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


TargetOption = Annotated[str | None, Option("Only this target, as meter:main.")]
DaysOption = Annotated[int, Option("Local days up to now.", min=1, max=366)]
_LIST = (
    "forecast: {forecast_id} | target | issued: {issued_at_utc:%Y-%m-%d %H:%M} UTC | model | role | unit | steps | "
    "minutes: {step_minutes}"
)
_SCORES = (
    "target | day: {local_day} | lead | model: {model_name} v{model_version} | role | P10–P90 covers: {coverage:.0%} | "
    "CRPS: {crps:.3f} | WAPE: {wape:.1%|-} | bias: {bias:+.1%|-}"
)
_ROWS = "from: {time_utc} | P10: {p10:.3f} | P50: {p50:.3f} | P90: {p90:.3f}"


@operation("forecast list", example="--site home --days 2")
def forecast_list(call: Call, site: SiteOption, target: TargetOption = None, days: DaysOption = 1) -> Answer:
    """Stored forecasts of a site as they were issued, the newest first; challengers stand beside the leading models."""
    known, until_utc = call.project.site(site), call.as_of_utc or call.clock.now_utc()
    since_utc = until_utc - timedelta(days=days)
    found = [
        each
        for name in _targets(known, target)
        for each in call.project.forecasts.issued(known.site_id, name, since_utc=since_utc, as_of_utc=call.as_of_utc)
    ]
    rows = [_line(each) for each in sorted(found, key=lambda each: (each.issued_at_utc, each.target), reverse=True)]
    return Answer({"forecasts": rows}, Table(rows, _LIST, empty=f"no forecast was issued within {days} day(s)"))


@operation("forecast show", example="3f2a9c --site home")
def forecast_show(
    call: Call, forecast: Annotated[str, Argument("Of a stored forecast.", metavar="ID")], site: SiteOption
) -> Answer:
    """Show a stored forecast: its rows as issued, its labels, and what moved it."""
    known = call.project.site(site)
    found = call.project.forecasts.get(forecast, as_of_utc=call.as_of_utc)
    if found is None or found.site_id != known.site_id:
        raise BadInput(f"unknown forecast {forecast!r} of {site}", reason="unknown_forecast")
    result = _line(found) | {"labels": found.labels, "why": found.why, "rows": found.rows}
    return Answer(result, Table("rows", _ROWS), "\n".join(found.why))


@operation("forecast scores", example="--site home --target meter:main --days 30")
def forecast_scores(call: Call, site: SiteOption, target: TargetOption = None, days: DaysOption = 30) -> Answer:
    """Accuracy of the stored forecasts of each local day, by lead time and model."""
    known = call.project.site(site)
    today = local_day(call.as_of_utc or call.clock.now_utc(), known.time_zone)
    wanted = [today - timedelta(days=back) for back in range(days)]
    named = _targets(known, target)
    found = call.project.forecasts.scores(known.site_id, target, days=wanted, as_of_utc=call.as_of_utc)
    rows = [each.model_dump() | {"role": _role(each.is_shadow)} for each in found if each.target in named]
    return Answer({"scores": rows}, Table(rows, _SCORES, empty=f"no score of the last {days} day(s) is stored"))


def _targets(site: "Site", target: str | None) -> list[str]:
    """Names of the site's targets, or the one that is asked for. Raises BadInput for another."""
    from ml.forecasts.targets import targets_of

    known = [each.name for each in targets_of(site)]
    if target is not None and target not in known:
        there = ", ".join(known) or "none"
        raise BadInput(f"unknown target {target!r}; there are {there}", reason="unknown_target")
    return known if target is None else [target]


def _role(is_shadow: bool) -> str:
    return "challenger" if is_shadow else "leads"


def _line(forecast: "Forecast") -> dict[str, Any]:
    return {
        "forecast_id": forecast.forecast_id,
        "target": forecast.target,
        "issued_at_utc": forecast.issued_at_utc,
        "available_at_utc": forecast.available_at_utc,
        "model": f"{forecast.model_name} v{forecast.model_version}",
        "is_shadow": forecast.is_shadow,
        "role": _role(forecast.is_shadow),
        "is_synthetic": forecast.is_synthetic,
        "unit": forecast.unit,
        "step_minutes": forecast.step_minutes,
        "steps": len(forecast.rows),
        "input_digest": forecast.input_digest,
    }


_RANKS = "feature | rank correlation: {rank:+.2f} | n | unit | known | source"
_DAY = "feature | known | first: {first:.4g} | mean: {mean:.4g} | mean today: {mean_now:.4g} | steps changed: {changed}"
_CALENDAR = {
    True: "the calendar is as it was", False: "the calendar is another one today",
    None: "nothing can be made of what is recorded today",
}  # fmt: skip


@operation("forecast features", takes=PROJECT, example="--site home --target meter:main --days 60")
def forecast_features(
    call: Call,
    site: SiteOption,
    target: Annotated[str, Option("A forecast target, as meter:main.")],
    days: Annotated[int, Option("Local days up to now.", min=7, max=366)] = 60,
    day: Annotated[str | None, Option("Every feature of one kept day, as known then and as of today.")] = None,
    picture: Annotated[Path | None, Written("Draw the correlations by lead (PNG).", metavar="FILE")] = None,
) -> Answer:
    """Show which features of a forecast go with what came, by rank and lead, from days kept as they were known.

    The first issue of each local day keeps its features. Days without one are rebuilt from what is recorded today.
    """
    from assets.stores.feature_days import FeatureDays
    from ml.forecasts.feature_history import feature_history, stored_feature_day

    known, project = call.project.site(site), call.project
    given: dict[str, Any] = {
        "lake": project.lake,
        "weather": project.weather,
        "store": FeatureDays(project.project.data_dir),
    }
    if day is not None:
        found = stored_feature_day(known, target, parse_day(day, "--day"), **given)
        text = (
            f"issued {found.issued_at_utc:%Y-%m-%d %H:%M}Z of {found.steps} steps, readings known until "
            f"{_at(found.readings_until_utc)}, weather since {_at(found.weather_since_utc)}, "
            f"{_CALENDAR[found.is_calendar_as_then]}"
        )
        return Answer(found, Table("features", _DAY), text)
    call.doing("computing the features")
    history = feature_history(known, target, days=days, now_utc=call.clock.now_utc(), **given)
    if isinstance(history, Finding):
        findings = [history]
        return Answer({"findings": findings}, text="\n".join(finding_lines(findings)), exit_code=CHECK_FAILED)
    if picture is not None:
        from orchestration.previews import correlation_png

        write_file(picture, correlation_png(history))
        call.say(f"the correlations are drawn in {picture}")
    rows = [each.model_dump() | {"rank": each.rank} for each in history.correlations]
    result = {"target": history.target, "kept": history.kept, "rebuilt": history.rebuilt, "features": rows}
    text = (
        f"{len(history.kept)} days as they were known at their first issue, {len(history.rebuilt)} rebuilt from what is"
        " recorded today"
    )
    return Answer(result, Table("features", _RANKS), text)


def _at(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
