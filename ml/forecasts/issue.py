"""Issue a forecast: the champion of a target is asked, from what was known at the instant of issue."""

import hashlib
from datetime import datetime

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import quantise
from ml.features.forecast_case import Case
from ml.features.series import HOUR, Series, stream_of
from ml.forecasts.forecast_model import Quantiles
from ml.forecasts.life.forecast_registry import Champion, load_champion
from ml.forecasts.site_case import case_of
from ml.tracker import Tracker

# The longest lag looks back so far.
MIN_HISTORY_DAYS = 28
# From any hour to the end of tomorrow, as far ahead as day-ahead prices are known.
MAX_HORIZON_H = 48
# A share of known steps in the week before the issue below which the lags say little.
MIN_RECENT_SHARE = 0.5


def run_forecast(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: str,
    issued_at_utc: datetime,
    horizon_h: int,
    tracker: Tracker,
    as_of_utc: datetime | None = None,
    available_at_utc: datetime | None = None,
) -> Forecast | Finding:
    """Issue the champion's forecast of the `horizon_h` hours (1–48) from the first full hour at or after the issue.

    Only readings that have ended by `issued_at_utc` and were recorded by `as_of_utc` (None: all given) are used.
    Returns a Finding where the history is short, the last week is mostly missing, or no model leads.
    Raises Unreachable, BadInput for an unknown target, ValueError for a horizon outside 1–48.
    """
    if not 1 <= horizon_h <= MAX_HORIZON_H:
        raise ValueError(f"horizon {horizon_h} h is outside 1–{MAX_HORIZON_H} h")
    stream = stream_of(site, target)
    case = case_of(readings, site=site, stream=stream, end_utc=issued_at_utc, horizon=horizon_h, as_of_utc=as_of_utc)
    series = case.series
    refusal = short_history(series, stream.target) or _stale(series, stream.target)
    if refusal is not None:
        return refusal
    champion = load_champion(tracker, site, target)
    if champion is None:
        return finding("no_champion", "No model of this target has been registered and leads.", stream.target)
    origin = -(-(issued_at_utc - series.start_utc) // series.step)
    quantiles = champion.forecaster.predict(case, origin, horizon_h)
    if not quantiles.is_known.all():
        gaps = int((~quantiles.is_known).sum())
        message = f"{gaps} of {horizon_h} hours cannot be forecast: the readings that they rest on are missing."
        return finding("recent_readings_missing", message, stream.target, hours=gaps)
    rows = _rows(quantiles, series.time(origin))
    return _forecast(site, stream.target, case, champion, rows, issued_at_utc, available_at_utc or issued_at_utc)


def _rows(quantiles: Quantiles, start_utc: datetime) -> tuple[ForecastRow, ...]:
    return tuple(
        ForecastRow(
            time_utc=start_utc + step * HOUR,
            # In whole quanta, as readings are: a forecast read back from the store is the one that was issued.
            p10=quantise(float(quantiles.p10[step])),
            p50=quantise(float(quantiles.p50[step])),
            p90=quantise(float(quantiles.p90[step])),
        )
        for step in range(len(quantiles.p50))
    )


def _forecast(
    site: Site,
    target: str,
    case: Case,
    champion: Champion,
    rows: tuple[ForecastRow, ...],
    issued_at_utc: datetime,
    available_at_utc: datetime,
) -> Forecast:
    """The forecast with an id of what determines it: the same inputs and model give the same id."""
    logged, digest, series = champion.logged, case.digest(), case.series
    parts = [site.site_id, target, issued_at_utc.isoformat(), str(len(rows)), logged.name, str(logged.version), digest]
    return Forecast(
        forecast_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32],
        site_id=site.site_id,
        target=target,
        issued_at_utc=issued_at_utc,
        available_at_utc=available_at_utc,
        model_name=logged.name,
        model_version=str(logged.version),
        input_digest=digest,
        is_synthetic=series.is_synthetic,
        rows=rows,
        unit=series.unit,
    )


def short_history(series: Series, target: str) -> Finding | None:
    """A finding under four weeks of known steps."""
    known, wanted = int((~np.isnan(series.values)).sum()), MIN_HISTORY_DAYS * series.per_day
    if known >= wanted:
        return None
    message = f"{known} hours are known; a forecast needs {wanted} (four weeks)."
    return finding("short_history", message, target, hours_found=known, hours_wanted=wanted)


def _stale(series: Series, target: str) -> Finding | None:
    week = 7 * series.per_day
    known = int((~np.isnan(series.values[-week:])).sum())
    if known >= MIN_RECENT_SHARE * week:
        return None
    message = f"Only {known} of the last {week} hours before the issue are known."
    return finding("recent_readings_missing", message, target, hours_found=known, hours_wanted=week)


def finding(code: str, message: str, target: str, **facts: int) -> Finding:
    """A finding that stops a forecast of that target."""
    return Finding(code=code, message=message, severity="blocking", scope=target, facts={**facts})
