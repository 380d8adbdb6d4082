"""A policy on a site over a span, after two weeks of watching, and policies side by side: means over the houses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from pydantic import Field

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.moving_steps import HORIZON_H, PER_HOUR, STEP_H
from controls.planning.closed_loop.learnt import Learnt, RoomFigures, WatchedRooms
from controls.planning.closed_loop.plain_rules import Ruled, nothing
from controls.planning.closed_loop.present_case import with_rooms
from controls.planning.closed_loop.promise import Breaches
from controls.planning.closed_loop.rolling_plan import Planner, Solver, solved_within
from controls.planning.plan_inputs import STEP
from controls.planning.surroundings import walls_of
from data_quality.contracts.control.closed_loop import ClosedSite, Outlook, SetPoints, SiteAccount, SiteObservation
from data_quality.contracts.control.plan_scenario import Risk
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_day

PolicyName = Literal[
    "no_control", "thermostat", "rules", "self_consumption", "deterministic", "stochastic", "perfect_foresight"
]
PLANNED = ("deterministic", "stochastic", "perfect_foresight")
WATCHED = timedelta(days=14)
RISK = Risk(method="selected", scenarios=9, cvar_level=0.9, cvar_weight=0.2, shared_h=1.0)


@dataclass(frozen=True)
class Watched:
    """A room over hours: temperature at the start of each (NaN: none was read); means of the others over it."""

    indoor_degc: Floats
    outdoor_degc: Floats
    heating_kw: Floats
    sun_w_per_m2: Floats


Identify = Callable[[Watched], RoomFigures | Finding]


class LoopRun(Model):
    """Result of a policy on one site and seed. days: cost so far at the end of each local day, in the site's currency.

    plan_seconds: of processor, the mean and the most of a plan. Everything is simulated, and says so.
    """

    policy: PolicyName
    seed: int
    start_utc: datetime
    hours: int
    lived: SiteAccount
    self_consumption: float | None
    days: tuple[float, ...]
    plans: int = 0
    reasons: dict[str, int] = {}
    plan_seconds: tuple[float, float] = (0.0, 0.0)
    breaches: Breaches | None = None
    identified: int = Field(default=0, description="Rooms whose figures came from their own readings")
    findings: tuple[Finding, ...] = ()
    is_synthetic: bool = True


def run_policy(
    site: Site,
    closed: ClosedSite,
    policy: PolicyName,
    *,
    seed: int,
    hours: int,
    watched: timedelta = WATCHED,
    identify: Identify | None = None,
    solver: Solver = solved_within,
    risk: Risk = RISK,
    progress: Callable[[str], None] = lambda _: None,
) -> LoopRun:
    """Watch, open the account, then go on by the policy for so many hours.

    identify: a room from what was watched of it; where it cannot be told, the site file's figures stand (told as a
    finding). perfect_foresight is the plain planner: it is the site that must foretell the truth.
    """
    loop = _Loop(with_rooms(site), closed)
    for _ in range(int(watched / STEP)):
        loop.go_on({})
    if policy in PLANNED:
        loop.identify(identify)
    closed.open_account()
    decide: Callable[[SiteObservation, Callable[[int], Outlook]], SetPoints]
    planner = None
    if policy in PLANNED:
        planner = Planner(loop.site, loop.learnt, loop.rooms, risk if policy == "stochastic" else None, solver)
        decide = planner.decide
    elif policy == "no_control":
        decide = nothing
    else:
        rules = {"rules": (True, True), "self_consumption": (True, False)}.get(policy, (False, False))
        decide = Ruled(loop.site, loop.learnt, by_sun=rules[0], by_price=rules[1]).decide
    start_utc, days = loop.seen.at_utc, list[float]()
    for _ in range(hours * PER_HOUR):
        today = local_day(loop.seen.at_utc, site.time_zone)
        loop.go_on(decide(loop.seen, closed.outlook))
        if local_day(loop.seen.at_utc, site.time_zone) > today:
            days.append(closed.lived().cost)
            progress(f"{policy}, seed {seed}: day {len(days)} of {hours // 24}")
    lived = closed.lived()
    return LoopRun(
        policy=policy,
        seed=seed,
        start_utc=start_utc,
        hours=hours,
        lived=lived,
        self_consumption=lived.self_consumption,
        days=tuple(days),
        identified=loop.identified,
        findings=(*loop.findings, *(planner.findings.values() if planner else ())),
        **(_planned(planner) if planner else {}),
    )


def _planned(planner: Planner) -> dict[str, object]:
    seconds = planner.seconds or [0.0]
    return {
        "plans": len(planner.seconds),
        "reasons": dict(planner.reasons),
        "plan_seconds": (float(np.mean(seconds)), max(seconds)),
        "breaches": planner.promises.breaches if planner.risk else None,
    }


@dataclass
class _Loop:
    """A site with all that was seen of it. site: as of with_rooms."""

    site: Site
    closed: ClosedSite
    looks: list[SiteObservation] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    identified: int = 0

    def __post_init__(self) -> None:
        self.seen = self.closed.look()
        self.looks.append(self.seen)
        assets = device_assets(self.site)
        # A room without a reading goes on by its model.
        stateful = {asset.asset_id for asset, kind in assets if kind.measure and kind.kind != "room"}
        if unseen := sorted(stateful - set(self.seen.states)):
            self.findings.append(_devices_left_out(self.site.site_id, unseen))
            kept = tuple(one for one in self.site.assets if one.asset_id not in unseen)
            self.site = self.site.model_copy(update={"assets": kept})
            assets = device_assets(self.site)
        rooms = {
            asset.asset_id: kind.figures(asset, self.site.site_id) for asset, kind in assets if kind.kind == "room"
        }
        self._pv = [asset.asset_id for asset, kind in assets if kind.kind == "pv"]
        if walls := walls_of(self.site):
            self.findings.append(_walls_left_out(self.site.site_id, sorted(walls)))
        stated = {
            name: RoomFigures(
                r_k_per_kw=each.r_k_per_kw, c_kwh_per_k=each.c_kwh_per_k, gain_kw=float(np.mean(each.gain_kw))
            )
            for name, each in rooms.items()
        }
        self.learnt = Learnt(self.site.time_zone)
        self.rooms = WatchedRooms(list(rooms), stated)

    def go_on(self, set_points: SetPoints) -> None:
        """A quarter hour with these set-points, and what it teaches."""
        before = self.seen
        self.closed.act(set_points, CANONICAL_MINUTES)
        self.seen = now = self.closed.look()
        self.looks.append(now)
        is_cut = any(
            -now.drawn_kw.get(name, 0.0) >= set_points.get(name, {}).get("set_power_limit_kw", np.inf) - 0.05
            for name in self._pv
        )
        pv_kw = None if is_cut or not self._pv else -sum(now.drawn_kw.get(name, 0.0) for name in self._pv)
        self.learnt.note(before, now, pv_kw)
        _watch(self.rooms, before, now)
        if now.at_utc.minute == 0:
            forecast = self.closed.outlook(HORIZON_H)
            count = len(forecast.import_price_per_kwh)
            self.learnt.note_prices([forecast.start_utc + n * STEP for n in range(count)], forecast)

    def identify(self, identify: Identify | None) -> None:
        """Rooms by their own readings of the last weeks, watched again with these figures; None: as they are stated."""
        figures = dict(self.rooms.figures)
        for name in self.rooms.names if identify else ():
            found = identify(self._hours(name)) if identify else None
            if isinstance(found, RoomFigures):
                figures[name], self.identified = found, self.identified + 1
            elif found is not None:
                note = f"{name}: {found.message}; planned by the figures of the site file"
                self.findings.append(found.model_copy(update={"scope": name, "severity": "warning", "message": note}))
        rooms = WatchedRooms(self.rooms.names, figures)
        for before, now in zip(self.looks, self.looks[1:], strict=False):
            _watch(rooms, before, now)
        self.rooms = rooms

    def _hours(self, name: str) -> Watched:
        count = (len(self.looks) - 1) // PER_HOUR * PER_HOUR

        def mean(values: list[float]) -> Floats:
            found: Floats = np.array(values[:count]).reshape(-1, PER_HOUR).mean(axis=1)
            return found

        readings = [look.states.get(name) for look in self.looks[:count:PER_HOUR]]
        return Watched(
            indoor_degc=np.array([np.nan if value is None else value for value in readings], np.float64),
            outdoor_degc=mean([look.outdoor_degc for look in self.looks]),
            heating_kw=mean([look.drawn_kw.get(name, 0.0) for look in self.looks[1:]]),
            sun_w_per_m2=mean([look.ghi_w_per_m2 for look in self.looks]),
        )


def _devices_left_out(site_id: str, names: Sequence[str]) -> Finding:
    """Devices whose plan begins with a state that the closed site does not tell."""
    sentence = f"site {site_id}: left out, because the simulated site tells no state of them: {', '.join(names)}"
    return Finding(code="devices_left_out", scope=site_id, message=sentence, facts={"devices": ", ".join(names)})


def _walls_left_out(site_id: str, rooms: Sequence[str]) -> Finding:
    """Walls that the site file states and that neither the filter nor the plans of a closed loop step."""
    sentence = (
        f"site {site_id}: the walls of {', '.join(rooms)} are left out: what neighbours give or take is in the heat "
        "that each room learns from its own readings"
    )
    return Finding(code="walls_left_out", scope=site_id, message=sentence, facts={"rooms": ", ".join(rooms)})


def _watch(rooms: WatchedRooms, before: SiteObservation, now: SiteObservation) -> None:
    weather = (before.outdoor_degc + now.outdoor_degc) / 2, (before.ghi_w_per_m2 + now.ghi_w_per_m2) / 2
    drawn = np.array([now.drawn_kw.get(name, 0.0) for name in rooms.names])
    rooms.look([now.states.get(name) for name in rooms.names], drawn, weather, STEP_H)


# Of the mean over seeds, by resampling them: few houses say little, and no shape is assumed.
_RESAMPLED, _SURE = 2000, 0.9


class ConfidenceInterval(Model):
    """90 % confidence interval of the mean."""

    low: float
    high: float


class PolicyLine(Model):
    """Means over seeds; money in the site's currency, switchings of a mean relay. interval: by figure (bootstrap over
    seeds), empty for a single one. saved_share: of the cost without control, where that was run too.
    """

    name: str
    cost: float
    kgco2e: float
    discomfort_degree_hours: float
    breach_share: float
    cycles: float
    switchings: float
    self_consumption: float | None
    saved_share: float | None
    seeds: int
    interval: dict[str, ConfidenceInterval]


def side_by_side(runs: Sequence[LoopRun]) -> tuple[PolicyLine, ...]:
    """One line a policy, in the order in which they were run."""
    by_policy = dict[str, list[LoopRun]]()
    for run in runs:
        by_policy.setdefault(run.policy, []).append(run)
    plain = {run.seed: run.lived.cost for run in by_policy.get("no_control", [])}
    return tuple(_line(name, each, plain) for name, each in by_policy.items())


def _line(name: str, runs: Sequence[LoopRun], plain: dict[int, float]) -> PolicyLine:
    values = {
        "cost": [run.lived.cost for run in runs],
        "kgco2e": [run.lived.kgco2e for run in runs],
        "discomfort_degree_hours": [run.lived.discomfort_kh for run in runs],
        "breach_share": [run.lived.breach_share for run in runs],
        "cycles": [run.lived.cycles for run in runs],
        "switchings": [run.lived.switchings for run in runs],
        "self_consumption": [run.self_consumption for run in runs if run.self_consumption is not None],
        "saved_share": [1 - run.lived.cost / plain[run.seed] for run in runs if plain.get(run.seed)],
    }
    means = {key: float(np.mean(found)) if found else None for key, found in values.items()}
    between = {key: _between(found) for key, found in values.items() if len(found) > 1}
    return PolicyLine.model_validate({"name": name, "seeds": len(runs), "interval": between, **means})


def _between(values: Sequence[float]) -> ConfidenceInterval:
    # The same draws for all figures: whoever runs it again reads the same interval.
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLED, len(values)))
    low, high = np.quantile(np.array(values)[drawn].mean(axis=1), [(1 - _SURE) / 2, (1 + _SURE) / 2]).tolist()
    return ConfidenceInterval(low=low, high=high)
