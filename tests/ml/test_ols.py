"""The daily baseline: known coefficients are found again, terms earn their place, short data are refused."""

import re
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.kpi.enpi.daily import expected_days
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from ml.baselines.models.ols import fit_daily
from tests.ml.cases import day_table, noise, plant

START, END, TODAY = date(2024, 1, 1), date(2025, 1, 1), date(2025, 6, 1)
TRUTH = {"intercept": 300.0, "production": 0.4, "outdoor_degc": -4.0}


def process(production: np.ndarray, temperature: np.ndarray, _weekend: np.ndarray) -> np.ndarray:
    return 300.0 + 0.4 * production - 4.0 * temperature


def noisy(days: int = 366, sigma: float = 15.0, seed: int = 2) -> pl.DataFrame:
    return day_table(START, days, lambda p, t, w: process(p, t, w) + noise(days, sigma, seed=seed), seed=seed + 50)


def fit(days: pl.DataFrame, *, day_types: bool = False, **more: object) -> Baseline | Finding:
    site = plant(day_types=day_types, **({"drivers": more.pop("drivers")} if "drivers" in more else {}))  # type: ignore[arg-type]
    settings_ = {"start": START, "end": END, "today": TODAY, "lake_digest": "lake", **more}
    return fit_daily(days, site=site, seu=site.seus[0], **settings_)  # type: ignore[arg-type]


def fitted(days: pl.DataFrame, **more: object) -> Baseline:
    found = fit(days, **more)
    assert isinstance(found, Baseline), found
    return found


def codes(found: Baseline, severity: str = "blocking") -> list[str]:
    return [finding.code for finding in found.findings if finding.severity == severity]


def values(found: Baseline) -> dict[str, float]:
    return {term.name: term.value for term in found.coefficients}


def test_known_coefficients_lie_in_their_intervals_as_often_as_promised() -> None:
    inside = [
        TRUTH[term.name] >= term.ci_low and TRUTH[term.name] <= term.ci_high
        for seed in range(20)
        for term in fitted(noisy(seed=seed), confidence=0.9).coefficients
        if term.name in TRUTH
    ]
    assert len(inside) == 60  # the plain form of temperature is kept: nothing else earned its place
    assert 0.80 <= np.mean(inside) <= 0.98


def test_a_noise_free_process_is_found_exactly_and_expected_again() -> None:
    days = day_table(START, 366, process)
    found = fitted(days)
    assert values(found) == pytest.approx(TRUTH, rel=1e-6)
    expected = expected_days(found, days)["expected_kwh"].to_numpy()
    assert expected == pytest.approx(days["energy_kwh"].to_numpy(), abs=1e-5)
    assert found.statistics.r2 == pytest.approx(1.0)


def test_365_days_are_sufficient_over_a_leap_day_too_and_364_are_not() -> None:
    assert codes(fitted(noisy())) == []
    assert codes(fitted(noisy(365), end=date(2024, 12, 31))) == []
    short = fitted(noisy(364), end=date(2024, 12, 30))
    assert codes(short) == ["period_too_short"]
    assert short.is_blocked
    facts = next(finding.facts for finding in short.findings if finding.is_blocking)
    assert facts == {"days_found": 364, "days_wanted": 365}


def test_days_with_gaps_are_left_out_counted_and_block_above_a_tenth() -> None:
    def with_gaps(count: int) -> Baseline:
        has_gap = pl.int_range(pl.len()) < count
        return fitted(noisy().with_columns(coverage_worst_meter=pl.when(has_gap).then(0.5).otherwise(1.0)))

    assert (codes(with_gaps(36)), with_gaps(36).statistics.n) == ([], 330)
    assert "excluded_days" in codes(with_gaps(36), "info")
    assert (codes(with_gaps(37)), codes(with_gaps(38))) == ([], ["missing_days"])


