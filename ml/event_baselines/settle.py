"""Events of a meter settled by every method, and the methods measured on its days without an event."""

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_quality.contracts.baselines.event_baseline import MethodScore
from ml.event_baselines.day_steps import DaySteps, Mask, Matrix, mean_of
from ml.event_baselines.event_days import EventDays, EventWindow
from ml.event_baselines.regression import regression, usual_before
from ml.event_baselines.rules import RULES
from ml.features.series import Vector

METHODS: dict[str, Callable[[EventDays], Matrix]] = {**RULES, "regression": regression}
# Days that an event is judged by without a longer measurement: the band's window, and some to find its level.
RECENT_DAYS = 130
RAMP_MISS = 0.04
# Of the adaptive band: the days that it looks back on, how fast its level moves, and between which bounds.
WINDOW_DAYS, LEAST_DAYS = 120, 20
RATE = 0.03
_LEVELS = (0.002, 0.4)


@dataclass(frozen=True)
class Event:
    """An event by day and window of the grid."""

    day: int
    window: EventWindow


@dataclass(frozen=True)
class Estimated:
    """An event by one method. baseline_kw: (steps,) of its day; widths in kW, of the mean and of each step."""

    event: Event
    method: str
    baseline_kw: Vector
    half_width_kw: float
    step_widths_kw: Vector
    is_ramp: bool
    unramped_kw: Vector | None


@dataclass(frozen=True)
class Settled:
    """Events by method, in the order of the events, and the scores of all methods."""

    estimates: tuple[Estimated, ...]
    scores: tuple[MethodScore, ...]


@dataclass(frozen=True)
class Errors:
    """Days without an event by one method. estimate_kw, actual_kw: (days, steps of the event); held: 1, 0 or NaN."""

    estimate_kw: Matrix
    actual_kw: Matrix
    held: Vector


def settle(
    grid: DaySteps, events: Sequence[Event], *, methods: Sequence[str] = (), placebo: tuple[int, int] | None = None
) -> Settled:
    """Settle each event by the methods named (all if none), and measure all of them.

    grid: event days need not be excluded yet. placebo: days [first, end) to measure on; None: the last 130 days of the
    kind before each event.
    """
    grid = grid.excluding(np.array([event.day for event in events], dtype=np.int64))
    found: dict[tuple[Event, str], Estimated] = {}
    errors: dict[str, list[Errors]] = {name: [] for name in METHODS}
    groups: dict[tuple[EventWindow, bool], list[int]] = {}
    for event in events:
        groups.setdefault((event.window, bool(grid.is_off[event.day])), []).append(event.day)
    for (window, is_off), event_days in groups.items():
        past = grid.alike(is_off)
        first, end = placebo or (0, len(grid.is_off))
        past = past[past < max(event_days)][-RECENT_DAYS:] if placebo is None else past
        days = np.union1d(past, np.array(event_days, dtype=np.int64))
        measured = np.isin(days, past) & (days >= first) & (days < end)
        group = _Group(EventDays(grid, days, window), measured)
        ramps = group.ramps()
        for name in METHODS:
            estimates, kept = group.by(name, event_days, ramps)
            errors[name].append(kept)
            found |= {(Event(each.event.day, window), name): each for each in estimates}
    named = list(methods) or list(METHODS)
    usable = {name for name in METHODS if all(np.isfinite(_level(found[event, name])) for event in events)}
    scores = [_score(name, kept, name in usable) for name, kept in errors.items()]
    ranked = [each for each in scores if each.eligible and each.mae is not None]
    best = min(ranked, key=lambda each: each.mae or 0.0).name if ranked else ""
    return Settled(
        tuple(found[event, name] for event in events for name in named if np.isfinite(_level(found[event, name]))),
        tuple(each.model_copy(update={"chosen": each.name == best}) for each in scores),
    )


def _level(found: Estimated) -> float:
    return float(mean_of(found.baseline_kw[found.event.window.event], axis=0))


