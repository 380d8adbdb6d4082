"""The monitoring baseline: power by time of week and drivers, fitted on 90 days, compared with what runs now.

It feeds no report (resolutions C0.15, X14): it is refitted every week, and an energy baseline never is.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import INTERCEPT, degree_day_feature, feature_expression, require_type
from data_quality.contracts.baselines.baseline import Baseline, BaselineType, BaselineVersion, Coefficient
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Seu, Site
from ml.baselines.models.ols import ranges_of
from ml.baselines.models.statistics import Vector, held_out_predictions, month_folds, sample_statistics
from ml.baselines.models.sufficiency import refused

MODEL_NAME = "monitoring_power"
TRAIN_DAYS, VIEW_DAYS, REFIT_DAYS = 90, 7, 7
# Every weekday four times.
MIN_DAYS = 28
# Quarter hours that differ by more than this many standard errors of the model are alerts.
ALERT_SIGMA = 3.0
# Fixed: the ninety days of one season do not tell a base temperature.
HEATING_BELOW_DEGC, COOLING_ABOVE_DEGC = 16.0, 20.0
# A degree term needs this share of rows above zero to be separable from the levels.
MIN_SHARE_OF_ROWS = 0.05
LEVEL = "level."


def refit_due(newest: BaselineVersion | None, today: date) -> bool:
    """True where there is no monitoring baseline, or its training ended a week ago or more."""
    return newest is None or (today - newest.baseline.train_end).days >= REFIT_DAYS


def training_window(today: date) -> tuple[date, date]:
    """The 90 local days before today: [start, end)."""
    return today - timedelta(days=TRAIN_DAYS), today


def fit_monitoring(
    rows: pl.DataFrame, *, site: Site, seu: Seu, start: date, end: date, lake_digest: str, confidence: float = 0.9
) -> Baseline | Finding:
    """Mean power (kW) of an interval on its level (working or rest day, local hour) and the SEU's drivers.

    rows: monitor_rows(...) of the local dates [start, end). Drivers that add up enter as amount per hour; outdoor
    temperature as degrees below 16 and above 20 degC where both occur. A Finding where fewer than 28 days are known,
    or the load does not vary.
    """
    drivers = [each.driver_id for each in seu.drivers]
    used = rows.drop_nulls(["actual_kw", *drivers])
    days = used["local_date"].n_unique()
    if days < MIN_DAYS:
        return refused("too_few_days", f"{days} days with readings and drivers; monitoring needs {MIN_DAYS}.", seu)
    y = used["actual_kw"].to_numpy().astype(np.float64)
    if float(y.mean()) <= 0 or float(np.ptp(y)) == 0:
        return refused("flat_load", "The power does not vary: there is nothing to expect.", seu)
    # The first level that occurs is the intercept.
    levels = sorted(used["level"].unique().to_list())[1:]
    features = _independent(used, [*levels, *_driver_features(used, drivers, site)])
    design = _design(used, features)
    follows = np.diff(used["interval_start_utc"].dt.epoch("s").to_numpy()) == int(used["hours"][0] * 3600)
    solved = np.linalg.lstsq(design, y, rcond=None)[0]
    predicted = design @ solved
    statistics = sample_statistics(
        y=y,
        predicted=predicted,
        held_out=held_out_predictions(design, y, month_folds(used["local_date"].to_list())),
        p=design.shape[1],
        follows=follows,
        weights=np.ones(len(y)),
    )
    text = f"{lake_digest}\n{used.select('interval_start_utc', 'actual_kw', *drivers).write_csv()}"
    return Baseline(
        seu_id=seu.seu_id,
        site_id=site.site_id,
        baseline_type=BaselineType.MONITORING,
        model=MODEL_NAME,
        target_unit="kw",
        feature_order=tuple(features),
        coefficients=_coefficients(design, y, solved, predicted, features, confidence),
        driver_ranges=ranges_of(used, drivers),
        train_start=start,
        train_end=end,
        confidence=confidence,
        statistics=statistics,
        findings=(),
        dataset_digest=hashlib.sha256(text.encode()).hexdigest(),
        is_synthetic=bool(used["is_synthetic"].any()),
    )


def compare(version: BaselineVersion, rows: pl.DataFrame) -> pl.DataFrame:
    """Prediction against actual of each interval, whatever its length: the model gives power, not energy.

    rows: monitor_rows(...), or any table with its columns at another resolution, down to a minute. Returns
    interval_start_utc, hours, actual_kw, expected_kw (null where a driver is unknown), residual_kw, z (residual
    over the standard error of the fit), is_alert, is_extrapolated. Raises BadInput for a baseline of another type.
    """
    baseline = require_type(version, "monitoring").baseline
    values = {term.name: term.value for term in baseline.coefficients}
    total = pl.lit(values[INTERCEPT])
    for name in baseline.feature_order:
        total = total + pl.lit(values[name]) * _expression(name)
    outside = pl.lit(value=False)
    for name, (low, high) in baseline.driver_ranges.items():
        outside = outside | ~pl.col(name).is_between(low, high).fill_null(value=True)
    # Of the fit and not of the coefficients: what one interval scatters by, of which their share is small.
    sigma = baseline.statistics.rmse_dof
    return rows.select(
        "interval_start_utc", "hours", "actual_kw", expected_kw=total, is_extrapolated=outside
    ).with_columns(
        residual_kw=pl.col("actual_kw") - pl.col("expected_kw"),
        z=(pl.col("actual_kw") - pl.col("expected_kw")) / sigma if sigma > 0 else pl.lit(None, dtype=pl.Float64),
    ).with_columns(is_alert=(pl.col("z").abs() > ALERT_SIGMA).fill_null(value=False))  # fmt: skip


def _driver_features(used: pl.DataFrame, drivers: Sequence[str], site: Site) -> list[str]:
    degc = {driver.driver_id for driver in site.drivers if driver.unit in {"degc", "degf"}}
    found: list[str] = []
    for name in drivers:
        if name not in degc:
            found.append(name)
            continue
        pair = [
            degree_day_feature(name, "hdd", HEATING_BELOW_DEGC),
            degree_day_feature(name, "cdd", COOLING_ABOVE_DEGC),
        ]
        shares = [float((used.select(feature_expression(each)).to_series() > 0).mean() or 0.0) for each in pair]  # type: ignore[arg-type]
        found += pair if min(shares) >= MIN_SHARE_OF_ROWS else [name]
    return found


def _expression(feature: str) -> pl.Expr:
    if feature.startswith(LEVEL):
        return (pl.col("level") == feature).cast(pl.Float64)
    return feature_expression(feature)


def _design(used: pl.DataFrame, features: Sequence[str]) -> Vector:
    columns = used.select(_expression(name).alias(name) for name in features).to_numpy().astype(np.float64)
    return np.column_stack([np.ones(used.height), columns])


def _independent(used: pl.DataFrame, features: Sequence[str]) -> list[str]:
    """The features without those that the ones before them determine."""
    design = _design(used, features)
    # In order of the features: QR leaves nothing on the diagonal for one that those before it determine.
    scaled = design / np.maximum(np.abs(design).max(axis=0), 1e-300)
    diagonal = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    return [name for name, size in zip(features, diagonal[1:], strict=True) if size > 1e-8 * np.sqrt(len(design))]


def _coefficients(
    design: Vector, y: Vector, solved: Vector, predicted: Vector, features: Sequence[str], confidence: float
) -> tuple[Coefficient, ...]:
    # Not scipy.stats, which is slow to import for two functions.
    from scipy.special import stdtr, stdtrit

    freedom = len(y) - design.shape[1]
    variance = float(np.sum((y - predicted) ** 2)) / freedom
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(design.T @ design)) * variance, 0.0))
    half = float(stdtrit(freedom, 0.5 + confidence / 2.0))
    return tuple(
        Coefficient(
            name=name,
            value=float(value),
            standard_error=float(error),
            ci_low=float(value - half * error),
            ci_high=float(value + half * error),
            p_value=float(2.0 * stdtr(freedom, -abs(value / error))) if error > 0 else 0.0,
        )
        for name, value, error in zip((INTERCEPT, *features), solved, errors, strict=True)
    )
