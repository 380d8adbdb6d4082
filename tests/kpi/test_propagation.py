"""Propagation against Monte Carlo: what first order says of sums, differences and ratios holds for drawn errors."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pytest

from assets.kpi.propagation import Spread, band_of, combined, of_half, of_half_95, of_limit, scaled
from data_quality.contracts.reporting.figure import BandExclusion

DRAWS = 40_000
# Rates of a band of 90 % over the draws: three standard errors, and what the shapes leave.
LEAST, MOST = 0.88, 0.925
Array = np.ndarray
# Numbers by source: 900 kWh of meter a and 400 of b, both at factor f; 120 of meter a again.
A, B, AGAIN = 900.0, 400.0, 120.0


def drawn(seed: int, percents: Mapping[str, float]) -> dict[str, Array]:
    """Relative errors of each source: a meter anywhere within its limit, a factor normal."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(-percent / 100, percent / 100, DRAWS)
        if name.startswith("meter:")
        else rng.normal(0, percent / 100 / 1.959964, DRAWS)
        for name, percent in percents.items()
    }


def spread(value: float, percents: Mapping[str, float], *sources: str) -> Spread:
    relative = {
        name: of_limit(percents[name]) if name.startswith("meter:") else of_half_95(percents[name]) for name in sources
    }
    return Spread(value, {name: value * each for name, each in relative.items()})


CASES: dict[str, tuple[str, Callable[[Sequence[Array]], Array]]] = {
    "sum": ("sum", lambda each: each[0] + each[1] + each[2]),
    "difference": ("difference", lambda each: each[0] - each[2]),
    "ratio": ("ratio", lambda each: each[0] / each[1]),
    "product": ("product", lambda each: each[0] * each[1]),
    "deviation_percent": ("deviation_percent", lambda each: 100 * (each[0] - each[1]) / each[1]),
    "percent_of": ("percent_of", lambda each: 100 * each[1] / each[0]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "percents",
    [
        {"meter:a": 2.0, "meter:b": 3.5, "factor:f": 6.0},
        {"meter:a": 0.7, "meter:b": 1.0, "factor:f": 10.0},
        {"meter:a": 3.5, "meter:b": 3.5, "factor:f": 1.0},
    ],
)
def test_a_band_holds_the_true_number_at_its_rate(name: str, percents: dict[str, float]) -> None:
    of, made = CASES[name]
    errors = drawn(3, percents)
    a, b, f = (1 + errors[each] for each in percents)
    parts = [A * a * f, B * b * f, AGAIN * a]
    spreads = [
        spread(A, percents, "meter:a", "factor:f"),
        spread(B, percents, "meter:b", "factor:f"),
        spread(AGAIN, percents, "meter:a"),
    ]
    used = {"sum": (0, 1, 2), "difference": (0, 2), "percent_of": (1, 0)}.get(of, (0, 1))
    order = (1, 0) if of == "percent_of" else used
    exact = made([np.array([A]), np.array([B]), np.array([AGAIN])])[0]
    found = combined(of, Decimal(repr(float(exact))), [spreads[at] for at in order])
    band = band_of(found)
    assert band.half is not None
    draws = made(parts)
    # The true number is fixed and what is measured is off: as often as not, the same as drawing around it.
    rate = float(np.mean(np.abs(draws - exact) <= band.half))
    sigma = math.hypot(*found.parts.values())
    assert sigma == pytest.approx(float(np.std(draws)), rel=0.02)
    assert LEAST <= rate <= MOST, (rate, band)
    assert sum(band.shares.values()) == pytest.approx(1.0)


def test_a_meter_alone_is_flat_and_its_band_is_its_share_of_the_limit() -> None:
    band = band_of(spread(A, {"meter:a": 2.0}, "meter:a"))
    # 90 % of errors that are as likely anywhere within 2 % lie within 1.8 %.
    assert band.half == pytest.approx(A * 0.018)
    assert [band.low, band.high] == pytest.approx([A - A * 0.018, A + A * 0.018])


def test_a_factor_alone_is_normal_and_a_band_of_a_model_comes_back_as_it_was() -> None:
    band = band_of(spread(A, {"factor:f": 5.0}, "factor:f"))
    assert band.half == pytest.approx(A * 0.05 / 1.959964 * 1.644854, rel=1e-6)
    assert band_of(Spread(10.0, {"model:m": of_half(3.0, 0.9)})).half == pytest.approx(3.0)
    # Stated at one standard deviation it is as wide as such a band is at 90 %.
    assert band_of(Spread(10.0, {"model:m": of_half(3.0, 0.6827)})).half == pytest.approx(3.0 * 1.6449, rel=1e-3)


def test_one_meter_twice_adds_up_and_two_meters_add_by_squares() -> None:
    percents = {"meter:a": 2.0, "meter:b": 2.0}
    one, other = spread(300.0, percents, "meter:a"), spread(300.0, percents, "meter:b")
    same, apart = (combined("sum", Decimal(600), [one, each]) for each in (one, other))
    assert math.hypot(*same.parts.values()) == pytest.approx(2 * one.parts["meter:a"])
    assert math.hypot(*apart.parts.values()) == pytest.approx(math.sqrt(2) * one.parts["meter:a"])
    # What one meter says of itself before and after is off by the same share: their ratio is not off at all.
    ratio = combined("ratio", Decimal(1), [one, one])
    assert math.hypot(*ratio.parts.values()) == pytest.approx(0.0, abs=1e-12)


def test_what_is_not_known_has_no_band_and_says_so() -> None:
    nothing = band_of(Spread(5.0, {}, frozenset({BandExclusion("meter_class_unknown", "main")})))
    assert (nothing.low, nothing.high, nothing.half) == (None, None, None)
    assert nothing.left_out == (BandExclusion("meter_class_unknown", "main"),)
    unknown = combined("sum", None, [Spread(None, {}), spread(A, {"meter:a": 2.0}, "meter:a")])
    assert unknown.value is None
    other = combined("root_sum_of_squares", Decimal(3), [Spread(3.0, {"meter:a": 1.0})])
    assert other.left_out == {BandExclusion("not_propagated", "root_sum_of_squares")}
    # A part without a band leaves none for the sum: that of the rest would look like it.
    mixed = combined("sum", Decimal(8), [other, Spread(5.0, {"meter:a": 1.0})])
    assert (mixed.parts, mixed.left_out) == ({}, other.left_out)
    assert scaled(Spread(2.0, {"meter:a": 0.1}), 3.0, 6.0).parts == {"meter:a": pytest.approx(0.3)}
