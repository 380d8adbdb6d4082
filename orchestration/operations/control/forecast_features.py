"""`meterloom forecast features`: features of a forecast as they were known, and what they have to do with what came."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_day
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, Call, Option, Written, operation
from orchestration.operations.options import SiteOption, write_file

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
    from ml.forecasts.feature_history import feature_history, known_day

    known, project = call.project.site(site), call.project
    given: dict[str, Any] = {
        "lake": project.lake,
        "weather": project.weather,
        "store": FeatureDays(project.project.data_dir),
    }
    if day is not None:
        found = known_day(known, target, parse_day(day, "--day"), **given)
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
