"""Uncertainty of a saving against a regression baseline, as ASHRAE G14 and CalTRACK compute it (formulas 5.5)."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from data_quality.contracts.baselines.baseline import BandTerms
from data_quality.contracts.work.offload import call

Frequency = Literal["hourly", "daily", "billing"]
# Coefficients a, b, d of k = aM² + bM + d, M in months of the reporting period (Sun and Baltazar); hourly k is fixed.
_DAILY = (-0.00024, 0.03535, 1.00286)
_BILLING = (-0.00022, 0.03306, 0.94054)
_HOURLY_K = 1.26
DAYS_A_MONTH = 365.25 / 12.0
# The form's k, t and n′ are rounded fits: up to here, and the standard error of s, 1/sqrt(2·(n − p)), it and exact
# algebra are taken to say the same …
AGREES_WITHIN = 1.18
# … and then the stated band is at most this much wider than the form's.
AT_MOST = 1.10
# At this value n′ of a year is less than four days: beyond it the form says nothing.
MAX_RHO = 0.98


def effective_observations(n: float, rho1: float) -> float:
    """n′ = n (1 − ρ)/(1 + ρ): independent observations worth of n correlated ones. Raises ValueError for |ρ| >= 1."""
    if not -1.0 < rho1 < 1.0:
        raise ValueError(f"lag-1 autocorrelation {rho1} is outside (-1, 1)")
    return n * (1.0 - rho1) / (1.0 + rho1)


def correction(frequency: Frequency, months: float) -> float:
    """The factor k: 1.26 for hourly models, Sun and Baltazar's polynomial for daily ones and for bills."""
    if frequency == "hourly":
        return _HOURLY_K
    a, b, d = _DAILY if frequency == "daily" else _BILLING
    return a * months**2 + b * months + d


# The marts ask the same few of them for every month of every use.
@lru_cache(maxsize=4096)
def two_sided_t(confidence: float, degrees_of_freedom: float) -> float:
    """Student's t that `confidence` (0–1) of the probability lies within; the same digits here or in a subprocess."""
    # SciPy takes 27 MB.
    return float(call(student_t, confidence=confidence, degrees_of_freedom=degrees_of_freedom))


def student_t(confidence: float, degrees_of_freedom: float) -> float:
    """`two_sided_t`, worked out here."""
    # Not scipy.stats, which takes a second to import for one function.
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.5 + confidence / 2.0))


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
    frequency: Frequency = "daily",
) -> float:
    """Half-width of the interval around a saving, kWh: ΔE = k·t·CV·Ē·sqrt((n/n′)(1 + 2/n′)m).

    expected_kwh: sum of the m predictions of the reporting period (so Ē = expected_kwh / m); a prediction is one
    of an hour, a day or a bill, by `frequency`.
    cvrmse: CV(RMSE) of the baseline with n − p degrees of freedom; n baseline points; n_params includes
    the intercept; rho1 is the lag-1 autocorrelation of the residuals; months of the reporting period.
    Covers the model's error only, not the meter's and not non-routine events.
    Raises ValueError where the period is empty or no degree of freedom is left. Source: formulas 5.5.
    """
    if m <= 0 or n <= n_params:
        raise ValueError(f"no uncertainty for m = {m} reporting points, n = {n} baseline points, p = {n_params}")
    n_effective = effective_observations(n, rho1)
    spread = (n / n_effective) * (1.0 + 2.0 / n_effective) * m
    t_value = two_sided_t(confidence, n - n_params)
    return correction(frequency, months) * t_value * cvrmse * abs(expected_kwh) / m * math.sqrt(spread)


def fractional_savings_uncertainty(uncertainty_kwh: float, savings_kwh: float) -> float | None:
    """FSU = ΔE / E_save; None for savings at or below zero, where the ratio says nothing (formulas 5.5, trap 3)."""
    return uncertainty_kwh / savings_kwh if savings_kwh > 0 else None


def caltrack_fsu(
    *,
    savings_fraction: float,
    cvrmse: float,
    rho1: float,
    n: int,
    m: int,
    months: float,
    confidence: float,
    n_params: int,
) -> float:
    """CalTRACK 4.3.2.4: FSU = t·(aM² + bM + d)·CV(RMSE)·sqrt((P/P′)(1 + 2/P′)(1/Q)) / F, with P = n and Q = m.

    The same number as ΔE over the saving, written with F = saving / expected. Raises ValueError for F <= 0, for an
    empty period and where no degree of freedom is left.
    """
    if savings_fraction <= 0:
        raise ValueError(f"a fractional uncertainty needs a saving above zero, got the fraction {savings_fraction}")
    share = savings_uncertainty_kwh(
        expected_kwh=1.0,
        cvrmse=cvrmse,
        rho1=rho1,
        n=n,
        m=m,
        months=months,
        confidence=confidence,
        n_params=n_params,
    )
    return share / savings_fraction


def portfolio_uncertainty_kwh(uncertainties_kwh: Sequence[float]) -> float:
    """Uncertainty of the sum of savings of independent meters, kWh: sqrt(Σ ΔU²). Source: formulas 5.5."""
    return math.hypot(*uncertainties_kwh)


def portfolio_fsu(uncertainties_kwh: Sequence[float], savings_kwh: Sequence[float]) -> float | None:
    """FSU of a portfolio: sqrt(Σ ΔU²) / Σ U_save; None where the portfolio saves nothing."""
    return fractional_savings_uncertainty(portfolio_uncertainty_kwh(uncertainties_kwh), math.fsum(savings_kwh))


def inflation(rho: float) -> float:
    """(1 + ρ)/(1 − ρ): variance of a long sum, in units of the variance of its terms."""
    return (1.0 + rho) / (1.0 - rho)


def model_variance(terms: BandTerms, total: Sequence[float]) -> float:
    """Variance of a sum of predictions whose design rows sum to `total` (intercept first): σ² · x′·C·x."""
    shape = math.fsum(
        value * by * other
        for value, row in zip(total, terms.spread, strict=True)
        for by, other in zip(row, total, strict=True)
    )
    return terms.variance * shape


def noise_variance(terms: BandTerms, amount: float) -> float:
    """Variance of the sum of `amount` energies about what they should be, the noise first-order autoregressive."""
    rho = terms.rho1
    # Exact for a sum of that length; for long ones only the first term counts.
    noise = amount * inflation(rho) - (2.0 * rho * (1.0 - rho**amount) / (1.0 - rho) ** 2 if rho else 0.0)
    return terms.variance * noise


def sum_standard_error(terms: BandTerms, total: Sequence[float], amount: float) -> float:
    """Standard error of Σ(prediction − energy) over `amount` rows whose design rows sum to `total`."""
    return math.sqrt(model_variance(terms, total) + noise_variance(terms, amount))


def agreeing_within(n: int, n_params: int) -> float:
    """By how much exact algebra may exceed ΔE before the two no longer say the same."""
    return AGREES_WITHIN + 1.0 / math.sqrt(2.0 * max(n - n_params, 1))


def stated_half_width(exact: float, delta_e: float, agreeing: float) -> float:
    """The half-width that is stated where exact algebra and the G14 form give these two.

    Exact algebra stands. Where it is above ΔE by less than the two can differ anyway it is limited to 1.1 · ΔE; where
    it exceeds that, ΔE's assumptions (a full cycle of weather, autocorrelation of lag 1) do not hold.
    """
    return exact if exact <= AT_MOST * delta_e or exact > agreeing * delta_e else AT_MOST * delta_e
