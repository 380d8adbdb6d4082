"""Normalised savings: what a typical year would have cost before and after, two models on the same weather (IPMVP)."""

import math
from datetime import date

import numpy as np
import polars as pl

from assets.kpi.enpi.savings_band import fractional_savings_uncertainty, two_sided_t
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.savings_uncertainty import FEW, autocorrelation, correlated_gram, n_searched, weighted
from ml.baselines.savings.bootstrap import period_sum
from ml.baselines.usage_tables.usage_table import Usage

# A tenth may be missing, as of a baseline; more than a leap year is no year.
MIN_TYPICAL_DAYS, MAX_TYPICAL_DAYS = 365 * 0.9, 367


class NormalisedSavings(Model):
    """Savings of a typical year: Σ before(x) − Σ after(x); not the avoided energy of a real period, nor its stand-in.

    days: of the typical year that both models can be asked for. uncertainty_kwh: of both models' coefficients, at
    `confidence`; neither meter is read here, so no period's noise is in it.
    """

    kind: str = "normalised_to_typical_year"
    unit: str
    days: float
    before_kwh: float
    after_kwh: float
    savings_kwh: float
    delta_kwh: float
    savings_percent: float
    confidence: float
    uncertainty_kwh: float
    interval_kwh: tuple[float, float]
    fsu: float | None
    model_before: str
    model_after: str
    findings: tuple[Finding, ...]


def normalised_savings(
    before: Fit,
    usage: Usage,
    typical: Usage,
    *,
    report_start: date,
    report_end: date,
    confidence: float = 0.9,
    model: str = "auto",
) -> NormalisedSavings | Finding:
    """Fit a second model on the reporting period and put both on the typical year.

    usage: energy and drivers of the reporting period. typical: a year of drivers without energy, of the same frequency
    (days for a model of bills). model: how the second one is chosen, as the first was. Returns the Finding of the
    second fit where there is none, or `no_typical_year`.
    """
    after = fit_usage(usage, start=report_start, end=report_end, model=model)
    if isinstance(after, Finding):
        return after.model_copy(update={"message": f"Second model, of the reporting period: {after.message}"})
    is_known = np.isfinite(before.predict(typical)) & np.isfinite(after.predict(typical))
    year = typical.with_frame(typical.frame.filter(pl.Series(is_known)))
    days = float(year.frame["days"].sum())
    if not MIN_TYPICAL_DAYS <= days <= MAX_TYPICAL_DAYS:
        return Finding(
            code="no_typical_year",
            message=Sentence(
                "The typical year has drivers for {0} days; {1} to {2} wanted.",
                Numeral(f"{days:.0f}"),
                Numeral(f"{MIN_TYPICAL_DAYS:.0f}"),
                MAX_TYPICAL_DAYS,
            ),
            severity="blocking",
            facts={"days": days, "least": MIN_TYPICAL_DAYS, "most": MAX_TYPICAL_DAYS},
        )
    was, now = float(before.predict(year).sum()), float(after.predict(year).sum())
    if was <= 0:
        message = Sentence("The baseline expects {0} {1} of the typical year.", Numeral.rounded(was), before.unit)
        return Finding(code="expected_not_positive", message=message, severity="blocking", facts={"expected": was})
    # Two fits of different periods: their errors are independent.
    error = math.hypot(coefficient_error(before, year), coefficient_error(after, year))
    # Of two fits the one that has fewer to spare: rather too wide than too narrow.
    free = min(each.n - each.n_params - n_searched(each) for each in (before, after))
    half = two_sided_t(confidence, max(free, 1)) * error
    saved = was - now
    return NormalisedSavings(
        unit=before.unit,
        days=days,
        before_kwh=was,
        after_kwh=now,
        savings_kwh=saved,
        delta_kwh=-saved,
        savings_percent=100.0 * saved / was,
        confidence=confidence,
        uncertainty_kwh=half,
        interval_kwh=(saved - half, saved + half),
        fsu=fractional_savings_uncertainty(half, saved),
        model_before=before.model,
        model_after=after.model,
        findings=after.findings,
    )


def coefficient_error(fit: Fit, year: Usage) -> float:
    """Standard error of Σ prediction over the rows of `year`, from the coefficients alone, autocorrelation included."""
    design, residuals = weighted(fit)
    inverse = np.asarray(np.linalg.pinv(design.T @ design, hermitian=True), dtype=np.float64)
    rho = autocorrelation(design, residuals, inverse, is_few=fit.n < FEW, is_long=fit.frequency == "hourly")
    spread = inverse @ correlated_gram(design, rho) @ inverse
    total = period_sum(fit, year)
    variance = float(residuals @ residuals) / max(fit.n - fit.n_params - n_searched(fit), 1)
    return math.sqrt(variance * float(total @ spread @ total))
