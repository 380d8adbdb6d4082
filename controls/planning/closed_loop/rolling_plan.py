"""Model predictive control: a plan of two days, of which the next quarter hours are done, again and again.

Planned anew every hour, and earlier where something it counted on is no longer so. Where a plan cannot be made in time,
the last one goes on until its own time to live; after that, and where nobody foretells anything, thermostats heat.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room
from controls.optimiser.devices.tank import FreeTank
from controls.optimiser.moving_steps import HORIZON_H, PER_HOUR, STEP_H
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.optimiser.stochastic.solve_scenarios import solve_scenarios
from controls.planning.closed_loop.learnt import Learnt, WatchedRooms
from controls.planning.closed_loop.plain_rules import Ruled
from controls.planning.closed_loop.present_case import Present, case_of_present, whole_relays, with_courses
from controls.planning.closed_loop.promise import Promises
from controls.planning.plan_inputs import MAX_FORECAST_AGE
from controls.planning.triggers import (
    MAX_AGE,
    OFF_PLAN_INTERVAL,
    STATE_TOLERANCE,
    Counted,
    Trigger,
    first_due,
    off_the_plan,
)
from data_quality.contracts.control.closed_loop import Outlook, SetPoints, SiteObservation
from data_quality.contracts.control.plan_scenario import Risk
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site

GAP, TIME_LIMIT_S = 0.01, 10.0
# A plan that nobody could renew goes on for so long: what it knew of the weather is then no longer worth much.
TIME_TO_LIVE = timedelta(hours=6)
_LEAST_H = 6
# Beyond its rating by so much, a device is not the one of the site file.
_OVER = 1.1
Solver = Callable[[DispatchCase], Solution | Finding]


@dataclass(frozen=True)
class Rolling:
    """A plan in hand: since when, of which case, and what it counted on."""

    case: DispatchCase
    solution: Solution
    outlook: Outlook
    away: frozenset[str]

    def step_at(self, at_utc: datetime) -> int | None:
        """Which of its steps is in progress; None: none."""
        past_h = (at_utc - self.case.start_utc) / timedelta(hours=1)
        step = int(np.searchsorted(np.cumsum(self.case.step_h), past_h + 1e-9, side="right"))
        return step if past_h >= 0 and step < len(self.case.step_h) else None

    def column(self, device: Device, step: int) -> dict[str, float]:
        """Values of a device in a step, by column."""
        return {name: values[step] for name, values in self.solution.series.devices[device.device_id].items()}


def solved_within(case: DispatchCase, *, gap: float = GAP, time_limit_s: float = TIME_LIMIT_S) -> Solution | Finding:
    """The plan of a case, over scenarios where it has some; what thinking of them is worth is not asked each hour."""
    if case.uncertain is None:
        return solve(case, gap=gap, time_limit_s=time_limit_s)
    found = solve_scenarios(case, alone=lambda *_: None, gap=gap, time_limit_s=time_limit_s, worth_within_s=0.0)
    if isinstance(found, Solution):
        return found
    return Finding(
        code=f"no_plan_{found.status}", scope=case.case_id, message=f"{found.solver} found no plan: {found.status}"
    )


@dataclass
class Planner:
    """The policy of plans. site: as of with_rooms. risk: plans over scenarios where it is given.

    Counts what it did: plans, reasons, seconds of processor each, and findings, each by code and scope once.
    """

    site: Site
    learnt: Learnt
    rooms: WatchedRooms
    risk: Risk | None = None
    solver: Solver = solved_within
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    promises: Promises = field(default_factory=Promises)
    held: Rolling | None = None
    _tried_utc: datetime | None = None
    _sent: SetPoints = field(default_factory=dict)
    _owed_kw: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._thermostats = Ruled(self.site, self.learnt)
        self._assets = device_assets(self.site)

    def decide(self, seen: SiteObservation, outlook: Callable[[int], Outlook]) -> SetPoints:
        """Set-points of the next quarter hour: of the plan, anew where there is a reason; else of thermostats."""
        for finding in [*self.rooms.findings(), *self._odd(seen)]:
            self._note(finding)
        self.promises.look(seen)
        forecast = outlook(HORIZON_H)
        age = None if self._tried_utc is None else seen.at_utc - self._tried_utc
        due = first_due(self._triggers(seen, forecast), age)
        # The plan holds where nothing is due, and where the last try is too young.
        if due and (age is None or age >= due.after):
            self.reasons[due.kind] += 1
            self._plan(seen, forecast)
        step = self.held.step_at(seen.at_utc) if self.held else None
        if self.held is None or step is None or seen.at_utc - self.held.case.start_utc >= TIME_TO_LIVE:
            if self.held:
                self._note(_no_plan("plan_expired", self.site, "no plan is younger than its time to live"))
            return self._thermostats.decide(seen, None)
        self._sent = {
            one.device_id: commands
            for one in self.held.case.devices
            if (commands := self._commands(one, self.held.column(one, step), step))
        }
        # Rooms that nobody can plan are held by their own thermostat.
        return self._sent

    def _commands(self, device: Device, column: dict[str, float], step: int) -> dict[str, float]:
        if not isinstance(device, FreeTank):
            return device.commands(column, step)
        name = device.device_id
        relays, self._owed_kw[name] = whole_relays(device, column[device.power_column], self._owed_kw.get(name, 0.0))
        return relays

    def _plan(self, seen: SiteObservation, forecast: Outlook) -> None:
        now = Present(self.site, seen, forecast, self.learnt, self.rooms)
        self._tried_utc = seen.at_utc
        if seen.at_utc - forecast.start_utc > MAX_FORECAST_AGE or now.quarters < _LEAST_H * PER_HOUR:
            age_h = (seen.at_utc - forecast.start_utc) / timedelta(hours=1)
            self.held = None
            sentence = (
                f"what is foretold is {age_h:.0f} h old and reaches {now.quarters / PER_HOUR:g} h: thermostats heat"
            )
            self._note(_no_plan("forecast_too_old", self.site, sentence))
            return
        started = time.process_time()
        try:
            case = case_of_present(now)
        except BadInput as fault:
            self._note(_no_plan("no_case", self.site, f"{fault}; the last plan goes on"))
            return
        uncertain = with_courses(case, now, self.risk) if self.risk else case
        found = self.solver(uncertain)
        self.seconds.append(time.process_time() - started)
        if isinstance(found, Finding):
            self.reasons["failed"] += 1
            self._note(found.model_copy(update={"message": f"{found.message}; the last plan goes on"}))
            return
        self._note_cold(case, found)
        self.held = Rolling(case, found, forecast, self._away(seen))
        if uncertain.uncertain:
            self.promises.make(uncertain, found.series)

    def _triggers(self, seen: SiteObservation, forecast: Outlook) -> Iterator[Trigger]:
        held = self.held
        if held is None:
            yield Trigger("no plan", after=MAX_AGE)
            return
        yield Trigger("an hour", after=MAX_AGE)
        if self._away(seen) != held.away:
            yield Trigger("a car came or went")
        if _ends(forecast) > _ends(held.outlook):
            yield Trigger("new prices")
        if _tomorrow(forecast) != _tomorrow(held.outlook, forecast.start_utc):
            yield Trigger("a new forecast")
        before = held.step_at(seen.at_utc - timedelta(hours=STEP_H))
        counted = [] if before is None else [self._counted(held, one, before, seen) for one in held.case.devices]
        yield from off_the_plan(counted, state_tolerance=2 * STATE_TOLERANCE, after=OFF_PLAN_INTERVAL)

    def _away(self, seen: SiteObservation) -> frozenset[str]:
        """Devices that are taken away (cars) and absent now; a silent thermometer does not count."""
        return frozenset(
            asset.asset_id
            for asset, kind in self._assets
            if kind.is_taken_away and seen.states.get(asset.asset_id) is None
        )

    def _counted(self, held: Rolling, one: Device, before: int, seen: SiteObservation) -> Counted:
        """A device over the last quarter hour. Of a room its relay tells of a hand; its warmth is watched elsewhere."""
        name, column = one.device_id, held.column(one, before)
        drawn_kw, sun_kw, by_hand = seen.drawn_kw.get(name), None, False
        if one.forecast and drawn_kw is not None:
            sun_kw = getattr(one, one.per_step[0])[before] - column[one.columns[0]], -drawn_kw
        if isinstance(one, Room) and drawn_kw is not None:
            wished = self._sent.get(name, {}).get("set_switch_state")
            by_hand = wished is not None and abs(drawn_kw - wished * one.heater_kw) > one.heater_kw / 2
        return Counted(
            one,
            planned_state=column[one.state.column] if one.state else 0.0,
            state=None if isinstance(one, Room) else seen.states.get(name),
            sun_kw=sun_kw,
            by_hand=by_hand,
        )

    def _odd(self, seen: SiteObservation) -> list[Finding]:
        """Devices that are not those of the site file: they hold or draw more than they are said to be able to."""
        found = []
        for asset, kind in self._assets:
            name, full = asset.asset_id, kind.full(asset, self.site.site_id)
            shown, drawn = seen.states.get(name), abs(seen.drawn_kw.get(name, 0.0))
            if full and shown is not None and shown > _OVER * full:
                found.append(_disagrees(name, f"holds {shown:.1f} kWh, the site file says {full:g} at most"))
            params = asset.numbers
            most = params.get("heater_kw") or params.get("max_charge_kw") or params.get("max_kw")
            if most and drawn > _OVER * most:
                found.append(_disagrees(name, f"draws {drawn:.2f} kW, the site file says {most:g} at most"))
        return found

    def _note_cold(self, case: DispatchCase, found: Solution) -> None:
        """Bands that the plan itself cannot keep after a day's first half: soft, and reported."""
        hours = np.array(case.step_h)
        soon = (np.cumsum(hours) > 12) & (np.cumsum(hours) <= 24)
        for one in case.devices:
            if isinstance(one, Room):
                below = np.array(one.low_degc) - np.array(found.series.devices[one.device_id]["room_degc"])
                if soon.any() and float(below[soon].max()) > 1.0:
                    name, most = one.device_id, float(below[soon].max())
                    sentence = (
                        f"{name}: its heater cannot keep the band, it is {most:.1f} K short: as warm as it can be"
                    )
                    self._note(Finding(code="band_not_reached", scope=name, message=sentence, facts={"short_k": most}))

    def _note(self, finding: Finding) -> None:
        self.findings.setdefault((finding.code, finding.scope), finding)


def _no_plan(code: str, site: Site, sentence: str) -> Finding:
    return Finding(code=code, scope=site.site_id, message=f"site {site.site_id}: {sentence}")


def _disagrees(name: str, sentence: str) -> Finding:
    return Finding(code="capacity_disagrees", scope=name, message=f"{name} {sentence}: plans for it are off")


def _ends(forecast: Outlook) -> datetime:
    return forecast.start_utc + len(forecast.import_price_per_kwh) * timedelta(hours=STEP_H)


def _tomorrow(forecast: Outlook, from_utc: datetime | None = None) -> tuple[float, ...]:
    """The central course some hours ahead, to distinguish one run of a service from the next."""
    past = 0 if from_utc is None else round((from_utc - forecast.start_utc) / timedelta(hours=1))
    return forecast.outdoor_degc[0][past + 6 : past + 12]
