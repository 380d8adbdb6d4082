"""A charger and the cars at it: power zero or in a range, phases, taper, departure, feeding back (formulas 5.18)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats, Linear, Places
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.ev_params import (
    SLACK_KWH,
    EvParams,
    PowerRange,
    Session,
    chargeable_kwh,
    sessions_of,
)
from controls.optimiser.devices.device import (
    DECIMALS,
    AssetState,
    CaseContext,
    Columns,
    Converter,
    Forced,
    Measure,
    Numbers,
    ReplayState,
    State,
    Values,
    clean,
    params_of,
)
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Asset

_IDLE_KW = 1e-6  # less than a watt is solver noise and no charging
_TRIPS_KWH = 8.0  # 40 km of an ordinary day at 0.2 kWh/km


class _Mode(NamedTuple):
    """A way to use the charger: its power, its binary, its rows, and its range in a stay (None: not in this one)."""

    power: str
    on: str
    family: str
    name: str
    range_of: Callable[[Session], PowerRange | None]


_MODES = (
    _Mode("ev_kw", "is_charging", "ev_power", "", lambda stay: stay),
    _Mode("one_phase_kw", "is_one_phase", "ev_power", "one_phase_", lambda stay: stay.one_phase),
    _Mode("ev_discharge_kw", "is_feeding", "ev_feed_in", "feed_", lambda stay: stay.feed_in),
)


class EvCharger(Converter):
    """The stays of cars at one charger, in the order of time. `notes`: what was assumed, in sentences."""

    kind = "ev_charger"
    params = EvParams
    limits: ClassVar = {
        "ev_power": "kw",
        "ev_ceiling": "kwh",
        "ev_floor": "kwh",
        "ev_feed_in": "kw",
        "ev_departure": "kwh",
        "strategy_power": "kw",
        "strategy_pace": "kwh",
    }
    means: ClassVar = {
        "ev_power": "charges with at most {part.most_kw:g} kW",
        "ev_ceiling": "is never fuller than it may be",
        "ev_floor": "is never emptier than it may be",
        "ev_feed_in": "gives back only what it may",
        "ev_departure": "gets {part.wanted} kWh before it leaves",
        "strategy_power": "charges only in the hours of its strategy",
        "strategy_pace": "charges as early as it can",
    }
    limit_words: ClassVar = {
        "most": "charges at its full power",
        "least": "charges at its least power",
        "feed_most": "gives back all that it may",
        "full": "is full",
        "floor": "is at its floor",
        "taper": "takes less the fuller it is",
        "ready": "must be ready when the car leaves",
        "strategy": "keeps to the hours of its strategy",
        "pace": "charges as early as it can",
    }
    case_key = "ev_sessions"
    case_field = "sessions"
    case_names: ClassVar = {name: name for name in ("from_step", "to_step", "energy_kwh")} | {
        "p_min": "min_kw",
        "p_max": "max_kw",
        "eta": "efficiency",
    }
    measure = Measure(
        reading="read_soc_percent", code="ev_soc", words="the car's charge", presence="read_is_plugged_in"
    )
    columns = ("ev_kw", "ev_discharge_kw")
    is_taken_away = True
    moves: ClassVar = {"ev_kw": "charges the car with", "ev_discharge_kw": "takes from the car"}

    sessions: tuple[Session, ...] = ()
    capacity_kwh: float = 0.0
    phase_count: Literal[1, 3] = Field(default=3, description="Of its cable; a charger that switches uses one too")
    notes: tuple[str, ...] = ()
    is_away: bool = Field(default=False, description="No car is plugged in")
    is_uncontrolled: bool = Field(default=False, description="Nobody plans: each car fills as early as it can")

    @model_validator(mode="after")
    def _one_car_at_a_time(self) -> Self:
        for before, after in zip(self.sessions, self.sessions[1:], strict=False):
            if after.from_step < before.to_step:
                raise ValueError(f"a car comes in step {after.from_step}, before the last one leaves")
        return self

    def fits(self, step_h: tuple[float, ...]) -> None:
        """No departure lies after the last step: the energy due by then must be given."""
        if self.sessions and self.sessions[-1].to_step > len(step_h):
            last = self.sessions[-1].to_step
            raise ValueError(f"{self.device_id}: a car leaves in step {last}, the case has {len(step_h)}")

    @classmethod
    def takes(cls, asset: Asset) -> bool:
        """One of which no battery is known is part of the load."""
        return "capacity_kwh" in asset.params

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """A stay from now to the next departure, where a car is plugged in; see ev_params."""
        params: EvParams = cls.figures(asset, given.site_id)
        sessions, notes = sessions_of(params, asset.asset_id, given)
        return cls(
            device_id=asset.asset_id,
            sessions=sessions,
            capacity_kwh=params.capacity_kwh,
            phase_count=params.phase_count,
            notes=notes,
            is_away=given.state is None,
        )

    @classmethod
    def away(cls, asset: Asset, site_id: str) -> Text:  # noqa: ARG003 - of every car
        """When it is wanted again."""
        return "Ready for the first departure after the return"

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float, str]:
        """Plugged in, and a day's trips short of what it leaves with."""
        return cls.assumed_at(asset, AssetState(site_id))

    @classmethod
    def assumed_at(cls, asset: Asset, given: AssetState) -> tuple[float, str]:
        """The same, and no shorter than it can be charged before it leaves: an assumption leaves no home planless."""
        params: EvParams = cls.figures(asset, given.site_id)
        wanted_kwh = params.target_soc * params.capacity_kwh
        short_kwh = min(_TRIPS_KWH, wanted_kwh, chargeable_kwh(params, given))
        return wanted_kwh - short_kwh, f"plugged in and {short_kwh:.1f} kWh short of its goal"

    @classmethod
    def full(cls, asset: Asset, site_id: str) -> float:
        """A car holds no more than its battery."""
        return params_of(cls.params, asset, site_id).capacity_kwh

    @property
    def is_absent(self) -> bool:
        """No car was plugged in."""
        return self.is_away

    @property
    def state(self) -> State | None:
        """The charge, kWh, while a car is there from the start."""
        if not self.capacity_kwh or not self.sessions or self.sessions[0].from_step:
            return None
        return State("ev_stored_kwh", self.sessions[0].start_kwh, self.capacity_kwh, "car's charge", "kWh")

    @property
    def remarks(self) -> tuple[str, ...]:
        """Of its stay."""
        return self.notes

    @property
    def most_kw(self) -> float:
        """The most of any stay."""
        return max((session.max_kw for session in self.sessions), default=0.0)

    @property
    def wanted(self) -> str:
        """Energy due of every stay, kWh, as text."""
        return " and ".join(f"{session.energy_kwh:.4g}" for session in self.sessions)

    def short(self, family: str, amount: float) -> str:
        """Energy of the car at departure, as text; empty for several cars, since any of them may be short."""
        if family != "ev_departure" or len(self.sessions) != 1:
            return ""
        wanted_kwh = self.sessions[0].energy_kwh
        return f"the car is {amount:.1f} kWh short, it could have {wanted_kwh - amount:.1f} of the {wanted_kwh:.1f} kWh"

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """The most of any stay, either way."""
        return self.most_kw, max((each.feed_in.max_kw for each in self.sessions if each.feed_in), default=0.0)

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Powers and modes have one entry a step; `stored_kwh` one for each step with a car, at its end."""
        if self.is_uncontrolled:
            return self._let_go(around.step_h).variables(program, around)
        at, found = self._steps, dict[str, Linear]()
        most_kw = np.where(self._each(around.steps, lambda _: 1.0) > 0, INF, 0.0)
        for mode in _MODES:
            if mode.power == "ev_kw" or any(map(mode.range_of, self.sessions)):
                name = mode.power.removeprefix("ev_")
                found[mode.power] = self.new(program, name, around.steps, upper=most_kw)
                found[mode.on] = self.new(program, mode.on, at.size, upper=1.0, is_integer=True, at=at)
        return found | {"stored_kwh": self.new(program, "stored_kwh", at.size, lower=-INF, at=at)}

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """At most one mode at a time, each power in the range of its mode; energy follows, and is there in time."""
        if self.is_uncontrolled:
            yield from self._let_go(around.step_h).rows(x, around)
        elif self.sessions:
            at, modes = self._steps, [mode for mode in _MODES if mode.on in x]
            for mode in modes:
                power = x[mode.power][at]
                if mode.power == "ev_kw" and "one_phase_kw" in x:
                    power = power - x["one_phase_kw"][at]
                least_kw, most_kw = self._range_kw(mode)
                yield Row(mode.family, f"{mode.name}most", power <= most_kw * x[mode.on], at)
                yield Row("ev_least", f"{mode.name}least", power >= least_kw * x[mode.on], at)
            if len(modes) > 1:
                yield Row("ev_mode", "one_mode", sum((x[mode.on] for mode in modes[1:]), start=x[modes[0].on]) <= 1, at)
            yield from self._energy_rows(x, around)

    def _energy_rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """Energy of a car at the end of each step, kWh, from arrival to departure."""
        stored, at = x["stored_kwh"], self._steps
        last = np.cumsum([s.to_step - s.from_step for s in self.sessions]) - 1
        first = np.concatenate([[0], last[:-1] + 1])
        rest = np.delete(np.arange(at.size), first)
        gain = self._gain(x, around.step_h)[at]
        starts = np.array([s.start_kwh for s in self.sessions])
        yield Row("ev_stored", "start", stored[first] == starts + gain[first], at[first])
        if rest.size:
            yield Row("ev_stored", "stored", stored[rest] == stored[rest - 1] + gain[rest], at[rest])
        yield Row("ev_departure", "ready", stored[last] >= [s.target_kwh for s in self.sessions], at[last])
        ceiling = self._stayed(lambda s: INF if s.ceiling_kwh is None else s.ceiling_kwh)
        floor = self._stayed(lambda s: min(s.feed_in.floor_kwh, s.start_kwh) if s.feed_in else -INF)
        pace = self._stayed(lambda s: s.pace_kwh or -INF)
        for family, name, bound in (("ev_floor", "floor", floor), ("strategy_pace", "pace", pace)):
            if (some := np.flatnonzero(np.isfinite(bound))).size:
                yield Row(family, name, stored[some] >= bound[some], at[some])
        if (some := np.flatnonzero(np.isfinite(ceiling))).size:
            yield Row("ev_ceiling", "full", stored[some] <= ceiling[some], at[some])
        line, slope = self._stayed(lambda s: s.taper_line[0]), self._stayed(lambda s: s.taper_line[1])
        if (some := np.flatnonzero(slope)).size:
            # By what it holds at the end of the step: the power is the same throughout it.
            yield Row("ev_taper", "taper", x["ev_kw"][at[some]] <= line[some] - slope[some] * stored[some], at[some])
        cap = self._stayed(lambda s: s.cap_kw or INF)
        if (some := np.flatnonzero(np.isfinite(cap))).size:
            yield Row("strategy_power", "strategy", x["ev_kw"][at[some]] <= cap[some], at[some])

    @property
    def phase_share(self) -> tuple[float, float, float]:
        """A single-phase charger is on L1 where its phase is not given."""
        return (1.0, 0.0, 0.0) if self.phase_count == 1 and not self.on_phases else super().phase_share

    def phase_kw(self, x: Values, phase: int) -> Any:
        """Power drawn on a phase, kW: single-phase charging counts on the first of its phases."""
        drawn = super().phase_kw(x, phase)
        if "one_phase_kw" not in x and "ev_phases" not in x:
            return drawn
        one = x["one_phase_kw"] if "one_phase_kw" in x else np.where(x["ev_phases"] == 1, x["ev_kw"], 0.0)
        is_first = phase + 1 == min(self.on_phases or (1,))
        return drawn + (is_first - self.phase_share[phase]) * one

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Wear of what is given back."""
        if "ev_discharge_kw" in x:
            wear = self._each(step_h.size, lambda s: s.feed_in.wear_per_kwh if s.feed_in else 0.0)
            yield "wear", step_h * wear * x["ev_discharge_kw"]

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """The two powers, what the car holds at the end of each step (after it left: what it left with), and phases."""
        power_kw = clean(values["ev_kw"])
        for one in self.sessions:
            for edge_kw in (one.least_kw, one.min_kw, one.max_kw):
                # A watt below its least power, and a charger pauses: noise must not be cut off with the last digits.
                part = power_kw[one.steps]
                power_kw[one.steps] = np.where(np.abs(part - edge_kw) < _IDLE_KW, edge_kw, part)
        given_kw = clean(values.get("ev_discharge_kw", np.zeros_like(power_kw)))
        found = {"ev_kw": power_kw, "ev_discharge_kw": given_kw}
        found["ev_stored_kwh"] = self._path(found, step_h)
        if "is_one_phase" in values:
            phases = np.zeros_like(power_kw)
            phases[self._steps] = np.where(np.round(values["is_one_phase"]) > 0, 1.0, 3.0)
            found["ev_phases"] = np.where(power_kw > _IDLE_KW, phases, 0.0)
        return found

    def warm_start(self, columns: Numbers) -> Numbers:
        """Powers, what is held, and the mode of each step with a car."""
        if not columns:
            return {}
        at = self._steps
        power_kw, phases = columns["ev_kw"], columns.get("ev_phases", np.zeros_like(columns["ev_kw"]))
        modes = {
            "is_charging": (power_kw > 0) & (phases != 1),
            "is_one_phase": phases == 1,
            "is_feeding": columns["ev_discharge_kw"] > 0,
        }
        held = {"one_phase_kw": np.where(phases == 1, power_kw, 0.0), "stored_kwh": columns["ev_stored_kwh"][at]}
        return columns | held | {name: mode[at].astype(np.float64) for name, mode in modes.items()}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement, stay by stay."""
        if self.is_uncontrolled:
            yield from self._let_go(step_h).errors(columns, step_h)
            return
        power, given = columns["ev_kw"], columns["ev_discharge_kw"]
        away = self._each(step_h.size, lambda _: 1.0) == 0
        yield "a power without a car", np.where(away, np.maximum(np.abs(power), np.abs(given)), 0.0)
        yield from self.power_errors(columns)
        yield "stored energy", np.abs(columns["ev_stored_kwh"] - self._path(columns, step_h))
        for number, one in enumerate(self.sessions):
            whose, taken, back = f"session {number}: ", power[one.steps], given[one.steps]
            ranges = [one, one.one_phase] if one.one_phase else [one]
            yield f"{whose}a power that the charger does not have", _outside(taken, ranges)
            if one.one_phase and "ev_phases" in columns:
                alone = columns["ev_phases"][one.steps] == 1
                split = _outside(taken[alone], [one.one_phase]), _outside(taken[~alone], [one])
                yield f"{whose}a power that its phases do not have", max(split)
            yield f"{whose}a power that the car does not give", _outside(back, [one.feed_in] if one.feed_in else [])
            held = columns["ev_stored_kwh"][one.steps]
            yield f"{whose}the car leaves with too little", one.start_kwh + one.energy_kwh - held[-1]
            if one.ceiling_kwh is not None:
                yield f"{whose}the car is fuller than it may be", max(held) - one.ceiling_kwh
            if one.feed_in:
                floor_kwh = min(one.feed_in.floor_kwh, one.start_kwh)
                yield f"{whose}the car is emptier than it may be", floor_kwh - min(held)
            if one.taper and one.taper.full_kwh > one.taper.from_kwh:
                ends = [one.taper.from_kwh, one.taper.full_kwh]
                taken_at_most = np.interp(held, ends, [one.max_kw, one.taper.end_kw])
                yield f"{whose}more than so full a car takes", max(taken - taken_at_most)
            if one.cap_kw:
                yield f"{whose}more than its strategy allows", max(taken - one.cap_kw)
            if one.pace_kwh:
                yield f"{whose}later than its strategy allows", max(one.pace_kwh - held)

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """To pause a car that charges, or to let one that waits charge at its least power."""
        stay = self._stay(t)
        if stay is None:
            return []
        if columns["ev_kw"][t] > _IDLE_KW:
            return [Forced("pausing the car", "ev_kw", 0.0, 0.0)]
        if columns["ev_discharge_kw"][t] > _IDLE_KW:
            return [Forced("taking nothing from the car", "ev_discharge_kw", 0.0, 0.0)]
        return [Forced(f"charging the car at {stay.least_kw:.2f} kW", "ev_kw", stay.least_kw, stay.least_kw)]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Charging positive; nothing where no car is expected. Phases where the charger switches and charges."""
        if self._stay(t) is None:
            return {}
        phases = {"set_phases_count": step["ev_phases"]} if step.get("ev_phases") else {}
        return phases | super().commands(step, t)

    def without_control(self) -> Self:
        """Every car charges from when it comes, at full power, until it has what it needs; it gives nothing back."""
        return self.model_copy(update={"is_uncontrolled": True, "notes": ()})

    def over(self, known: Sequence[tuple[Self, int]]) -> Self:
        """Its stays in other steps: from the charge with which each was begun, to what was wanted last.

        A stay lasts until the departure that was known then, or a step in which no car is there.
        """
        stays = list[tuple[Session, dict[str, Any]]]()
        goes_on = False
        for step, (then, t) in enumerate(known):
            now = then._stay(t)
            if now is None:
                goes_on = False
                continue
            if not goes_on:
                stays.append((now, {"from_step": step, "cap_kw": (), "pace_kwh": ()}))
            begun, changes = stays[-1]
            for name in ("cap_kw", "pace_kwh"):
                if bounds := getattr(now, name):
                    changes[name] += (bounds[t - now.from_step],)
            again = now.model_copy(update=changes | {"to_step": step + 1})
            stays[-1] = again.holding(begun.start_kwh, now.target_kwh), changes
            goes_on = t + 1 < now.to_step
        return self.model_copy(update={"sessions": tuple(stay for stay, _ in stays)})

    def with_state(self, **known: Unpack[ReplayState]) -> Self:
        """The first car begins with that charge, where it is there from the start; the last leaves with that."""
        stays, start, end = list(self.sessions), known.get("start"), known.get("end")
        if stays and start is not None and not stays[0].from_step:
            stays[0] = stays[0].holding(start, stays[0].target_kwh)
        if stays and end is not None:
            stays[-1] = stays[-1].holding(stays[-1].start_kwh, end)
        if (step_h := known.get("step_h")) is not None:
            stays = [one.reachable(step_h[one.steps]) for one in stays]
        return self.model_copy(update={"sessions": tuple(stays)})

    def giving(self, family: str, amount: float | None) -> Self | None:
        """The car leaves with so much less."""
        if family != "ev_departure" or amount is None:
            return None
        return self.with_state(end=self.sessions[-1].target_kwh - amount)

    def unconstrained(self) -> Self:
        """Without a strategy."""
        stays = [one.model_copy(update={"cap_kw": (), "pace_kwh": ()}) for one in self.sessions]
        return self.model_copy(update={"sessions": tuple(stays)})

    def carried(self, columns: Columns, t: int) -> float | None:
        """The charge of a car that stays."""
        stay = self._stay(t)
        return columns["ev_stored_kwh"][t] if stay and t + 1 < stay.to_step else None

    def kept(self, decisions: Numbers, step_h: Floats) -> Numbers:
        """As commanded while a car is present, and ready at departure all the same."""
        found = {name: np.zeros(step_h.size) for name in self.columns}
        for one in self.sessions:
            series = (decisions[name][one.steps] for name in self.columns)
            found["ev_kw"][one.steps], found["ev_discharge_kw"][one.steps] = one.ready(step_h[one.steps], *series)
        return found

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers:
        """Charge from the surplus where it reaches the least power; `kept` ensures that the car is ready."""
        found = {name: np.zeros(step_h.size) for name in self.columns}
        for one in self.sessions:
            spare_kw = np.maximum(-net_kw[one.steps], 0.0)
            found["ev_kw"][one.steps], _ = one.as_early_as_it_can(step_h[one.steps], spare_kw)
        return found

    def _stay(self, t: int) -> Session | None:
        return next((one for one in self.sessions if one.from_step <= t < one.to_step), None)

    def _let_go(self, step_h: Floats) -> Self:
        """The same with every decision taken: as early as it can."""
        stays = []
        for one in self.sessions:
            hours = step_h[one.steps]
            power_kw, stored_kwh = one.as_early_as_it_can(hours, np.full(hours.size, one.max_kw))
            done = {
                "feed_in": None,
                "cap_kw": tuple(power_kw.tolist()),
                "pace_kwh": tuple((stored_kwh - SLACK_KWH).tolist()),
                "energy_kwh": max(min(one.target_kwh, stored_kwh[-1] - SLACK_KWH) - one.start_kwh, 0.0),
            }
            stays.append(one.model_copy(update=done))
        return self.model_copy(update={"sessions": tuple(stays), "is_uncontrolled": False})

    @property
    def _steps(self) -> Places:
        """Every step with a car."""
        none = np.zeros(0, np.int64)
        return np.concatenate([none, *(np.arange(one.from_step, one.to_step) for one in self.sessions)])

    def _each(self, steps: int, of: Callable[[Session], float]) -> Floats:
        """A figure of the stays for each step of the case; 0 where no car is there."""
        values = np.zeros(steps)
        for one in self.sessions:
            values[one.steps] = of(one)
        return values

    def _stayed(self, of: Callable[[Session], ArrayLike]) -> Floats:
        """A figure of the stays for each of their steps, one stay after the other."""
        return np.concatenate([np.broadcast_to(of(one), (one.to_step - one.from_step,)) for one in self.sessions])

    def _range_kw(self, mode: _Mode) -> tuple[Floats, Floats]:
        """The least and the most power of a mode in each step with a car; 0 in a stay that has not this mode."""
        of, none = mode.range_of, PowerRange(min_kw=0.0, max_kw=0.0)
        return self._stayed(lambda s: (of(s) or none).min_kw), self._stayed(lambda s: (of(s) or none).max_kw)

    def _gain(self, x: Values, step_h: Floats) -> Any:
        """Energy added to the battery in each step, kWh: of variables, or of numbers."""
        gain = step_h * self._each(step_h.size, lambda s: s.efficiency) * x["ev_kw"]
        if "ev_discharge_kw" not in x:
            return gain
        per_kw = self._each(step_h.size, lambda s: 1 / s.feed_in.efficiency if s.feed_in else 0.0)
        return gain - step_h * per_kw * x["ev_discharge_kw"]

    def _path(self, columns: Numbers, step_h: Floats) -> Floats:
        gain, held = self._gain(columns, step_h), np.zeros(step_h.size)
        for one in self.sessions:
            held[one.steps] = one.start_kwh + np.cumsum(gain[one.steps])
            held[one.to_step :] = held[one.to_step - 1]
        return np.round(held, DECIMALS) + 0.0


def _outside(power_kw: Floats, ranges: Iterable[PowerRange]) -> float:
    """Distance of the worst of them from zero and from every range, kW."""
    away = np.abs(power_kw)
    for one in ranges:
        away = np.minimum(away, np.maximum(np.maximum(one.min_kw - power_kw, power_kw - one.max_kw), 0.0))
    return float(away.max(initial=0.0))