def test_exactly_a_tenth_may_be_missing() -> None:
    has_gap = pl.int_range(pl.len()) < 36
    days = noisy(360).with_columns(coverage_worst_meter=pl.when(has_gap).then(0.5).otherwise(0.9))
    found = fitted(days, end=date(2024, 12, 26))
    assert (codes(found), found.statistics.n) == (["period_too_short"], 324)


def test_a_nearly_full_day_is_scaled_to_a_full_one() -> None:
    days = day_table(START, 366, process)
    partial = days.with_columns(
        energy_kwh=pl.col("energy_kwh") * 0.95, coverage=pl.lit(0.95), coverage_worst_meter=pl.lit(0.95)
    )
    assert values(fitted(partial)) == pytest.approx(TRUTH, rel=1e-6)


def test_a_driver_that_is_often_unknown_blocks() -> None:
    is_unknown = pl.int_range(pl.len()) < 60
    days = noisy().with_columns(production=pl.when(is_unknown).then(None).otherwise(pl.col("production")))
    assert codes(fitted(days)) == ["missing_days", "driver_missing"]


def test_a_period_that_has_not_ended_blocks() -> None:
    assert codes(fitted(noisy(), today=date(2024, 12, 31))) == ["period_in_future"]


def test_weekend_terms_are_kept_only_where_they_help() -> None:
    weekly = day_table(START, 366, lambda p, t, w: process(p, t, w) - 200.0 * w + noise(366, 15.0))
    kept = fitted(weekly, day_types=True)
    assert "is_weekend" in kept.feature_order
    assert values(kept)["is_weekend"] == pytest.approx(-200.0, abs=10.0)
    assert "is_weekend" not in fitted(weekly, day_types=False).feature_order
    useless = fitted(noisy(), day_types=True)
    assert useless.feature_order == ("production", "outdoor_degc")
    facts = [finding.facts for finding in useless.findings if finding.code == "day_type_terms"]
    assert len(facts) == 1
    assert facts[0]["kept"] == ""


def test_a_v_shaped_load_gets_heating_and_cooling_degree_days() -> None:
    def hvac(_p: np.ndarray, t: np.ndarray, _w: np.ndarray) -> np.ndarray:
        return 200.0 + 12.0 * np.maximum(14.0 - t, 0) + 9.0 * np.maximum(t - 18.0, 0) + noise(366, 5.0)

    found = fitted(day_table(START, 366, hvac), drivers=("outdoor_degc",))
    assert [name.partition("_degc.")[2][:3] for name in found.feature_order] == ["hdd", "cdd"]
    [messages] = [each.message for each in found.findings if each.code == "temperature_form"]
    assert re.fullmatch(r"Temperature enters as heating .* °C, and cooling degree days, base \d+ °C\.", messages), (
        messages
    )
    bases = [float(name.rpartition("_")[2]) for name in found.feature_order]
    assert bases == pytest.approx([14.0, 18.0], abs=1.0)
    assert found.statistics.r2 > 0.98
    assert list(found.driver_ranges) == ["outdoor_degc"]


def test_no_driver_gives_a_mean_and_says_so() -> None:
    found = fitted(day_table(START, 366, lambda p, t, w: 100.0 + noise(366, 10.0)), drivers=())
    assert found.feature_order == ()
    assert "no_drivers" in codes(found, "info")


def test_an_implausible_sign_a_flat_load_and_neighbouring_residuals_are_named() -> None:
    falling = fitted(day_table(START, 366, lambda p, t, w: 5000.0 - 0.4 * p + noise(366, 5.0)), drivers=("production",))
    assert "coefficient_sign" in codes(falling, "warning")
    flat = fitted(day_table(START, 366, lambda p, t, w: 1000.0 + 0.001 * p + noise(366, 5.0)), drivers=("production",))
    assert "flat_load" in codes(flat, "warning")
    drift = fitted(day_table(START, 366, lambda p, t, w: process(p, t, w) + np.cumsum(noise(366, 15.0))))
    assert "autocorrelated_residuals" in codes(drift, "warning")


