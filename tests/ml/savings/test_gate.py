"""200 simulated meters whose use stepped, drifted or went dark undeclared: no window of any gets around the gate."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from assets.kpi.claims.gate import claim_findings, horizon
from assets.kpi.enpi.enpi_result import DayPair
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Period, months_of
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.savings.non_routine import daily_residuals
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.savings.placebo import KINDS, disturbed
from tests.ml.savings.simulated import SPLIT, START

END = date(2024, 1, 1)
YEAR = Period(label="2023", start=SPLIT, end=END, time_zone="UTC")
METERS = 67


def windows(seed: int) -> list[tuple[date, date]]:
    """The year, its quarters, two of its months, and a span from a day that nobody would choose to the year's end."""
    months = months_of(YEAR)
    quarters = [(months[i].start, months[i + 2].end) for i in range(0, 12, 3)]
    drawn = np.random.default_rng(seed)
    some = [(months[i].start, months[i].end) for i in drawn.choice(12, 2, replace=False)]
    return [(SPLIT, END), *quarters, *some, (SPLIT + timedelta(days=int(drawn.integers(40, 300))), END)]


def savings_in(fit: Fit, usage: Usage, window: tuple[date, date]) -> Savings | Finding:
    return savings(fit, usage, report_start=window[0], report_end=window[1], resamples=0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_no_window_of_a_year_claims_a_saving_that_the_gate_bars(kind: str) -> None:
    bad, barred = [], 0
    for seed in range(METERS):
        made = disturbed(seed, kind)
        fit = fit_usage(made.usage, start=START, end=SPLIT)
        if isinstance(fit, Finding):
            continue
        year = savings_in(fit, made.usage, (SPLIT, END))
        assert isinstance(year, Savings)
        events = [str(each.facts["start"]) for each in year.findings if each.is_blocking and "start" in each.facts]
        barred += bool(events)
        for window in windows(seed):
            found = savings_in(fit, made.usage, window)
            has_event = any(start < window[1].isoformat() for start in events)
            if isinstance(found, Savings) and has_event and found.claimed_kwh is not None:
                bad.append((seed, window, found.claimed_kwh))
    assert bad == []
    # The gate is awake: not all of what nobody declared is seen, but much of it.
    assert barred >= {"step": 50, "drift": 5, "outage": 20}[kind]


def test_reports_and_command_line_ask_the_same_gate_about_the_same_days() -> None:
    for seed in range(6):
        made = disturbed(seed, "step")
        fit = fit_usage(made.usage, start=START, end=SPLIT)
        assert isinstance(fit, Fit)
        days = daily_residuals(fit, made.usage)
        pairs = [
            DayPair(local_date=day, actual_kwh=Decimal(repr(actual)), expected_kwh=Decimal(repr(wanted)), coverage=1.0)
            for day, actual, wanted in days.iter_rows()
        ]
        finding = claim_findings(pairs, _as_baseline(fit), end=END, least_coverage=1.0)
        year = savings_in(fit, made.usage, (SPLIT, END))
        assert isinstance(year, Savings)
        starts = [each.facts["start"] for each in year.findings if each.code == "non_routine_event"]
        assert starts
        assert [each.facts["start"] for each in finding if each.code == "non_routine_event"] == starts


def _as_baseline(fit: Fit) -> object:
    """Stored baseline as far as the gate reads it: its period."""
    return type("Trained", (), {"train_start": fit.train_start, "train_end": fit.train_end})()


def test_all_spans_of_a_year_are_judged_by_the_same_days() -> None:
    first = horizon(SPLIT, SPLIT + timedelta(days=31))
    assert {horizon(SPLIT, SPLIT + timedelta(days=n)) for n in range(1, 367)} == {first}
    assert horizon(SPLIT, SPLIT + timedelta(days=500)) == SPLIT + timedelta(days=732)
    # A span is never cut, and a month of the next year is too short to be judged by itself.
    assert horizon(SPLIT, SPLIT + timedelta(days=380)) == SPLIT + timedelta(days=380)
