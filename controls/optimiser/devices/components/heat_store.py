"""Heat in a tank or in the mass of a building: balance, bounds, comfort, and the thermostat where nobody plans it."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.device import (
    AssetState,
    CaseContext,
    Columns,
    Device,
    Numbers,
    State,
    Values,
    clean,
    followed,
    guarded_degc,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.site import Asset

# One value, or one a step.
Series = float | tuple[float, ...]
# A sensor that says a little more than full, or less than empty, is believed; beyond, it is not.
_ODD_SHARE = 0.1


class StoreParams(Model):
    """Heat store figures of a site file; further figures belong to what heats it.

    capacity_kwh: between empty_degc, where its heat is useless, and full_degc, which is never passed. draw_kw: one
    value, or 24 by local hour. comfort_degc: less is allowed, for comfort_price_per_kwh_h. While nobody is at home
    away_degc are enough (None: as much as lets its own thermostat begin, and without one as much as ever), and
    away_draw_share of what is drawn; empty_degc holds all the same.
    """

    capacity_kwh: float = Field(gt=0)
    empty_degc: float = Field(ge=-50, le=150)
    full_degc: float = Field(ge=-50, le=150)
    loss_kw: float = Field(default=0.0, ge=0)
    draw_kw: float | Annotated[tuple[float, ...], Field(min_length=24, max_length=24)] = 0.0
    comfort_degc: float | None = None
    comfort_price_per_kwh_h: float = Field(default=0.0, ge=0)
    thermostat_on_degc: float | None = None
    thermostat_off_degc: float | None = None
    away_degc: float | None = None
    away_draw_share: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _temperatures_rise(self) -> Self:
        inside = [self.thermostat_on_degc, self.thermostat_off_degc]
        rising = [self.empty_degc, *(one for one in inside if one is not None), self.full_degc]
        if sorted(set(rising)) != rising:
            raise ValueError(f"temperatures must rise: {', '.join(f'{one:g}' for one in rising)}")
        if self.away_degc is not None and not self.empty_degc <= self.away_degc <= self.full_degc:
            raise ValueError(f"away_degc {self.away_degc:g} must lie within {self.empty_degc:g}..{self.full_degc:g}")
        return self

    def least_away_degc(self, asset: Asset) -> float | None:
        """Least temperature during absence, never below the asset's guard; None: the usual one."""
        least = self.thermostat_on_degc if self.away_degc is None else self.away_degc
        hard = guarded_degc(asset)
        return least if least is None or hard is None else max(least, hard)

    def kwh(self, degc: float | None) -> float | None:
        """Heat stored at a temperature."""
        if degc is None:
            return None
        return self.capacity_kwh * (degc - self.empty_degc) / (self.full_degc - self.empty_degc)

    def store(self, asset: Asset, given: AssetState) -> dict[str, Any]:
        """The fields of a HeatStore at planning time. Raises BadInput for a state that its figures do not hold."""
        state_kwh = given.state
        if state_kwh is None or not -_ODD_SHARE <= state_kwh / self.capacity_kwh <= 1 + _ODD_SHARE:
            amount = "nothing" if state_kwh is None else f"{state_kwh:.2f} kWh"
            message = (
                f"site {given.site_id}, asset {asset.asset_id!r}: it holds {amount}, outside 0.."
                f"{self.capacity_kwh:g} kWh: repair its sensor, or params.empty_degc and params.full_degc"
            )
            raise BadInput(message, reason="bad_state")
        start_kwh = min(max(state_kwh, 0.0), self.capacity_kwh)
        steps = len(given.import_price_per_kwh)
        away, end_kwh = given.away_steps, start_kwh if given.end is None else given.end
        comfort_kwh, least_kwh = self.kwh(self.comfort_degc) or 0.0, self.kwh(self.least_away_degc(asset))
        comfort: Series = comfort_kwh
        if away and comfort_kwh and least_kwh is not None:
            comfort = tuple(min(comfort_kwh, least_kwh) if t < away else comfort_kwh for t in range(steps))
        if away >= steps and least_kwh is not None:
            end_kwh = min(end_kwh, least_kwh)
        return {
            "device_id": asset.asset_id,
            "draw_kw": tuple(
                kw * (self.away_draw_share if t < away else 1.0)
                for t, kw in enumerate(given.by_hour(self.draw_kw, steps))
            ),
            "loss_kw": self.loss_kw,
            "max_kwh": self.capacity_kwh,
            "init_kwh": start_kwh,
            "end_min_kwh": end_kwh,
            "comfort_min_kwh": comfort,
            "comfort_price_per_kwh_h": self.comfort_price_per_kwh_h if comfort_kwh else 0.0,
            "thermostat_on_kwh": self.kwh(self.thermostat_on_degc),
            "thermostat_off_kwh": self.kwh(self.thermostat_off_degc),
            # Nothing between on and off is 30 % of a rating: in PARTIAL its own thermostat heats.
            "is_planned": given.share >= 1,
        }


