"""Savings: signs, what is compared, and every answer that is no number."""

from datetime import date, timedelta

import numpy as np
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.savings.bootstrap import block_rows, drawn_rows
from ml.baselines.savings.minimum_detectable import minimum_detectable
from ml.baselines.savings.savings import IpmvpOption, Savings, option_of, portfolio, savings
from ml.baselines.savings.savings_typical import normalised_savings
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.refitted import refit
from tests.ml.savings.simulated import SPLIT, START, building, daily_usage, monthly_usage

END = date(2024, 1, 1)


def flatline(*, before: float = 100.0, after: float = 90.0, temps: np.ndarray | None = None, seed: int = 3) -> Usage:
    """Two years of noise around two levels."""
    rng = np.random.default_rng(seed)
    dates = [START + timedelta(days=i) for i in range(730)]
    level = np.where(np.arange(730) < 365, before, after)
    temps = 10 - 8 * np.cos(np.arange(730) / 58.1) + rng.normal(0, 2, 730) if temps is None else temps
    return daily_usage(dates, level + rng.normal(0, 5.0, 730), temps)


def fitted(usage: Usage, **options) -> Fit:
    found = fit_usage(usage, start=START, end=SPLIT, **options)
    assert not isinstance(found, Finding), found
    return found


def saved(usage: Usage, **options) -> Savings:
    query = {"report_start": SPLIT, "report_end": END, "resamples": 0} | options
    found = savings(fitted(usage), usage, **query)
    assert isinstance(found, Savings), found
    return found


def codes(found: Savings) -> set[str]:
    return {each.code for each in found.findings}


def test_a_tenth_saved_is_found_with_both_signs() -> None:
    found = saved(flatline(), measures=[SPLIT])
    assert found.savings_kwh == pytest.approx(3650, rel=0.1)
    assert found.delta_kwh == -found.savings_kwh
    assert found.savings_kwh == found.expected_kwh - found.actual_kwh
    assert found.interval_kwh[0] <= 3650 <= found.interval_kwh[1]
    assert found.fsu == pytest.approx(found.uncertainty_kwh / found.savings_kwh)
    assert found.claimed_kwh == found.savings_kwh
    assert found.is_significant


def test_more_use_than_before_has_no_fraction_and_no_claim() -> None:
    found = saved(flatline(after=108.0), measures=[SPLIT])
    assert found.savings_kwh < 0
    assert found.fsu is None
    assert found.claimed_kwh is None
    assert found.uncertainty_kwh > 0


def test_a_difference_within_its_uncertainty_is_no_saving() -> None:
    found = saved(flatline(after=100.0))
    assert "not_significant" in codes(found)
    assert found.claimed_kwh is None


def test_a_small_saving_says_that_buildings_drift() -> None:
    assert "within_usual_drift" in codes(saved(flatline(after=97.0), measures=[SPLIT]))


def test_days_without_energy_are_in_neither_sum_and_lower_the_coverage() -> None:
    whole = flatline()
    hole = whole.frame["energy_kwh"].to_numpy().copy()
    hole[400:500] = np.nan
    dates = [START + timedelta(days=i) for i in range(730)]
    usage = daily_usage(dates, hole, whole.frame["temp_degc"].to_numpy())
    found = saved(usage, measures=[SPLIT])
    assert found.coverage == pytest.approx(265 / 365)
    assert found.m == 265
    assert found.expected_kwh == pytest.approx(26500, rel=0.02)
    assert "coverage" in codes(found)


def test_a_period_without_energy_is_a_finding_and_no_zero() -> None:
    usage = flatline()
    found = savings(fitted(usage), usage, report_start=date(2025, 1, 1), report_end=date(2025, 2, 1))
    assert isinstance(found, Finding)
    assert found.code == "nothing_to_compare"
    assert found.is_blocking


def test_a_model_that_expects_less_than_nothing_is_a_finding() -> None:
    rng = np.random.default_rng(1)
    dates = [START + timedelta(days=i) for i in range(730)]
    temps = np.where(np.arange(730) < 365, rng.uniform(0, 10, 730), rng.uniform(38, 40, 730))
    usage = daily_usage(dates, 100 - 9 * temps + rng.normal(0, 3, 730) + 9 * (temps > 30) * temps, temps)
    fit = fitted(usage, model="linear_2p")
    found = savings(fit, usage, report_start=SPLIT, report_end=END, resamples=0)
    assert isinstance(found, Finding)
    assert found.code == "expected_not_positive"


