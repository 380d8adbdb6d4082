"""Features of an issue as it knew them: a row a step ahead, kept if the issue is the first of its local day."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from assets.stores.feature_days import FeatureDays
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from ml.features.civil import Civil
from ml.features.forecast_case import Case
from ml.features.groups import sun_hours
from ml.features.matrix import FEATURES, feature_matrix
from ml.features.series import DAY, Index
from ml.features.weather_as_of import IssuedWeather
from ml.forecasts.backtest import local_date
from ml.forecasts.issue import issue_case, short_history
from ml.forecasts.targets import Target

HEADS = (
    "time_utc", "steps_ahead", "issued_at_utc", "readings_until_utc", "weather_since_utc", "calendar_sha256",
    "input_digest", "level",
)  # fmt: skip


def store_features(
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
    # What has too short a history is forecast by neighbouring meters, and of a few days there are no features.
    if not isinstance(case, Case) or short_history(case.series, target.name) is not None:
        return False
    origin = target.origin(case.series, issued_at_utc, issued_at_utc.astimezone(zone(site.time_zone)))
    day = local_date(case.civil, origin)
    if store.has(site.site_id, target.family, day):
        return False
    rows = feature_rows_ahead(case, origin, target.steps, issued_at_utc=issued_at_utc)
    return store.keep(site.site_id, target.family, day, rows)


def feature_rows_ahead(case: Case, origin: int, horizon: int, *, issued_at_utc: datetime) -> pl.DataFrame:
    """A row a step ahead: HEADS, then every feature of the registry as the models of that issue could see it.

    Features in the unit of the series are shares of `level`, as models learn them. readings_until_utc: the end of the
    newest reading; weather_since_utc: when the issue became known that tells the step's weather, null where none does.
    """
    matrix = feature_matrix(case, np.array([origin]), horizon, names_of(case))
    series = case.series
    known = np.flatnonzero(~np.isnan(series.values[:origin]))
    last = series.time(int(known[-1]) + 1) if len(known) else None
    utc = pl.Datetime("us", "UTC")
    heads = pl.DataFrame(
        {
            "time_utc": [series.time(int(step)) for step in matrix.step],
            "steps_ahead": matrix.lead,
            "issued_at_utc": [issued_at_utc] * horizon,
            "readings_until_utc": [last] * horizon,
            "weather_since_utc": _weather_since(case, matrix.step, origin),
            "calendar_sha256": calendar_sha256(case.civil, matrix.step),
            "input_digest": case.digest(),
            "level": matrix.level,
        },
        schema_overrides={name: utc for name in HEADS if name.endswith("_utc")},
    )
    return heads.hstack(pl.DataFrame(matrix.inputs, schema=list(matrix.names)))


def names_of(case: Case) -> tuple[str, ...]:
    """Features that a series can have: the sun stands over hours, and over no days."""
    left_out = {each.name for each in sun_hours.FEATURES} if case.series.step == DAY else set()
    return tuple(name for name in FEATURES if name not in left_out)


def calendar_sha256(civil: Civil, step: Index) -> str:
    """Digest of what the calendar says of those steps: a holiday that was declared later changes it."""
    parts = (civil.minute, civil.weekday, civil.day_type, civil.day_type_before, civil.day_type_after)
    values = np.stack([each[step] for each in (*parts, civil.is_school_holiday, civil.offset)])
    return hashlib.sha256(values.tobytes()).hexdigest()


def _weather_since(case: Case, step: Index, origin: int) -> list[datetime | None]:
    if not isinstance(case.weather, IssuedWeather):
        return [None] * len(step)
    since = case.weather.since_of(step, np.full(len(step), origin))
    return [case.series.time(at) if at >= 0 else None for at in since.tolist()]
