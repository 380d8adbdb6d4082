"""Cases of the regression statistics (formulas 5.3), on five points whose sums a person can check.

y = 2, 4, 5, 4, 5 on x = 1 … 5: ŷ = 2.2 + 0.6·x, Σe² = 2.4, Σ(y − ȳ)² = 6, ȳ = 4.
"""

import math

import numpy as np

from data_quality.contracts.baselines.baseline import FitStatistics
from ml.baselines.models.inference import coefficient_table
from ml.baselines.models.statistics import Vector, sample_statistics, variance_inflation
from ml.conformance.case import Number, Outcome, Register, expect
from ml.conformance.data import fitted, year

STATISTICS = Register("Regression statistics")
_case = STATISTICS.case

_X, _Y = np.arange(1.0, 6.0), np.array([2.0, 4.0, 5.0, 4.0, 5.0])
_N, _P, _SSE, _MEAN = 5, 2, 2.4, 4.0


def _design() -> Vector:
    return np.column_stack([np.ones(_N), _X])


def _fitted() -> Vector:
    line: Vector = 2.2 + 0.6 * _X
    return line


def _statistics(held_out: Vector | None = None) -> FitStatistics:
    return sample_statistics(
        y=_Y,
        predicted=_fitted(),
        held_out=_fitted() if held_out is None else held_out,
        p=_P,
        follows=np.ones(_N - 1, dtype=np.bool_),
        weights=np.ones(_N),
    )


STATISTICS.numbers(
    Number("R²", "r2_is_the_explained_share", "1 − Σe²/Σ(y − ȳ)² = 1 − 2.4/6",
        lambda: _statistics().r2, 0.6, digits=12),
    Number("adjusted R²", "adjusted_r2_counts_parameters", "1 − (1 − R²)(n − 1)/(n − p) = 1 − 0.4·4/3",
        lambda: _statistics().r2_adj, 1 - 0.4 * 4 / 3, digits=12),
    Number("RMSE, n", "rmse_over_n", "sqrt(Σe²/n) = sqrt(2.4/5)",
        lambda: _statistics().rmse_n, math.sqrt(_SSE / _N), digits=12),
    Number("RMSE, n − p", "rmse_over_degrees_of_freedom", "sqrt(Σe²/(n − p)) = sqrt(2.4/3)",
        lambda: _statistics().rmse_dof, math.sqrt(_SSE / (_N - _P)), digits=12),
    Number("CV(RMSE), n", "cvrmse_over_n", "sqrt(2.4/5)/4",
        lambda: _statistics().cvrmse_n, math.sqrt(_SSE / _N) / _MEAN, digits=12),
    Number("CV(RMSE), n − p", "cvrmse_of_guideline_14", "sqrt(2.4/3)/4: the intercept is a parameter",
        lambda: _statistics().cvrmse_g14, math.sqrt(_SSE / 3) / _MEAN, digits=12, standard="ASHRAE Guideline 14"),
    Number("4.3.2.2", "cvrmse_of_caltrack", "sqrt(2.4/4)/4: the intercept is no parameter",
        lambda: _statistics().cvrmse_caltrack, math.sqrt(_SSE / 4) / _MEAN, digits=12, standard="CalTRACK 2.0"),
)  # fmt: skip


@_case("4.3.2.1", standard="CalTRACK 2.0")
def a_building_of_a_portfolio_has_cvrmse_up_to_one() -> Outcome:
    """The portfolio profile accepts a building up to CV(RMSE) 100 %."""
    from ml.baselines.models.profiles import judge

    found = judge("caltrack_portfolio", fitted(year()))
    return Outcome(found.verdict == "pass" and found.checks[0].limit == 1.0, found.rule)


STATISTICS.numbers(
    Number("NMBE, in sample", "nmbe_in_sample_is_zero_by_construction",
        "Σe/((n − p)·ȳ) = 0 for least squares with an intercept",
        lambda: abs(_statistics().nmbe_in_sample), 0.0, digits=12),
    Number("NMBE, out of sample", "nmbe_is_also_given_of_months_not_fitted",
        "Predictions that are 1 too low in the mean of 4 give +25 %",
        lambda: _statistics(_Y - 1.0).nmbe_out_of_sample, 0.25, digits=12),
    Number("PNRMSE", "pnrmse_is_over_the_interquartile_range", "sqrt(2.4/5)/(5 − 4)",
        lambda: _statistics().pnrmse, math.sqrt(_SSE / _N), digits=12),
    Number("F", "f_test_of_all_slopes", "F = ((6 − 2.4)/1)/(2.4/3) = 4.5 on 1 and 3 degrees of freedom: p = 0.1240",
        lambda: _statistics().f_p_value, 0.1240, digits=4),
)  # fmt: skip


@_case("t and p")
def t_test_of_a_slope() -> Outcome:
    """With one slope t² = F: t = 2.1213, the same p = 0.1240; standard error sqrt(0.8/10)."""
    slope = coefficient_table(("intercept", "x"), np.array([2.2, 0.6]), _design(), _Y - _fitted(), np.ones(_N), 0.9)[1]
    holds = math.isclose(slope.standard_error, math.sqrt(0.08), rel_tol=1e-9) and round(slope.p_value, 4) == 0.1240
    return Outcome(holds, f"t {slope.value / slope.standard_error:.4f}, p {slope.p_value:.4f}")


@_case("VIF")
def variance_inflation_of_two_drivers() -> Outcome:
    """1/(1 − r²) with r² = 0.6 between them is 2.5."""
    # y serves as the second driver: its r² with x is known from above.
    design = np.column_stack([np.ones(_N), _X, _Y])
    return expect(variance_inflation(design, np.ones(_N))[1] or 0.0, 2.5, digits=9)


STATISTICS.numbers(
    # Differences 1.4, 0.4, −1.6 and 0.4, squared.
    Number("Durbin–Watson", "durbin_watson_of_the_residuals",
        "Residuals −0.8, 0.6, 1, −0.6, −0.2: Σ(Δe)²/Σe² = 4.84/2.4",
        lambda: _statistics().durbin_watson, (1.96 + 0.16 + 2.56 + 0.16) / _SSE, digits=12),
    Number("ρ₁", "lag_one_autocorrelation_of_the_residuals",
        "Σe_t·e_{t−1}/Σe² = (−0.48 + 0.6 − 0.6 + 0.12)/2.4 = −0.15",
        lambda: _statistics().rho1, -0.15, digits=12),
)  # fmt: skip


@_case("single point", standard="Regression statistics")
def the_prediction_error_of_a_point_grows_with_its_distance() -> Outcome:
    """RMSE·sqrt(1 + 1/n + (x − x̄)²/S_xx) at x = 6: sqrt(0.8)·sqrt(1 + 0.2 + 0.9)."""
    point = np.array([1.0, 6.0])
    spread = float(point @ np.linalg.inv(_design().T @ _design()) @ point)
    return expect(_statistics().rmse_dof * math.sqrt(1.0 + spread), math.sqrt(0.8 * 2.1), digits=12)
