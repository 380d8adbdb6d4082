"""Fits: known truths come back, every number agrees with statsmodels, and what must be refused is."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_portfolio, fit_usage
from ml.baselines.usage_tables.usage_table import Usage, usage_of
from tests.ml.baselines.cases import (
    END,
    HOURS,
    START,
    ZONE,
    bills,
    codes,
    daily,
    fitted,
    hourly_temps,
    weather,
    with_energy,
    year,
)
from tests.ml.refitted import refit


def refusal(usage: Usage, *, start: date = START, end: date = END, today: date | None = None) -> Finding:
    found = fit_usage(usage, start=start, end=end, today=today)
    assert isinstance(found, Finding), found
    return found


def with_driver(usage: Usage, values: list[float | None], name: str = "output") -> Usage:
    frame = usage.frame.with_columns(pl.Series(name, values, dtype=pl.Float64))
    return Usage(frequency=usage.frequency, zone=usage.zone, frame=frame, drivers=(*usage.drivers, name))


def test_heating_cooling_and_weekend_come_back_as_they_were_put_in() -> None:
    fit = fitted(daily(base=100, heating=3, cooling=5, weekend=-20, noise=0.01))
    assert fit.model == "heating_cooling_5p"
    assert fit.balance_points_degc == {"heating": 14.0, "cooling": 18.0}
    expected = {"intercept": 100, "temp_degc.hdd_14": 3, "temp_degc.cdd_18": 5, "is_weekend": -20}
    assert fit.coefficients == pytest.approx(expected, rel=1e-2)
    assert (fit.n, fit.n_params) == (365, 4)


def test_a_load_without_weather_and_weekends_is_a_mean() -> None:
    fit = fitted(daily(base=100, noise=5))
    assert fit.model == "mean"
    assert fit.coefficients == {"intercept": pytest.approx(float(fit.y.mean()))}
    assert fit.statistics.r2 == pytest.approx(0, abs=1e-12)


def test_a_weekend_term_is_kept_only_where_unseen_months_are_predicted_better() -> None:
    kept = fitted(daily(weekend=-20, noise=3))
    dropped = fitted(daily(weekend=-0.2, noise=3))
    assert any(name in kept.names for name in ("is_weekend", "is_day_off"))
    assert dropped.names == ("intercept",)
    scores = [each["cvrmse_held_out"] for each in kept.selection if "cvrmse_held_out" in each]
    assert len(scores) >= 5
    assert sum(bool(each["is_chosen"]) for each in kept.selection) == 1


def test_holidays_are_told_from_weekends_where_they_differ() -> None:
    usage = daily(weekend=-20, noise=1)
    energy = usage.frame["energy_kwh"].to_numpy() - 60 * usage.frame["is_holiday"].to_numpy()
    fit = fitted(with_energy(usage, energy))
    assert {"is_weekend", "is_holiday"} <= set(fit.names)
    assert fit.coefficients["is_holiday"] == pytest.approx(-60, abs=2)


def test_a_driver_that_explains_is_taken_and_one_that_does_not_is_left() -> None:
    rng = np.random.default_rng(2)
    output, noise = rng.uniform(10, 100, 365), rng.normal(0, 1, 365)
    usage = daily(heating=2)
    usage = with_energy(usage, usage.frame["energy_kwh"].to_numpy() + 4 * output + noise)
    usage = with_driver(with_driver(usage, output.tolist()), rng.uniform(0, 1, 365).tolist(), "chance")
    fit = fitted(usage)
    assert fit.coefficients["output"] == pytest.approx(4, rel=0.01)
    assert "chance" not in fit.names
    assert set(fit.driver_ranges) == {"temp_degc", "output"}


@pytest.mark.parametrize("model", ["auto", "caltrack", "heating_3p", "linear_2p"])
def test_coefficients_and_their_tests_are_those_of_statsmodels(model: str) -> None:
    import statsmodels.api as sm

    fit = fitted(daily(base=50, heating=3, weekend=-10, noise=6), model=model)
    rival = sm.OLS(fit.y, fit.design).fit()
    terms = fit.terms(0.9)
    assert fit.values == pytest.approx(np.asarray(rival.params), rel=1e-9)
    assert [term.standard_error for term in terms] == pytest.approx(list(rival.bse), rel=1e-9)
    assert [term.p_value for term in terms] == pytest.approx(list(rival.pvalues), rel=1e-6, abs=1e-300)
    assert [term.ci_low for term in terms] == pytest.approx(list(rival.conf_int(alpha=0.1)[:, 0]), rel=1e-9)
    assert fit.covariance == pytest.approx(np.asarray(rival.cov_params()), rel=1e-8)
    assert fit.statistics.r2 == pytest.approx(rival.rsquared, rel=1e-9)
    assert fit.statistics.r2_adj == pytest.approx(rival.rsquared_adj, rel=1e-9)
    assert fit.statistics.f_p_value == pytest.approx(rival.f_pvalue, rel=1e-6, abs=1e-300)


def test_variance_inflation_is_that_of_statsmodels() -> None:
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    fit = fitted(daily(heating=3, cooling=5, weekend=-9, noise=4))
    rival = [float(variance_inflation_factor(fit.design, j)) for j in range(1, fit.n_params)]
    assert [term.vif for term in fit.terms()] == [None, *(pytest.approx(value, rel=1e-6) for value in rival)]


def test_bills_are_weighted_by_their_days_as_statsmodels_weighs_them() -> None:
    import statsmodels.api as sm

    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    usage = usage_of(
        bills(daily(base=30, heating=2, cooling=4, noise=3), lengths),
        temperatures=weather(hourly_temps()),
        frequency="billing",
        zone=ZONE,
    )
    fit = fitted(usage)
    rival = sm.WLS(fit.y, fit.design, weights=np.array(lengths, dtype=float)).fit()
    assert fit.model == "hdd_cdd"
    assert fit.n == 12
    assert fit.values == pytest.approx(np.asarray(rival.params), rel=1e-9)
    assert fit.statistics.r2 == pytest.approx(rival.rsquared, rel=1e-9)
    assert [term.standard_error for term in fit.terms()] == pytest.approx(list(rival.bse), rel=1e-9)
    assert fit.coefficients["intercept"] == pytest.approx(30, rel=0.1)
    # Whole bills come back as kWh of the bill.
    assert fit.predict(usage) == pytest.approx(fit.fitted * np.array(lengths))


def test_degree_days_of_a_bill_are_means_over_its_days() -> None:
    usage = usage_of(bills(daily(), [31] * 6), temperatures=weather(hourly_temps()), frequency="billing", zone=ZONE)
    found = fit_usage(usage, start=START, end=date(2025, 7, 6), model="hdd_only")
    temps = daily().frame["temp_degc"].to_numpy()
    assert isinstance(found, Finding | Fit)
    from ml.baselines.models.forms import degree_days

    heating, cooling = degree_days(usage, np.array([12.0]))
    assert heating[0, 0] == pytest.approx(np.maximum(12 - temps[:31], 0).mean())
    assert cooling[5, 0] == pytest.approx(np.maximum(temps[155:186] - 12, 0).mean())


def test_the_same_rows_refitted_give_the_same_coefficients_and_repeats_count_twice() -> None:
    fit = fitted(daily(heating=3, weekend=-10, noise=6))
    same = refit(fit, np.arange(fit.n))
    assert same.values == pytest.approx(fit.values, rel=1e-9)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, fit.n, (70, fit.n))
    many = fit.refit_many(rows)
    assert many.shape == (70, fit.n_params)
    for place in (0, 33, 69):
        assert many[place] == pytest.approx(refit(fit, rows[place]).values, rel=1e-6)
    predicted = fit.predict_many(many, daily())
    assert predicted.shape == (70, 365)
    assert predicted[5] == pytest.approx(refit(fit, rows[5]).predict(daily()), rel=1e-6)


def test_held_out_months_are_predicted_by_the_other_months_alone() -> None:
    fit = fitted(daily(heating=3, weekend=-10, noise=6))
    months = fit.training.frame["local_start"].dt.month().to_numpy()
    missed = np.empty(fit.n)
    for month in range(1, 13):
        out = months == month
        values = np.linalg.lstsq(fit.design[~out], fit.y[~out], rcond=None)[0]
        missed[out] = fit.y[out] - fit.design[out] @ values
    assert fit.statistics.nmbe_out_of_sample == pytest.approx(missed.mean() / fit.y.mean(), rel=1e-6)
    assert fit.statistics.cvrmse_out_of_sample == pytest.approx(np.sqrt((missed**2).mean()) / fit.y.mean(), rel=1e-9)
    assert fit.statistics.nmbe_in_sample == pytest.approx(0, abs=1e-9)


def test_three_cvrmses_differ_by_their_divisor() -> None:
    fit = fitted(daily(heating=3, weekend=-10, noise=6))
    squares, mean, n, p = float(fit.residuals @ fit.residuals), fit.y.mean(), fit.n, fit.n_params
    assert fit.statistics.cvrmse_n == pytest.approx(np.sqrt(squares / n) / mean)
    assert fit.statistics.cvrmse_g14 == pytest.approx(np.sqrt(squares / (n - p)) / mean)
    assert fit.statistics.cvrmse_caltrack == pytest.approx(np.sqrt(squares / (n - (p - 1))) / mean)


def test_a_day_without_temperature_has_no_expected_energy() -> None:
    fit = fitted(daily(heating=3, noise=1))
    usage = daily()
    hole = usage.with_frame(usage.frame.with_columns(temp_degc=pl.when(pl.int_range(pl.len()) != 7).then("temp_degc")))
    expected = fit.predict(hole)
    assert np.isnan(expected[7])
    assert np.isfinite(np.delete(expected, 7)).all()


def test_a_portfolio_gets_what_each_meter_gets_alone() -> None:
    meters = [daily(heating=2, weekend=-15, noise=4, seed=n) for n in range(4)] + [daily(base=-5)]
    energy = meters[1].frame["energy_kwh"].to_numpy().copy()
    energy[40:60] = np.nan
    meters[1] = with_energy(meters[1], energy)
    together = fit_portfolio(meters, start=START, end=END)
    for usage, found in zip(meters, together, strict=True):
        alone = fit_usage(usage, start=START, end=END)
        assert type(found) is type(alone)
        if isinstance(found, Fit) and isinstance(alone, Fit):
            assert found.coefficients == pytest.approx(alone.coefficients, rel=1e-9)
            assert found.digest == alone.digest
    assert isinstance(together[4], Finding)


def test_equal_data_have_an_equal_digest_and_one_changed_reading_another() -> None:
    usage = daily(heating=3, noise=1)
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    energy[100] += 1e-6
    one, same, other = (fitted(each).digest for each in (usage, daily(heating=3, noise=1), with_energy(usage, energy)))
    assert one == same != other


def test_a_flat_load_is_refused() -> None:
    assert refusal(daily(base=24.0)).code == "flat_load"


def test_a_driver_never_known_is_refused() -> None:
    found = refusal(with_driver(daily(noise=1), [None] * 365))
    assert found.code == "driver_missing"
    assert "output" in found.message


def test_weather_of_other_periods_alone_is_refused() -> None:
    usage = daily(heating=3, noise=1)
    middle = START.replace(month=7)
    temps = pl.when(pl.col("local_start").dt.date() >= middle).then("temp_degc")
    found = fit_usage(usage.with_frame(usage.frame.with_columns(temp_degc=temps)), start=START, end=middle)
    assert isinstance(found, Finding)
    assert found.code == "driver_missing"
    assert "temp_degc" in found.message


def test_a_driver_that_never_changes_is_refused() -> None:
    assert refusal(with_driver(daily(noise=1), [5.0] * 365)).code == "driver_constant"
    usage = daily(heating=3, noise=1)
    found = refusal(usage.with_frame(usage.frame.with_columns(temp_degc=pl.lit(10.0))))
    assert found.code == "driver_constant"
    assert "temp_degc" in found.message


def test_a_baseline_in_the_future_is_refused() -> None:
    assert refusal(daily(noise=1), today=date(2025, 12, 31)).code == "period_in_future"
    assert isinstance(fit_usage(daily(noise=1), start=START, end=END, today=END), Fit)


def test_too_few_days_are_refused() -> None:
    assert refusal(daily(noise=1), end=date(2025, 1, 10)).code == "too_few_days"
    assert refusal(daily(noise=1), start=date(2030, 1, 1), end=date(2031, 1, 1)).code == "too_few_days"


def test_a_meter_that_feeds_in_more_than_it_uses_is_refused() -> None:
    assert refusal(daily(base=-5, noise=1)).code == "no_energy"


def test_a_short_or_holey_period_is_blocked_and_says_so() -> None:
    short = fitted(daily(heating=3, noise=1), end=date(2025, 7, 1))
    assert "period_too_short" in codes(short)
    usage = daily(heating=3, noise=1)
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    energy[:38] = np.nan
    assert "missing_days" in codes(fitted(with_energy(usage, energy)))
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    energy[:36] = np.nan
    held = fitted(with_energy(usage, energy))
    assert "excluded_days" in codes(held)
    assert not any(finding.is_blocking for finding in held.findings)


def test_a_leap_year_is_a_whole_year() -> None:
    from datetime import UTC, datetime

    from tests.ml.baselines.cases import readings

    values = 1 + np.random.default_rng(1).uniform(0, 0.5, 366 * 24)
    usage = usage_of(readings(values, first=datetime(2023, 12, 31, 23, tzinfo=UTC)), frequency="daily", zone=ZONE)
    fit = fitted(usage, start=date(2024, 1, 1), end=date(2025, 1, 1))
    assert fit.n == 366
    assert "period_too_short" not in codes(fit)


def test_an_extreme_day_and_expectations_below_zero_are_named() -> None:
    usage = daily(base=100, noise=1)
    energy = usage.frame["energy_kwh"].to_numpy().copy()
    energy[100] = 900.0
    assert "extreme_values" in codes(fitted(with_energy(usage, energy)))
    temps = usage.frame["temp_degc"].to_numpy()
    sloping = with_energy(usage, np.maximum(40 - 6 * temps, 0) + np.random.default_rng(1).uniform(0, 1, 365))
    assert "expected_not_positive" in codes(fitted(sloping, model="linear_2p"))


def test_no_weather_is_no_obstacle_to_a_mean() -> None:
    usage = year("daily", 1 + np.random.default_rng(1).uniform(0, 0.2, HOURS), None)
    assert fitted(usage).model == "mean"


def test_a_model_that_the_frequency_has_not_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown model 'towt' for daily data"):
        fit_usage(daily(noise=1), start=START, end=END, model="towt")


def test_where_nothing_of_a_family_qualifies_there_is_no_fit() -> None:
    usage = daily(heating=-3, noise=1, base=200)
    found = fit_usage(usage, start=START, end=END, model="hdd_only")
    assert isinstance(found, Finding)
    assert found.code == "no_model_qualifies"


def test_more_output_with_less_energy_is_named_and_a_flag_or_a_level_may_fall() -> None:
    rng = np.random.default_rng(6)
    values = {"output": rng.uniform(1, 9, 365), "is_closed": rng.integers(0, 2, 365) * 1.0}
    values["sun_w_per_m2"] = rng.uniform(0, 9, 365)
    for name, column in values.items():
        usage = with_energy(daily(), 200 - 9 * column + rng.normal(0, 1, 365))
        found = codes(fitted(with_driver(usage, column.tolist(), name)))
        assert ("coefficient_sign" in found) == (name == "output")
