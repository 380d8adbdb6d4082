"""The smallest saving that a baseline can detect in noise: a number for the M&V plan, before anything is installed."""

import math

from assets.kpi.enpi.savings_band import DAYS_A_MONTH, MAX_RHO, savings_uncertainty_kwh
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from ml.baselines.models.fit import Fit

# Days of one point of the reporting period.
_ROWS = {"hourly": 24.0, "daily": 1.0, "billing": 12.0 / 365.25}


class MinimumDetectable(Model):
    """Smallest detectable saving over `months` of reporting, as a fraction (0–1) of the expected energy and in energy.

    max_fsu: the fractional uncertainty that still counts as detected, at `confidence`.
    """

    fraction: float
    energy: float
    expected: float
    months: float
    confidence: float
    max_fsu: float
    unit: str


def minimum_detectable(
    fit: Fit, *, months: float = 12.0, confidence: float = 0.9, max_fsu: float = 0.5
) -> MinimumDetectable | Finding:
    """The saving F whose FSU is `max_fsu` in a reporting period like the baseline: F = (ΔE / expected) / max_fsu.

    max_fsu 0.5 at 68 % is G14's criterion; 1.0 asks only that the interval leaves zero. From formulas 5.5 with n′ at
    most n; the expected energy is the baseline's mean. A Finding where the fit has no degree of freedom or mean.
    Raises ValueError for months, confidence or max_fsu out of range.
    """
    if months <= 0 or not 0.0 < confidence < 1.0 or max_fsu <= 0:
        raise ValueError(f"no such plan: months = {months}, confidence = {confidence}, max_fsu = {max_fsu}")
    mean = float(fit.weights @ fit.y / fit.weights.sum())
    if fit.n <= fit.n_params or mean <= 0:
        return Finding(
            code="no_detectable_saving",
            message=Sentence(
                "{0} points and {1} coefficients: the baseline cannot say how sure it is.", fit.n, fit.n_params
            ),
            severity="blocking",
            facts={"n": fit.n, "n_params": fit.n_params, "mean": mean},
        )
    m = max(round(months * DAYS_A_MONTH * _ROWS[fit.frequency]), 1)
    share = savings_uncertainty_kwh(
        expected_kwh=1.0,
        cvrmse=fit.statistics.cvrmse_g14,
        # As in the band of a saving: n′ above n is not credited, and ρ near 1 would leave no points.
        rho1=min(max(fit.statistics.rho1, 0.0), MAX_RHO),
        n=fit.n,
        m=m,
        months=months,
        confidence=confidence,
        n_params=fit.n_params,
        frequency=fit.frequency,
    )
    per_day = mean * (24.0 if fit.frequency == "hourly" else 1.0)
    expected = per_day * months * DAYS_A_MONTH
    fraction = share / max_fsu
    if not math.isfinite(fraction):
        raise ValueError("the fit's statistics are not finite")
    return MinimumDetectable(
        fraction=fraction,
        energy=fraction * expected,
        expected=expected,
        months=months,
        confidence=confidence,
        max_fsu=max_fsu,
        unit=fit.unit,
    )