def test_weather_that_the_baseline_has_not_seen_is_named() -> None:
    dates = [START + timedelta(days=i) for i in range(730)]
    rng = np.random.default_rng(2)
    temps = np.where(np.arange(730) < 365, rng.uniform(0, 15, 730), rng.uniform(0, 28, 730))
    usage = daily_usage(dates, 50 + 4 * np.maximum(14 - temps, 0) + rng.normal(0, 2, 730), temps)
    answer = saved(usage)
    found = [each for each in answer.findings if each.code == "extrapolation"]
    assert len(found) == 1
    assert found[0].facts["reach"] > 10
    # Nearly half of the days: beyond what a claim may rest on.
    assert found[0].severity == "blocking"
    assert answer.claimed_kwh is None


@pytest.mark.parametrize("option", [IpmvpOption.A, IpmvpOption.D])
def test_options_a_and_d_are_refused_with_a_sentence(option: IpmvpOption) -> None:
    with pytest.raises(BadInput, match=r"option [AD] .* computes options B and C"):
        saved(flatline(), option=option)


def test_option_b_is_computed_and_letters_are_checked() -> None:
    assert saved(flatline(), option=option_of("B")).option is IpmvpOption.B
    with pytest.raises(BadInput, match="unknown IPMVP option 'E'"):
        option_of("E")


@pytest.mark.parametrize("confidence", [0.5, 0.995, 1.0])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(BadInput, match=r"0\.68 to 0\.99"):
        saved(flatline(), confidence=confidence)


def test_periods_that_overlap_or_are_turned_round_are_refused() -> None:
    with pytest.raises(BadInput, match="before the baseline ends"):
        saved(flatline(), report_start=date(2022, 12, 31))
    with pytest.raises(BadInput, match="is empty"):
        saved(flatline(), report_end=SPLIT)


def test_a_short_baseline_saves_nothing_that_may_be_claimed() -> None:
    usage = flatline()
    fit = fit_usage(usage, start=date(2022, 9, 1), end=SPLIT)
    assert not isinstance(fit, Finding)
    found = savings(fit, usage, report_start=SPLIT, report_end=END, measures=[SPLIT], resamples=0)
    assert isinstance(found, Savings)
    assert "period_too_short" in codes(found)
    assert found.claimed_kwh is None


def test_eight_months_are_not_made_a_year() -> None:
    """CalTRACK 4.1.2: no scaling by 12/8."""
    found = saved(flatline(), report_end=date(2023, 9, 1), measures=[SPLIT])
    assert found.expected_kwh == pytest.approx(243 * 100, rel=0.02)
    assert found.coverage == 1.0


def test_bills_that_end_after_the_period_are_left_out() -> None:
    made = building(1)
    usage = monthly_usage(made.usage)
    found = savings(
        fitted_bills(usage), usage, report_start=SPLIT, report_end=date(2023, 12, 20), resamples=50, measures=[SPLIT]
    )
    assert isinstance(found, Savings)
    assert found.m == 11
    assert found.bootstrap is not None
    assert found.bootstrap.block_rows == 1
    assert "non_routine_not_assessed" in codes(found)


def fitted_bills(usage: Usage) -> Fit:
    found = fit_usage(usage, start=START, end=SPLIT)
    assert not isinstance(found, Finding), found
    return found


def test_more_numbers_than_half_the_points_block_the_claim() -> None:
    made = building(3)
    usage = monthly_usage(made.usage)
    fit = fit_usage(usage, start=START, end=SPLIT, model="hdd_cdd")
    assert not isinstance(fit, Finding), fit
    # Nine of the twelve bills: three coefficients and two balance points want ten.
    found = savings(refit(fit, np.arange(9)), usage, report_start=SPLIT, report_end=END, resamples=0)
    assert isinstance(found, Savings)
    assert "too_few_points_for_model" in codes(found)
    assert found.claimed_kwh is None


def test_a_portfolio_adds_up_and_mixes_nothing() -> None:
    parts = [saved(flatline(seed=seed), measures=[SPLIT]) for seed in range(4)]
    whole = portfolio(parts)
    assert whole.savings_kwh == pytest.approx(sum(part.savings_kwh for part in parts))
    assert whole.fsu is not None
    assert parts[0].fsu is not None
    assert whole.fsu < parts[0].fsu
    with pytest.raises(BadInput, match="one unit"):
        portfolio([parts[0], parts[1].model_copy(update={"unit": "m3"})])
    with pytest.raises(BadInput, match="at least one"):
        portfolio([])


