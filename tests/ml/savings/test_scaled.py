"""Savings of a load in other units: k times the energy saves k times as much, with k times the band."""

import polars as pl
import pytest

from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.savings.simulated import SPLIT, START, Building, building


def saved(known: Building, usage: Usage) -> Savings:
    fit = fit_usage(usage, start=START, end=SPLIT)
    assert not isinstance(fit, Finding)
    found = savings(fit, usage, report_start=SPLIT, report_end=known.report_end, resamples=0)
    assert isinstance(found, Savings)
    return found


@pytest.mark.parametrize("factor", [0.001, 3.6, 1000.0])
def test_k_times_the_energy_saves_k_times_as_much(factor: float) -> None:
    known = building(2, rho=0.3, share=0.15)
    scaled = known.usage.with_frame(known.usage.frame.with_columns(pl.col("energy_kwh") * factor))
    one, other = saved(known, known.usage), saved(known, scaled)
    assert other.savings_kwh == pytest.approx(factor * one.savings_kwh, rel=1e-6)
    assert other.uncertainty_kwh == pytest.approx(factor * one.uncertainty_kwh, rel=1e-6)
    assert other.savings_percent == pytest.approx(one.savings_percent, rel=1e-6)
    assert one.interval_kwh[0] <= known.saved_kwh <= one.interval_kwh[1]
