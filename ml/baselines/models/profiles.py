"""Accuracy profiles by name: who accepts which model, and the rule in words (formulas 5.4).

A profile is chosen and printed, never mixed. Limits quoted from standards that must be bought come from secondary
sources (formulas 5.19): no profile says "compliant".
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

if TYPE_CHECKING:
    from ml.baselines.models.fit import Fit

Verdict = Literal["pass", "fail", "not_applicable"]


class Check(Model):
    """One limit: what was found, what is allowed."""

    statistic: str
    value: float
    limit: float
    passed: bool


class Judgement(Model):
    """A profile's answer with its rule."""

    profile: str
    verdict: Verdict
    rule: str
    checks: tuple[Check, ...] = ()


_RULES: dict[str, str] = {
    "g14_prescriptive": "CV(RMSE) with n − p at most 20 % for energy (25 % from 12 to 60, 30 % beyond 60 months of "
    "reporting)",
    "g14_simulation": "CV(RMSE) and |NMBE| at most 15 % and 5 % monthly, or 30 % and 10 % hourly; of other intervals "
    "not applicable",
    "caltrack_portfolio": "CV(RMSE) with n − c at most 100 % for a building of a portfolio",
    # "Below" in SEP and "at most" in G14 are their own words: on the limit the answers differ.
    "sep": "F-test p < 0.10, every variable p < 0.20, at least one p < 0.10, R² ≥ 0.50",
    "enpi_r2": "R² > 0.85",
    "cvrmse_10": "held-out CV(RMSE) at most 10 % monthly, 20 % daily, 30 % hourly",
}


def judge(profile: str, fit: "Fit", *, reporting_months: float = 12.0) -> Judgement:
    """Pass or fail of a fit by a named profile. reporting_months: length of the period that savings are claimed for
    (g14_prescriptive; under 12 months count as the strictest). Raises BadInput for an unknown name.
    """
    check_name(profile)
    checks = _JUDGES[profile](fit, reporting_months)
    verdict: Verdict = "not_applicable" if not checks else "pass" if all(each.passed for each in checks) else "fail"
    return Judgement(profile=profile, verdict=verdict, rule=_RULES[profile], checks=tuple(checks))


def check_name(profile: str) -> None:
    """Raises BadInput where there is no such profile."""
    if profile not in _JUDGES:
        known = ", ".join(sorted(_JUDGES))
        raise BadInput(f"unknown accuracy profile {profile!r}; known are {known}", reason="unknown_profile")


def judge_all(fit: "Fit") -> tuple[Judgement, ...]:
    """Every profile's answer."""
    return tuple(judge(name, fit) for name in _JUDGES)


def _at_most(statistic: str, value: float, limit: float) -> Check:
    return Check(statistic=statistic, value=value, limit=limit, passed=value <= limit)


def _g14_prescriptive(fit: "Fit", months: float) -> list[Check]:
    # The longer a model is used, the wider G14's limit: it is written for the whole reporting period.
    limit = 0.20 if months < 12 else 0.25 if months <= 60 else 0.30
    return [_at_most("cvrmse_g14", fit.statistics.cvrmse_g14, limit)]


def _g14_simulation(fit: "Fit", _months: float) -> list[Check]:
    # G14 has limits for months and hours, none for days.
    limits = {"billing": (0.15, 0.05), "hourly": (0.30, 0.10)}.get(fit.frequency)
    if limits is None:
        return []
    stats = fit.statistics
    return [
        _at_most("cvrmse_g14", stats.cvrmse_g14, limits[0]),
        _at_most("nmbe_out_of_sample", abs(stats.nmbe_out_of_sample), limits[1]),
    ]


def _sep(fit: "Fit", _months: float) -> list[Check]:
    stats = fit.statistics
    found = [
        Check(statistic="f_p_value", value=stats.f_p_value, limit=0.10, passed=stats.f_p_value < 0.10),
        Check(statistic="r2", value=stats.r2, limit=0.50, passed=stats.r2 >= 0.50),
    ]
    slopes = [term.p_value for term in fit.terms() if term.name != "intercept"]
    if slopes:
        worst, best = max(slopes), min(slopes)
        found.append(Check(statistic="largest_p_value", value=worst, limit=0.20, passed=worst < 0.20))
        found.append(Check(statistic="smallest_p_value", value=best, limit=0.10, passed=best < 0.10))
    return found


def _enpi_r2(fit: "Fit", _months: float) -> list[Check]:
    return [Check(statistic="r2", value=fit.statistics.r2, limit=0.85, passed=fit.statistics.r2 > 0.85)]


def _cvrmse_10(fit: "Fit", _months: float) -> list[Check]:
    limit = {"billing": 0.10, "daily": 0.20, "hourly": 0.30}[fit.frequency]
    return [_at_most("cvrmse_out_of_sample", fit.statistics.cvrmse_out_of_sample, limit)]


_JUDGES: Mapping[str, Callable[["Fit", float], list[Check]]] = {
    "g14_prescriptive": _g14_prescriptive,
    "g14_simulation": _g14_simulation,
    "caltrack_portfolio": lambda fit, _: [_at_most("cvrmse_caltrack", fit.statistics.cvrmse_caltrack, 1.0)],
    "sep": _sep,
    "enpi_r2": _enpi_r2,
    "cvrmse_10": _cvrmse_10,
}
