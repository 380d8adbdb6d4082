"""Estates with a shock that all sites share and one measure whose saving is known. Long run: python -m."""

import sys
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from assets.kpi.claims.comparison_group import CorrectedSavings
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_portfolio
from ml.baselines.savings.comparison import Member, compared_group
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.savings.simulated import SPLIT, START, daily_usage, noise, weather

END = date(2024, 1, 1)
SHARE = 0.10


class Estate(NamedTuple):
    """Usages of the site with the measure and of those beside it, and what the measure saved, kWh."""

    own: Usage
    others: list[Usage]
    saved_kwh: float


class Trial(NamedTuple):
    """Errors of the two savings as shares of the expected energy, and whether each band holds the truth."""

    plain: float
    corrected: float
    plain_holds: bool
    corrected_holds: bool
    half_share: float


def estate(seed: int, *, members: int = 6, shock: float = -0.12, drift: float = 0.02) -> Estate:
    """Daily heating buildings of one climate. shock: of all in the second year; drift: each site's own, one standard
    deviation; both relative to the energy.
    """
    rng = np.random.default_rng(seed)
    days = (END - START).days
    dates = [START + timedelta(days=each) for each in range(days)]
    temps = weather(rng, days)
    is_after = np.array([day >= SPLIT for day in dates])
    usages, saved = [], 0.0
    for place in range(members + 1):
        heat, base = rng.uniform(3, 10), rng.uniform(80, 200)
        clean = base + heat * np.maximum(rng.uniform(13, 16) - temps, 0)
        # A measure saves of what would have been used, the shock included.
        moved = clean * np.where(is_after, 1.0 + shock + drift * rng.normal(), 1.0)
        measured = np.where(is_after, SHARE * moved, 0.0) if place == 0 else 0.0
        saved += float(np.sum(measured))
        energy = moved - measured + rng.uniform(0.04, 0.12) * clean.mean() * noise(rng, days, rng.uniform(0, 0.6))
        usages.append(daily_usage(dates, energy, temps))
    return Estate(usages[0], usages[1:], saved)


def trial(seed: int, **changes: float) -> Trial:
    """One estate: its saving as it is and beside the group, both at 90 %."""
    made = estate(seed, **changes)  # type: ignore[arg-type]
    fit = fit_portfolio([made.own], start=START, end=SPLIT, model="heating_3p")[0]
    assert isinstance(fit, Fit)
    found = savings(fit, made.own, report_start=SPLIT, report_end=END, measures=[SPLIT], resamples=0)
    assert not isinstance(found, Finding)
    members = [Member(f"site {place}", usage) for place, usage in enumerate(made.others)]
    others = compared_group(fit, found, members, model="heating_3p")
    assert isinstance(others, CorrectedSavings)
    plain, corrected = ((each.savings_kwh - made.saved_kwh) / found.expected_kwh for each in (found, others))
    return Trial(
        plain, corrected, held(found, made.saved_kwh), held(others, made.saved_kwh),
        others.uncertainty_kwh / found.expected_kwh,
    )  # fmt: skip


def held(found: Savings | CorrectedSavings, truth_kwh: float) -> bool:
    """True where the band holds the truth."""
    return abs(found.savings_kwh - truth_kwh) <= found.uncertainty_kwh


def table(count: int, **changes: float) -> str:
    """One line of coverage and error over `count` estates."""
    found = [trial(seed, **changes) for seed in range(count)]
    plain, corrected = (float(np.mean([each[place] for each in found])) for place in (2, 3))
    errors = [float(np.sqrt(np.mean([each[place] ** 2 for each in found]))) for place in (0, 1)]
    half = float(np.mean([each.half_share for each in found]))
    return (
        f"{changes}: band holds the truth {plain:.1%} uncorrected, {corrected:.1%} corrected (± {half:.1%}); "
        f"RMSE {errors[0]:.1%} and {errors[1]:.1%}"
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for case in ({"members": 6}, {"members": 3}, {"members": 12}, {"drift": 0.0}, {"drift": 0.05}, {"shock": 0.0}):
        sys.stdout.write(table(wanted, **case) + "\n")
