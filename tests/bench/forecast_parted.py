"""Separate load models by day type and by lead time beside one model for all, on the public sets (ADR 0106).

Run: `.venv/bin/python -m tests.bench.forecast_parted [liander cambridge] [--months-apart 3] [--days-ahead 1]`. A line a
series: NRMSE and CRPS of one model, then of each separation its gain of pinball loss, p by the test that moves a
champion, and whether it would lead. Leading is judged on the first day; with more days ahead, a line a day follows.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from statistics import median

import numpy as np

from ml.features.civil import civil_on
from ml.features.forecast_case import Case
from ml.features.series import QUARTER
from ml.forecasts.backtest import Fold, Forecasts, by_lead, month_folds, run_folds, score_together
from ml.forecasts.file_case import day_types_of
from ml.forecasts.lifecycle.promotion import decide
from ml.forecasts.lifecycle.trial import daily_losses
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.uncertainty.scores import mean_pinball
from tests.bench.forecast_bench import SERIES, liander, weeks
from tests.bench.forecast_figures import bdg2, cambridge, names_of

ONE = EnsembleFitter()
PARTED = (EnsembleFitter(by="day_type"), EnsembleFitter(by="lead"))


def case_of(kind: str, name: str, days_ahead: int, apart: int) -> tuple[Case, Sequence[Fold]]:
    """A series with its folds, asked so many days ahead."""
    if kind == "liander":
        case = liander(name)
        length = len(case.series.values) + days_ahead * 96
        civil = civil_on(day_types_of("NL", None), "Europe/Amsterdam", case.series.start_utc, length, QUARTER)
        days = [Fold(f"{part[0]}", part[0], tuple(part)) for part in weeks(case)]
        return replace(case, civil=civil, horizon_steps=days_ahead * 96), days
    case, months = cambridge(name) if kind == "cambridge" else bdg2(name, with_weather=kind == "bdg2_weather")
    ahead = days_ahead * case.series.per_day
    # A week ahead would ask behind the end of the calendar: whole days before it.
    folds = month_folds(case, months)[::apart]
    most = len(case.civil) - ahead
    whole = [replace(fold, origins=tuple(at for at in fold.origins if at <= most)) for fold in folds]
    return replace(case, horizon_steps=ahead), whole


def measure(task: tuple[str, str, int, int]) -> tuple[str, list[str], dict[str, float]]:
    """Lines of one series, and the gain of each separation."""
    kind, name, days_ahead, apart = task
    case, folds = case_of(kind, name, days_ahead, apart)
    began, fitters = time.process_time(), (ONE, *(PARTED if days_ahead == 1 else PARTED[1:]))
    runs = run_folds(case, fitters, folds, horizon=days_ahead * case.series.per_day)
    common = np.all([run.counts for run in runs.values()], axis=0)
    runs = {each: run.where(common) for each, run in runs.items()}
    scores, _ = score_together(runs, scale=1.0)
    one, losses = scores[ONE.algorithm], daily_losses(runs[ONE.algorithm], case.civil)
    line = f"{kind} {name:20} {len(losses)} days, one model: NRMSE {one.nrmse:.2%}, CRPS {one.crps:.4g}"
    gains = {}
    for each in fitters[1:]:
        found = decide(losses, daily_losses(runs[each.algorithm], case.civil), seed=0)
        gains[each.algorithm] = _gain(runs[ONE.algorithm], runs[each.algorithm])
        own = scores[each.algorithm]
        p = "" if found.test is None else f", p {found.test.p_value:.3f}"
        line += f"; {each.algorithm}: NRMSE {own.nrmse:.2%}, gain {gains[each.algorithm]:+.1%}{p}"
        line += ", leads" if found.is_promoted else ""
    lines = [f"{line}; {time.process_time() - began:.0f} CPU s"]
    if days_ahead > 1:
        parts = {each: by_lead(run, case.series.per_day) for each, run in runs.items()}
        reported = [
            f"{part} {_gain(run, parts[PARTED[1].algorithm][part]):+.1%}" for part, run in parts[ONE.algorithm].items()
        ]
        lines.append(f"  by lead: {', '.join(reported)}")
    return name, lines, gains


def _gain(one: Forecasts, other: Forecasts) -> float:
    """Share of the pinball loss that the other saves."""
    return 1 - mean_pinball(other.actual, other.quantiles) / mean_pinball(one.actual, one.quantiles)


def main() -> None:
    """Run the sets and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["liander", "cambridge"])
    parser.add_argument("--months-apart", type=int, default=3)
    parser.add_argument("--days-ahead", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        for kind in given.sets:
            names = list(SERIES) if kind == "liander" else names_of(kind)
            tasks = [(kind, each, given.days_ahead, given.months_apart) for each in names if given.only in each]
            found: dict[str, list[float]] = {}
            for _, lines, gains in pool.map(measure, tasks):
                print("\n".join(lines), flush=True)
                for each, gain in gains.items():
                    found.setdefault(each, []).append(gain)
            for each, own in found.items():
                print(f"{kind}: {each} gains {median(own):+.1%} (median of {len(own)}, {min(own):+.1%} to "
                      f"{max(own):+.1%}), better in {sum(gain > 0 for gain in own)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
