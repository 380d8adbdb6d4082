"""Several baseline years side by side: which one is the best, how sure its figure is, and years that contradict."""

import math
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.best_of_years import (
    BestOfYears,
    Verdict,
    _minimum_quantile,
    best_of_years,
    verdict_of,
    year_label,
)
from ml.baselines.savings.savings import savings
from ml.baselines.usage_tables.calendar_of import holidays_of
from tests.ml.savings.best_simulated import holds_100, unchanged
from tests.ml.savings.samples import cambridge
from tests.ml.savings.simulated import START, building

Y18, Y19 = (date(2018, 1, 1), date(2019, 1, 1)), (date(2019, 1, 1), date(2020, 1, 1))
Y21 = (date(2021, 1, 1), date(2022, 1, 1))
Y22, Y23, Y24 = ((date(year, 1, 1), date(year + 1, 1, 1)) for year in (2022, 2023, 2024))


def judged(folder: Path, name: str) -> BestOfYears:
    holidays = holidays_of("GB", None, Y18[0], Y21[1])
    usage = cambridge(folder / "sites_cambridge", name, "electricity", holidays=holidays)
    return best_of_years(usage, trains=[Y18, Y19], report=Y21)


def codes(found: BestOfYears) -> list[str]:
    return [each.code for each in found.findings]


@pytest.mark.parametrize(("name", "one", "other"), [("b57", 78, 130), ("b59", 86, 135)])
def test_a_use_that_is_less_by_one_year_and_more_by_the_other_contradicts_itself(
    shared_data: Path, name: str, one: float, other: float
) -> None:
    found = judged(shared_data, name)
    assert [year.enpi for year in found.years] == [pytest.approx(one, abs=1), pytest.approx(other, abs=1)]
    assert found.verdicts_agree is False
    assert codes(found) == ["verdicts_contradict"]
    assert found.findings[0].is_blocking


def test_years_that_agree_on_less_and_differ_by_a_quarter_are_called_unstable(shared_data: Path) -> None:
    found = judged(shared_data, "b52")
    assert [year.enpi for year in found.years] == [pytest.approx(64, abs=1), pytest.approx(81, abs=1)]
    assert found.verdicts_agree is True
    assert codes(found) == ["baseline_years_unstable"]


@pytest.mark.parametrize("name", ["b2", "b25"])
def test_a_steady_use_is_neither_contradictory_nor_unstable(shared_data: Path, name: str) -> None:
    assert codes(judged(shared_data, name)) == []


def test_the_best_year_asks_the_least_energy_of_all() -> None:
    found = unchanged(3)
    words = [year.expected_kwh for year in found.years]
    assert found.best is not None
    assert words[found.best] == min(each for each in words if each is not None)
    assert found.enpi == found.years[found.best].enpi


def test_the_band_of_a_single_year_is_that_of_its_saving() -> None:
    made = building(1, share=0.1, rho=0.2)
    found = best_of_years(made.usage, trains=[Y22], report=Y23)
    fit = fit_usage(made.usage, start=START, end=Y22[1])
    assert not isinstance(fit, Finding)
    alone = savings(fit, made.usage, report_start=Y23[0], report_end=Y23[1], resamples=0)
    assert not isinstance(alone, Finding)
    half = 100 * alone.uncertainty_kwh / alone.expected_kwh
    assert found.interval == pytest.approx(((found.enpi or 0) - half, (found.enpi or 0) + half))
    assert found.uncorrected == pytest.approx(found.interval)
    assert found.rivals == 1


def test_twenty_meters_without_a_change_are_held_by_the_corrected_band() -> None:
    found = [unchanged(seed) for seed in range(20)]
    assert sum(holds_100(each.interval) for each in found) >= 15
    # The least of two is too low, so that the plain band wrongly says "more": the correction moves it down.
    for each in found:
        assert each.interval is not None and each.uncorrected is not None  # noqa: PT018
        assert each.interval[0] <= each.uncorrected[0]
        assert each.interval[1] <= each.uncorrected[1] + 1e-9


def test_the_quantile_of_the_minimum_is_that_of_a_million_draws() -> None:
    spreads, noise = np.array([3.0, 2.0, 4.0]), 1.5
    rng = np.random.default_rng(1)
    drawn = (rng.standard_normal((1_000_000, 3)) * spreads).min(axis=1) - noise * rng.standard_normal(1_000_000)
    for share in (0.05, 0.5, 0.95):
        assert _minimum_quantile(spreads, noise, share) == pytest.approx(float(np.quantile(drawn, share)), abs=0.02)


def test_of_one_year_the_quantile_is_the_normal_one() -> None:
    assert _minimum_quantile(np.array([3.0]), 4.0, 0.95) == pytest.approx(5.0 * 1.6448536, rel=1e-4)


@pytest.mark.parametrize(
    ("trains", "report", "reason"),
    [
        ([Y22, Y23], Y23, "periods_overlap"),
        ([(date(2022, 1, 1), date(2023, 2, 1))], Y23, "periods_overlap"),
        ([Y22, (date(2022, 7, 1), date(2023, 7, 1))], Y24, "periods_overlap"),
        ([Y22, Y22], Y24, "periods_overlap"),
        ([Y24], Y22, "periods_overlap"),
        ([], Y24, "bad_period"),
        ([(Y22[1], Y22[0])], Y24, "bad_period"),
        ([Y22], (Y24[0], Y24[0]), "bad_period"),
    ],
)
def test_years_that_overlap_or_are_none_are_refused(
    trains: list[tuple[date, date]], report: tuple[date, date], reason: str
) -> None:
    with pytest.raises(BadInput) as fault:
        best_of_years(building(1).usage, trains=trains, report=report)
    assert fault.value.reason == reason


def test_a_year_without_readings_is_not_eligible_and_the_other_one_judges() -> None:
    found = best_of_years(building(1).usage, trains=[(date(2020, 1, 1), date(2021, 1, 1)), Y22], report=Y23)
    assert [year.eligible for year in found.years] == [False, True]
    assert found.years[0].reason == "too_few_days"
    assert found.years[0].expected_kwh is None
    assert found.best == 1


def test_half_a_year_is_not_eligible_by_its_own_finding() -> None:
    found = best_of_years(building(1).usage, trains=[(date(2022, 1, 1), date(2022, 7, 1))], report=Y23)
    assert "period_too_short" in found.years[0].reason
    assert found.best is None
    assert found.enpi is None
    assert found.verdicts_agree is None


def test_a_period_without_readings_has_no_figure_and_says_so() -> None:
    found = best_of_years(building(1).usage, trains=[Y22], report=(date(2030, 1, 1), date(2031, 1, 1)))
    assert found.best is None
    assert codes(found) == ["nothing_to_compare"]


def test_a_band_below_100_is_less_above_it_more_and_around_it_shows_no_change() -> None:
    bands = [(90.0, 99.9), (100.1, 120.0), (99.0, 101.0), (100.0, 101.0)]
    nothing = Verdict.NO_CHANGE_SHOWN
    assert [verdict_of(each) for each in bands] == [Verdict.LESS, Verdict.MORE, nothing, nothing]


def test_calendar_years_go_by_their_number() -> None:
    assert year_label(Y22) == "2022"
    assert year_label((date(2022, 7, 1), date(2023, 7, 1))) == "2022-07-01/2023-06-30"


def test_more_rivals_pull_the_band_further_down() -> None:
    lows = [_minimum_quantile(np.full(n, 2.0), 1.0, 0.05) for n in (1, 2, 3, 5)]
    assert all(more < fewer for fewer, more in pairwise(lows))
    assert math.isfinite(lows[-1])
