"""Thresholds of the specification on meters that no model was made for: rolling origins, each from before it.

Cambridge: fourteen buildings by hours in March, July and November 2019, refitted each month. Liander: three substations
by quarter hours over seven weeks, refitted weekly. One home (UCI) in three months of 2009.
"""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.control.forecast import BacktestScore
from ml.features.forecast_case import Case
from ml.features.series import Index
from ml.forecasts.backtest import Fold, Forecasts, day_wape, month_folds, run_folds, score, score_together
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from tests.bench.forecast_bench import SERIES, liander, weeks
from tests.bench.forecast_figures import cambridge, case_of, names_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
OURS, FLOOR = EnsembleFitter(), SameHourLastWeekFitter()
# Their use really changed within the two years (data/FIGURES.md).
CHANGED = {"b40", "b52", "b57", "b59"}
Run = dict[str, Forecasts]


def three_months(case: Case) -> list[Fold]:
    """March, July and November of the last year."""
    return month_folds(case, 12)[2::4]


def day_ahead_run(case: Case, folds: list[Fold]) -> Run:
    """Ours and the floor, a day ahead from each midnight."""
    return run_folds(case, [OURS, FLOOR], folds, horizon=case.series.per_day)


@pytest.fixture(scope="module")
def buildings(shared_data: Path) -> Mapping[str, Run]:
    assert shared_data.exists()
    cases = {name: cambridge(name)[0] for name in names_of("cambridge")}
    return {name: day_ahead_run(case, three_months(case)) for name, case in cases.items()}


@pytest.fixture(scope="module")
def substations(shared_data: Path) -> Mapping[str, Run]:
    assert shared_data.exists()
    cases = {name: liander(name) for name in SERIES}
    return {
        name: day_ahead_run(case, [Fold(str(origins[0]), origins[0], tuple(origins)) for origins in weeks(case)])
        for name, case in cases.items()
    }


@pytest.fixture(scope="module")
def home(shared_data: Path) -> Run:
    rows = pl.read_parquet(shared_data / "nilm_uci_household" / "household_hourly.parquet")
    # Two years suffice; every day of its clock has 24 hours.
    rows = rows.filter(pl.col("timestamp_local").dt.year() >= 2008)
    stamps = pl.col("timestamp_local").dt.replace_time_zone("UTC")
    case = case_of(rows.select(timestamp_utc=stamps, value="active_energy_kwh"), None, "UTC", "FR")
    return day_ahead_run(case, three_months(case))


def scores(runs: Mapping[str, Run]) -> Iterator[tuple[str, BacktestScore, BacktestScore]]:
    """Each meter with its scores and the floor's, on the same steps."""
    for name, run in runs.items():
        found, _ = score_together(run, scale=1.0)
        yield name, found[OURS.algorithm], found[FLOOR.algorithm]


def together(runs: Mapping[str, Run]) -> tuple[float, float]:
    """Share of all steps inside P10–P90, and inside P5–P95."""
    all_of = [
        score(name, run[OURS.algorithm].where(run[OURS.algorithm].counts), scale=1.0) for name, run in runs.items()
    ]
    n = sum(each.n for each in all_of)
    assert all(each.coverage_p5_p95 is not None for each in all_of)
    return (
        sum(each.coverage_p10_p90 * each.n for each in all_of) / n,
        sum((each.coverage_p5_p95 or 0.0) * each.n for each in all_of) / n,
    )


def test_a_site_is_forecast_within_a_tenth_of_its_energy_and_better_than_by_last_week(
    buildings: Mapping[str, Run],
) -> None:
    found = list(scores(buildings))
    assert len(found) == 14
    assert all(ours.nrmse < floor.nrmse for _, ours, floor in found)
    assert {name for name, ours, _ in found if ours.wape > 0.10} <= CHANGED
    assert statistics.median(ours.wape for _, ours, _ in found) <= 0.10
    assert statistics.median(ours.nrmse for _, ours, _ in found) <= 0.072


def test_bands_of_buildings_hold_what_they_promise(buildings: Mapping[str, Run]) -> None:
    eighty, ninety = together(buildings)
    assert 0.77 <= eighty <= 0.83
    assert 0.88 <= ninety <= 0.92
    for _, ours, _ in scores(buildings):
        assert 0.70 <= ours.coverage_p10_p90 <= 0.90


def test_bands_of_substations_hold_what_they_promise(substations: Mapping[str, Run]) -> None:
    eighty, ninety = together(substations)
    assert 0.77 <= eighty <= 0.83
    assert 0.88 <= ninety <= 0.92
    for _, ours, floor in scores(substations):
        assert 0.70 <= ours.coverage_p10_p90 <= 0.90
        assert ours.nrmse < floor.nrmse


def test_bands_of_a_home_hold_what_they_promise_and_it_is_nearer_than_last_week(home: Run) -> None:
    eighty, ninety = together({"home": home})
    assert 0.77 <= eighty <= 0.83
    assert 0.88 <= ninety <= 0.92
    ((_, ours, floor),) = scores({"home": home})
    # Single hours of one home stay far from the 15 % of the seeds (docs/adr/0105); nobody's kettle is foretold.
    assert ours.wape < 0.8 * floor.wape
    # Of a whole day it is near them: 39 % by hour and 15.1 % by day on the 92 days, where last week has 52 and 23 %.
    by_day, of_last_week = (
        day_wape(home[each].where(home[each].counts), 24) for each in (OURS.algorithm, FLOOR.algorithm)
    )
    assert by_day is not None
    assert of_last_week is not None
    assert by_day < 0.16
    assert by_day < 0.7 * of_last_week


def test_no_quantile_crosses_another_on_any_meter(
    buildings: Mapping[str, Run], substations: Mapping[str, Run], home: Run
) -> None:
    for run in (*buildings.values(), *substations.values(), home):
        q = run[OURS.algorithm].quantiles
        rows: Index = np.flatnonzero(q.is_known)
        assert np.all(np.diff([each[rows] for each in (q.p5, q.p10, q.p50, q.p90, q.p95)], axis=0) >= 0)
