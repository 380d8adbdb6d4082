"""Statistics of a daily regression, plain numpy, one definition each (formulas 5.3). Fits live in ols.py."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from data_quality.contracts.baselines.baseline import FitStatistics

Vector = npt.NDArray[np.float64]
# Of two months one held out is half of the data; of five blocks four are left to learn from.
MIN_MONTH_FOLDS = 3
BLOCKS_OF_SHORT_DATA = 5


def month_folds(days: Sequence[date]) -> list[npt.NDArray[np.bool_]]:
    """Masks of the days that each fold holds out: one calendar month each.

    Days of fewer than three months are cut into five blocks of equal length instead, in order of time.
    """
    # Whole months: adjacent days are alike, and a day whose neighbours were fitted is hardly held out.
    months = [(day.year, day.month) for day in days]
    kinds = sorted(set(months))
    if len(kinds) >= MIN_MONTH_FOLDS:
        return [np.array([month == kind for month in months]) for kind in kinds]
    block = np.arange(len(days)) * BLOCKS_OF_SHORT_DATA // max(len(days), 1)
    return [block == number for number in sorted({int(value) for value in block})]


def held_out_predictions(design: Vector, y: Vector, folds: Sequence[npt.NDArray[np.bool_]]) -> Vector:
    """Prediction of every day by least squares on the other folds. design: n × p, first column ones."""
    predicted = np.empty_like(y)
    for held_out in folds:
        coefficients = np.linalg.lstsq(design[~held_out], y[~held_out], rcond=None)[0]
        predicted[held_out] = design[held_out] @ coefficients
    return predicted


def cvrmse(y: Vector, predicted: Vector, degrees_of_freedom: float) -> float:
    """CV(RMSE) = sqrt(Σe² / degrees_of_freedom) / ȳ. Three choices of the divisor are in circulation."""
    return float(np.sqrt(np.sum((y - predicted) ** 2) / degrees_of_freedom) / np.mean(y))


def nmbe(y: Vector, predicted: Vector, degrees_of_freedom: float) -> float:
    """NMBE = Σ(y − ŷ) / (degrees_of_freedom · ȳ); positive where the model predicts too little."""
    return float(np.sum(y - predicted) / (degrees_of_freedom * np.mean(y)))


def lag1_autocorrelation(residuals: Vector, days: Sequence[date]) -> float:
    """ρ₁ = Σ e_t e_{t−1} / Σ e²: pairs are days that follow each other, so a gap forms no pair."""
    total = float(np.sum(residuals**2))
    follows = _follows(days)
    return float(np.sum((residuals[1:] * residuals[:-1])[follows])) / total if total > 0 else 0.0


def durbin_watson(residuals: Vector, days: Sequence[date]) -> float:
    """Σ(e_t − e_{t−1})² / Σ e² over days that follow each other; 2 means no autocorrelation."""
    total = float(np.sum(residuals**2))
    steps = (residuals[1:] - residuals[:-1])[_follows(days)]
    return float(np.sum(steps**2)) / total if total > 0 else 2.0


def variance_inflation(design: Vector, weights: Vector) -> list[float | None]:
    """VIF_j = 1 / (1 − R²_j) of every column but the first (ones), each regressed on all others.

    Capped at 1e12, which stands for a column that the others determine. None for the ones, and for every column of a
    design without them (time of week), of which there is no such figure.
    """
    if np.ptp(design[:, 0]) > 0:
        return [None] * design.shape[1]
    found: list[float | None] = [None]
    root = np.sqrt(weights)[:, None]
    for j in range(1, design.shape[1]):
        target, others = design[:, j], np.delete(design, j, axis=1)
        slopes = np.linalg.lstsq(others * root, target * root[:, 0], rcond=None)[0]
        unexplained, spread = weighted_sums(target, target - others @ slopes, weights)
        found.append(min(spread / unexplained, 1e12) if unexplained > 0 else 1e12)
    return found


def fit_statistics(*, y: Vector, predicted: Vector, held_out: Vector, p: int, days: Sequence[date]) -> FitStatistics:
    """Every statistic of formulas 5.3 for one fit.

    y, predicted, held_out: kWh per day, in order of `days` (unique, ascending); p parameters with the intercept.
    Preconditions, which fit_daily checks and turns into findings: n > p, mean(y) > 0, interquartile range > 0.
    """
    n, residuals = len(y), y - predicted
    squares, spread = float(np.sum(residuals**2)), float(np.sum((y - y.mean()) ** 2))
    r2 = 1.0 - squares / spread if spread > 0 else 0.0
    low, high = np.quantile(y, [0.25, 0.75])
    return FitStatistics(
        n=n,
        p=p,
        r2=r2,
        r2_adj=1.0 - (1.0 - r2) * (n - 1) / (n - p),
        rmse_n=float(np.sqrt(squares / n)),
        rmse_dof=float(np.sqrt(squares / (n - p))),
        cvrmse_n=cvrmse(y, predicted, n),
        cvrmse_g14=cvrmse(y, predicted, n - p),
        # CalTRACK 4.3.2.2 divides by P − c, where c does not count the intercept.
        cvrmse_caltrack=cvrmse(y, predicted, n - (p - 1)),
        nmbe_in_sample=nmbe(y, predicted, n - p),
        nmbe_out_of_sample=nmbe(y, held_out, n),
        cvrmse_out_of_sample=cvrmse(y, held_out, n),
        pnrmse=float(np.sqrt(squares / n) / (high - low)),
        f_p_value=_f_p_value(squares, spread, n, p),
        rho1=lag1_autocorrelation(residuals, days),
        durbin_watson=durbin_watson(residuals, days),
    )


def sample_statistics(
    *, y: Vector, predicted: Vector, held_out: Vector, p: int, follows: npt.NDArray[np.bool_], weights: Vector
) -> FitStatistics:
    """As fit_statistics, of any interval: follows[i] says that row i + 1 begins where row i ends.

    weights: days of a bill (weighted least squares), ones otherwise. R² and its F-test weigh rows as the fit did;
    RMSE, CV(RMSE) and NMBE do not: they are of the daily (hourly) values that the model predicts.
    """
    n, residuals, mean = len(y), y - predicted, float(np.mean(y))
    # RMSE over values as they are: a bill's weight is for the fit, not for how far it is off a day.
    squares = float(residuals @ residuals)
    weighted, spread = weighted_sums(y, residuals, weights)
    r2 = 1.0 - weighted / spread if spread > 0 else 0.0
    low, _, high = quartiles(y)
    if high == low:
        # Half of the hours may have one value (a machine that stands still): the whole range serves instead.
        low, high = float(y.min()), float(y.max())
    missed = y - held_out
    steps, pairs = (residuals[1:] - residuals[:-1])[follows], (residuals[1:] * residuals[:-1])[follows]
    return FitStatistics(
        n=n,
        p=p,
        r2=r2,
        r2_adj=1.0 - (1.0 - r2) * (n - 1) / (n - p),
        rmse_n=float(np.sqrt(squares / n)),
        rmse_dof=float(np.sqrt(squares / (n - p))),
        cvrmse_n=float(np.sqrt(squares / n)) / mean,
        cvrmse_g14=float(np.sqrt(squares / (n - p))) / mean,
        cvrmse_caltrack=float(np.sqrt(squares / (n - p + 1))) / mean,
        nmbe_in_sample=float(residuals.sum()) / ((n - p) * mean),
        nmbe_out_of_sample=float(missed.sum()) / (n * mean),
        cvrmse_out_of_sample=float(np.sqrt(missed @ missed / n)) / mean,
        pnrmse=float(np.sqrt(squares / n)) / (high - low),
        f_p_value=_f_p_value(weighted, spread, n, p),
        rho1=float(pairs.sum()) / squares if squares > 0 else 0.0,
        durbin_watson=float(steps @ steps) / squares if squares > 0 else 2.0,
    )


def quartiles(values: Vector) -> tuple[float, float, float]:
    """25, 50 and 75 % of the values, interpolated in a straight line."""
    ranked = np.sort(values)
    places = np.array([0.25, 0.5, 0.75]) * (len(ranked) - 1)
    low = places.astype(np.int64)
    high = np.minimum(low + 1, len(ranked) - 1)
    found = ranked[low] + (places - low) * (ranked[high] - ranked[low])
    return float(found[0]), float(found[1]), float(found[2])


def weighted_sums(y: Vector, residuals: Vector, weights: Vector) -> tuple[float, float]:
    """Σw·e² and Σw·(y − ȳ_w)²."""
    centre = float(weights @ y) / float(weights.sum())
    return float(weights @ residuals**2), float(weights @ (y - centre) ** 2)


def _f_p_value(unexplained: float, spread: float, n: int, p: int) -> float:
    """P-value of "all slopes are zero"; 1 for a model without slopes, 0 for a perfect one."""
    # Not scipy.stats, which is slow to import for one function.
    from scipy.special import fdtrc

    if p == 1 or spread <= unexplained:
        return 1.0
    # Made-up data without noise: F has no finite value.
    if unexplained <= 0:
        return 0.0
    return float(fdtrc(p - 1, n - p, ((spread - unexplained) / (p - 1)) / (unexplained / (n - p))))


def _follows(days: Sequence[date]) -> npt.NDArray[np.bool_]:
    return np.array([b - a == timedelta(days=1) for a, b in pairwise(days)], dtype=bool)
