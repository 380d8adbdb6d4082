"""Settled events as energies with instants, a sheddable load in a planned test, and findings for their reader."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.baselines.event_baseline import EventInterval, SettledEvent
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.sheddable_load import Evidence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, zone
from ml.event_baselines.day_steps import Matrix
from ml.event_baselines.event_case import EventCase, event_case
from ml.event_baselines.rules import LEAST_DAYS
from ml.event_baselines.settle import METHODS, Estimated, Event, Settled, settle
from ml.features.series import HOUR, QUARTER, Stream, Vector
from ml.forecasts.file_case import FileCase
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target

_USUAL_DAYS = 10
_METHOD = "regression"


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
        text = Sentence("no baseline for every event by {0}: too few days or hours.", ", ".join(without))
        found.append(Finding(code="not_eligible", message=text, facts={"methods": len(without), "of": len(METHODS)}))
    if any(not np.isfinite(each.half_width_kw) for each in done.values()):
        text = Sentence(
            "fewer than 20 days without an event to measure errors on: no interval, and no shed is significant."
        )
        found.append(Finding(code="no_interval", message=text))
    return found


def _of_event(case: EventCase, event: Event) -> Iterator[Finding]:
    grid, window, day = case.grid, event.window, case.first_day + timedelta(days=event.day)
    load, scope = grid.load_kw[event.day], f"{day}"
    days = int((grid.before(np.array([event.day]), _USUAL_DAYS) >= 0).sum())
    if days < _USUAL_DAYS:
        severity = "few_days" if days >= LEAST_DAYS else "too_few_days"
        text = Sentence(
            "{0} earlier days of the same kind count on {1}; expected {2}, and {3} at least.",
            days,
            day,
            _USUAL_DAYS,
            LEAST_DAYS,
        )
        yield Finding(code=severity, message=text, scope=scope, facts={"days": days})
    morning = load[window.adjustment]
    if not np.isfinite(morning).all() or not np.nansum(morning) > 0:
        text = Sentence("adjustment hours of {0} are missing, zero or negative: baselines without them, or none.", day)
        yield Finding(code="adjustment_missing", message=text, scope=scope)
    if not np.isfinite(load[window.event]).all():
        text = Sentence("readings are missing in the event of {0}: its energies are of the steps that were read.", day)
        yield Finding(code="event_gaps", message=text, scope=scope)
    if np.nanmin(load, initial=0.0) < 0:
        text = Sentence("the net load of {0} is negative at times: adjustments by a factor do not hold there.", day)
        yield Finding(code="negative_load", message=text, scope=scope)
    if sum(each.day == event.day for each in case.events) > 1 or day in case.other_event_days:
        text = Sentence("{0} has several events: the load before the later ones holds the rebound of the earlier.", day)
        yield Finding(code="several_events", message=text, scope=scope)


class LoadTest(Model):
    """A test of one load: mean power shed over [start, end) with its 90 % interval, and the evidence that it is."""

    load: str
    meter: str
    start_utc: datetime
    end_utc: datetime
    shed_kw: float
    interval_kw: tuple[float, float]
    baseline_kwh: float
    actual_kwh: float
    rebound_kwh: float | None
    ramp_flag: bool
    evidence: Evidence


def load_test(
    readings: pl.DataFrame, site: Site, load_id: str, meter: str, start_utc: datetime, end_utc: datetime
) -> LoadTest | Finding:
    """The test of a load by its meter. readings: LAKE_SCHEMA, of the meter and of the site's weather.

    A Finding where nothing is proven: too few days before, no interval, gaps, or a shed whose interval holds zero.
    Raises BadInput for an event that no baseline can settle.
    """
    local = zone(site.time_zone)
    whole_hours = not any(each.minute or each.astimezone(local).minute for each in (start_utc, end_utc))
    target = Target(site.site_id, "stream", Stream(meter, CONSUMPTION_REGISTER), step=HOUR if whole_hours else QUARTER)
    case = target_case(readings, site=site, target=target, end_utc=end_utc + timedelta(hours=6))
    if isinstance(case, Finding):
        return case
    if not len(case.series.values):
        return _unproven(load_id, f"{meter} has no readings before the event")
    known = FileCase(case, f"meter:{meter}", site.time_zone, (), weather_until=None)
    events = event_case(known, [(start_utc, end_utc)])
    rows = settled_events(events, settle(events.grid, events.events, methods=(_METHOD,)))
    if not rows:
        return _unproven(load_id, "fewer than 20 days of the same kind before the month of the event")
    [row] = rows
    if row.shed_kwh is None or row.interval_kwh is None or row.baseline_kwh is None or row.actual_kwh is None:
        return _unproven(load_id, "too few days without an event to give an interval, or no readings in the event")
    if any(each.actual_kwh is None for each in row.intervals):
        return _unproven(load_id, "readings are missing in the event")
    low, high = row.interval_kwh
    if low <= 0:
        cause = f"{row.shed_kwh:,.1f} kWh less than expected, and the interval {low:,.1f} to {high:,.1f} kWh holds zero"
        return _unproven(load_id, cause)
    hours = (end_utc - start_utc) / HOUR
    return LoadTest(
        load=load_id, meter=meter, start_utc=start_utc, end_utc=end_utc, shed_kw=round(row.shed_kwh / hours, 3),
        interval_kw=(round(low / hours, 3), round(high / hours, 3)), baseline_kwh=row.baseline_kwh,
        actual_kwh=row.actual_kwh, rebound_kwh=row.rebound_kwh, ramp_flag=row.ramp_flag,
        evidence=Evidence(
            basis="tested", on=local_day(start_utc, site.time_zone),
            half_width_share=round((high - low) / 2 / row.shed_kwh, 3),
        ),
    )  # fmt: skip


def _unproven(load_id: str, cause: str) -> Finding:
    return Finding(code="load_not_proven", scope=f"load:{load_id}", message=f"{load_id}: not proven: {cause}")
