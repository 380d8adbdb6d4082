"""Usual detectors alone, and each together with the monitor, on faults put into the meters of development.

Run: `.venv/bin/python -m tests.bench.anomaly_beside ../shared/data [meters] [seed] [detector]`. All are causal: an hour
is judged by what was known before its day. A detector alone takes the highest limit that finds 80 % of the faults;
together with the monitor it takes, of limits from there on, the one with the best event F1.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import IsolationForest
from statsmodels.tsa.seasonal import STL

from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineVersion
from ml.anomalies.day_grid import median_of
from ml.baselines.lifecycle.monitoring import LEVEL, MIN_DAYS, TRAIN_DAYS, compare, fit_monitoring
from ml.features.civil import civil_on
from ml.features.forecast_case import Case
from ml.features.series import Series, Vector
from ml.forecasts.lifecycle.forecast_registry import FITTERS
from tests.ml.anomalies.faults import TRAINING, Fault, with_faults
from tests.ml.anomalies.office import types
from tests.ml.anomalies.real_meters import HOUR, RealMeter, Span, Tally, monitor, real_meters
from tests.reports.plant import plant_site

DAY, WEEK, WEEKS = 24, 168, 6
WANTED = 0.8
# Hours between two flagged ones of one event, as the published figures count them.
APART = 7
LEAST = 1e-6
# A local line each day and not each hour: a twentieth of the time of the STL. Hours after which a forest is new.
JUMPS = {"seasonal_jump": 1, "trend_jump": DAY, "low_pass_jump": DAY}
LEARNED_AGAIN = 8 * WEEK
# Days that a forecast needs before its first, and hours after which its model is new.
LEARNED_DAYS, FORECAST_AGAIN = 84, 4 * WEEK
Scores = Callable[[RealMeter, Vector], Vector]


def robust_z(values: Vector) -> Vector:
    """Residual against the median of the same hour of the week in six weeks, over their spread or that of residuals."""
    past = np.array([np.append(np.full(WEEK * back, np.nan), values)[: len(values)] for back in range(1, WEEKS + 1)])
    usual = median_of(past, axis=0)
    residual = np.abs(values - usual)
    spread = median_of(np.abs(past - usual), axis=0)
    span = WEEK * WEEKS
    lately = np.full(len(values), np.nan)
    for day in range(span, len(values), DAY):
        lately[day : day + DAY] = median_of(residual[day - span : day], axis=0)
    return _known(residual / (1.4826 * np.fmax(np.fmax(spread, lately), LEAST)))


def seasonal_trend(values: Vector) -> Vector:
    """Distance from trend and week of an STL of the six weeks before each day, over the spread of its residuals."""
    scores, span = np.zeros(len(values)), WEEK * WEEKS
    filled = _filled(values)
    for day in range(span, len(values), DAY):
        found = STL(filled[day - span : day], period=WEEK, **JUMPS).fit()
        usual = found.seasonal[-WEEK : -WEEK + DAY] + found.trend[-1]
        spread = 1.4826 * np.median(np.abs(found.resid))
        scores[day : day + DAY] = np.abs(values[day : day + DAY] - usual[: len(values) - day]) / max(spread, LEAST)
    return _known(scores)


def isolation_forest(values: Vector) -> Vector:
    """Isolation score of an hour against the twelve weeks before: level, change and day beside what is usual."""
    features, span = _features(values), 2 * WEEK * WEEKS
    scores = np.zeros(len(values))
    for begin in range(TRAINING, len(values), LEARNED_AGAIN):
        forest = IsolationForest(n_estimators=100, max_samples=256, random_state=begin)
        forest.fit(features[max(0, begin - span) : begin])
        scores[begin : begin + LEARNED_AGAIN] = -forest.score_samples(features[begin : begin + LEARNED_AGAIN])
    return _known(np.where(np.isfinite(values), scores, np.nan))


def baseline_residual(meter: RealMeter, values: Vector) -> Vector:
    """Standard errors from the monitoring baseline: level by hour and kind of day, and temperature where known.

    Fitted anew each week on the ninety days before, by the product's code.
    """
    site, scores = plant_site(), np.zeros(len(values))
    seu = next(each for each in site.seus if each.seu_id == "hvac")
    if meter.temperature is None:
        seu = seu.model_copy(update={"drivers": ()})
    rows = _baseline_rows(meter, values)
    for at in range(MIN_DAYS * DAY, len(values), WEEK):
        first = max(0, at - TRAIN_DAYS * DAY)
        known, requested = rows.slice(first, at - first), rows.slice(at, WEEK)
        start, end = known["local_date"][0], known["local_date"][-1]
        fitted = fit_monitoring(known, site=site, seu=seu, start=start, end=end, lake_digest="")
        if isinstance(fitted, Baseline):
            version = BaselineVersion(
                baseline_id="beside", version=1, status=BaselineStatus.PROVISIONAL, mlflow_run_id="", model_checksum="",
                fitted_by="", fitted_at_utc=meter.start_utc, baseline=fitted,
            )  # fmt: skip
            z = compare(version, requested)["z"].fill_null(0.0).to_numpy()
            scores[at : at + WEEK] = np.abs(z)
    return _known(scores)


def forecast_residual(meter: RealMeter, values: Vector) -> Vector:
    """Distance from the day-ahead forecast over the half of its 80 % range, by the product's first model.

    Asked at each midnight and learned anew every four weeks from all days before, without weather.
    """
    civil = civil_on(types, "UTC", meter.start_utc, len(values) + 3 * DAY)
    case, scores = Case(Series(meter.start_utc, values), civil, horizon_steps=DAY), np.zeros(len(values))
    for begin in range(LEARNED_DAYS * DAY, len(values), FORECAST_AGAIN):
        model = FITTERS[0].fit(case.before(begin))
        for at in range(begin, min(begin + FORECAST_AGAIN, len(values) - DAY + 1), DAY):
            forecast = model.predict(case.before(at), at, DAY)
            spread = np.maximum((forecast.p90 - forecast.p10) / 2, LEAST)
            scores[at : at + DAY] = np.abs(values[at : at + DAY] - forecast.p50) / spread
    return _known(scores)


def _baseline_rows(meter: RealMeter, values: Vector) -> pl.DataFrame:
    """Rows as the monitoring baseline takes them, by the hour."""
    times = [meter.start_utc + n * HOUR for n in range(len(values))]
    kinds = ["work" if each.weekday() < 5 else "rest" for each in times]
    found = pl.DataFrame(
        {
            "interval_start_utc": times, "local_date": [each.date() for each in times],
            "level": [f"{LEVEL}{kind}_{each:%H}" for kind, each in zip(kinds, times, strict=True)],
            "actual_kw": values, "hours": 1.0, "is_synthetic": False,
        }
    )  # fmt: skip
    if meter.temperature is not None:
        found = found.with_columns(outdoor_degc=pl.Series(meter.temperature))
    return found.with_columns(pl.col(pl.Float64).fill_nan(None))


DETECTORS: dict[str, Scores] = {
    "robust z-score": lambda _, values: robust_z(values), "STL residual": lambda _, values: seasonal_trend(values),
    "isolation forest": lambda _, values: isolation_forest(values), "baseline residual": baseline_residual,
    "forecast residual": forecast_residual,
}  # fmt: skip


def spans(scores: Vector, limit: float) -> list[Span]:
    """Events of the hours over a limit, from the end of the training on."""
    hours = np.flatnonzero(scores > limit)
    hours = hours[hours >= TRAINING]
    if not len(hours):
        return []
    cuts = np.flatnonzero(np.diff(hours) > APART)
    firsts, lasts = hours[np.append(0, cuts + 1)], hours[np.append(cuts, len(hours) - 1)]
    return [("flagged", int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def united(events: list[Span], more: list[Span]) -> list[Span]:
    """The first, and of the second those that share no hour with one of them."""
    return events + [each for each in more if not any(each[1] < end and each[2] > first for _, first, end in events)]


Put = tuple[Vector, list[Fault], list[Span], dict[str, Vector]]


def cases(meters: list[RealMeter], seed: int, names: Iterable[str]) -> Iterator[Put]:
    """Values with faults, the faults, the monitor's events and the scores of each detector."""
    for place, meter in enumerate(meters):
        values, faults = with_faults(meter.values, seed + place)
        yield values, faults, monitor(meter, values), {name: DETECTORS[name](meter, values) for name in names}


