"""Changes of use are found and dated; measures, seasons and noise are not taken for one."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from assets.kpi.claims.gate import changes_of_use, unit_change
from assets.kpi.claims.lasting_steps import MIN_SCORE, Step, best_step, matched_weeks, steps

START, SPLIT, END = date(2022, 1, 1), date(2023, 1, 1), date(2024, 1, 1)
DATES = [START + timedelta(days=i) for i in range(730)]


def weeks_of(actual: np.ndarray, expected: np.ndarray | float = 100.0) -> pl.DataFrame:
    days = pl.DataFrame({"local_date": DATES, "actual": actual, "expected": np.broadcast_to(expected, 730)})
    return matched_weeks(days, START, SPLIT, SPLIT, END)


def found(actual: np.ndarray, *, installed: bool = False) -> list[Step]:
    return steps(weeks_of(actual), report_start=SPLIT, has_installation=installed)


def noisy(level: np.ndarray | float, seed: int = 0) -> np.ndarray:
    return np.broadcast_to(level, 730) + np.random.default_rng(seed).normal(0, 8, 730)


def since(day: date, size: float) -> np.ndarray:
    return np.where([each >= day for each in DATES], 100.0 + size, 100.0)


def test_noise_alone_is_no_event() -> None:
    assert [found(noisy(100.0, seed)) for seed in range(40)] == [[]] * 40


def test_a_season_that_the_model_gets_wrong_each_year_is_no_event() -> None:
    season = 100 + 30 * np.sin(2 * np.pi * np.arange(730) / 365.25)
    assert found(noisy(season)) == []


@pytest.mark.parametrize("size", [-30.0, -15.0, 20.0])
def test_a_change_within_the_report_is_dated_to_its_week(size: float) -> None:
    (step,) = found(noisy(since(date(2023, 6, 14), size)))
    assert step.period == "reporting"
    assert abs((step.start - date(2023, 6, 14)).days) <= 7
    assert step.share == pytest.approx(size / 100, abs=0.05)
    assert step.score > MIN_SCORE


def test_a_change_within_the_baseline_is_told_apart() -> None:
    (step,) = found(noisy(since(date(2022, 8, 3), -30.0)))
    assert step.period == "baseline"
    assert abs((step.start - date(2022, 8, 3)).days) <= 7
    assert step.share == pytest.approx(-0.3, abs=0.05)


def test_two_changes_are_both_found_in_order() -> None:
    both = since(date(2023, 4, 5), -25.0) + since(date(2023, 9, 20), -25.0) - 100.0
    starts = [step.start for step in found(noisy(both))]
    assert len(starts) == 2
    assert starts == sorted(starts)


def test_a_level_from_the_first_day_on_is_the_measure_or_suspect() -> None:
    level = since(SPLIT, -30.0)
    (step,) = found(noisy(level))
    assert step.period == "at_start"
    assert found(noisy(level), installed=True) == []
    assert found(noisy(since(SPLIT, -10.0))) == []


@pytest.mark.parametrize("measure", [date(2023, 2, 1), date(2023, 6, 1), date(2023, 8, 5)])
def test_after_a_gap_the_seam_is_the_first_compared_day_and_a_measure_in_the_gap_is_the_measure(measure: date) -> None:
    """The simulated retrofits of RMV2.0 (LBNL, data/Post_simu): a baseline of 2006, readings again from 2017 on."""
    second = date(2023, 8, 1)
    days = pl.DataFrame({"local_date": DATES, "actual": noisy(since(SPLIT, -30.0)), "expected": np.full(730, 100.0)})
    known = days.filter((pl.col("local_date") < SPLIT) | (pl.col("local_date") >= second))
    (step,) = changes_of_use(known, train=(START, SPLIT), end=END, unit="kWh")
    assert (step.facts["period"], step.facts["start"]) == ("at_start", second.isoformat())
    assert changes_of_use(known, train=(START, SPLIT), end=END, unit="kWh", declared=[measure]) == ()


def test_a_few_cold_weeks_at_the_end_are_no_event() -> None:
    assert found(noisy(since(date(2023, 12, 18), -18.0))) == []


def test_a_change_of_unit_is_named_with_its_factor() -> None:
    rng = np.random.default_rng(2)
    use = 100 * (1.5 + np.cos(2 * np.pi * np.arange(730) / 365.25)) * rng.uniform(0.8, 1.2, 730)
    mixed = np.where([day < date(2022, 5, 10) for day in DATES], use * 35.3147, use)
    finding = unit_change(weeks_of(mixed))
    assert finding is not None
    assert finding.is_blocking
    assert "ft3 and m3" in finding.message
    assert "smaller" in finding.message
    assert finding.facts["factor"] == pytest.approx(35.3, rel=0.1)
    assert abs((date.fromisoformat(str(finding.facts["start"])) - date(2022, 5, 10)).days) <= 7
    assert unit_change(weeks_of(use)) is None


def test_a_change_of_unit_within_the_report_is_larger_or_smaller_as_it_was() -> None:
    use = 100 * np.random.default_rng(3).uniform(0.8, 1.2, 730)
    grown = np.where([day >= date(2023, 7, 1) for day in DATES], use * 1000, use)
    finding = unit_change(weeks_of(grown))
    assert finding is not None
    assert "reporting" in finding.message
    assert "larger" in finding.message
    assert finding.facts["in_baseline"] is False


def test_nothing_expected_has_no_share_and_too_few_weeks_no_unit() -> None:
    assert steps(weeks_of(noisy(100.0), 0.0), report_start=SPLIT, has_installation=False) == []
    assert unit_change(weeks_of(noisy(100.0)).head(5)) is None


def test_the_best_step_of_a_clean_step_is_where_it_is() -> None:
    values = np.concatenate([np.zeros(10), np.ones(10)])
    place, score, size = best_step(values)
    assert (place, size) == (10, 1.0)
    assert score > 1e6


def test_weeks_meet_their_season_over_a_gap_of_years() -> None:
    dates = [START + timedelta(days=i) for i in range(3 * 365)]
    days = pl.DataFrame({"local_date": dates, "actual": np.arange(1095.0), "expected": np.full(1095, 1.0)})
    weeks = matched_weeks(days, START, SPLIT, END, date(2025, 1, 1))
    assert weeks.height == 52
    # The last days of the report would meet the second year, which is not the baseline's.
    whole = weeks.head(51)
    assert set((whole["start"] - whole["baseline_start"]).dt.total_days().to_list()) == {728}
    assert ((whole["now"] - whole["was"]) == 728.0).all()
