"""Accuracy profiles: each limit, at it and beyond it."""

from dataclasses import replace
from typing import Any

import pytest

from data_quality.contracts.errors import BadInput
from ml.baselines.models.fit import Fit
from ml.baselines.models.profiles import judge, judge_all
from tests.ml.baselines.cases import daily, fitted


def like(fit: Fit, **statistics: Any) -> Fit:
    """The same fit with other statistics."""
    return replace(fit, statistics=fit.statistics.model_copy(update=statistics))


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fitted(daily(heating=3, weekend=-10, noise=6))


@pytest.mark.parametrize(
    ("profile", "at_limit", "beyond"),
    [
        ("g14_prescriptive", {"cvrmse_g14": 0.25}, {"cvrmse_g14": 0.2501}),
        ("caltrack_portfolio", {"cvrmse_caltrack": 1.0}, {"cvrmse_caltrack": 1.01}),
        ("sep", {"r2": 0.5}, {"r2": 0.499}),
        ("sep", {"f_p_value": 0.099}, {"f_p_value": 0.1}),
        ("enpi_r2", {"r2": 0.851}, {"r2": 0.85}),
        ("cvrmse_10", {"cvrmse_out_of_sample": 0.20}, {"cvrmse_out_of_sample": 0.201}),
    ],
)
def test_a_limit_passes_what_it_allows_and_fails_what_it_does_not(
    fit: Fit, profile: str, at_limit: dict[str, float], beyond: dict[str, float]
) -> None:
    assert judge(profile, like(fit, **at_limit)).verdict == "pass"
    failed = judge(profile, like(fit, **beyond))
    assert failed.verdict == "fail"
    assert failed.rule


def test_the_prescriptive_limit_grows_with_the_months_of_reporting(fit: Fit) -> None:
    found = like(fit, cvrmse_g14=0.28)
    verdicts = [judge("g14_prescriptive", found, reporting_months=months).verdict for months in (6, 12, 60, 61)]
    assert verdicts == ["fail", "fail", "fail", "pass"]
    assert judge("g14_prescriptive", like(fit, cvrmse_g14=0.21), reporting_months=11).verdict == "fail"


def test_simulation_limits_hold_for_months_and_hours_only(fit: Fit) -> None:
    assert judge("g14_simulation", fit).verdict == "not_applicable"


def test_every_profile_answers_and_an_unknown_one_is_refused(fit: Fit) -> None:
    assert len(judge_all(fit)) == 6
    with pytest.raises(BadInput, match="unknown accuracy profile"):
        judge("perfect", fit)


def test_every_variable_must_matter_for_sep() -> None:
    weak = fitted(daily(heating=3, noise=6), model="heating_cooling_5p")
    checks = {check.statistic: check for check in judge("sep", weak).checks}
    assert set(checks) == {"f_p_value", "r2", "largest_p_value", "smallest_p_value"}