def tallied(known: list[Put], find: Callable[[Put], list[Span]]) -> Tally:
    """Events that one detector finds in all cases."""
    found = Tally()
    for case in known:
        found.add(case[1], find(case), len(case[0]))
    return found


def rows(known: list[Put]) -> Iterator[tuple[str, Tally]]:
    """The monitor, each detector alone, and each beside the monitor."""
    yield "monitor", tallied(known, lambda case: case[2])
    for name in known[0][3]:
        scores = np.concatenate([case[3][name][TRAINING:] for case in known])
        tried = [float(limit) for limit in np.quantile(scores, 1 - np.geomspace(2e-5, 0.2, 40))]
        alone = [tallied(known, lambda case, limit=limit: spans(case[3][name], limit)) for limit in tried]  # type: ignore[misc]  # noqa: B023
        first = next((at for at, each in enumerate(alone) if each.recall() >= WANTED), len(alone) - 1)
        yield name, alone[first]
        both = [
            tallied(known, lambda case, limit=limit: united(case[2], spans(case[3][name], limit)))  # type: ignore[misc]  # noqa: B023
            for limit in tried[: first + 1]
        ]
        yield f"monitor + {name}", max(both, key=lambda each: each.event_f1)


def main() -> int:
    """Print the table; 2 where the words are not a folder, two numbers and the name of a detector."""
    if not 2 <= len(sys.argv) <= 5 or not set(sys.argv[4:]) <= set(DETECTORS):
        sys.stdout.write(f"{__doc__}\n")
        return 2
    count, seed = (int(sys.argv[at]) if len(sys.argv) > at else usual for at, usual in ((2, 8), (3, 67_000)))
    meters = list(real_meters(Path(sys.argv[1]), held_out=False))
    known = list(cases(meters[:: max(len(meters) // count, 1)][:count], seed, sys.argv[4:] or DETECTORS))
    sys.stdout.write(f"{'':28}{'recall':>8}{'precision':>11}{'event F1':>10}{'hour F1':>9}{'events':>8}{'drift':>7}\n")
    for name, each in rows(known):
        figures = f"{each.recall():8.2f}{each.precision:11.2f}{each.event_f1:10.2f}{each.hour_f1:9.2f}"
        sys.stdout.write(f"{name:28}{figures}{len(each.right):8}{each.recall('drift'):7.2f}\n")
    return 0


def _features(values: Vector) -> Vector:
    """Rows of features of each hour, each from the hours before it and itself."""
    logs = np.log(np.maximum(_filled(values), LEAST))
    past = np.array([np.append(np.zeros(WEEK * back), logs)[: len(logs)] for back in range(1, WEEKS + 1)])
    rise = logs - np.median(past, axis=0)
    change = np.append(0.0, np.diff(logs))
    day = np.convolve(rise, np.ones(DAY) / DAY)[: len(rise)]
    found: Vector = np.column_stack([rise, change, day, np.append(0.0, np.diff(rise))])
    return np.clip(found, -10, 10)


def _filled(values: Vector) -> Vector:
    """A gap has the value of the week before, or of the first known hour."""
    filled = values.copy()
    for at in np.flatnonzero(np.isnan(filled)):
        filled[at] = filled[at - WEEK] if at >= WEEK else filled[np.isfinite(filled)][0]
    return filled


def _known(scores: Vector) -> Vector:
    return np.nan_to_num(scores, nan=0.0, posinf=1e9)


if __name__ == "__main__":
    sys.exit(main())
