"""A room with a heater on a relay: one temperature, the heat that it keeps, and what leaving its band costs.

C dT/dt = (outdoor - T) / R + heater + gains, exact over each step in which all of these stand still: with
a = exp(-hours / (R C)), T' = a T + (1 - a) (outdoor + R (heater + gains)). Its band is soft (resolution C4.4): what is
below or above it costs a price per kelvin and hour. Heat that is left at the end is worth what it would cost to make.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.switching import InShares
from controls.optimiser.devices.device import (
    DECIMALS,
    AssetState,
    CaseContext,
    Device,
    Forced,
    Measure,
    Numbers,
    ReplayState,
    State,
    Values,
    guarded_degc,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.site import Asset

Degrees = Annotated[float, Field(ge=-60, le=80)]
Positive = Annotated[float, Field(gt=0)]
ByHour = Annotated[tuple[float, ...], Field(min_length=24, max_length=24)]
# What a kelvin and hour outside the band costs where nobody says: dearer than any heat that would prevent it.
_COMFORT_PRICE = 1.0
# An empty room is kept from damp, and whatever a site file says, from frost.
AWAY_DEGC, FROST_DEGC = 16.0, 7.0
_LEAST_KEPT_H = 1.0


class _Figures(Model):
    # A site file and a case file have the same names for these.
    heater_kw: Positive
    r_k_per_kw: Positive | tuple[Positive, ...] = Field(description="Kelvin that one kW holds against the outside")
    c_kwh_per_k: Positive
    comfort_price_per_kh: float = Field(default=_COMFORT_PRICE, ge=0, description="Below its band")
    hot_price_per_kh: float = Field(default=_COMFORT_PRICE / 2, ge=0, description="Above its band")


class RoomParams(_Figures):
    """Room figures of a site file; a band and gains are one value, or 24 by local hour.

    priority: how much its comfort counts beside that of other rooms. outdoor_degc: where nobody forecasts it.
    away_low_degc: the lower edge of its band while nobody is at home, where the usual one is not lower. walls: kW/K by
    the asset_id of the room behind each; told at one of the two.
    """

    r_k_per_kw: Positive
    low_degc: Degrees | ByHour
    high_degc: Degrees | ByHour
    gain_kw: float | ByHour = 0.0
    priority: Positive = 1.0
    outdoor_degc: Degrees = 0.0
    away_low_degc: Annotated[float, Field(ge=FROST_DEGC, le=30)] = AWAY_DEGC
    walls: dict[str, Positive] = {}

    @model_validator(mode="after")
    def _keeps_its_heat(self) -> Self:
        # Shorter than a step, what is left of its heat is so small a coefficient that HiGHS takes worse plans for best.
        if (hours := self.r_k_per_kw * self.c_kwh_per_k) < _LEAST_KEPT_H:
            raise ValueError(f"r_k_per_kw times c_kwh_per_k is {hours:g} h; a room keeps its heat for 1 h at least")
        return self


def as_room(asset: Asset) -> Asset:
    """A heating relay with the name of its room as that room; any other asset as it is."""
    room = asset.params.get("room")
    if asset.kind != "heating_relay" or not isinstance(room, Mapping):
        return asset
    params = {"heater_kw": asset.params.get("power_kw"), **room}
    return asset.model_copy(update={"kind": "room", "params": params})


class Room(InShares, Device, _Figures):
    """Series have one value a step. init_degc: at the start; heat_value_per_kwh: of heat left at the end.

    r_k_per_kw: one value, or one a step: an open window lets more go. is_planned: where not, its thermostat heats.
    """

    kind = "room"
    params = RoomParams
    means: ClassVar = {}
    per_step = ("outdoor_degc", "gain_kw", "low_degc", "high_degc")
    or_per_step = ("r_k_per_kw",)
    case_key = "rooms"
    case_is_list = True
    case_names: ClassVar = {
        name: name for name in (*_Figures.model_fields, *per_step, "init_degc", "heat_value_per_kwh")
    }
    measure = Measure(reading="read_room_degc", code="room", words="the temperature of the room")
    columns = ("heating_kw",)
    moves: ClassVar = {"heating_kw": "heats"}
    # Its heat moves slowly: what it does is decided before anybody knows which scenario comes.
    is_slow = wants_outdoor = True

    outdoor_degc: tuple[float, ...]
    gain_kw: tuple[float, ...]
    low_degc: tuple[float, ...]
    high_degc: tuple[float, ...]
    init_degc: float
    heat_value_per_kwh: float = Field(default=0.0, ge=0)
    is_planned: bool = True

    @model_validator(mode="after")
    def _band_is_open(self) -> Self:
        if any(low > high for low, high in zip(self.low_degc, self.high_degc, strict=False)):
            raise ValueError("low_degc must not be above high_degc")
        if isinstance(self.r_k_per_kw, tuple) and len(self.r_k_per_kw) != len(self.outdoor_degc):
            raise ValueError(f"r_k_per_kw has {len(self.r_k_per_kw)} values, outdoor_degc {len(self.outdoor_degc)}")
        return self

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """Its band by the local clock; where it may use but a share of its heater, its own thermostat heats."""
        params: RoomParams = cls.figures(asset, given.site_id)
        steps = len(given.import_price_per_kwh)
        if given.state is None or not -60 <= given.state <= 80:
            message = (
                f"site {given.site_id}, asset {asset.asset_id!r}: its temperature is {given.state}: repair its sensor"
            )
            raise BadInput(message, reason="bad_state")
        least, away = _least_away_degc(params, asset), given.away_steps
        lows = tuple(
            min(low, least) if t < away else low for t, low in enumerate(given.by_hour(params.low_degc, steps))
        )
        return cls.model_validate(
            {name: getattr(params, name) for name in ("heater_kw", "r_k_per_kw", "c_kwh_per_k")}
            | {name: given.by_hour(getattr(params, name), steps) for name in ("high_degc", "gain_kw")}
            | {"low_degc": lows}
            | {name: params.priority * getattr(params, name) for name in ("comfort_price_per_kh", "hot_price_per_kh")}
            | {
                "device_id": asset.asset_id,
                "outdoor_degc": given.outdoor_degc or (params.outdoor_degc,) * steps,
                "init_degc": given.state,
                "heat_value_per_kwh": max(float(np.mean(given.import_price_per_kwh)), 0.0),
                "is_planned": given.share >= 1,
            }
        )

    @classmethod
    def away(cls, asset: Asset, site_id: str) -> Text:
        """The lower edge of its band."""
        return Sentence("{0} °C are enough", f"{_least_away_degc(cls.figures(asset, site_id), asset):g}")

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float, str]:
        """The highest lower edge of its comfort band: as a thermostat keeps it."""
        low = cls.figures(asset, site_id).low_degc
        degc = max(low) if isinstance(low, tuple) else low
        return degc, f"at {degc:g} °C"

    @property
    def state(self) -> State:
        """Its temperature."""
        return State("room_degc", self.init_degc, 10.0, "temperature", "degC")

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Its heater."""
        return self.heater_kw, 0.0

    def kept_share(self, step_h: Floats) -> Floats:
        """Which share of its distance from where it would settle is left after each step."""
        share: Floats = np.exp(-step_h / (np.array(self.r_k_per_kw) * self.c_kwh_per_k))
        return share

    def pulls_degc(self, step_h: Floats) -> tuple[Floats, Floats]:
        """Gain of each step on top of the kept share of the temperature, °C: heater off, and the heater's own."""
        left, r = 1.0 - self.kept_share(step_h), np.array(self.r_k_per_kw)
        return left * (np.array(self.outdoor_degc) + r * np.array(self.gain_kw)), left * r * self.heater_kw

    def temperatures_degc(self, is_on: Floats, step_h: Floats) -> Floats:
        """At the end of each step. is_on: share of each step that the heater is on."""
        kept, (off, heated) = self.kept_share(step_h), self.pulls_degc(step_h)
        found, now = np.zeros(step_h.size), self.init_degc
        for t, (share, pull) in enumerate(zip(kept.tolist(), (off + heated * is_on).tolist(), strict=True)):
            now = share * now + pull
            found[t] = now
        return found

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """A switching a step, the temperature (one more: the start), and kelvins outside the band."""
        fixed = None if self.is_planned else self.thermostat(around.step_h)
        low, high = (0.0, 1.0) if fixed is None else (fixed, fixed)
        whole = self.is_whole(around.step_h)
        return {
            "is_on": self.new(program, "is_on", around.steps, lower=low, upper=high, is_integer=whole),
            "degc": self.new(program, "degc", around.steps + 1, lower=-INF),
            "below_k": self.new(program, "below_k", around.steps),
            "above_k": self.new(program, "above_k", around.steps),
        }

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """The temperature follows; what is outside the band is at least so much."""
        degc, (off, heated) = x["degc"], self.pulls_degc(around.step_h)
        yield Row("room_start", "start", degc[0] == self.init_degc)
        yield Row(
            "room_heat", "heat", degc[1:] - self.kept_share(around.step_h) * degc[:-1] - heated * x["is_on"] == off
        )
        yield Row("comfort", "below", x["below_k"] >= np.array(self.low_degc) - degc[1:])
        yield Row("comfort", "above", x["above_k"] >= degc[1:] - np.array(self.high_degc))

    def drawn_kw(self, x: Values) -> Any:
        """Its heater's power."""
        return self.heater_kw * x["is_on"] if "is_on" in x else x["heating_kw"]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Kelvin-hours outside the band, and heat that is borrowed from whoever goes on."""
        below, above = self._outside_k(x)
        yield "comfort", step_h * self.comfort_price_per_kh * below
        yield "comfort", step_h * self.hot_price_per_kh * above
        last = x["degc"][-1:] if "degc" in x else x["room_degc"][-1]
        yield "stored", self.heat_value_per_kwh * self.c_kwh_per_k * (self.init_degc - last)

    def _outside_k(self, x: Values) -> tuple[Any, Any]:
        if "below_k" in x:
            return x["below_k"], x["above_k"]
        degc = x["room_degc"]
        return np.maximum(np.array(self.low_degc) - degc, 0.0), np.maximum(degc - np.array(self.high_degc), 0.0)

    def discomfort_kh(self, columns: Numbers, step_h: Floats) -> float:
        """Kelvin-hours outside its band, either way."""
        below, above = self._outside_k(columns)
        return float(np.sum(step_h * (below + above)))

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Power and temperature, from whole switchings and shares of long steps."""
        shares = np.clip(np.round(values["is_on"], DECIMALS), 0.0, 1.0)
        return self.heated(np.where(self.is_whole(step_h), np.round(shares), shares), step_h)

    def heated(self, is_on: Floats, step_h: Floats) -> Numbers:
        """Its series from its switchings."""
        return {
            "heating_kw": self.heater_kw * is_on,
            "room_degc": np.round(self.temperatures_degc(is_on, step_h), DECIMALS),
        }

    def warm_start(self, columns: Numbers) -> Numbers:
        """Its switchings too."""
        return columns | {"is_on": columns["heating_kw"] / self.heater_kw} if "heating_kw" in columns else columns

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """Whole switchings, and a temperature that follows from them, step by step."""
        power_kw, degc = columns["heating_kw"], columns["room_degc"]
        beyond = np.maximum(-power_kw, power_kw - self.heater_kw)
        between = np.minimum(np.abs(power_kw), np.abs(power_kw - self.heater_kw))
        yield "a heater that is neither on nor off", np.where(self.is_whole(step_h), between, beyond)
        before, r = np.concatenate([[self.init_degc], degc[:-1]]), np.array(self.r_k_per_kw)
        settles = np.array(self.outdoor_degc) + r * (power_kw + np.array(self.gain_kw))
        yield "heat balance", np.abs(degc - settles - (before - settles) * np.exp(-step_h / (r * self.c_kwh_per_k)))
        if not self.is_planned:
            yield "another power than its thermostat's", np.abs(power_kw - self.heater_kw * self.thermostat(step_h))

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """The other position of its relay."""
        if not self.is_planned:
            return []
        other = 0.0 if columns["heating_kw"][t] > 0 else 1.0
        return [Forced("heating" if other else "not heating", "is_on", other, other)]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Its relay; in a step of which it heats a share, on where that is half or more."""
        return {"set_switch_state": float(step["heating_kw"] >= self.heater_kw / 2)} if self.is_planned else {}

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """On as commanded, off without a set-point."""
        return {"heating_kw": self.heater_kw * set_points.get("set_switch_state", 0.0)}

    def kept(self, decisions: Numbers, step_h: Floats) -> Numbers:
        """The temperature that comes of it."""
        # With its switchings, as `solved` asks for them.
        return self.warm_start(self.heated(decisions["heating_kw"] / self.heater_kw, step_h))

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers:
        """Its thermostat."""
        return {"heating_kw": self.heater_kw * self.thermostat(step_h)}

    def with_walls(self, walls: Sequence[tuple[float, Floats]]) -> Self:
        """With walls to rooms of known temperatures. walls: kW/K, and degC in each step.

        g (T_n - T) = g (outdoor - T) + g (T_n - outdoor): a smaller R, and a gain that comes with it.
        """
        total = sum(kw_per_k for kw_per_k, _ in walls)
        outdoor, r = np.array(self.outdoor_degc), np.array(self.r_k_per_kw)
        gain = np.array(self.gain_kw) + sum(kw_per_k * (degc - outdoor) for kw_per_k, degc in walls)
        smaller = (r / (1 + r * total)).tolist()
        changes = {
            "r_k_per_kw": tuple(smaller) if isinstance(smaller, list) else smaller,
            "gain_kw": tuple(gain.tolist()),
        }
        return self.model_copy(update=changes)

    def without_control(self) -> Self:
        """Its thermostat."""
        return self.model_copy(update={"is_planned": False})

    def thermostat(self, step_h: Floats) -> Floats:
        """1 where its own thermostat heats: in each step that would else end below the band."""
        kept, (off, heated) = self.kept_share(step_h), self.pulls_degc(step_h)
        is_on, now = np.zeros(step_h.size), self.init_degc
        for t, low in enumerate(self.low_degc):
            now = kept[t] * now + off[t]
            if now < low:
                is_on[t], now = 1.0, now + heated[t]
        return is_on

    def with_state(self, **known: Unpack[ReplayState]) -> Self:
        """From another temperature."""
        start = known.get("start")
        return self if start is None else self.model_copy(update={"init_degc": start})


def _least_away_degc(params: RoomParams, asset: Asset) -> float:
    """No plan goes below the limits of guard and frost."""
    hard = guarded_degc(asset)
    return max(params.away_low_degc, FROST_DEGC if hard is None else hard)
