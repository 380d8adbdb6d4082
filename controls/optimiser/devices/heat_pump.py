"""A heat pump with an SG-ready interface: four states, of which three are ours to choose and one is its own control.

1 blocked: it does not run. 2 normal: its own control brings the store to its set-point by the end of each step, as far
as its power reaches, and never above. 3 recommended and 4 forced: it runs at one power each, past its set-point.
Source: Regularium SG Ready of the BWP (two hours blocked a day at most); formulas 5.18.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.heat_store import HeatStore, StoreParams
from controls.optimiser.devices.components.switching import Bank, is_short, recent, shortest
from controls.optimiser.devices.device import DECIMALS, AssetState, CaseContext, Forced, Measure, Numbers, Values
from data_quality.contracts.site_file.site import Asset

STATES = ("blocked", "normal", "recommended", "forced")
_DAY_H = 24.0
# Best efficiencies of Carnot's that machines reach are about half of it; above six none is promised.
_COP_MOST = 6.0
_ZERO_K = 273.15


class HeatPumpParams(StoreParams):
    """Heat pump and store figures of a site file. Powers are electric.

    COP: points [[degrees outdoors, cop], ...], or the share of Carnot's at flow_degc. Where no outdoor temperature is
    known, that of design_degc holds, the coldest one: heat is then planned dearer than it is, never cheaper.
    """

    normal_kw: float = Field(gt=0)
    recommended_kw: float | None = Field(default=None, gt=0)
    forced_kw: float | None = Field(default=None, gt=0)
    normal_degc: float
    cop_points: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)] | None = None
    carnot_share: float = Field(default=0.4, gt=0, le=0.7)
    flow_degc: float = 45.0
    design_degc: float = -12.0
    min_state_h: float = Field(default=0.25, ge=0)
    blocked_max_h: float = Field(default=2.0, ge=0, le=2)

    @model_validator(mode="after")
    def _set_point_is_inside(self) -> Self:
        if not self.empty_degc <= self.normal_degc <= self.full_degc:
            raise ValueError(
                f"normal_degc {self.normal_degc:g} must lie within {self.empty_degc:g}..{self.full_degc:g}"
            )
        return self

    def cops(self, outdoor_degc: Floats) -> Floats:
        """Heat per electricity: between the points on straight lines, or the share of Carnot's, 6 at most."""
        if self.cop_points:
            points = sorted(self.cop_points)
            found: Floats = np.interp(outdoor_degc, [at for at, _ in points], [cop for _, cop in points])
            return found
        lift_k = np.maximum(self.flow_degc - outdoor_degc, 1.0)
        return np.clip(self.carnot_share * (self.flow_degc + _ZERO_K) / lift_k, 1.0, _COP_MOST)


