"""Uncertainty of a saving: the band of ASHRAE G14 (formulas 5.5), and that of exact algebra for the same model.

G14's form knows one number of the reporting period, its length. Exact algebra knows its weather: a baseline of twelve
months predicts three winter months worse than the form believes. Both are computed; `stated_band` says which stands.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assets.kpi.enpi.daily import driver_of
from assets.kpi.enpi.savings_band import (
    AT_MOST,
    DAYS_A_MONTH,
    MAX_RHO,
    agreeing_within,
    correction,
    effective_observations,
    inflation,
    model_variance,
    noise_variance,
    savings_uncertainty_kwh,
    stated_half_width,
    two_sided_t,
)
from data_quality.contracts.baselines.baseline import BandTerms
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from ml.baselines.models.choose import MIN_BILLS_TO_SEARCH
from ml.baselines.models.fit import Fit
from ml.baselines.models.forms import LinearForm
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Frequency, Usage

# Rows that a sum of residuals is taken over where lag 1 may not be all: a day of hours, a week of days.
_BLOCK_ROWS = {"hourly": 24, "daily": 7}
# Fewer points than this do not tell a correlation of ±0.4 from none.
FEW = 30


@dataclass(frozen=True, slots=True)
class Band:
    """Half-widths in the unit of the energy, at one confidence, with all that the G14 form was given.

    half_width: the stated one; method says how it came to be. delta_e: ΔE of formulas 5.5. exact: algebra of least
    squares under first-order (or longer) autocorrelation. rho1 is measured, rho1_used is what exact algebra
    used after its bias was taken out; n_effective is n′, never above n.
    """

    confidence: float
    half_width: float
    method: Literal["exact", "exact_limited"]
    delta_e: float
    exact: float
    rho1: float
    rho1_used: float
    n: int
    n_effective: float
    n_params: int
    m: int
    months: float
    k: float
    t: float
    cvrmse: float
    findings: tuple[Finding, ...] = ()


def stated_band(fit: Fit, period: Usage, *, expected: float, confidence: float) -> Band:
    """The band around the saving of `period`, whose rows are all those that were compared (energy and drivers known).

    expected: sum of the predictions of these rows. Raises ValueError for no row and for a fit without a degree of
    freedom. Rule: exact algebra stands. Where it is above ΔE by less than the two can differ anyway (AGREES_WITHIN) it
    is limited to 1.1 · ΔE; where it exceeds that, ΔE's assumptions (a full cycle of weather, autocorrelation of lag 1)
    do not hold, and a finding says so.
    """
    n, p, m = fit.n, fit.n_params, period.frame.height
    months = float(period.frame["days"].sum()) / DAYS_A_MONTH
    rho1 = min(max(fit.statistics.rho1, -MAX_RHO), MAX_RHO)
    # n′ > n would credit noise that alternates: with a dozen bills that is the fit's own doing, not the building's.
    credited = max(rho1, 0.0)
    delta_e = savings_uncertainty_kwh(
        expected_kwh=expected,
        cvrmse=fit.statistics.cvrmse_g14,
        rho1=credited,
        n=n,
        m=m,
        months=months,
        confidence=confidence,
        n_params=p,
        frequency=fit.frequency,
    )
    sigma, rho1_used = exact_standard_error(fit, period)
    exact = two_sided_t(confidence, degrees_of_freedom(n, p, n_searched(fit))) * sigma
    half_width, method, findings = _stated(exact, delta_e, agreeing_within(n, p))
    return Band(
        confidence=confidence,
        half_width=half_width,
        method=method,
        delta_e=delta_e,
        exact=exact,
        rho1=rho1,
        rho1_used=rho1_used,
        n=n,
        n_effective=effective_observations(n, credited),
        n_params=p,
        m=m,
        months=months,
        k=correction(fit.frequency, months),
        t=two_sided_t(confidence, n - p),
        cvrmse=fit.statistics.cvrmse_g14,
        findings=findings,
    )


def _stated(
    exact: float, delta_e: float, agreeing: float
) -> tuple[float, Literal["exact", "exact_limited"], tuple[Finding, ...]]:
    stated = stated_half_width(exact, delta_e, agreeing)
    if stated < exact:
        return stated, "exact_limited", ()
    if exact <= AT_MOST * delta_e:
        return exact, "exact", ()
    finding = Finding(
        code="formula_band_too_narrow",
        message=Sentence(
            "The G14 form gives a band of ±{0}, exact algebra ±{1}: the period is no full cycle of the "
            "weather, the noise is longer than a step, or there are very few points. The wider one is "
            "stated.",
            Numeral.rounded(delta_e),
            Numeral.rounded(exact),
        ),
        facts={"delta_e": delta_e, "exact": exact, "ratio": exact / delta_e if delta_e > 0 else None},
    )
    return exact, "exact", (finding,)


def n_searched(fit: Fit) -> int:
    """Balance points that were searched on the fitted rows: each costs a degree of freedom like a coefficient.

    None of a handful of bills, whose base temperature is the usual one.
    """
    if not isinstance(fit.form, LinearForm) or (fit.frequency == "billing" and fit.n < MIN_BILLS_TO_SEARCH):
        return 0
    return sum(driver_of(term) != term for term in fit.form.terms)


def degrees_of_freedom(n: int, n_params: int, searched: int) -> int:
    """Of the t of exact algebra: a searched balance point costs one like a coefficient."""
    return max(n - n_params - searched, 1)


def exact_standard_error(fit: Fit, period: Usage) -> tuple[float, float]:
    """Standard error of Σ(prediction − energy) over `period`, and the lag-1 autocorrelation it was computed with."""
    of_model, of_noise, rho1 = error_variances(fit, period)
    return math.sqrt(of_model + of_noise), rho1


def error_variances(fit: Fit, period: Usage) -> tuple[float, float, float]:
    """Variance of Σ prediction and of Σ energy over `period`, and the lag-1 autocorrelation of the noise.

    Bills weigh by their days.
    """
    design, residuals = weighted(fit)
    per_row = fit.form.design(period)
    if fit.frequency == "billing":
        per_row = per_row * period.frame["days"].to_numpy()[:, None]
    amount = float(period.frame["days"].sum()) if fit.frequency == "billing" else float(period.frame.height)
    terms = band_terms(
        design, residuals, frequency=fit.frequency, n_params=fit.n_params, searched=n_searched(fit)
    )  # fmt: skip
    total = [float(each) for each in per_row.sum(axis=0)]
    return model_variance(terms, total), noise_variance(terms, amount), terms.rho1


def band_terms(design: Vector, residuals: Vector, *, frequency: Frequency, n_params: int, searched: int) -> BandTerms:
    """Parts of a fit that exact algebra needs: X′X⁻¹·X′ΣX·X′X⁻¹ with Σ of a first-order autoregression, σ², ρ.

    design, residuals: rows of equal variance, in order of time. ρ is the one whose expected residual autocorrelation,
    after the fit has taken its part, is the one measured; σ² alike.
    """
    n = len(residuals)
    inverse = np.asarray(np.linalg.pinv(design.T @ design, hermitian=True), dtype=np.float64)
    rho = autocorrelation(design, residuals, inverse, is_few=n < FEW, is_long=frequency == "hourly")
    gram = correlated_gram(design, rho)
    free = n - float(np.trace(inverse @ gram)) - searched * inflation(rho)
    # However alike neighbours are, a quarter of the points counts: else the variance would run away.
    variance = float(residuals @ residuals) / max(free, 0.25 * (n - n_params), 1.0)
    return BandTerms(
        spread=tuple(tuple(float(each) for each in row) for row in inverse @ gram @ inverse),
        variance=variance * longer_memory(frequency, residuals, variance, rho),
        rho1=rho,
        dof=degrees_of_freedom(n, n_params, searched),
    )


def weighted(fit: Fit) -> tuple[Vector, Vector]:
    """Design and residuals with rows of equal variance: times the square root of a bill's days, as they are else."""
    root = np.sqrt(fit.weights)
    return fit.design * root[:, None], fit.residuals * root


