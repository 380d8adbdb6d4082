"""The monitor of one meter: day by day, each judged by what was known before it; nothing is seen ahead."""

from dataclasses import dataclass

import numpy as np

from data_quality.contracts.finding import Finding
from ml.anomalies.day_grid import DayGrid, Matrix, day_grid
from ml.anomalies.drift import DriftWatch
from ml.anomalies.events import AnomalyEvent, events_of
from ml.anomalies.levels import level_limits, level_marks, peak_of
from ml.anomalies.logistic import learned
from ml.anomalies.nights import NightWaste
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past, Usual
from ml.anomalies.stuck import StuckReadings
from ml.anomalies.weather import WarmDays, daily_temperature
from ml.features.civil import Civil
from ml.features.series import Series, Vector

TOO_SHORT, CONSTANT = "too_few_days", "constant_series"


@dataclass(frozen=True)
class Watched:
    """events: in order of time. days: judged. findings: why a meter, or none of its days, could be judged. usual: on
    the day after the last; None where too little is known. habit, stuck_limit: of that day, as the detectors have them.
    """

    events: tuple[AnomalyEvent, ...]
    days: int
    findings: tuple[Finding, ...] = ()
    usual: Usual | None = None
    habit: float = 0.0
    stuck_limit: float | None = None


def watch(
    series: Series, civil: Civil, params: DetectorParams | None = None, *, temperature: Vector | None = None
) -> Watched:
    """The events of a series. Its first `training_days` only teach what is usual.

    temperature: °C by the steps of the series, NaN unknown; an event that it explains has the cause `weather`.

    A day is judged when it has ended, by the days before it and by its own hours; its night when it is six o'clock.
    """
    params = params or DetectorParams()
    grid = day_grid(series, civil)
    days = len(grid.values)
    if days <= params.training_days or not np.isfinite(grid.values).any():
        wanted = params.training_days + 1
        facts: dict[str, str | float | int | bool | None] = {"days_found": days, "days_wanted": wanted}
        message = f"{days} days of readings; at least {wanted} are needed to know what is usual"
        return Watched((), 0, (Finding(code=TOO_SHORT, message=message, facts=facts),))
    marks, expected, stuck = _marks(grid, params)
    warmth = None if temperature is None else WarmDays(grid, daily_temperature(temperature, civil))
    events = tuple(events_of(marks, grid, expected, params, warmth))
    past, window = stuck.past, params.window_days
    return Watched(
        events, days - params.training_days, _constant(grid), usual=past.usual(days, window),
        habit=past.habit(days, window), stuck_limit=stuck.limit(days),
    )  # fmt: skip


def _marks(grid: DayGrid, params: DetectorParams) -> tuple[list[Mark], Matrix, StuckReadings]:
    past, marks = Past(grid), list[Mark]()
    known = learned()
    stuck, nights, drift = (
        StuckReadings(past, params),
        NightWaste(past, params, known.night),
        DriftWatch(past, params, known),
    )
    expected = np.full_like(grid.values, np.nan)
    for day, values in enumerate(grid.values):
        usual = past.usual(day, params.window_days) if day >= params.training_days else None
        if usual is not None:
            expected[day] = usual.profile(bool(grid.is_off[day]))
            limits = level_limits(usual, params, past.habit(day, params.window_days))
            found = level_marks(values, day, limits)
            past.peaks[day] = peak_of(values, limits)
            past.mark(found)
            marks += found
            # What drifts stays a part of what is usual: the weeks after it are judged by it.
            marks += drift.marks(day)
        for detector in (stuck, nights):
            found = detector.marks(day)
            past.mark(found)
            marks += found
    return marks, expected, stuck


def _constant(grid: DayGrid) -> tuple[Finding, ...]:
    """One finding where all hours are alike, so that no event is detectable."""
    least, most = float(np.nanmin(grid.values)), float(np.nanmax(grid.values))
    if least < most:
        return ()
    message = f"every hour is {most:g}: a meter that never moves has nothing that differs from what is usual"
    return (Finding(code=CONSTANT, message=message, severity="info", facts={"value": most}),)
