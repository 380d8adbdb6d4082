"""Curtailment plans: the loads of the library that give a target for an event, by the optimiser's least cost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from math import hypot, isclose
from typing import ClassVar, NamedTuple

import numpy as np

from controls.demand_response.in_turn import in_turn
from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.sheddable_load import SheddableLoad as ShedDevice
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Series, Solution, series_of
from controls.optimiser.solve import solve
from controls.safety.restore import restore_delay_s
from data_quality.contracts.control.curtailment import CurtailmentPlan, Preference, ShedReturn, ShedStep
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.sheddable_load import ShedByDriver, SheddableLoad
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone

STEP = timedelta(minutes=15)
LONGEST, FURTHEST = timedelta(hours=24), timedelta(days=366)
# Loads that rebound come back over this time, one after the other (dispatch.md, B.6).
RETURN_SPREAD_S = 600.0
_IDLE_KW = 1e-6
# An operator waits for a plan ten seconds at the most, reading included.
WITHIN_S = 6.0
# From so many loads in steps on, a plan this close to the best will do: it is mostly found long before time is up.
_MANY, _NEAR = 200, 0.01
# How much loads give at most is looked for no longer than this.
_MOST_WITHIN_S = 3.0


class _Target(Connection):
    """The target, as what the connection carries less than all loads draw."""

    means: ClassVar = {**Connection.means, "import_limit": "the whole target is shed"}


class Event(NamedTuple):
    """[start, end) and the power that the site is to draw less, kW."""

    start_utc: datetime
    end_utc: datetime
    target_kw: float

    def steps(self) -> list[tuple[datetime, datetime]]:
        """Quarter hours from its start; the last may be shorter."""
        count = -(-(self.end_utc - self.start_utc) // STEP)
        starts = [self.start_utc + n * STEP for n in range(count)]
        return [(start, min(start + STEP, self.end_utc)) for start in starts]


class Ready(NamedTuple):
    """A load and the most that it can give in each step of an event, kW."""

    load: SheddableLoad
    most_kw: tuple[float, ...]


class Library(NamedTuple):
    """Loads that can serve an event, and why others or parts of them cannot, in sentences."""

    ready: tuple[Ready, ...]
    limits: tuple[str, ...]


def check_event(event: Event, *, now_utc: datetime) -> None:
    """Raises BadInput for an event that is no span, is past or a year off, is too long, or asks for nothing."""
    if event.end_utc <= event.start_utc:
        raise BadInput("--event: the end must be after the start", reason="bad_event")
    if event.start_utc <= now_utc:
        raise BadInput(f"--event: {event.start_utc:%Y-%m-%d %H:%M} UTC is past; only what is to come can be planned",
                       reason="event_past")  # fmt: skip
    if event.start_utc - now_utc > FURTHEST:
        raise BadInput(
            Sentence("the event begins on {0}, more than a year from now", event.start_utc.date()),
            reason="event_too_far",
        )
    if event.end_utc - event.start_utc > LONGEST:
        raise BadInput("--event: longer than 24 hours; plan each day by itself", reason="bad_event")
    if not 0 < event.target_kw < float("inf"):
        raise BadInput(f"--target-kw: expected more than 0 kW, got {event.target_kw:g}", reason="bad_target")


def library_for(
    site: Site,
    event: Event,
    *,
    now_utc: datetime,
    drivers: Mapping[str, float],
    drawn_kw: Mapping[str, Sequence[float]],
) -> Library:
    """The loads of a site that can serve an event.

    drivers: expected value of each driver during the event. drawn_kw: usual power of each meter in the steps of the
    event; no load gives more than its meter usually draws. A meter that is not named does not bound its load.
    """
    ready, limits = list[Ready](), list[str]()
    hours = [start.astimezone(zone(site.time_zone)).hour for start, _ in event.steps()]
    for load in site.sheddable_loads:
        if now_utc + timedelta(minutes=load.notice_minutes) > event.start_utc:
            limits.append(f"{load.title} needs {load.notice_minutes} min of notice and is left out")
            continue
        driver = load.max_shed_kw.driver if isinstance(load.max_shed_kw, ShedByDriver) else None
        most_kw = [load.shed_kw(hour, drivers.get(driver) if driver else None) for hour in hours]
        if None in most_kw:
            limits.append(f"{load.title} depends on {driver}, of which there is no expected value, and is left out")
            continue
        usual_kw = drawn_kw.get(load.meter or "", [float("inf")] * len(hours))
        bound_kw = tuple(max(min(most or 0.0, usual), 0.0) for most, usual in zip(most_kw, usual_kw, strict=True))
        if sum(bound_kw) < sum(most or 0.0 for most in most_kw) - _IDLE_KW:
            limits.append(f"{load.title} usually draws less than the library says it can shed, and gives that at most")
        ready.append(Ready(load, bound_kw))
    return Library(tuple(ready), tuple(limits))


def plan_curtailment(
    site: Site, event: Event, library: Library, *, preference: Preference, time_limit_s: float = WITHIN_S
) -> CurtailmentPlan | Finding:
    """The plan that gives the target in every step at the least cost, discomfort, or in the order of the library.

    Answers a blocking Finding `target_above_library` with the most that the loads give, where they do not give it, and
    `no_plan_in_time` where the optimiser has found no plan within time_limit_s: the loads may still give the target.
    Minimum rests, longest sheds and contacts are kept by the optimiser. Source: dispatch.md, B.6.
    """
    steps = event.steps()
    step_h = tuple((end - start) / timedelta(hours=1) for start, end in steps)
    most_kw = np.array([each.most_kw for each in library.ready]).sum(axis=0) if library.ready else np.zeros(len(steps))
    if most_kw.min() < event.target_kw - _IDLE_KW:
        return _too_much(site, event, float(most_kw.min()))
    case = _case(site, event, library, step_h, preference)
    solution = solve(
        case,
        gap=_NEAR if len(library.ready) * len(steps) >= _MANY else None,
        time_zone=site.time_zone,
        time_limit_s=time_limit_s,
        previous=_in_turn(case, event),
    )
    if isinstance(solution, Finding) and solution.code == "no_plan_in_time":
        # Its limits are those of the model, whose connection carries the target less: no limit of the site's.
        text = f"no plan of {event.target_kw:g} kW was found within {time_limit_s:g} s; the loads may still give it"
        facts = {"time_limit_s": time_limit_s, "target_kw": event.target_kw}
        return Finding(code=solution.code, severity="blocking", scope=f"site:{site.site_id}", message=text, facts=facts)
    if not isinstance(solution, Solution):
        return _too_much(site, event, *_most_kept(site, event, library, step_h), solution)
    shed_kw = {each.load.load_id: solution.series.devices[each.load.load_id]["shed_kw"] for each in library.ready}
    return _plan(site, event, library, preference, shed_kw, step_h, solution.gap)


def _in_turn(case: DispatchCase, event: Event) -> Series | None:
    """A plan at once, where there is one, to begin the search from."""
    loads = [device for device in case.devices if isinstance(device, ShedDevice)]
    found = in_turn(loads, case.step_h, event.target_kw)
    if found is None:
        return None
    return series_of(case, {load.device_id: {"shed_kw": kw} for load, kw in zip(loads, found, strict=True)})


def _case(
    site: Site, event: Event, library: Library, step_h: tuple[float, ...], preference: Preference
) -> DispatchCase:
    """Loads alone, at what each can give, behind a connection that carries the target less."""
    whole_kw = float(np.array([each.most_kw for each in library.ready]).sum(axis=0).max())
    prices = _prices([each.load for each in library.ready], preference)
    devices = tuple(
        ShedDevice(
            device_id=load.load_id,
            own_kw=most_kw,
            price_per_kwh=price,
            is_whole=load.is_whole,
            max_duration_h=load.max_minutes / 60,
            min_rest_h=load.rest_minutes / 60 if load.rest_minutes else None,
            max_h=None if load.rest_minutes else load.max_minutes / 60,
        )
        for (load, most_kw), price in zip(library.ready, prices, strict=True)
    )
    count = len(step_h)
    connection = _Target(
        import_price_per_kwh=(0.0,) * count,
        export_price_per_kwh=(-1.0,) * count,
        import_max_kw=whole_kw - event.target_kw,
        export_max_kw=0.0,
    )
    return DispatchCase(
        case_id=site.site_id,
        currency=site.currency,
        start_utc=event.start_utc,
        step_h=step_h,
        load_kw=(whole_kw,) * count,
        connection=connection,
        devices=devices,
    )


def _prices(loads: Sequence[SheddableLoad], preference: Preference) -> list[float]:
    """The price of a kWh of each load in the objective; cost breaks ties of comfort, order breaks none."""
    if preference == "order":
        return [float(place) for place in range(1, len(loads) + 1)]
    highest = max((load.cost_per_kwh for load in loads), default=0.0) or 1.0
    if preference == "comfort":
        return [load.discomfort + 1e-3 * load.cost_per_kwh / highest + 1e-6 for load in loads]
    return [load.cost_per_kwh + 1e-6 * highest for load in loads]


def _most_kept(site: Site, event: Event, library: Library, step_h: tuple[float, ...]) -> tuple[float, bool]:
    """The highest level target that all terms together still give, kW, to a hundredth of the target.

    False where no more was tried in time: the loads may then give more.
    """
    until = time.perf_counter() + _MOST_WITHIN_S
    low_kw, high_kw, is_most = 0.0, event.target_kw, True
    while high_kw - low_kw > event.target_kw / 100:
        tried = event._replace(target_kw=(low_kw + high_kw) / 2)
        case = _case(site, tried, library, step_h, "cost")
        # Any plan will do, and nobody asks why there is none.
        status = "feasible" if _in_turn(case, tried) else ""
        left_s = until - time.perf_counter()
        if not status and left_s <= 0:
            status = "stopped"
        elif not status:
            status = run_solver(build_problem(case).program, solver="highs", gap=1.0, time_limit_s=left_s).status
        is_most &= status != "stopped"
        if status in {"feasible", "optimal"}:
            low_kw = tried.target_kw
        else:
            high_kw = tried.target_kw
    return low_kw, is_most


def _too_much(
    site: Site, event: Event, most_kw: float, is_most: bool = True, conflict: Finding | None = None
) -> Finding:
    # A list of limits of which most may not matter tells nobody anything.
    is_smallest = conflict is not None and conflict.facts.get("is_smallest", True)
    because = f": {conflict.message}" if conflict and is_smallest else ""
    return Finding(
        code="target_above_library",
        severity="blocking",
        scope=f"site:{site.site_id}",
        message=f"the loads of {site.name} give {'' if is_most else 'at least '}{most_kw:.1f} kW over the "
        f"whole event, {event.target_kw:g} kW are "
        f"wanted{because}",
        facts={"most_kw": round(most_kw, 3), "target_kw": event.target_kw},
    )


def _plan(
    site: Site,
    event: Event,
    library: Library,
    preference: Preference,
    shed_kw: Mapping[str, Sequence[float]],
    step_h: Sequence[float],
    gap: float,
) -> CurtailmentPlan:
    energy_kwh = {name: float(np.dot(kw, step_h)) for name, kw in shed_kw.items()}
    used = [each.load for each in library.ready if energy_kwh[each.load.load_id] > _IDLE_KW]
    expected_kwh = sum(energy_kwh.values())
    # Errors of different loads are their own: half-widths add up as of independent errors.
    half_kwh = hypot(*(load.evidence.half_width_share * energy_kwh[load.load_id] for load in used))
    return CurtailmentPlan.sealed(
        site=site.site_id,
        start_utc=event.start_utc,
        end_utc=event.end_utc,
        target_kw=event.target_kw,
        preference=preference,
        expected_kwh=round(expected_kwh, 6),
        interval_kwh=(round(max(expected_kwh - half_kwh, 0.0), 6), round(expected_kwh + half_kwh, 6)),
        rebound_kwh=round(sum(load.rebound_share * energy_kwh[load.load_id] for load in used), 6),
        cost=round(sum(load.cost_per_kwh * energy_kwh[load.load_id] for load in used), 6),
        currency=site.currency,
        steps=tuple(step for load in used for step in _steps(load, event, shed_kw[load.load_id])),
        returns=_returns(used, event, energy_kwh),
        limits=(*library.limits, *_limits_of(library, used)),
        gap=round(gap, 6),
    )


def _limits_of(library: Library, used: Sequence[SheddableLoad]) -> Iterator[str]:
    """Comfort and process limits of the loads that are shed, who is needed, and what is not touched."""
    yield from (f"{load.title}: {load.limit}" for load in used if load.limit)
    if by_hand := [load.title for load in used if load.asset is None]:
        yield f"no device, to be switched by hand: {', '.join(by_hand)}"
    if idle := [each.load.title for each in library.ready if each.load not in used]:
        yield f"not touched: {', '.join(idle)}"


def _steps(load: SheddableLoad, event: Event, shed_kw: Sequence[float]) -> list[ShedStep]:
    """Spells of one power."""
    powers = [round(kw, 3) for kw in shed_kw]
    found, steps = list[ShedStep](), event.steps()
    for kw, run in groupby(range(len(steps)), key=lambda t: powers[t]):
        at = list(run)
        if not isclose(kw, 0.0, abs_tol=1e-3):
            start, end = steps[at[0]][0], steps[at[-1]][1]
            found.append(ShedStep(load=load.load_id, start_utc=start, end_utc=end, kw=kw, asset=load.asset))
    return found


def _returns(loads: Sequence[SheddableLoad], event: Event, energy_kwh: Mapping[str, float]) -> tuple[ShedReturn, ...]:
    """When each load comes back: those that rebound wait evenly spaced, so that they make no peak of their own."""
    rebounding = [load.load_id for load in loads if load.rebound_share]
    turn = event.start_utc.toordinal()
    found = []
    for load in loads:
        rebounds = load.load_id in rebounding
        waits_s = restore_delay_s(load.load_id, rebounding, epoch=turn, spread_s=RETURN_SPREAD_S) if rebounds else 0.0
        rebound_kwh = round(load.rebound_share * energy_kwh[load.load_id], 6)
        found.append(ShedReturn(load=load.load_id, at_utc=event.end_utc + timedelta(seconds=waits_s),
                                rebound_kwh=rebound_kwh))  # fmt: skip
    return tuple(sorted(found, key=lambda each: each.at_utc))
