"""Uncertainty of a saving against a regression baseline, as ASHRAE G14 and CalTRACK compute it (formulas 5.5)."""

import math

# Sun and Baltazar, daily coefficients a, b, d of k = aM² + bM + d, M in months of the reporting period.
_DAILY = (-0.00024, 0.03535, 1.00286)


def effective_observations(n: float, rho1: float) -> float:
    """n′ = n (1 − ρ)/(1 + ρ): independent observations worth of n correlated ones. Raises ValueError for |ρ| >= 1."""
    if not -1.0 < rho1 < 1.0:
        raise ValueError(f"lag-1 autocorrelation {rho1} is outside (-1, 1)")
    return n * (1.0 - rho1) / (1.0 + rho1)


def daily_correction(months: float) -> float:
    """The factor k of daily models; `months` is the length of the reporting period and is not capped at 12."""
    a, b, d = _DAILY
    return a * months**2 + b * months + d


def two_sided_t(confidence: float, degrees_of_freedom: float) -> float:
    """Student's t that `confidence` (0–1) of the probability lies within."""
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2.0, degrees_of_freedom))


def savings_uncertainty_kwh(
    *,
    expected_kwh: float,
    cvrmse: float,
    rho1: float,
    n: int,
    m: int,
    months: float,
    confidence: float,
    n_params: int,
) -> float:
    """Half-width of the interval around a saving, kWh: ΔE = k·t·CV·Ē·sqrt((n/n′)(1 + 2/n′)m).

    expected_kwh: sum of the m daily predictions of the reporting period (so Ē = expected_kwh / m).
    cvrmse: CV(RMSE) of the daily baseline with n − p degrees of freedom; n baseline days; n_params includes
    the intercept; rho1 is the lag-1 autocorrelation of the residuals; months of the reporting period.
    Covers the model's error only, not the meter's and not non-routine events.
    Raises ValueError where the period is empty or no degree of freedom is left. Source: formulas 5.5.
    """
    if m <= 0 or n <= n_params:
        raise ValueError(f"no uncertainty for m = {m} reporting days, n = {n} baseline days, p = {n_params}")
    n_effective = effective_observations(n, rho1)
    spread = (n / n_effective) * (1.0 + 2.0 / n_effective) * m
    t_value = two_sided_t(confidence, n - n_params)
    return daily_correction(months) * t_value * cvrmse * abs(expected_kwh) / m * math.sqrt(spread)


def fractional_savings_uncertainty(uncertainty_kwh: float, savings_kwh: float) -> float | None:
    """FSU = ΔE / E_save; None for savings at or below zero, where the ratio says nothing (formulas 5.5, trap 3)."""
    return uncertainty_kwh / savings_kwh if savings_kwh > 0 else None