class HeatPump(HeatStore):
    """Powers are electric. cop_basis: where the COP comes from, in words. state_before, since_h: at the start.

    blocked_before_h: hours blocked in the 24 before the plan. normal_kwh: the set-point of its own control.
    """

    kind = "heat_pump"
    params = HeatPumpParams
    limits: ClassVar = {**HeatStore.limits, "minimum_on": "states", "blocked_hours": "h"}
    means: ClassVar = {
        **HeatStore.means,
        "minimum_on": "keeps a state for its minimum time",
        "blocked_hours": "is blocked for at most {part.blocked_max_h:g} h in 24",
    }
    case_key = "heat_pump"
    case_names: ClassVar = {
        **HeatStore.case_names,
        "normal": "normal_kwh",
        **{name: name for name in ("normal_kw", "recommended_kw", "forced_kw", "min_state_h", "blocked_max_h")},
    }
    measure = Measure(reading="read_store_degc", code="store", words="the temperature of the store")
    wants_outdoor = True
    columns = ("heat_pump_kw",)
    moves: ClassVar = {"heat_pump_kw": "heats"}
    power_column = "heat_pump_kw"
    level_column = "store_end_kwh"
    limit_words: ClassVar = {
        **HeatStore.limit_words,
        **{f"stay_on_{state}": f"must stay {state} for its minimum time" for state in STATES},
        "own_window_reaches": "holds its own set-point",
        "own_window_stops": "holds its own set-point",
        "blocked_hours": "may be blocked no longer in 24 hours",
    }
    normal_kwh: float
    normal_kw: float = Field(gt=0)
    recommended_kw: float = Field(gt=0)
    forced_kw: float = Field(gt=0)
    min_state_h: float = Field(default=0.25, ge=0)
    blocked_max_h: float = Field(default=2.0, ge=0)
    blocked_before_h: float = Field(default=0.0, ge=0)
    state_before: Literal[1, 2, 3, 4] = 2
    since_h: float = Field(default=_DAY_H, ge=0)
    cop_basis: str = ""

    @model_validator(mode="after")
    def _set_point_is_inside(self) -> Self:
        if not self.min_kwh <= self.normal_kwh <= self.max_kwh:
            raise ValueError(f"normal {self.normal_kwh} must lie within {self.min_kwh}..{self.max_kwh}")
        return self

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """It ends with at least the heat it begins with, as far as its states can; it has been normal for long."""
        params: HeatPumpParams = cls.figures(asset, given.site_id)
        steps = len(given.import_price_per_kwh)
        known = given.outdoor_degc
        basis = "forecast of the outdoor temperature" if known else f"no forecast: as at {params.design_degc:g} °C"
        made = cls.model_validate(
            params.store(asset, given)
            | {
                "cop": tuple(params.cops(np.array(known or (params.design_degc,) * steps)).round(DECIMALS).tolist()),
                "cop_basis": basis,
                "normal_kwh": params.kwh(params.normal_degc),
                "normal_kw": params.normal_kw,
                "recommended_kw": params.recommended_kw or params.normal_kw,
                "forced_kw": params.forced_kw or params.normal_kw,
                "min_state_h": params.min_state_h,
                "blocked_max_h": params.blocked_max_h,
            }
        )
        return made.ending(given, least_kw=min(made.recommended_kw, made.forced_kw), least_h=made.min_state_h)

    @property
    def band_kwh(self) -> tuple[float, float]:
        """Its own control holds the set-point."""
        return self.normal_kwh, self.normal_kwh

    @property
    def own_max_kw(self) -> float:
        """Its power in the normal state."""
        return self.normal_kw

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Its highest power; it never feeds in."""
        return max(self.normal_kw, self.recommended_kw, self.forced_kw), 0.0

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """One binary per state and step; what its own control draws, whether it calls for heat, and whether for all."""
        found = self.store(program, around)
        if not self.is_planned:
            return found
        for name in (*(f"is_{state}" for state in STATES), "calls", "calls_all"):
            found[name] = self.new(program, name, around.steps, upper=1.0, is_integer=True)
        for state in STATES if not is_short(around.step_h, self.min_state_h) else ():
            found[f"starts_{state}"] = self.new(program, f"starts_{state}", around.steps)
        return found | {"own_kw": self.new(program, "own_kw", around.steps)}

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """The heat, one state at a time with its power, minimum times, hours blocked, and its own control."""
        if not self.is_planned:
            return
        yield from self.store_rows(x, around)
        blocked, normal, recommended, forced = (x[f"is_{state}"] for state in STATES)
        yield Row("states", "one_state", blocked + normal + recommended + forced == 1.0)
        power_kw = x["own_kw"] + self.recommended_kw * recommended + self.forced_kw * forced
        yield Row("states", "power", x["heat_pump_kw"] == power_kw)
        for n, state in enumerate(STATES, 1):
            on_h = (self.since_h,) if n == self.state_before else ()
            bank = Bank(f"_{state}", 1, x[f"is_{state}"], x.get(f"starts_{state}"), on_h, ())
            yield from bank.rows(around.step_h, min_on_h=self.min_state_h, min_off_h=0.0)
        at_h = np.cumsum(around.step_h) - around.step_h
        past_h = np.where(at_h < _DAY_H, self.blocked_before_h, 0.0)
        # Of any 24 hours, not of a calendar day: no clock change and no midnight gives it twice.
        blocked_h = recent(around.step_h * blocked, at_h, _DAY_H)
        yield Row(
            "blocked_hours", "blocked_hours", blocked_h + past_h <= max(self.blocked_max_h, self.blocked_before_h)
        )
        yield from self._own_control(x, around)

    def _own_control(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """In the normal state the store ends at its set-point, or above with no heat, or below with all of it.

        Factors go as far as heat can fall or rise in the steps; rows of the window's family say what it leaves of that.
        """
        normal, calls, full, level = x["is_normal"], x["calls"], x["calls_all"], x["level_kwh"][1:]
        yield Row("own_control", "own_most", x["own_kw"] <= self.normal_kw * calls)
        yield Row("own_control", "own_all", x["own_kw"] >= self.normal_kw * full)
        yield Row("own_control", "calls_normal", calls <= normal)
        yield Row("own_control", "calls_all_calls", full <= calls)
        most_kw = self.reach_kw()[0]
        fall_kwh = self.init_kwh - np.cumsum(np.maximum(self.gone_kwh(around.step_h), 0.0))
        rise_kwh = self.init_kwh + np.cumsum(around.step_h * np.array(self.cop) * most_kw)
        for family, low, high in (
            ("own_control", np.minimum(fall_kwh, self.normal_kwh), np.maximum(rise_kwh, self.normal_kwh)),
            ("tank_window", np.full(level.size, self.min_kwh), np.full(level.size, self.max_kwh)),
        ):
            name = "own" if family == "own_control" else "own_window"
            heated = level >= self.normal_kwh - (self.normal_kwh - low) * (1.0 - normal + full)
            yield Row(family, f"{name}_reaches", heated)
            yield Row(family, f"{name}_stops", level <= self.normal_kwh + (high - self.normal_kwh) * (1.0 - calls))

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Power, heat and state (1 to 4): power follows from the states, step by step as the machine itself does."""
        if not self.is_planned:
            return self.stored(self.thermostat_kw(step_h), step_h) | {"sg_ready_state": np.full(step_h.size, 2.0)}
        states = np.argmax([values[f"is_{state}"] for state in STATES], axis=0) + 1.0
        power_kw, level = np.zeros(step_h.size), self.init_kwh
        cop, gone_kwh = np.array(self.cop) + np.zeros(step_h.size), self.gone_kwh(step_h)
        for t, state in enumerate(states.tolist()):
            power_kw[t] = self._power_kw(state, level - gone_kwh[t], step_h[t] * cop[t])
            level += step_h[t] * cop[t] * power_kw[t] - gone_kwh[t]
        return self.stored(np.round(power_kw, DECIMALS), step_h) | {"sg_ready_state": states}

    def _power_kw(self, state: float, left_kwh: float, heat_per_kw: float) -> float:
        """In a step that would end with `left_kwh` without heat."""
        own_kw = min(max((self.normal_kwh - left_kwh) / heat_per_kw, 0.0), self.normal_kw)
        return (0.0, own_kw, self.recommended_kw, self.forced_kw)[int(state) - 1]

    def warm_start(self, columns: Numbers) -> Numbers:
        """Which state it is in, too."""
        states = columns.get("sg_ready_state", np.zeros(0))
        return columns | {f"is_{state}": (states == n).astype(float) for n, state in enumerate(STATES, 1)}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The rules of its store, and of its states one by one."""
        yield from self.store_errors(columns, step_h)
        if not self.is_planned:
            return
        states, power_kw = columns["sg_ready_state"], columns["heat_pump_kw"]
        yield "a state that there is not", np.abs(states - np.clip(np.round(states), 1, 4))
        before_kwh = np.concatenate([[self.init_kwh], columns["store_end_kwh"][:-1]])
        left_kwh, heat_per_kw = before_kwh - self.gone_kwh(step_h), step_h * np.array(self.cop)
        expected_kw = [
            self._power_kw(*one)
            for one in zip(np.clip(states, 1, 4), left_kwh, heat_per_kw + 0 * left_kwh, strict=True)
        ]
        yield "another power than its state's", np.abs(power_kw - expected_kw)
        for n, name in enumerate(STATES, 1):
            is_in, was_in = (states == n).astype(float), self.state_before == n
            short_h = shortest(
                is_in,
                step_h,
                was_on=was_in,
                since_h=self.since_h if was_in else _DAY_H,
                least_on_h=self.min_state_h,
                least_off_h=0.0,
            )
            yield f"{name} for less than its minimum time", short_h
        ends_h, blocked_h = np.cumsum(step_h), step_h * (states == 1)
        for t, end_h in enumerate(ends_h.tolist()):
            begins_h = ends_h[: t + 1] - step_h[: t + 1]
            within = begins_h > begins_h[t] - _DAY_H + 1e-9
            past_h = self.blocked_before_h if end_h <= _DAY_H else 0.0
            allowed_h = max(self.blocked_max_h, self.blocked_before_h)
            yield (
                f"blocked too long in the 24 hours to step {t}",
                float(blocked_h[: t + 1][within].sum() + past_h - allowed_h),
            )

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Each other state."""
        if not self.is_planned:
            return []
        now = STATES[int(columns["sg_ready_state"][t]) - 1]
        return [Forced(f"state {state}", f"is_{state}", 1.0, 1.0) for state in STATES if state != now]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Its state, 1 to 4."""
        return {"set_sg_ready_state": step["sg_ready_state"]} if self.is_planned else {}
