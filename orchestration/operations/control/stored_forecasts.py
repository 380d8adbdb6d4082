"""`meterloom forecast list|show|scores`: stored forecasts of a site as issued, and how good they were."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Argument, Call, Option, operation
from orchestration.operations.options import SiteOption

if TYPE_CHECKING:
    from data_quality.contracts.control.forecast import Forecast
    from data_quality.contracts.site_file.site import Site

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
    """How good the stored forecasts of each local day were, by lead time and model."""
    known = call.project.site(site)
    today = (call.as_of_utc or call.clock.now_utc()).astimezone(zone(known.time_zone)).date()
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