def test_drivers_that_follow_each_other_are_named() -> None:
    days = noisy().with_columns(outdoor_degc=pl.col("production") / 50.0 + pl.int_range(pl.len()) % 2)
    assert "collinear" in codes(fitted(days), "warning")


def test_a_bias_on_unseen_months_is_named() -> None:
    december = (pl.col("local_date") >= date(2024, 12, 1)).cast(pl.Float64)
    days = day_table(START, 366, lambda p, t, w: 100.0 + noise(366, 1.0)).with_columns(
        production=december, energy_kwh=pl.col("energy_kwh") + 300.0 * december
    )
    # Without December nothing tells what production costs.
    assert "biased_out_of_sample" in codes(fitted(days, drivers=("production",)), "warning")


REFUSED = {
    "driver_missing": lambda days: days.with_columns(production=pl.lit(None, dtype=pl.Float64)),
    "too_few_days": lambda days: days.with_columns(
        coverage_worst_meter=pl.when(pl.int_range(pl.len()) < 4).then(1.0).otherwise(0.0)
    ),
    "no_energy": lambda days: days.with_columns(energy_kwh=pl.lit(0.0)),
    "flat_load": lambda days: days.with_columns(energy_kwh=pl.lit(12.5)),
    "driver_constant": lambda days: days.with_columns(production=pl.lit(3.0)),
}


@pytest.mark.parametrize("code", REFUSED)
def test_data_that_determine_nothing_give_a_finding_instead_of_a_number(code: str) -> None:
    found = fit(REFUSED[code](noisy()))
    assert isinstance(found, Finding)
    assert (found.code, found.is_blocking, found.scope) == (code, True, "seu:line")


def test_drivers_that_are_copies_of_each_other_give_a_finding() -> None:
    site = plant(drivers=("production",))
    double = site.seus[0].model_copy(update={"drivers": plant().seus[0].drivers})
    days = noisy().with_columns(outdoor_degc=pl.col("production"))
    # In degC the copy may bend into degree days; as a second production count it cannot.
    counts = site.model_copy(
        update={"drivers": tuple(d.model_copy(update={"unit": "count"}) for d in site.drivers), "seus": (double,)}
    )
    found = fit_daily(days, site=counts, seu=double, start=START, end=END, today=TODAY, lake_digest="")
    assert isinstance(found, Finding)
    assert found.code == "too_few_days"


def test_a_daily_table_that_does_not_hold_the_period_is_our_fault() -> None:
    with pytest.raises(OurFault, match="365 of the 366 days"):
        fit(noisy(365))


def test_the_digest_changes_with_any_value_and_with_the_lake() -> None:
    days = noisy()
    same = fitted(days.reverse()).dataset_digest
    assert fitted(days).dataset_digest == same
    assert fitted(days, lake_digest="other").dataset_digest != same
    changed = days.with_columns(energy_kwh=pl.col("energy_kwh") + 1e-9)
    assert fitted(changed).dataset_digest != same
    assert len(same) == 64


@settings(deadline=None, max_examples=10)
@given(st.floats(0.1, 50.0), st.floats(-3.0, 3.0))
def test_scaling_the_energy_scales_every_coefficient(factor: float, slope: float) -> None:
    base = day_table(START, 366, lambda p, t, w: 500.0 + slope * p / 10 + noise(366, 10.0))
    scaled = base.with_columns(energy_kwh=pl.col("energy_kwh") * factor)
    one, other = fitted(base, drivers=("production",)), fitted(scaled, drivers=("production",))
    for name, value in values(one).items():
        assert values(other)[name] == pytest.approx(value * factor, rel=1e-6, abs=1e-9)
    assert other.statistics.cvrmse_g14 == pytest.approx(one.statistics.cvrmse_g14, rel=1e-6)
