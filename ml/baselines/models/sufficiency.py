"""Do the data suffice for a baseline, and may its numbers be trusted? Every answer is a typed Finding.

Blocking findings stop approval unless a person waives them in writing; the others are printed (resolution C0.18).
"""

import math
from collections.abc import Sequence
from datetime import date

import polars as pl

from data_quality.contracts.baselines.baseline import Coefficient, FitStatistics
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.site import Seu

YEAR_DAYS = 365
DAY_MIN_COVERAGE = 0.9
# Below this spread of the daily values R² says little about the model (formulas 5.3).
FLAT_LOAD_CV = 0.05
# Equal sums differ in their last digits by the order in which they were added; of a sum, so much.
SUM_NOISE = 1e-9
# The usual rule of thumb: a standard error about three times as wide as of a driver that stands alone.
MAX_VIF = 10.0
# There n′ is a third of n (formulas 5.5).
MAX_RHO1 = 0.5
# A bias of the size of a usual saving would pass for one.
MAX_HELD_OUT_BIAS = 0.05


def refused(code: str, message: str, seu: Seu, **facts: int) -> Finding:
    """Why a use has no baseline."""
    return Finding(code=code, message=message, severity="blocking", scope=f"seu:{seu.seu_id}", facts={**facts})


def most_missing(days: int) -> int:
    """CalTRACK 2.2.1.2: a tenth of the days may be missing, 37 of 365."""
    return math.ceil(days / 10)


def usable_days(days: pl.DataFrame, drivers: Sequence[str]) -> pl.DataFrame:
    """Days that may be fitted: every meter has at least 90 % of its quarter hours and every driver is known."""
    known = [pl.col(name).is_not_null() for name in ("energy_kwh", *drivers)]
    return days.filter(pl.col("coverage_worst_meter") >= DAY_MIN_COVERAGE, *known)


def length_findings(start: date, end: date) -> list[Finding]:
    """CalTRACK 2.2.1.1: a baseline period [start, end) of less than 365 days, also where a leap day lies in it."""
    have = (end - start).days
    if have >= YEAR_DAYS:
        return []
    return [
        Finding(
            code="period_too_short",
            message=Sentence("The baseline period has {0} days; a full year has {1}.", have, YEAR_DAYS),
            severity="blocking",
            facts={"days_found": have, "days_wanted": YEAR_DAYS},
        )
    ]


def data_findings(days: pl.DataFrame, drivers: Sequence[str], *, start: date, end: date, today: date) -> list[Finding]:
    """Findings about the period and the days. days: seu_days(...) of [start, end); today: local date of the fit."""
    found = length_findings(start, end)
    if end > today:
        found.append(
            Finding(
                code="period_in_future",
                message=Sentence("The baseline period ends on {0}, after {1}.", end, today),
                severity="blocking",
                facts={"end": end.isoformat(), "today": today.isoformat()},
            )
        )
    return [*found, *_missing(days, drivers), *_drivers(days, drivers)]


def _missing(days: pl.DataFrame, drivers: Sequence[str]) -> list[Finding]:
    used = usable_days(days, drivers).height
    missing = days.height - used
    if missing == 0:
        return []
    is_too_much = missing > most_missing(days.height)
    return [
        Finding(
            code="missing_days" if is_too_much else "excluded_days",
            message=Sentence(
                "{0} of {1} days are left out: under {2} of their readings, or a driver unknown.",
                missing,
                days.height,
                Numeral(f"{DAY_MIN_COVERAGE:.0%}"),
            ),
            severity="blocking" if is_too_much else "info",
            facts={"days": days.height, "days_used": used, "days_left_out": missing},
        )
    ]


def _drivers(days: pl.DataFrame, drivers: Sequence[str]) -> list[Finding]:
    found = []
    for name in drivers:
        unknown = int(days[name].null_count())
        if unknown > most_missing(days.height):
            found.append(
                Finding(
                    code="driver_missing",
                    message=Sentence("Driver {0} is unknown on {1} of {2} days.", name, unknown, days.height),
                    severity="blocking",
                    scope=f"driver:{name}",
                    facts={"days": days.height, "days_unknown": unknown},
                )
            )
    if not drivers:
        message = "The SEU names no driver: the baseline is a mean, not a model of the use."
        found.append(Finding(code="no_drivers", message=message, severity="info"))
    return found


def fit_findings(
    statistics: FitStatistics, coefficients: Sequence[Coefficient], *, load_cv: float, growing_with: Sequence[str]
) -> list[Finding]:
    """Findings about the fit. load_cv: standard deviation / mean of the daily values; growing_with: features that
    more of cannot mean less energy, such as production and degree days.
    """
    found = []
    if load_cv < FLAT_LOAD_CV:
        found.append(
            Finding(
                code="flat_load",
                message="The load hardly varies from day to day: read CV(RMSE), not R².",
                facts={"load_cv": load_cv},
            )
        )
    found += [_by_coefficient(term, term.name in growing_with) for term in coefficients if _is_odd(term, growing_with)]
    if abs(statistics.rho1) > MAX_RHO1:
        found.append(
            Finding(
                code="autocorrelated_residuals",
                message="Residuals of neighbouring days are alike: savings are less certain than n days suggest.",
                facts={"rho1": statistics.rho1, "durbin_watson": statistics.durbin_watson},
            )
        )
    if abs(statistics.nmbe_out_of_sample) > MAX_HELD_OUT_BIAS:
        found.append(
            Finding(
                code="biased_out_of_sample",
                message="Months that the fit has not seen are predicted with a bias of more than 5 %.",
                facts={"nmbe_out_of_sample": statistics.nmbe_out_of_sample},
            )
        )
    return found


def _is_odd(term: Coefficient, growing_with: Sequence[str]) -> bool:
    return (term.name in growing_with and term.value < 0) or (term.vif is not None and term.vif > MAX_VIF)


def _by_coefficient(term: Coefficient, may_not_fall: bool) -> Finding:
    if may_not_fall and term.value < 0:
        return Finding(
            code="coefficient_sign",
            message=Sentence(
                "More {0} goes with less energy ({1} kWh/day per unit): not plausible.",
                term.name,
                Numeral.rounded(term.value),
            ),
            scope=f"driver:{term.name}",
            facts={"value": term.value, "ci_low": term.ci_low, "ci_high": term.ci_high},
        )
    return Finding(
        code="collinear",
        message=Sentence("{0} is nearly given by the other drivers: its coefficient alone means little.", term.name),
        scope=f"driver:{term.name}",
        facts={"vif": term.vif},
    )