def _filtered(design: Vector, rho: float) -> Vector:
    """F with F_t = ρ·F_{t−1} + x_t, by columns."""
    from scipy.signal import lfilter

    filtered: Vector = np.asarray(lfilter([1.0], [1.0, -rho], design, axis=0))
    return filtered


def correlated_gram(design: Vector, rho: float) -> Vector:
    """X′ΣX with Σ_ij = ρ^|i − j|, in O(n·p²)."""
    if rho == 0.0:
        return np.asarray(design.T @ design)
    half = design.T @ _filtered(design, rho)
    return np.asarray(half + half.T - design.T @ design)


def autocorrelation(design: Vector, residuals: Vector, inverse: Vector, *, is_few: bool, is_long: bool) -> float:
    """ρ in [0, 0.98] of the noise behind residuals of a fit, by matching the expected lag-1 ratio of residuals.

    A fit takes low frequencies out of its residuals, so that their ρ₁ is below that of the noise; with n in the
    thousands (is_long) the difference is nothing, with a dozen points (is_few) ρ₁ counts only where it stands out.
    """
    squares = float(residuals @ residuals)
    if squares == 0:
        return 0.0
    measured = float(residuals[1:] @ residuals[:-1]) / squares
    if is_few:
        # Two standard errors of a correlation that is none, 1/√n each; beyond 0.8 a dozen points are a trend.
        return min(max(measured, 0.0), 0.8) if measured > 2.0 / math.sqrt(len(residuals)) else 0.0
    if is_long:
        return min(max(measured, 0.0), MAX_RHO)
    low, high = 0.0, MAX_RHO
    if _expected_ratio(design, inverse, low) >= measured:
        return 0.0
    # To a millionth.
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _expected_ratio(design, inverse, middle) < measured else (low, middle)
    return 0.5 * (low + high)


