"""Settled events as energies with instants, and the findings that their reader needs."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from data_quality.contracts.baselines.event_baseline import EventInterval, SettledEvent
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from ml.event_baselines.day_steps import Matrix
from ml.event_baselines.event_case import EventCase
from ml.event_baselines.rules import LEAST_DAYS
from ml.event_baselines.settle import METHODS, Estimated, Event, Settled
from ml.features.series import HOUR, Vector

_USUAL_DAYS = 10


def settled_events(case: EventCase, settled: Settled) -> list[SettledEvent]:
    """A row for each event and method, in the order of the events."""
    starts = {event: span[0] for event, span in zip(case.events, case.spans_utc, strict=True)}
    return [_row(case, each, starts[each.event]) for each in settled.estimates]


def _row(case: EventCase, found: Estimated, start_utc: datetime) -> SettledEvent:
    window, hours = found.event.window, case.step / HOUR
    load = case.grid.load_kw[found.event.day]
    event, after = window.event, window.after(case.grid.steps)
    energies = np.column_stack([found.baseline_kw, load])[event] * hours
    intervals = tuple(
        _interval(start_utc + n * case.step, case.step, (float(energies[n, 0]), float(energies[n, 1])), width)
        for n, width in enumerate((found.step_widths_kw * hours).tolist())
    )
    known = energies[np.isfinite(energies).all(axis=1)]
    half = found.half_width_kw * hours * len(known)
    whole = _interval(start_utc, case.step * len(intervals), _sums(known), half)
    back = (load - found.baseline_kw)[after]
    added = None if found.unramped_kw is None else (found.baseline_kw - found.unramped_kw)[event]
    return SettledEvent(
        **whole.model_dump(),
        method=found.method,
        significant=whole.interval_kwh is not None and (whole.interval_kwh[0] > 0 or whole.interval_kwh[1] < 0),
        rebound_kwh=_total(back, hours),
        ramp_flag=found.is_ramp,
        ramp_added_kwh=None if added is None else _total(added, hours),
        intervals=intervals,
    )


def _sums(known: Matrix) -> tuple[float, float]:
    return (float(known[:, 0].sum()), float(known[:, 1].sum())) if len(known) else (np.nan, np.nan)


def _total(power_kw: Vector, hours: float) -> float | None:
    known = power_kw[np.isfinite(power_kw)]
    return float(known.sum()) * hours if len(known) else None


def _interval(start_utc: datetime, length: timedelta, pair_kwh: tuple[float, float], half: float) -> EventInterval:
    baseline, actual = pair_kwh
    shed = baseline - actual
    return EventInterval(
        start_utc=start_utc,
        end_utc=start_utc + length,
        baseline_kwh=_or_none(baseline),
        actual_kwh=_or_none(actual),
        shed_kwh=_or_none(shed),
        interval_kwh=(shed - half, shed + half) if np.isfinite(shed) and np.isfinite(half) else None,
    )


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def findings_of(case: EventCase, settled: Settled) -> list[Finding]:
    """Labels of weaker answers, by event, and the methods without a baseline for each."""
    done = {(each.event, each.method): each for each in settled.estimates}
    found = [finding for event in case.events for finding in _of_event(case, event)]
    without = [score.name for score in settled.scores if not score.eligible]
    if without:
        said = Sentence("no baseline for every event by {0}: too few days or hours.", ", ".join(without))
        found.append(Finding(code="not_eligible", message=said, facts={"methods": len(without), "of": len(METHODS)}))
    if any(not np.isfinite(each.half_width_kw) for each in done.values()):
        said = Sentence(
            "fewer than 20 days without an event to measure errors on: no interval, and no shed is significant."
        )
        found.append(Finding(code="no_interval", message=said))
    return found


def _of_event(case: EventCase, event: Event) -> Iterator[Finding]:
    grid, window, day = case.grid, event.window, case.first_day + timedelta(days=event.day)
    load, scope = grid.load_kw[event.day], f"{day}"
    days = int((grid.before(np.array([event.day]), _USUAL_DAYS) >= 0).sum())
    if days < _USUAL_DAYS:
        severity = "few_days" if days >= LEAST_DAYS else "too_few_days"
        said = Sentence(
            "{0} earlier days of the same kind count on {1}; expected {2}, and {3} at least.",
            days,
            day,
            _USUAL_DAYS,
            LEAST_DAYS,
        )
        yield Finding(code=severity, message=said, scope=scope, facts={"days": days})
    morning = load[window.adjustment]
    if not np.isfinite(morning).all() or not np.nansum(morning) > 0:
        said = Sentence("adjustment hours of {0} are missing, zero or negative: baselines without them, or none.", day)
        yield Finding(code="adjustment_missing", message=said, scope=scope)
    if not np.isfinite(load[window.event]).all():
        said = Sentence("readings are missing in the event of {0}: its energies are of the steps that were read.", day)
        yield Finding(code="event_gaps", message=said, scope=scope)
    if np.nanmin(load, initial=0.0) < 0:
        said = Sentence("the net load of {0} is negative at times: adjustments by a factor do not hold there.", day)
        yield Finding(code="negative_load", message=said, scope=scope)
    if sum(each.day == event.day for each in case.events) > 1:
        said = Sentence("{0} has several events: the load before the later ones holds the rebound of the earlier.", day)
        yield Finding(code="several_events", message=said, scope=scope)
