"""Daily ordinary least squares per SEU: usable days in, a baseline with its statistics and findings out."""

import hashlib
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import INTERCEPT, driver_of
from data_quality.contracts.baselines.baseline import BandTerms, Baseline, BaselineType, Coefficient, FitStatistics
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Seu, Site
from ml.baselines.models.savings_uncertainty import band_terms
from ml.baselines.models.statistics import Vector, fit_statistics, held_out_predictions, variance_inflation
from ml.baselines.models.sufficiency import SUM_NOISE, data_findings, fit_findings, refused, usable_days
from ml.baselines.models.term_choice import Trial, choose_features

MODEL_NAME = "ols_daily"


def fit_daily(
    days: pl.DataFrame,
    *,
    site: Site,
    seu: Seu,
    start: date,
    end: date,
    today: date,
    lake_digest: str,
    baseline_type: BaselineType = BaselineType.ENB,
    confidence: float = 0.9,
) -> Baseline | Finding:
    """Fit kWh per local day on the SEU's drivers over the local dates [start, end).

    days: seu_days(...) holding at least those dates. Days under 90 % of their readings are left out and counted;
    the others are scaled to a full day (energy / coverage). today: local date of the fit; lake_digest: digest of
    the partitions behind `days`; confidence of the coefficients' intervals (0–1).
    Returns a Finding where no number can be given: too few days, a driver never known or constant, no variation.
    Raises OurFault where `days` does not hold the period.
    """
    period = days.filter(pl.col("local_date").is_between(start, end, closed="left")).sort("local_date")
    if period.height != (end - start).days:
        raise OurFault(f"the daily table holds {period.height} of the {(end - start).days} days from {start} to {end}")
    drivers = [driver.driver_id for driver in seu.drivers]
    used = usable_days(period, drivers)
    refusal = _refusal(period, used, drivers, seu)
    if refusal is not None:
        return refusal
    y = (used["energy_kwh"] / used["coverage"]).to_numpy()
    choice = choose_features(
        used, y, drivers=drivers, temperature=_temperature(site, drivers), offer_day_types=seu.day_types
    )
    trial = Trial(used, y)
    design = trial.design(choice.features)
    if len(y) <= design.shape[1] + 1 or np.linalg.matrix_rank(_scaled(design)) < design.shape[1]:
        return _too_few(len(y), design.shape[1], seu)
    coefficients, statistics, band = _infer(y, trial, choice.features, confidence)
    load_cv = float(np.std(y) / np.mean(y))
    growing = _growing(site, choice.features)
    return Baseline(
        seu_id=seu.seu_id,
        site_id=site.site_id,
        baseline_type=baseline_type,
        model=MODEL_NAME,
        feature_order=choice.features,
        coefficients=coefficients,
        driver_ranges=ranges_of(used, choice.features),
        train_start=start,
        train_end=end,
        confidence=confidence,
        statistics=statistics,
        findings=(
            *data_findings(period, drivers, start=start, end=end, today=today),
            *choice.findings,
            *fit_findings(statistics, coefficients, load_cv=load_cv, growing_with=growing),
        ),
        dataset_digest=dataset_digest(period, drivers, lake_digest),
        is_synthetic=bool(period["is_synthetic"].any()),
        band=band,
    )


def dataset_digest(days: pl.DataFrame, drivers: Sequence[str], lake_digest: str) -> str:
    """SHA-256 of the lake digest and the daily table as CSV text: equal digests mean an equal fit."""
    columns = ["local_date", "hours", "energy_kwh", "coverage", *drivers, "is_weekend", "is_holiday"]
    text = days.sort("local_date").select(columns).write_csv()
    return hashlib.sha256(f"{lake_digest}\n{text}".encode()).hexdigest()