def _expected_ratio(design: Vector, inverse: Vector, rho: float) -> float:
    """E[Σ e_t·e_{t−1}] / E[Σ e²] of the residuals e = Mu of a fit, where u is first-order noise with this ρ.

    With H the hat matrix, L the symmetric half-shift: tr(MLMΣ) = tr(LΣ) − 2·tr(LHΣ) + tr(LHΣH); tr(MΣ) = n − tr(HΣ).
    """
    n = len(design)
    gram = correlated_gram(design, rho)
    shifted = np.zeros_like(design)
    shifted[1:] += 0.5 * design[:-1]
    shifted[:-1] += 0.5 * design[1:]
    forward = _filtered(shifted, rho)
    backward = _filtered(shifted[::-1], rho)[::-1]
    crossed = design.T @ (forward + backward - shifted)
    moved = design.T @ shifted
    top = (n - 1) * rho - 2.0 * float(np.trace(inverse @ crossed)) + float(np.trace(inverse @ moved @ inverse @ gram))
    return top / (n - float(np.trace(inverse @ gram)))


def longer_memory(frequency: Frequency, residuals: Vector, variance: float, rho: float) -> float:
    """By how much the variance of sums of a day of hours (a week of days) exceeds that of first-order noise; 1 where
    it does not by three standard errors. Such noise has a longer memory than one step: a holiday, a cold week.
    """
    rows = _BLOCK_ROWS.get(frequency)
    # Of fewer than twenty sums the variance is a guess.
    if rows is None or len(residuals) < 20 * rows or variance <= 0:
        return 1.0
    count = len(residuals) // rows
    sums = residuals[: count * rows].reshape(count, rows).sum(axis=1)
    spread = float(sums @ sums)
    lag = max(float(sums[1:] @ sums[:-1]) / spread, 0.0)
    per_row = spread / count / rows * inflation(min(lag, 0.8))
    ratio = per_row / (variance * inflation(rho))
    # The standard error of a variance of so many sums is √(2/count) of it.
    return ratio if ratio > 1.0 + 3.0 * math.sqrt(2.0 / count) else 1.0
