"""Issue a forecast: the champion of a target is asked, from what was known at the instant of issue.

What it answers must be possible, else the next best model answers, and the forecast says so in its labels.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import SHADOW, Forecast
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.features.series import Series
from ml.forecasts.group_profile import group_profile
from ml.forecasts.lifecycle.forecast_registry import Champion, load_champion
from ml.forecasts.model_fallback import Answering, by_best, by_group, finding, forecast_of, request_of
from ml.forecasts.plausible import age_days, implausible
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target, target_of
from ml.tracking import CHALLENGER, MlflowTracker

# The longest lag looks back so far.
MIN_HISTORY_DAYS = 28
# Behind four weeks of nothing there is no "lately" that a forecast could go by.
MAX_STALE_DAYS = 28
# Labels of forecasts that the champion did not make: tried again at the next issue, whatever their age.
WEAKER = frozenset({"fallback", "stale", "group_profile"})


def run_forecast(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: str,
    issued_at_utc: datetime,
    horizon_h: int,
    tracker: MlflowTracker,
    as_of_utc: datetime | None = None,
    available_at_utc: datetime | None = None,
    weather: Sequence[WeatherIssue] = (),
    read_site: Callable[[], pl.DataFrame] | None = None,
) -> Forecast | Finding:
    """Issue the forecast of `horizon_h` hours from the first whole step at or after the issue, by the champion.

    A day in progress is forecast whole; prices begin where publication ends. Only readings that have ended by
    `issued_at_utc` and were recorded by `as_of_utc` (None: all given), and issues of the weather that were available
    by then, are used. Where the newest readings are missing, the meter has no history but meters beside it have, or
    the champion's answer cannot be, a weaker model answers and the labels say so (findings_of). Returns a Finding
    where none can, or no model leads. read_site: reads the whole site, where `readings` are those of the target alone.
    Raises Unreachable, BadInput for an unknown target or a horizon outside of the target's.
    """
    wanted = target_of(site, target)
    steps = _steps(wanted, horizon_h)
    case = issue_case(
        readings, site=site, target=wanted, issued_at_utc=issued_at_utc, as_of_utc=as_of_utc, weather=weather
    )
    if isinstance(case, Finding):
        return case
    issued_at, available_at = issued_at_utc, available_at_utc or issued_at_utc
    refusal = short_history(case.series, wanted.name)
    if refusal is not None:
        others = readings if read_site is None else read_site()
        group = group_profile(others, site=site, target=wanted, own=case, end_utc=issued_at_utc, as_of_utc=as_of_utc)
        if group is None:
            return refusal
        request = request_of(site, wanted, group.case, issued_at, steps)
        return by_group(request, group, issued_at, available_at)
    request = request_of(site, wanted, case, issued_at, steps)
    age = age_days(case.series, request.origin)
    if age > MAX_STALE_DAYS:
        message = f"The newest reading is {age:.0f} days old; at most {MAX_STALE_DAYS} can be bridged."
        return finding("recent_readings_missing", message, wanted.name, days=round(age))
    return by_best(request, tracker, issued_at, available_at)


def run_shadow(
    readings: pl.DataFrame,
    *,
    site: Site,
    tracker: MlflowTracker,
    champion: Forecast,
    weather: Sequence[WeatherIssue] = (),
) -> Forecast | None:
    """Forecast of the challenger at the same issue of the same steps as the champion's forecast, labelled as a shadow.

    None where no model challenges, or its answer cannot be: that day then does not count for it.
    """
    target = target_of(site, champion.target)
    challenger = load_champion(tracker, site, target.name, CHALLENGER)
    at = champion.issued_at_utc
    case = issue_case(readings, site=site, target=target, issued_at_utc=at, weather=weather)
    if challenger is None or isinstance(case, Finding):
        return None
    request = request_of(site, target, case, at, len(champion.rows))
    answer = challenger.forecaster.predict(case, request.origin, request.steps)
    if implausible(answer, case, request.origin) is not None:
        return None
    model = Answering(challenger.logged.name, str(challenger.logged.version), challenger.forecaster)
    labels = {SHADOW: f"beside {champion.model_name} {champion.model_version}, to be compared; nothing rests on it"}
    return forecast_of(request, model, answer, labels, at, champion.available_at_utc)


def issue_case(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: Target,
    issued_at_utc: datetime,
    as_of_utc: datetime | None = None,
    weather: Sequence[WeatherIssue] = (),
) -> Case | Finding:
    """The case that a forecast of that issue rests on: the same readings give the same digest whenever it is asked."""
    # From a fixed distance: readings of longer ago that are at hand or not must not change what the forecast is.
    since = (issued_at_utc - target.history).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = readings.filter(pl.col("interval_start_utc") >= since)
    return target_case(recent, site=site, target=target, end_utc=issued_at_utc, as_of_utc=as_of_utc, weather=weather)


def is_still_good(
    stored: Forecast,
    readings: pl.DataFrame,
    *,
    site: Site,
    target: Target,
    issued_at_utc: datetime,
    champion: Champion | None,
    weather: Sequence[WeatherIssue] = (),
) -> bool:
    """True where a stored forecast may be handed out again instead of a new one (matrix I.5).

    It is younger than the target's time to live and as long, its model still leads, none of the readings and of the
    weather that it rests on was corrected or came late, and it was made by the champion and no weaker model.
    """
    age = issued_at_utc - stored.issued_at_utc
    if not timedelta(0) <= age < target.time_to_live or len(stored.rows) != target.steps or WEAKER & set(stored.labels):
        return False
    leads = champion and (champion.logged.name, str(champion.logged.version))
    if leads != (stored.model_name, stored.model_version):
        return False
    case = issue_case(readings, site=site, target=target, issued_at_utc=stored.issued_at_utc, weather=weather)
    return isinstance(case, Case) and case.digest() == stored.input_digest


def findings_of(forecast: Forecast) -> tuple[Finding, ...]:
    """Findings of its labels, one each: warnings where a weaker model answered, else for information."""
    return tuple(
        Finding(
            code=f"forecast_{code}",
            message=f"{forecast.target}: {text}.",
            severity="warning" if code in {*WEAKER, "constant", "regime_change"} else "info",
            scope=forecast.target,
        )
        for code, text in forecast.labels.items()
    )


def _steps(target: Target, horizon_h: int) -> int:
    steps, rest = divmod(timedelta(hours=horizon_h), target.step)
    if rest or not 1 <= steps <= target.steps:
        longest = target.horizon // timedelta(hours=1)
        raise BadInput(
            f"horizon {horizon_h} h of {target.name} is outside 1–{longest} h, or no whole number of its steps",
            reason="bad_horizon",
        )
    return steps


def short_history(series: Series, target: str) -> Finding | None:
    """A finding under four weeks of known steps."""
    known, wanted = int((~np.isnan(series.values)).sum()), MIN_HISTORY_DAYS * series.per_day
    if known >= wanted:
        return None
    message = f"{known} steps are known; a forecast needs {wanted} (four weeks)."
    return finding("short_history", message, target, hours_found=known, hours_wanted=wanted)
