"""Electric relays that heat one tank: each on or off, for a minimum time, one by one (formulas 5.18)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, field_validator, model_validator

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.heat_store import HeatStore, StoreParams
from controls.optimiser.devices.components.switching import Bank, InShares, is_short, shared_out, shortest
from controls.optimiser.devices.device import (
    DECIMALS,
    AssetState,
    CaseContext,
    Forced,
    Measure,
    Numbers,
    ReplayState,
    Values,
    clean,
)
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Asset

_MOST_RELAYS = 99
Relays = Annotated[tuple[float, ...], Field(min_length=1, max_length=_MOST_RELAYS)]
# A relay of which nothing is said has rested as long as any minimum time.
_LONG_H = 8760.0
# Heat that sums of rounded steps may be off by.
_HAIR_KWH = 1e-6


class _Relays(Model):
    # A site file and a case file have the same names for these.
    relays_kw: Relays
    min_on_h: float = Field(default=0.0, ge=0)
    min_off_h: float = Field(default=0.0, ge=0)
    switch_price: float = Field(default=0.0, ge=0, description="Currency each time that a relay goes on")
    reheats: bool = False

    @field_validator("relays_kw")
    @classmethod
    def _have_power(cls, relays_kw: tuple[float, ...]) -> tuple[float, ...]:
        if powerless := [str(n) for n, power in enumerate(relays_kw, 1) if power <= 0]:
            raise ValueError(f"relay {', '.join(powerless)} has no power: say how many kW it draws")
        return relays_kw


class TankParams(_Relays, StoreParams):
    """Tank and relay figures of a site file."""

    cop: float = Field(default=1.0, gt=0)
    # People draw its heat: what they do not draw is nobody's.
    away_draw_share: float = Field(default=0.0, ge=0, le=1)


class Tank(_Relays, InShares, HeatStore):
    """Relays of equal power are one bank, counted and not named: a solver would try their orders one by one.

    was_on, since_h: of each relay before the plan, and for how many hours so; empty: off for long. Hysteresis, where
    it `reheats`: with less than thermostat_on_kwh at the start of a step it is reheating until thermostat_off_kwh is
    reached, and one relay at least is on as long as it is.
    """

    kind = "tank"
    params = TankParams
    limits: ClassVar = {**HeatStore.limits, "minimum_on": "relays", "minimum_off": "relays", "hysteresis": "kwh"}
    means: ClassVar = {
        **HeatStore.means,
        "minimum_on": "keeps a relay on for at least {part.min_on_h:g} h",
        "minimum_off": "keeps a relay off for at least {part.min_off_h:g} h",
        "hysteresis": "begins to heat below its band and ends at the top of it",
    }
    implied = frozenset({"whole_heat"})
    case_key = "tank"
    case_names: ClassVar = {
        **HeatStore.case_names,
        **{name: name for name in ("relays_kw", "min_on_h", "min_off_h", "switch_price")},
    }
    measure = Measure(reading="read_tank_degc", code="tank", words="the temperature of the tank")
    columns = ("relays_kw",)
    moves: ClassVar = {"relays_kw": "heats"}
    power_column = "relays_kw"
    level_column = "tank_end_kwh"
    limit_words: ClassVar = {
        **HeatStore.limit_words,
        **{f"stay_on{n}": "must stay on for its minimum time" for n in range(_MOST_RELAYS)},
        **{f"stay_off{n}": "must stay off for its minimum time" for n in range(_MOST_RELAYS)},
        "whole_floor": "holds as little heat as whole relays can leave",
        "whole_ceiling": "is as full as whole relays can make it",
        "reheat": "must heat until the top of its band",
        "reheat_from": "is at the bottom of its band",
        "reheat_until": "is at the top of its band",
        "window_from": "is at the bottom of its band",
        "window_until": "is at the top of its band",
    }

    was_on: tuple[bool, ...] = ()
    since_h: tuple[Annotated[float, Field(ge=0)], ...] = ()
    was_reheating: bool = False

    @model_validator(mode="after")
    def _relays_are_known(self) -> Self:
        if {len(self.was_on), len(self.since_h)} not in ({0}, {len(self.relays_kw)}):
            raise ValueError(f"was_on and since_h need one value for each of {len(self.relays_kw)} relays, or none")
        return self

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """It ends with at least the heat it begins with, as far as whole relays can; its relays have rested.

        Where it may use but a share of its rating, that is so many of its first relays; where not even one, its own
        thermostat heats.
        """
        params: TankParams = cls.figures(asset, given.site_id)
        own = params.model_dump(include=set(TankParams.model_fields) - set(StoreParams.model_fields))
        allowed_kw = given.share * sum(params.relays_kw) + _HAIR_KWH
        sums_kw = accumulate(params.relays_kw)
        first = tuple(kw for kw, sum_kw in zip(params.relays_kw, sums_kw, strict=True) if sum_kw <= allowed_kw)
        usable = {"relays_kw": first, "is_planned": True} if first else {}
        made = cls.model_validate(own | params.store(asset, given) | usable)
        return made.ending(given, least_kw=min(made.relays_kw), least_h=made.min_on_h)

    @property
    def own_max_kw(self) -> float:
        """All relays together."""
        return sum(self.relays_kw)

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """All relays together; it never feeds in."""
        return self.own_max_kw, 0.0

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Beside those of every heat store: how many of each bank are on and go on, and whether it is reheating."""
        found = self.store(program, around)
        if not self.is_planned:
            return found
        for n, relays in enumerate(self._banks):
            count = float(len(relays))
            whole = self.is_whole(around.step_h)
            found[f"on{n}"] = self.new(program, f"on{n}", around.steps, upper=count, is_integer=whole)
            # Whether columns say when relays go on: they cost a solver time.
            if bool(self.switch_price) or not is_short(around.step_h, self.min_on_h, self.min_off_h):
                found[f"starts{n}"] = self.new(program, f"starts{n}", around.steps)
        if self.reheats:
            found["is_reheating"] = self.new(program, "is_reheating", around.steps, upper=1.0, is_integer=True)
        return found

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """The balance and bounds of the heat, what the relays draw, their minimum times, and the hysteresis."""
        if not self.is_planned:
            return
        yield from self.store_rows(x, around)
        banks = [x[f"on{n}"] for n, _ in enumerate(self._banks)]
        powers = [self.relays_kw[relays[0]] * on for on, relays in zip(banks, self._banks, strict=True)]
        yield Row("relays", "power", x["relays_kw"] == sum(powers[1:], start=powers[0]))
        yield from self._whole_heat(x["level_kwh"][1:], around.step_h)
        if self.min_on_h or self.min_off_h or self.switch_price:
            for n, relays in enumerate(self._banks):
                on_h, off_h = ([self._since(k) for k in relays if self._was_on(k) == state] for state in (True, False))
                bank = Bank(str(n), len(relays), banks[n], x.get(f"starts{n}"), tuple(on_h), tuple(off_h))
                yield from bank.rows(around.step_h, min_on_h=self.min_on_h, min_off_h=self.min_off_h)
        if self.reheats:
            # Factors go as far as heat can fall; rows of the window's family say what the window leaves of that.
            reheating, level, (low, high) = x["is_reheating"], x["level_kwh"][:-1], self.band_kwh
            steps = np.arange(1, reheating.size)
            before = np.zeros(reheating.size)
            before[0] = self.was_reheating
            ends = reheating[steps - 1].into(steps, reheating.size) + before - reheating
            gone_kwh = np.maximum(self.gone_kwh(around.step_h), 0.0)
            falls_kwh = self.init_kwh - np.cumsum(gone_kwh) + gone_kwh
            for family, least_kwh in (
                ("hysteresis", falls_kwh),
                ("tank_window", np.full(reheating.size, min(self.min_kwh, self.init_kwh))),
            ):
                name = "reheat" if family == "hysteresis" else "window"
                yield Row(family, f"{name}_from", level >= low - np.maximum(low - least_kwh, 0.0) * reheating)
                # It may end only where the top of the band is reached.
                least = np.minimum(least_kwh, high)
                yield Row(family, f"{name}_until", level >= least + (high - least) * ends)
            yield Row("hysteresis", "reheat", sum(banks[1:], start=banks[0]) >= reheating)

    def _whole_heat(self, level: Linear, step_h: Floats) -> Iterator[Row]:
        """No relay is half on: where all steps heat alike, heat comes in whole portions, and bounds move to the next.

        Every whole solution keeps these rows anyway (Chvatal and Gomory's rounding); without them a solver tries
        thousands of halves.
        """
        heat_per_kw = step_h * np.array(self.cop)
        portion_kwh = float(
            np.gcd.reduce(np.round(np.array(self.relays_kw) * 1000).astype(np.int64)) / 1000 * heat_per_kw[0]
        )
        if not self.is_whole(step_h).all() or np.ptp(heat_per_kw) > 0:
            return
        if not np.allclose(np.round(self.relays_kw, 3), self.relays_kw, rtol=0, atol=1e-12):
            return
        rest_kwh = self.init_kwh - np.cumsum(self.gone_kwh(step_h))
        least = np.full(level.size, self.min_kwh)
        least[-1] = max(self.min_kwh, self.end_min_kwh)
        fewest = np.ceil((least - rest_kwh) / portion_kwh - _HAIR_KWH)
        most = np.floor((self.max_kwh - rest_kwh) / portion_kwh + _HAIR_KWH)
        yield Row("whole_heat", "whole_floor", level >= rest_kwh + fewest * portion_kwh)
        yield Row("whole_heat", "whole_ceiling", level <= rest_kwh + most * portion_kwh)

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Comfort that is missing, and the wear of switching."""
        yield from super().cost(x, step_h)
        if self.switch_price and self.is_planned:
            for name in [name for name in x if name.startswith("starts")]:
                yield "wear", self.switch_price * x[name]

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Power, heat, how many relays go on, and of each relay whether it is on (1): equal ones take turns."""
        if not self.is_planned:
            return self.stored(self.thermostat_kw(step_h), step_h)
        on = np.zeros((len(self.relays_kw), step_h.size))
        for n, relays in enumerate(self._banks):
            counts = np.round(values[f"on{n}"]).astype(np.int64)
            was_on, since_h = [self._was_on(k) for k in relays], [self._since(k) for k in relays]
            shares = np.clip(np.round(values[f"on{n}"] / len(relays), DECIMALS), 0.0, 1.0)
            on[relays] = np.where(self.is_whole(step_h), shared_out(counts, step_h, was_on, since_h), shares)
        before = np.column_stack([[float(self._was_on(k)) for k in range(len(on))], on[:, :-1]])
        starts = {"starts": np.maximum(on - before, 0.0).sum(axis=0)} if self.switch_price else {}
        named = dict(zip(self._names, on, strict=True))
        return self.stored(np.round(np.array(self.relays_kw) @ on, 9), step_h) | starts | named

    def warm_start(self, columns: Numbers) -> Numbers:
        """Relays of each bank that are on, too."""
        if not all(name in columns for name in self._names):
            return columns
        on = np.array([columns[name] for name in self._names])
        return columns | {f"on{n}": on[relays].sum(axis=0) for n, relays in enumerate(self._banks)}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement, and every relay's own times."""
        yield from self.store_errors(columns, step_h)
        if not self.is_planned:
            return
        on, whole = np.array([columns[name] for name in self._names]), self.is_whole(step_h)
        between, beyond = np.minimum(np.abs(on), np.abs(on - 1)), np.maximum(-on, on - 1)
        yield "a relay neither on nor off", np.where(whole, between, beyond).max(axis=0)
        yield "another power than the relays'", np.abs(columns["relays_kw"] - np.array(self.relays_kw) @ on)
        for k, name in enumerate(self._names):
            # Within a share nobody has said yet when it switches.
            first = step_h.size if whole.all() else int(whole.argmin())
            short_h = shortest(
                on[k, :first],
                step_h[:first],
                was_on=self._was_on(k),
                since_h=self._since(k),
                least_on_h=self.min_on_h,
                least_off_h=self.min_off_h,
            )
            yield f"{name} shorter on or off than its minimum", short_h
        if self.switch_price:
            before = np.column_stack([[float(self._was_on(k)) for k in range(len(on))], on[:, :-1]])
            yield "another count of starts", np.abs(columns["starts"] - np.maximum(on - before, 0.0).sum(axis=0))
        if self.reheats:
            yield "reheating with every relay off", self._idle(columns["tank_end_kwh"], on)

    def _idle(self, level_kwh: Floats, on: Floats) -> Floats:
        (low, high), is_reheating, level = self.band_kwh, self.was_reheating, self.init_kwh
        idle = np.zeros(level_kwh.size)
        for t, after in enumerate(level_kwh.tolist()):
            is_reheating = level < low - _HAIR_KWH or (is_reheating and level < high - _HAIR_KWH)
            idle[t] = float(is_reheating and not on[:, t].any())
            level = after
        return idle

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Every relay off, or one at least on."""
        if not self.is_planned:
            return []
        if columns["relays_kw"][t] > 0:
            return [Forced("keeping every relay off", "relays_kw", 0.0, 0.0)]
        return [Forced("heating", "relays_kw", min(self.relays_kw), self.own_max_kw)]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """1 for a relay that is on."""
        return {f"set_{name}_state": step[name] for name in self._names if name in step}

    def over(self, known: Sequence[tuple[Self, int]]) -> Self:
        """With the most relays of any; what they did before is forgotten where that is not the start of it."""
        most = max((then for then, _ in known), key=lambda then: len(then.relays_kw))
        before = {} if known[0][1] == 0 else {"was_on": (), "since_h": (), "was_reheating": False}
        return super().over(known).model_copy(update={"relays_kw": most.relays_kw} | before)

    def with_state(self, **known: Unpack[ReplayState]) -> Self | None:
        """Where it is to leave as much as there was, that follows the start. Only one that was planned."""
        start, end = known.get("start"), known.get("end")
        begun = self.init_kwh if start is None else start
        wanted = end if end is not None else begun if self.end_min_kwh == self.init_kwh else self.end_min_kwh
        ends = min(max(wanted, self.min_kwh), self.max_kwh)
        return self.model_copy(update={"init_kwh": begun, "end_min_kwh": ends}) if self.is_planned else None

    def unconstrained(self) -> "FreeTank":
        """Its relays need not stay on or off for whole steps, nor for any time, and comfort is nobody's bill."""
        figures = {name: getattr(self, name) for name in Tank.model_fields}
        return FreeTank.model_validate(figures | {"comfort_price_per_kwh_h": 0.0})

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """The relays that are commanded on."""
        on = [set_points.get(f"set_{name}_state", 0.0) for name in self._names]
        return {"relays_kw": float(np.array(self.relays_kw) @ np.array(on))}

    def kept(self, decisions: Numbers, step_h: Floats) -> Numbers:
        """Its own thermostat cuts at the ceiling and heats at the floor."""
        heat_kwh, gone_kwh = step_h * np.array(self.cop) * decisions["relays_kw"], self.gone_kwh(step_h)
        most_kwh, level = step_h * np.array(self.cop) * self.own_max_kw, self.init_kwh
        for t in range(step_h.size):
            left = level - gone_kwh[t]
            heat_kwh[t] = min(max(heat_kwh[t], self.min_kwh - left), most_kwh[t], max(self.max_kwh - left, 0.0))
            level = left + heat_kwh[t]
        return {"relays_kw": heat_kwh / (step_h * np.array(self.cop))}

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers:
        """Its thermostat heats, and what is left over heats beyond that."""
        return {"relays_kw": self.thermostat_kw(step_h, np.maximum(-net_kw, 0.0))}

    def _was_on(self, relay: int) -> bool:
        return bool(self.was_on) and self.was_on[relay]

    def _since(self, relay: int) -> float:
        return self.since_h[relay] if self.since_h else _LONG_H

    @property
    def _banks(self) -> list[list[int]]:
        """The relays of each power, by their places."""
        return [[k for k, one in enumerate(self.relays_kw) if one == power] for power in dict.fromkeys(self.relays_kw)]

    @property
    def _names(self) -> list[str]:
        return [f"relay_{n:02d}" for n in range(1, len(self.relays_kw) + 1)]


class FreeTank(Tank):
    """A tank whose power may be any up to that of all relays: what its relays do, and its thermostat within a step."""

    # No kind that a plan holds.
    kind = ""

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Power and heat."""
        return self.store(program, around)

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """The balance and bounds of the heat, and the power of all relays."""
        if self.is_planned:
            yield from self.store_rows(x, around)
            yield Row("relays", "power", x["relays_kw"] <= self.own_max_kw)

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Comfort that is missing: who switches within a step counts no starts."""
        return HeatStore.cost(self, x, step_h)

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """Power and heat."""
        return self.stored(clean(values["relays_kw"]) if self.is_planned else self.thermostat_kw(step_h), step_h)

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """Those of its heat, and more than all relays draw."""
        yield from self.store_errors(columns, step_h)
        yield "a power above that of all relays", columns["relays_kw"] - self.own_max_kw
