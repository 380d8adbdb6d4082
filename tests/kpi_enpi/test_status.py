"""The status rule of formulas 5.8: signed, inclusive, unrounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.enpi.enpi_result import (
    EnpiRule,
    deviation_percent,
    enpi_ratio,
    performance,
    review_flags,
    status,
)
from data_quality.contracts.baselines.baseline import StatusRule

CASES = [
    (0.0, "compliant", "on_target"),
    (2.0, "compliant", "on_target"),
    (3.0, "compliant", "on_target"),
    (3.0000000001, "warning", "degraded"),
    (4.0, "warning", "degraded"),
    (5.0, "warning", "degraded"),
    (5.0000000001, "critical", "degraded"),
    (5.098, "critical", "degraded"),
    (5.51, "critical", "degraded"),
    (7.5, "critical", "degraded"),
    (8.0, "critical", "degraded"),
    (10.0, "critical", "degraded"),
    (-3.0, "compliant", "on_target"),
    (-3.2, "compliant", "improved"),
    (-5.0, "compliant", "improved"),
    (-20.0, "compliant", "improved"),
]


@pytest.mark.parametrize(("deviation", "expected_status", "expected_performance"), CASES)
def test_the_signed_rule_never_alarms_for_a_saving(
    deviation: float, expected_status: str, expected_performance: str
) -> None:
    assert status(deviation) == expected_status
    assert performance(deviation) == expected_performance


@pytest.mark.parametrize(("deviation", "expected"), [(-5.0, "warning"), (-5.1, "critical"), (-3.0, "compliant")])
def test_the_symmetric_policy_alarms_for_a_drop(deviation: float, expected: str) -> None:
    assert status(deviation, StatusRule(policy="symmetric")) == expected


@pytest.mark.parametrize(
    ("deviation", "expected"), [(-4.0, "compliant"), (-3.9, "warning"), (0.0, "warning"), (5.1, "critical")]
)
def test_the_target_policy_wants_its_improvement(deviation: float, expected: str) -> None:
    assert status(deviation, StatusRule(policy="target", target_percent=4.0)) == expected


def test_no_deviation_is_not_assessable() -> None:
    assert status(None) == "not_assessable"
    assert performance(None) == "not_assessable"


def test_the_status_comes_from_the_unrounded_deviation() -> None:
    # 105.0004 of 100 prints as 5.0 %, and is critical all the same.
    deviation = deviation_percent(Decimal("105.0004"), Decimal(100))
    assert deviation == Decimal("5.0004")
    assert status(deviation) == "critical"


def test_index_and_deviation_agree() -> None:
    actual, expected = Decimal("11800.25"), Decimal("12450.5")
    ratio, deviation = enpi_ratio(actual, expected), deviation_percent(actual, expected)
    assert ratio is not None
    assert deviation is not None
    assert abs((ratio - 1) * 100 - deviation) < Decimal("1e-25")


@pytest.mark.parametrize("expected", [Decimal(0), Decimal(-1)])
def test_nothing_expected_gives_no_ratio(expected: Decimal) -> None:
    assert enpi_ratio(Decimal(5), expected) is None
    assert deviation_percent(Decimal(5), expected) is None


def test_review_flags_name_what_to_look_at() -> None:
    assert review_flags(-20.0, is_extrapolated=False, coverage=1.0) == ("implausible_saving",)
    assert review_flags(-15.0, is_extrapolated=False, coverage=0.9) == ()
    assert review_flags(0.0, is_extrapolated=True, coverage=0.89, is_static_factor_changed=True) == (
        "extrapolation",
        "coverage",
        "baseline_review_due",
    )


@given(st.decimals(-50, 50, places=6), st.decimals(0, 50, places=6))
def test_using_more_never_betters_the_status(deviation: Decimal, more: Decimal) -> None:
    order = {"compliant": 0, "warning": 1, "critical": 2}
    assert order[status(deviation + more)] >= order[status(deviation)]


@given(st.decimals(-50, 50, places=6))
def test_a_rule_is_its_own_levels(deviation: Decimal) -> None:
    rule = EnpiRule(warn_percent=1.0, crit_percent=2.0)
    found = status(deviation, rule)
    assert found == ("compliant" if deviation <= 1 else "warning" if deviation <= 2 else "critical")