def test_the_smallest_detectable_saving_falls_with_a_longer_report() -> None:
    fit = fitted(flatline())
    year, quarter = (minimum_detectable(fit, months=each) for each in (12.0, 3.0))
    assert not isinstance(year, Finding)
    assert not isinstance(quarter, Finding)
    assert 0 < year.fraction < quarter.fraction
    assert year.energy == pytest.approx(year.fraction * year.expected)
    assert year.expected == pytest.approx(36525, rel=0.02)
    sure = minimum_detectable(fit, months=12.0, confidence=0.68, max_fsu=1.0)
    assert not isinstance(sure, Finding)
    assert sure.fraction < year.fraction
    with pytest.raises(ValueError, match="no such plan"):
        minimum_detectable(fit, months=0)


def test_the_smallest_detectable_saving_is_the_one_whose_fsu_is_the_limit() -> None:
    from assets.kpi.enpi.savings_band import caltrack_fsu

    fit = fitted(flatline())
    found = minimum_detectable(fit, months=12.0, max_fsu=0.5)
    assert not isinstance(found, Finding)
    back = caltrack_fsu(
        savings_fraction=found.fraction,
        cvrmse=fit.statistics.cvrmse_g14,
        rho1=max(fit.statistics.rho1, 0.0),
        n=fit.n,
        m=365,
        months=12.0,
        confidence=0.9,
        n_params=fit.n_params,
    )
    assert back == pytest.approx(0.5)


def test_a_typical_year_has_its_own_saving() -> None:
    made = building(1, share=0.1, rho=0.2)
    fit = fit_usage(made.usage, start=START, end=SPLIT)
    assert not isinstance(fit, Finding)
    rng = np.random.default_rng(9)
    dates = [date(2001, 1, 1) + timedelta(days=i) for i in range(365)]
    cold = 5 - 9 * np.cos(2 * np.pi * np.arange(365) / 365) + rng.normal(0, 3, 365)
    typical = daily_usage(dates, np.full(365, np.nan), cold)
    found = normalised_savings(fit, made.usage, typical, report_start=SPLIT, report_end=made.report_end)
    assert not isinstance(found, Finding), found
    assert found.days == 365
    assert found.kind == "normalised_to_typical_year"
    assert found.interval_kwh[0] <= 0.1 * found.before_kwh <= found.interval_kwh[1]
    assert found.savings_kwh == pytest.approx(found.before_kwh - found.after_kwh)
    short = daily_usage(dates[:200], np.full(200, np.nan), cold[:200])
    refused = normalised_savings(fit, made.usage, short, report_start=SPLIT, report_end=made.report_end)
    assert isinstance(refused, Finding)
    assert refused.code == "no_typical_year"


def test_no_second_model_is_a_finding_that_says_which() -> None:
    usage = flatline()
    found = normalised_savings(
        fitted(usage), usage, usage, report_start=date(2023, 12, 28), report_end=date(2024, 1, 1)
    )
    assert isinstance(found, Finding)
    assert "Second model" in found.message


def test_blocks_run_on_round_the_end_and_draw_every_row_alike() -> None:
    rows = drawn_rows(30, length=30, block=7, resamples=4000, rng=np.random.default_rng(0))
    assert rows.shape == (4000, 30)
    counts = np.bincount(rows.ravel(), minlength=30)
    assert counts.min() > 0.9 * counts.mean()
    assert set(np.unique((np.diff(rows, axis=1) % 30)[:, :6])) == {1}
    assert block_rows(fitted(flatline())) == 7


@pytest.mark.parametrize("start", [date(2023, 1, 1), date(2024, 1, 1)])
def test_leap_years_and_days_of_23_and_25_hours_are_days(start: date) -> None:
    """2024 has 366 days; Berlin's days of March and October have 23 and 25 hours."""
    days = 366 if start.year == 2024 else 365
    dates = [date(2022, 1, 1) + timedelta(days=i) for i in range((start - date(2022, 1, 1)).days + days)]
    rng = np.random.default_rng(4)
    energy = 100 + rng.normal(0, 5, len(dates))
    usage = daily_usage(dates, energy, 10 + rng.normal(0, 5, len(dates)), "Europe/Berlin")
    fit = fit_usage(usage, start=date(2022, 1, 1), end=date(2023, 1, 1))
    assert not isinstance(fit, Finding)
    found = savings(fit, usage, report_start=start, report_end=start + timedelta(days=days), resamples=0)
    assert isinstance(found, Savings)
    assert found.m == days
    assert found.coverage == 1.0
    assert found.actual_kwh == pytest.approx(energy[-days:].sum(), rel=1e-9)
