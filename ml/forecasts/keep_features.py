"""Features of an issue, kept as it knew them, if it is the first of its local day."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from assets.stores.feature_days import FeatureDays
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from ml.features.forecast_case import Case
from ml.features.known_rows import known_rows
from ml.forecasts.backtest import local_date
from ml.forecasts.issue import issue_case, short_history
from ml.forecasts.targets import Target


def keep_known(
    store: FeatureDays,
    site: Site,
    target: Target,
    readings: pl.DataFrame,
    *,
    issued_at_utc: datetime,
    weather: Sequence[WeatherIssue],
) -> bool:
    """Keep the features of an issue. Returns whether they were kept: not where its local day has some already.

    readings, weather: as the forecast of that issue was made from.
    """
    case = issue_case(readings, site=site, target=target, issued_at_utc=issued_at_utc, weather=weather)
    # What has too short a history is forecast by meters beside it, and of a few days there are no features.
    if not isinstance(case, Case) or short_history(case.series, target.name) is not None:
        return False
    origin = target.origin(case.series, issued_at_utc, issued_at_utc.astimezone(zone(site.time_zone)))
    day = local_date(case.civil, origin)
    if store.has(site.site_id, target.family, day):
        return False
    rows = known_rows(case, origin, target.steps, issued_at_utc=issued_at_utc)
    return store.keep(site.site_id, target.family, day, rows)
