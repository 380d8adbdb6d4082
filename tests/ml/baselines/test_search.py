"""The search over balance points: one answer whichever way it is computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.baselines.models.search import MIN_DAYS, MIN_DEGREE_DAYS
from ml.baselines.models.statistics import Vector
from tests.ml.baselines.searching import search_many

BASES = np.arange(2.0, 25.0, 1.0)


def by_statsmodels(
    y: Vector, temps: Vector, bases: Vector, *, common: Vector | None, weights: Vector
) -> tuple[float, float, float, Vector]:
    """The pair of bases with the least squares, each model fitted by itself."""
    import statsmodels.api as sm

    best: tuple[float, float, float, Vector] = (np.inf, np.nan, np.nan, np.empty(0))
    known = np.isfinite(y) & np.isfinite(temps)
    for low in bases:
        for high in bases[bases >= low]:
            parts = [np.maximum(low - temps, 0)[known], np.maximum(temps - high, 0)[known]]
            if not all((part > 0).sum() >= MIN_DAYS and part.sum() >= MIN_DEGREE_DAYS for part in parts):
                continue
            more = [] if common is None else [common[known]]
            design = np.column_stack([np.ones(int(known.sum())), *parts, *more])
            fit = sm.WLS(y[known], design, weights=weights[known]).fit()
            if (fit.params[1:3] > 0).all() and fit.ssr < best[0]:
                best = (float(fit.ssr), float(low), float(high), np.asarray(fit.params))
    return best


@pytest.mark.parametrize("with_terms", [False, True])
def test_the_search_finds_what_a_loop_of_single_fits_finds_to_six_digits(with_terms: bool) -> None:
    rng = np.random.default_rng(4)
    days, bases = 200, np.arange(4.0, 24.0, 2.0)
    temps = 12 + 10 * np.sin(np.arange(days) / 32) + rng.normal(0, 2, days)
    common = np.column_stack([(np.arange(days) % 7 >= 5).astype(float)]) if with_terms else None
    y = 5e4 + 900 * np.maximum(14 - temps, 0) + 400 * np.maximum(temps - 18, 0) + rng.normal(0, 800, (2, days))
    if common is not None:
        y = y - 3000 * common[:, 0]
    y[1, 10:25] = np.nan
    weights = np.where(np.arange(days) < 100, 1.0, 2.0) * np.ones((2, 1))
    found = search_many(y, temps, bases_degc=bases, common=common, weights=weights)
    best = found.shapes["both"]
    for meter in (0, 1):
        sse, low, high, values = by_statsmodels(y[meter], temps, bases, common=common, weights=weights[meter])
        assert bases[best.heating[meter]] == low
        assert bases[best.cooling[meter]] == high
        assert best.sse[meter] == pytest.approx(sse, rel=1e-7)
        assert [best.slope_h[meter], best.slope_c[meter]] == pytest.approx(list(values[1:3]), rel=1e-7)


def test_weather_of_its_own_gives_each_meter_what_it_gets_alone() -> None:
    rng = np.random.default_rng(5)
    temps = 12 + 10 * np.sin(np.arange(150) / 24) + rng.normal(0, 2, (3, 150))
    y = 100 + 5 * np.maximum(13 - temps, 0) + rng.normal(0, 3, (3, 150))
    together = search_many(y, temps, bases_degc=BASES)
    for meter in range(3):
        alone = search_many(y[meter : meter + 1], temps[meter], bases_degc=BASES)
        for shape, best in together.shapes.items():
            assert best.sse[meter] == pytest.approx(alone.shapes[shape].sse[0], rel=1e-9)


def test_a_base_needs_ten_days_and_twenty_degree_days() -> None:
    temps = np.full(60, 18.0)
    temps[:9] = 5.0
    y = 50 + 2 * np.maximum(15 - temps, 0) + np.sin(np.arange(60))
    few = search_many(y[None], temps, bases_degc=np.array([15.0])).shapes["heating"]
    assert few.sse[0] == np.inf
    assert few.reasons["too_few_degree_days"][0] == 1
    temps[9] = 5.0
    y = 50 + 2 * np.maximum(15 - temps, 0) + np.sin(np.arange(60))
    assert np.isfinite(search_many(y[None], temps, bases_degc=np.array([15.0])).shapes["heating"].sse[0])


def test_a_load_that_falls_with_cold_is_no_heating_load() -> None:
    temps = 12 + 10 * np.sin(np.arange(100) / 16)
    y = 200 - 5 * np.maximum(14 - temps, 0)
    best = search_many(y[None], temps, bases_degc=np.array([14.0])).shapes["heating"]
    assert best.sse[0] == np.inf
    assert best.reasons["slope_not_positive"][0] == 1


def test_an_intercept_at_or_below_zero_disqualifies_where_the_rules_say_so() -> None:
    temps = 12 + 10 * np.sin(np.arange(100) / 16)
    y = 5 * np.maximum(14 - temps, 0) - 1.0
    free = search_many(y[None], temps, bases_degc=np.array([14.0]))
    strict = search_many(y[None], temps, bases_degc=np.array([14.0]), needs_positive_intercept=True)
    assert free.shapes["heating"].sse[0] == pytest.approx(0, abs=1e-6)
    assert strict.shapes["heating"].sse[0] == np.inf
    assert strict.shapes["heating"].reasons["intercept_not_positive"][0] == 1


@given(
    seed=st.integers(0, 10_000),
    slope=st.floats(0.5, 20.0),
    base=st.sampled_from([10.0, 12.0, 14.0, 16.0]),
    level=st.floats(1.0, 1e6),
)
def test_a_load_without_noise_gives_back_its_own_base_and_slope(
    seed: int, slope: float, base: float, level: float
) -> None:
    rng = np.random.default_rng(seed)
    temps = rng.uniform(-5, 28, 120)
    y = level + slope * np.maximum(base - temps, 0)
    best = search_many(y[None], temps, bases_degc=BASES).shapes["heating"]
    assert BASES[best.heating[0]] == base
    assert best.slope_h[0] == pytest.approx(slope, rel=1e-6)


@given(seed=st.integers(0, 10_000))
def test_more_slopes_never_fit_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    temps = rng.uniform(-5, 28, 80)
    y = 50 + 3 * np.maximum(12 - temps, 0) + 4 * np.maximum(temps - 20, 0) + rng.normal(0, 4, 80)
    shapes = search_many(y[None], temps, bases_degc=BASES).shapes
    single = min(shapes["heating"].sse[0], shapes["cooling"].sse[0])
    assert shapes["both"].sse[0] <= single <= shapes["mean"].sse[0]