class HeatStore(Device):
    """Heat in kWh above what is useless, powers of heat and of electricity in kW; `cop` is heat per electricity.

    power_column, level_column: what its series call its electric power and the heat stored at the end of each step.
    is_planned: where not, nothing is commanded and its own thermostat heats (`thermostat_kw`).
    """

    kind = ""
    limits: ClassVar = {"tank_window": "kwh", "tank_end": "kwh"}
    means: ClassVar = {
        "tank_window": "holds between {part.min_kwh:g} and {part.max_kwh:g} kWh of heat",
        "tank_end": "ends with at least {part.end_min_kwh:g} kWh of heat",
    }
    per_step = ("draw_kw",)
    or_per_step = ("cop", "loss_kw", "comfort_min_kwh")
    case_names: ClassVar = {
        **{name: name for name in ("cop", "loss_kw", "draw_kw")},
        "min": "min_kwh",
        "max": "max_kwh",
        "init": "init_kwh",
        "end_min": "end_min_kwh",
    }
    # Decided before anybody knows which scenario comes.
    is_slow = True
    power_column: ClassVar[str]
    level_column: ClassVar[str]
    limit_words: ClassVar = {
        "floor": "holds as little heat as it may",
        "ceiling": "is full",
        "end": "must end with enough heat",
    }

    cop: Series = 1.0
    loss_kw: Series = 0.0
    draw_kw: tuple[float, ...] = Field(description="Heat taken out in each step")
    min_kwh: float = 0.0
    max_kwh: float
    init_kwh: float
    end_min_kwh: float
    comfort_min_kwh: Series = Field(default=0.0, description="Wanted; less costs comfort_price_per_kwh_h")
    comfort_price_per_kwh_h: float = Field(default=0.0, ge=0, description="Per kWh missing at a step's end, and hour")
    thermostat_on_kwh: float | None = Field(default=None, description="Its own thermostat heats below; None: min_kwh")
    thermostat_off_kwh: float | None = Field(default=None, description="It heats up to here; None: max_kwh")
    is_planned: bool = True

    @model_validator(mode="after")
    def _figures_fit(self) -> Self:
        if self.min_kwh > self.max_kwh:
            raise ValueError(f"min {self.min_kwh} must not be above max {self.max_kwh}")
        low, high = self.band_kwh
        if not self.min_kwh <= low <= high <= self.max_kwh:
            raise ValueError(f"thermostat {low}..{high} kWh must lie within {self.min_kwh}..{self.max_kwh}")
        for name in self.or_per_step:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != len(self.draw_kw):
                raise ValueError(f"{name} has {len(value)} values, draw {len(self.draw_kw)}")
        if np.min(self.cop) <= 0:
            raise ValueError("cop must be above 0")
        return self

    @classmethod
    def measured(cls, asset: Asset, site_id: str, reading: float) -> float:
        """Heat in kWh of a store that reports its temperature."""
        return float(cls.figures(asset, site_id).kwh(reading) or 0.0)

    @classmethod
    def away(cls, asset: Asset, site_id: str) -> Text:
        """Temperature that it keeps, and whether anybody draws from it."""
        params: StoreParams = cls.figures(asset, site_id)
        least = params.least_away_degc(asset)
        if least is None:
            return ""
        pattern = "{0} °C are enough" if params.away_draw_share else "{0} °C are enough, and no hot water is drawn"
        return Sentence(pattern, f"{least:g}")

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float, str]:
        """Half way between the temperatures of its thermostat, or of its store."""
        params: StoreParams = cls.figures(asset, site_id)
        low, high = params.thermostat_on_degc, params.thermostat_off_degc
        low, high = params.empty_degc if low is None else low, params.full_degc if high is None else high
        return cls.measured(asset, site_id, (low + high) / 2), f"at {(low + high) / 2:g} °C"

    def ending(self, given: AssetState, *, least_kw: float, least_h: float) -> Self:
        """The same at planning time, where power comes in whole portions: the smallest lasts least_h, whole steps.

        No end within less than a portion of its ceiling can be hit: a store that begins so full may end that much
        below the ceiling.
        """
        lasts_h = given.step_h * max(np.ceil(least_h / given.step_h - 1e-9), 1.0)
        most_kwh = max(self.max_kwh - lasts_h * float(np.max(self.cop)) * least_kw, self.min_kwh)
        return self.model_copy(update={"end_min_kwh": min(self.end_min_kwh, most_kwh)})

    @property
    def band_kwh(self) -> tuple[float, float]:
        """Temperatures at which its thermostat begins and ends to heat."""
        low = self.min_kwh if self.thermostat_on_kwh is None else self.thermostat_on_kwh
        return low, self.max_kwh if self.thermostat_off_kwh is None else self.thermostat_off_kwh

    @property
    def state(self) -> State:
        """The heat stored, kWh."""
        return State(self.level_column, self.init_kwh, self.max_kwh, "heat", "kWh", self.end_min_kwh)

    @property
    @abstractmethod
    def own_max_kw(self) -> float:
        """The electric power with which its own thermostat heats."""

    def gone_kwh(self, step_h: Floats) -> Floats:
        """Heat drawn and lost in each step."""
        gone_kw: Floats = np.array(self.draw_kw) + np.array(self.loss_kw)
        return step_h * gone_kw

    def levels_kwh(self, power_kw: Floats, step_h: Floats) -> Floats:
        """The heat stored at the end of each step that follows from the electric power."""
        return followed(self.init_kwh, step_h * np.array(self.cop) * power_kw - self.gone_kwh(step_h))

    def store(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Variables of every heat store: power, level (one more: the start), and what is missing of the comfort."""
        if not self.is_planned:
            fixed = self.thermostat_kw(around.step_h)
            return {self.power_column: self.new(program, "kw", around.steps, lower=fixed, upper=fixed)}
        found = {
            self.power_column: self.new(program, "kw", around.steps),
            # Free of bounds: its window is rows, which a conflict can name.
            "level_kwh": self.new(program, "kwh", around.steps + 1, lower=-INF),
        }
        if self.comfort_price_per_kwh_h:
            found["missing_kwh"] = self.new(program, "missing_kwh", around.steps)
        return found

    def store_rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """Heat follows from the power and stays in its window; what is missing of the comfort is at least so much."""
        power, level = x[self.power_column], x["level_kwh"]
        yield Row("tank_start", "start", level[0] == self.init_kwh)
        heat_kwh = around.step_h * np.array(self.cop) * power
        yield Row("tank_balance", "heat", level[1:] == level[:-1] + heat_kwh - self.gone_kwh(around.step_h))
        yield Row("tank_window", "floor", level[1:] >= self.min_kwh)
        yield Row("tank_window", "ceiling", level[1:] <= self.max_kwh)
        yield Row("tank_end", "end", level[-1] >= self.end_min_kwh)
        if "missing_kwh" in x:
            yield Row("comfort", "comfort", x["missing_kwh"] >= np.array(self.comfort_min_kwh) - level[1:])

    def drawn_kw(self, x: Values) -> Any:
        """Its electric power."""
        return x[self.power_column]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Comfort that is missing."""
        if self.comfort_price_per_kwh_h and self.is_planned:
            # Numbers hold none: it follows from the level.
            missing = x["missing_kwh"] if "missing_kwh" in x else clean(self.comfort_min_kwh - x[self.level_column])
            yield "comfort", step_h * self.comfort_price_per_kwh_h * missing

    def stored(self, power_kw: Floats, step_h: Floats) -> Numbers:
        """The two series of every heat store."""
        return {self.power_column: power_kw, self.level_column: self.levels_kwh(power_kw, step_h)}

    def store_errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement."""
        power_kw, level_kwh = columns[self.power_column], columns[self.level_column]
        # Goes on from the stated level, not from the expected one: each step answers for its own error.
        before_kwh = np.concatenate([[self.init_kwh], level_kwh[:-1]])
        flow_kw = np.array(self.cop) * power_kw - np.array(self.loss_kw) - np.array(self.draw_kw)
        yield "heat balance", np.abs(level_kwh - before_kwh - step_h * flow_kw)
        yield "a power below zero", -power_kw
        if self.is_planned:
            yield "heat below its floor", self.min_kwh - level_kwh
            yield "heat above its ceiling", level_kwh - self.max_kwh
            yield "the end: heat below the wanted one", self.end_min_kwh - level_kwh[-1]
        else:
            yield "another power than its thermostat's", np.abs(power_kw - self.thermostat_kw(step_h))

    def without_control(self) -> Self:
        """Its own thermostat."""
        return self.model_copy(update={"is_planned": False})

    def giving(self, family: str, amount: float | None) -> Self:
        """It ends with so much less; where that does not do, its own thermostat heats."""
        if family != "tank_end" or not amount:
            return self.without_control()
        return self.model_copy(update={"end_min_kwh": max(self.end_min_kwh - amount, self.min_kwh)})

    def ending_as(self, columns: Columns) -> Self:
        """Whole relays and states leave more than the least that is asked for: that more was paid for too."""
        return self.model_copy(update={"end_min_kwh": columns[self.level_column][-1]})

    def thermostat_kw(self, step_h: Floats, spare_kw: ArrayLike = 0.0) -> Floats:
        """Mean electric power in each step where its own thermostat heats and nobody plans.

        spare_kw: power that it takes besides, up to its ceiling, whatever the thermostat says.

        Where heat would fall below the band, it heats as fast as it can until the top of the band is reached, within
        a step too. Its last steps heat less or more, so that it ends, where it can, with what a plan must end with:
        a saving is never heat borrowed from tomorrow, nor heat left over.
        """
        most_kwh, gone_kwh = step_h * np.array(self.cop) * self.own_max_kw, self.gone_kwh(step_h)
        (low, high), level, is_heating = self.band_kwh, self.init_kwh, False
        heat_kwh, spare_kwh = np.zeros(step_h.size), np.minimum(step_h * np.array(self.cop) * spare_kw, most_kwh)
        for t in range(step_h.size):
            left = level - gone_kwh[t]
            is_heating = is_heating or left < low
            heat_kwh[t] = min(max(high - left, 0.0), most_kwh[t]) if is_heating else 0.0
            heat_kwh[t] = max(heat_kwh[t], min(spare_kwh[t], self.max_kwh - left))
            level = left + heat_kwh[t]
            is_heating = is_heating and level < high
        for t in reversed(range(step_h.size)):
            levels_kwh = self.init_kwh + np.cumsum(heat_kwh - gone_kwh)
            wanted_kwh = self.end_min_kwh - levels_kwh[-1]
            # Every later level moves along, and has to stay in its bounds.
            room_kwh = max(min(self.max_kwh - levels_kwh[t:].max(), most_kwh[t] - heat_kwh[t]), 0.0)
            less_kwh = max(min(levels_kwh[t:].min() - self.min_kwh, heat_kwh[t]), 0.0)
            heat_kwh[t] += min(max(wanted_kwh, -less_kwh), room_kwh)
        return clean(heat_kwh / (step_h * np.array(self.cop)))