@dataclass(frozen=True)
class _Group:
    """Days of one kind by one window. is_measured: (days,) days without an event that count for the scores."""

    days: EventDays
    is_measured: Mask

    def by(self, name: str, event_days: Sequence[int], ramps: dict[int, Vector]) -> tuple[list[Estimated], Errors]:
        """Estimates of the event days by one method, and its errors on the others. ramps: usual load by day."""
        request, window = self.days, self.days.window
        estimate = METHODS[name](request)
        value, load = estimate[:, window.event], request.today_kw[:, window.event]
        learns, scale = ~request.grid.is_excluded[request.days], request.scale_kw
        errors = np.abs(value - load) / scale[:, None]
        size = np.abs(np.asarray(mean_of(value - load, axis=1))) / scale
        widths, levels = half_widths(size, learns=learns)
        estimates = []
        for day in event_days:
            at = int(np.searchsorted(request.days, day))
            steps = step_widths(errors[:at][learns[:at]], float(levels[at])) * scale[at]
            unramped = self._unramped(name, day, ramps[day]) if day in ramps else None
            width = float(widths[at] * scale[at])
            estimates.append(Estimated(Event(day, window), name, estimate[at], width, steps, day in ramps, unramped))
        kept = self.is_measured & np.isfinite(size)
        held = np.where(np.isfinite(widths), size <= widths, np.nan)
        return estimates, Errors(value[kept], load[kept], held[kept])

    def ramps(self) -> dict[int, Vector]:
        """Days whose adjustment hours are above all that their morning lets expect, with the usual load of the day."""
        event_days, span = self.days, self.days.window.adjustment
        if span.start == span.stop:
            return {}
        usual, is_excluded = usual_before(event_days), event_days.grid.is_excluded[event_days.days]
        top, bottom = (np.asarray(mean_of(each[:, span], axis=1)) for each in (event_days.today_kw, usual))
        # One-sided: below the usual is no ramp, and no size can be less than nothing.
        excess = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
        limits, _ = half_widths(excess, miss=RAMP_MISS, learns=~is_excluded)
        above = np.flatnonzero(is_excluded & (excess > np.maximum(limits, 1)))
        return {int(event_days.days[at]): usual[at] for at in above}

    def _unramped(self, name: str, day: int, usual: Vector) -> Vector:
        """Baseline of the day if the load before the event had been the usual one."""
        grid, window = self.days.grid, self.days.window
        load = grid.load_kw.copy()
        before = slice(window.adjust_start, window.start)
        load[day, before] = usual[before]
        return np.asarray(METHODS[name](EventDays(replace(grid, load_kw=load), np.array([day]), window))[0])


def _score(name: str, kept: Sequence[Errors], is_usable: bool) -> MethodScore:
    """Bias, error and RRMSE over the days of all windows, each by the mean of what was measured."""
    errors = [each.estimate_kw - each.actual_kw for each in kept]
    by_event = np.concatenate([np.asarray(mean_of(each, axis=1)) for each in errors])
    by_step = np.concatenate([each[np.isfinite(each)] for each in errors])
    load = np.concatenate(
        [each.actual_kw[np.isfinite(gap)] for each, gap in zip(kept, errors, strict=True)] or [np.empty(0)]
    )
    held = np.concatenate([each.held for each in kept])
    # Of a net meter the load may cancel out: by its size.
    scale = float(np.abs(load).mean()) if len(load) else 0.0
    is_known = scale > 0
    return MethodScore(
        name=name,
        eligible=is_usable,
        n_days=len(by_event),
        bias=float(by_event.mean()) / scale if is_known else None,
        mae=float(np.abs(by_event).mean()) / scale if is_known else None,
        rrmse=float(np.sqrt((by_step**2).mean())) / scale if is_known else None,
        coverage=float(np.nanmean(held)) if np.isfinite(held).any() else None,
        chosen=False,
    )


def half_widths(errors: Vector, *, miss: float = 0.1, learns: Mask | None = None) -> tuple[Vector, Vector]:
    """Half-width of the adaptive conformal band and its miss level before each day, from errors without an event.

    Source: Gibbs and Candès, Adaptive conformal inference under distribution shift (2021): the level of the quantile
    moves after each day by whether the band held, so that its share of days comes out on meters that change.

    errors: sizes (not negative) day by day, NaN where unknown; learns: days that later ones may learn from; all of them
    if left out. A day sees the days before it alone; NaN with fewer than 20.
    """
    known = np.isfinite(errors) & (learns if learns is not None else True)
    widths, levels, level = [math.nan] * len(errors), [miss] * len(errors), miss
    seen, ordered = list[float](), list[float]()
    for day, (is_known, error) in enumerate(zip(known.tolist(), errors.tolist(), strict=True)):
        levels[day] = level
        if len(ordered) >= LEAST_DAYS:
            width = widths[day] = ordered[rank(len(ordered), level)]
            if is_known:
                level = min(max(level + RATE * (miss - (error > width)), _LEVELS[0]), _LEVELS[1])
        if is_known:
            seen.append(error)
            insort(ordered, error)
            if len(ordered) > WINDOW_DAYS:
                del ordered[bisect_left(ordered, seen[-WINDOW_DAYS - 1])]
    return np.array(widths), np.array(levels)


def rank(size: int, level: float) -> int:
    """Place, from 0, of the conformal quantile among so many sorted errors."""
    return min(math.ceil((size + 1) * (1 - level)), size) - 1


def step_widths(errors: Matrix, level: float) -> Vector:
    """Half-width of each step after the last day. errors: (days, steps) sizes; NaN with fewer than 20 days."""
    last = errors[np.isfinite(errors).all(axis=1)][-WINDOW_DAYS:]
    if len(last) < LEAST_DAYS:
        return np.full(errors.shape[1], np.nan)
    return np.asarray(np.sort(last, axis=0)[rank(len(last), level)])