def _refusal(period: pl.DataFrame, used: pl.DataFrame, drivers: Sequence[str], seu: Seu) -> Finding | None:
    """Why no regression is possible at all, or None."""
    for name in drivers:
        if period[name].null_count() == period.height:
            return refused("driver_missing", f"Driver {name} is not known on any day.", seu, days=period.height)
    # Intercept and drivers, and at least two days more: else residuals say nothing of the noise.
    if used.height <= len(drivers) + 2:
        return _too_few(used.height, len(drivers) + 1, seu)
    energy = used["energy_kwh"]
    if float(energy.sum()) <= 0:
        return refused("no_energy", "The SEU's meters show no consumption.", seu, days=used.height)
    # PNRMSE divides by this range.
    low, high = (energy.quantile(share, "linear") or 0.0 for share in (0.25, 0.75))
    if high - low <= SUM_NOISE * high:
        message = "At least half of the days have the same energy: a stuck meter, or a load without drivers."
        return refused("flat_load", message, seu, days=used.height)
    for name in drivers:
        if used[name].n_unique() == 1:
            return refused("driver_constant", f"Driver {name} never changes in the period.", seu, days=used.height)
    return None


def _too_few(n: int, p: int, seu: Seu) -> Finding:
    message = f"{n} usable days do not determine {p} coefficients."
    return refused("too_few_days", message, seu, days=n, coefficients=p)


def _temperature(site: Site, drivers: Sequence[str]) -> str | None:
    """The SEU's first driver in degC: the one whose form is searched."""
    # By the unit and not the name, which a site is free to choose.
    degc = {driver.driver_id for driver in site.drivers if driver.unit in {"degc", "degf"}}
    return next((name for name in drivers if name in degc), None)


def _growing(site: Site, features: Sequence[str]) -> list[str]:
    """Features of which more cannot mean less energy: amounts such as production, and degree days."""
    amounts = {driver.driver_id for driver in site.drivers if driver.aggregation == "sum"}
    return [name for name in features if name in amounts or driver_of(name) != name]


def ranges_of(used: pl.DataFrame, features: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each driver that the features are made of."""
    names = list(dict.fromkeys(driver_of(name) for name in features))
    ranges = used.select(names).cast(pl.Float64)
    return {name: (float(ranges[name].to_numpy().min()), float(ranges[name].to_numpy().max())) for name in names}


def _scaled(design: Vector) -> Vector:
    # To size one: whether columns are independent must not depend on kWh or MWh.
    largest: Vector = np.maximum(np.abs(design).max(axis=0), 1e-300)
    return np.divide(design, largest)


def _infer(
    y: Vector, trial: Trial, features: Sequence[str], confidence: float
) -> tuple[tuple[Coefficient, ...], FitStatistics, BandTerms]:
    """Coefficients with their intervals, the statistics of the fit in and out of sample, and what its band needs."""
    # Not statsmodels.api, which loads every model there is: most of a second of each process.
    from statsmodels.regression.linear_model import OLS

    design = trial.design(features)
    fit = OLS(y, design).fit()
    bounds = np.asarray(fit.conf_int(alpha=1.0 - confidence))
    vif = variance_inflation(design, np.ones(len(y)))
    terms = tuple(
        Coefficient(
            name=name,
            value=float(fit.params[j]),
            standard_error=float(fit.bse[j]),
            ci_low=float(bounds[j, 0]),
            ci_high=float(bounds[j, 1]),
            p_value=float(fit.pvalues[j]),
            vif=vif[j],
        )
        for j, name in enumerate((INTERCEPT, *features))
    )
    predicted = np.asarray(fit.fittedvalues, dtype=np.float64)
    statistics = fit_statistics(
        y=y,
        predicted=predicted,
        held_out=held_out_predictions(design, y, trial.folds),
        p=design.shape[1],
        days=trial.days["local_date"].to_list(),
    )
    # A base that was searched costs a degree of freedom, like a coefficient.
    searched = sum(driver_of(name) != name for name in features)
    band = band_terms(design, y - predicted, frequency="daily", n_params=design.shape[1], searched=searched)
    return terms, statistics, band
