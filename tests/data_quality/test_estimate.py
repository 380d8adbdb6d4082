"""Estimates: named methods with numbers that can be checked by hand, exact sums, and refusals that say why."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.vee import ValidationRules
from data_quality.estimate.gap import Estimate, Gap, scaled_to
from data_quality.estimate.methods import fill, like_day, linear, register_total
from tests.data_quality.meters import grid, office

WEEK = 24 * 7


def hourly(days: int = 70) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Each hour of the week has its own number: hour of the week plus 100 times the week."""
    hours = np.arange(24 * days)
    return (hours % WEEK + 100.0 * (hours // WEEK)).astype(np.float64)


def estimated(answer: Estimate | Finding) -> Estimate:
    """The estimate, not a refusal."""
    assert isinstance(answer, Estimate), answer
    return answer


def test_two_missing_hours_lie_on_the_line_between_their_neighbours() -> None:
    values = np.array([1.0, np.nan, np.nan, 4.0])
    answer = estimated(linear(grid(values), Gap(0, 1, 3)))
    assert answer.values.tolist() == [2.0, 3.0]
    assert (answer.quality_code, answer.method) == (QualityCode.ESTIMATED_INTERPOLATED, "linear")


@pytest.mark.parametrize(
    ("first", "end", "why"), [(1, 4, "at most 2 h"), (0, 1, "right before"), (5, 6, "right after")]
)
def test_a_line_needs_a_short_gap_and_both_neighbours(first: int, end: int, why: str) -> None:
    answer = linear(grid(np.arange(6.0)), Gap(0, first, end))
    assert isinstance(answer, Finding)
    assert why in answer.message


def test_a_like_day_is_the_median_of_the_four_nearest_weeks() -> None:
    gap = Gap(0, WEEK * 5 + 30, WEEK * 5 + 40)
    answer = estimated(like_day(grid(hourly()), gap, time_zone="UTC"))
    # Weeks 4, 6, 3 and 7 stand nearest: the median of 300, 400, 600 and 700 is 500.
    assert answer.values.tolist() == [500.0 + hour for hour in range(30, 40)]
    assert answer.quality_code == QualityCode.ESTIMATED_REFERENCE_DAY


def test_a_like_day_counts_wall_time_over_the_change_of_the_clock() -> None:
    days = grid(office(120))
    zone_name = "Europe/Berlin"
    first = days.slot(days.start_utc) + 24 * 92 + 8
    answer = estimated(like_day(days, Gap(0, first, first + 4), time_zone=zone_name))
    # A week back is UTC 9 to 13 h, for the people had winter time.
    winter = days.values[0, first - WEEK + 1 : first - WEEK + 5]
    assert np.abs(answer.values / winter - 1).max() < 0.5
    shifted = replace(days, values=np.roll(days.values, 1, axis=1))
    assert not np.array_equal(
        estimated(like_day(shifted, Gap(0, first, first + 4), time_zone=zone_name)).values, answer.values
    )


def test_a_history_of_two_weeks_is_too_thin_and_says_so() -> None:
    answer = like_day(grid(hourly(20)), Gap(0, WEEK * 2 + 5, WEEK * 2 + 15), time_zone="UTC")
    assert isinstance(answer, Finding)
    assert (answer.facts["days_wanted"], answer.facts["days_found"]) == (3, 2)
    assert answer.code == "estimate_insufficient"


def test_more_than_a_week_is_no_estimate() -> None:
    answer = like_day(grid(hourly()), Gap(0, WEEK * 5, WEEK * 6 + 1), time_zone="UTC")
    assert isinstance(answer, Finding)
    assert "168 h" in answer.message


def test_a_known_total_is_kept_to_the_last_quantum() -> None:
    gap = Gap(0, WEEK * 5 + 3, WEEK * 5 + 50, total=1234.567891234)
    answer = estimated(register_total(grid(hourly()), gap, time_zone="UTC"))
    assert sum(round(value * 10**9) for value in answer.values) == 1234567891234
    assert answer.values[1] > answer.values[0]


def test_a_total_without_like_days_is_spread_evenly() -> None:
    answer = estimated(register_total(grid(np.ones(48)), Gap(0, 10, 20, total=5.0), time_zone="UTC"))
    assert answer.values.tolist() == [0.5] * 10
    assert "evenly" in answer.reason


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(0, 10**15))
@example([2.225073858507203e-309], 1)
def test_scaling_makes_and_loses_nothing(shape: list[float], quanta: int) -> None:
    values = scaled_to(np.array(shape), quanta / 10**9)
    assert abs(sum(round(float(value) * 10**9) for value in values) - quanta) <= quanta * 2**-52 * len(shape)
    assert (values >= 0).all()


@pytest.mark.parametrize("total", [None, -1.0])
def test_a_total_that_is_none_or_negative_is_not_spread(total: float | None) -> None:
    assert isinstance(register_total(grid(np.ones(48)), Gap(0, 1, 3, total), time_zone="UTC"), Finding)


def test_the_method_that_knows_most_is_taken() -> None:
    values = hourly()
    gaps = [Gap(0, WEEK * 5, WEEK * 5 + 2), Gap(0, WEEK * 5 + 20, WEEK * 5 + 40), Gap(0, 400, 410, total=50.0)]
    found = fill(grid(values), gaps, time_zone="UTC")
    assert [each.method for each in found.estimates] == ["linear", "like_day", "register_total"]
    assert found.refused == ()


def test_a_value_that_is_replaced_is_no_evidence_for_another() -> None:
    values = office(70)
    values[WEEK * 5 : WEEK * 5 + 10] = values[WEEK * 4 : WEEK * 4 + 10] = 1e9
    gaps = [Gap(0, WEEK * 4, WEEK * 4 + 10), Gap(0, WEEK * 5, WEEK * 5 + 10)]
    found = fill(grid(values), gaps, time_zone="UTC")
    assert max(float(each.values.max()) for each in found.estimates) < 100


def test_a_declared_method_is_kept_to() -> None:
    rules = ValidationRules.model_validate({"meters": [{"meter": "m0", "estimate": "none"}]})
    found = fill(grid(hourly()), [Gap(0, 900, 902)], time_zone="UTC", rules=rules)
    assert (found.estimates, len(found.refused)) == ((), 1)
