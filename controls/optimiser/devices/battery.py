"""A battery: separate charge and discharge, never both, charge balance, window and terminal bound (formulas 5.18)."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.components.battery_curves import (
    Bands,
    Cells,
    ConversionCurve,
    Curve,
    at_cells,
    band_cost,
    band_rows,
    band_variables,
)
from controls.optimiser.devices.device import (
    AssetState,
    CaseContext,
    Converter,
    Forced,
    Measure,
    Numbers,
    ReplayState,
    State,
    Values,
    followed,
    params_of,
)
from data_quality.contracts.control.plan import BatteryMode, BatteryParams
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.site import Asset

# Fields of a plan's battery that a site file has by the same name and in the same unit.
_AS_THEY_ARE = {
    "charge_efficiency", "discharge_efficiency", "wear_per_kwh", "capacity_kwh", "end_value_per_kwh", "mode",
}  # fmt: skip

# Of a power, to tell a full piece of a curve from one that is nearly so.
_WATT = 1e-6
_MODE_WORDS = {
    "charge": "{0}: is kept from discharging (mode charge)",
    "discharge": "{0}: is kept from charging and may end empty (mode discharge)",
    "self": "{0}: stores the site's own surplus and covers its own need, as forecast (mode self)",
    "backup": "{0}: keeps a reserve for an outage (mode backup)",
}


def _most_kw(params: BatteryParams, given: AssetState, charge_kw: float, discharge_kw: float) -> dict[str, Any]:
    """The most of each step where temperature or mode allow less than the rating."""
    if params.derating is None and params.mode != "self":
        return {}
    steps, share = len(given.load_kw), np.ones(len(given.load_kw))
    if params.derating is not None and params.temperature_degc is not None and given.start_utc is not None:
        share = np.interp(given.by_hour(params.temperature_degc, steps), *np.array(params.derating).T)
    most = {"charge_most_kw": charge_kw * share, "discharge_most_kw": discharge_kw * share}
    if params.mode == "self":
        spare_kw = np.array(given.pv_kw or (0.0,) * steps) - np.array(given.load_kw)
        for name, sign in (("charge_most_kw", 1), ("discharge_most_kw", -1)):
            most[name] = np.minimum(most[name], np.maximum(sign * spare_kw, 0.0))
    return {name: tuple(values.tolist()) for name, values in most.items()}


def _absent(value: Any) -> bool:
    return value is None


class Battery(Converter):
    """Energies in kWh at the cells and powers in kW at the AC terminals. `capacity_kwh` is the scale of its charge."""

    kind = "battery"
    params = BatteryParams
    limits: ClassVar = {"charge_limit": "kw", "discharge_limit": "kw", "soc_window": "kwh", "soc_end": "kwh"}
    means: ClassVar = {
        "charge_limit": "charges with at most {part.max_charge_kw:g} kW",
        "discharge_limit": "discharges with at most {part.max_discharge_kw:g} kW",
        "soc_window": "keeps its charge between {part.soc_min_kwh:g} and {part.soc_max_kwh:g} kWh",
        "soc_end": "ends with at least {part.soc_end_min_kwh:g} kWh",
    }
    per_step = ("charge_most_kw", "discharge_most_kw")
    case_key = "battery"
    case_names: ClassVar = {
        "p_ch": "max_charge_kw",
        "p_dis": "max_discharge_kw",
        "eta_c": "charge_efficiency",
        "eta_d": "discharge_efficiency",
        "soc_min": "soc_min_kwh",
        "soc_max": "soc_max_kwh",
        "soc_init": "soc_init_kwh",
        "soc_end_min": "soc_end_min_kwh",
        "wear": "wear_per_kwh",
        "end_value": "end_value_per_kwh",
    }
    measure = Measure(reading="read_soc_percent", code="soc", words="the state of charge")
    columns = ("battery_charge_kw", "battery_discharge_kw")
    moves: ClassVar = {"battery_charge_kw": "charges", "battery_discharge_kw": "discharges"}
    metered: ClassVar = {"charge": "battery_charge_kw", "discharge": "battery_discharge_kw"}
    limit_words: ClassVar = {
        "charge_max": "charges at its limit",
        "discharge_max": "discharges at its limit",
        "floor": "is as empty as it may be",
        "ceiling": "is as full as it may be",
        "end": "must keep its charge at the end",
    }

    max_charge_kw: float = Field(ge=0)
    max_discharge_kw: float = Field(ge=0)
    charge_efficiency: float = Field(gt=0, le=1, description="One way, not round trip")
    discharge_efficiency: float = Field(gt=0, le=1, description="One way")
    soc_min_kwh: float = Field(ge=0)
    soc_max_kwh: float = Field(ge=0)
    soc_init_kwh: float = Field(ge=0)
    soc_end_min_kwh: float = Field(ge=0)
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh discharged at the AC terminals")
    capacity_kwh: float = Field(default=0.0, ge=0, description="0: not said")
    # What follows is in no stored plan, nor in its hash, where it was not requested.
    end_value_per_kwh: float | None = Field(default=None, exclude_if=_absent, description="Of charge left at the end")
    charge_curve: Curve | None = Field(default=None, exclude_if=_absent, description="Instead of charge_efficiency")
    discharge_curve: Curve | None = Field(default=None, exclude_if=_absent)
    charge_most_kw: tuple[float, ...] | None = Field(default=None, exclude_if=_absent, description="In each step")
    discharge_most_kw: tuple[float, ...] | None = Field(default=None, exclude_if=_absent)
    wear_bands: Bands | None = Field(default=None, exclude_if=_absent, description="Wear by the depth of cycles")
    return_price_per_kwh: float | None = Field(
        default=None, exclude_if=_absent, description="A start outside the window returns; weight per kWh and step"
    )
    mode: BatteryMode = Field(default="auto", exclude_if=lambda mode: mode == "auto")

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.soc_min_kwh > self.soc_max_kwh:
            raise ValueError(f"soc_min {self.soc_min_kwh} must not be above soc_max {self.soc_max_kwh}")
        return self

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        """It ends with at least the charge it begins with, so that a saving is never charge borrowed from tomorrow."""
        params: BatteryParams = cls.figures(asset, given.site_id)
        soc_kwh = given.state or 0.0
        full = params.capacity_kwh
        floor_kwh, ceiling_kwh = max(params.soc_min, params.reserve or 0.0) * full, params.soc_max * full
        charge_kw, discharge_kw = given.share * params.max_charge_kw, given.share * params.max_discharge_kw
        cells, bands = Cells.of(params, full), params.wear_by_depth
        figures = params.model_dump(include=_AS_THEY_ARE) | {
            "max_charge_kw": 0.0 if params.mode == "discharge" else charge_kw,
            "max_discharge_kw": 0.0 if params.mode == "charge" else discharge_kw,
            "soc_min_kwh": floor_kwh,
            "soc_max_kwh": ceiling_kwh,
            "soc_init_kwh": soc_kwh,
            "charge_curve": cells.charge.curve,
            "discharge_curve": cells.discharge.curve,
            "wear_bands": bands and tuple(
                ((depth - before) * full, price)
                for (depth, price), (before, _) in zip(bands, ((0.0, 0.0), *bands), strict=False)
            ),
            # Worth more than any price could earn by staying outside, and still no limit: what cannot return, stays.
            "return_price_per_kwh": None
            if floor_kwh <= soc_kwh <= ceiling_kwh
            else 10 * max(1.0, *(abs(price) for price in given.import_price_per_kwh)),
        } | _most_kw(params, given, charge_kw, discharge_kw)  # fmt: skip
        # Left to be emptied where somebody says so, or says what a kWh left is worth.
        is_free = params.mode == "discharge" or params.end_value_per_kwh is not None
        wanted_kwh = floor_kwh if is_free else min(max(soc_kwh, floor_kwh), ceiling_kwh)
        figures["soc_end_min_kwh"] = wanted_kwh if given.end is None else given.end
        made = cls.model_validate({"device_id": asset.asset_id} | figures)
        # From below its floor it need not reach what its mode, its temperature or the sun do not let it.
        most_kwh = soc_kwh + given.step_h * float(cells.charge.at_cells(made.charge_limit_kw(len(given.load_kw))).sum())
        return (
            made.model_copy(update={"soc_end_min_kwh": min(made.soc_end_min_kwh, most_kwh)})
            if (soc_kwh < floor_kwh)
            else made
        )

    @classmethod
    def assumed(cls, asset: Asset, site_id: str) -> tuple[float, str]:
        """Half of what it may use; in mode backup its reserve."""
        params: BatteryParams = cls.figures(asset, site_id)
        low, share = max(params.soc_min, params.reserve or 0.0), "at its reserve"
        if params.reserve is None:
            low, share = (low + params.soc_max) / 2, "half full"
        return low * params.capacity_kwh, f"{share}, {low * params.capacity_kwh:.1f} of {params.capacity_kwh:g} kWh"

    @classmethod
    def full(cls, asset: Asset, site_id: str) -> float:
        """Its capacity, kWh."""
        return params_of(cls.params, asset, site_id).capacity_kwh

    @property
    def state(self) -> State:
        """The charge, kWh."""
        return State("soc_end_kwh", self.soc_init_kwh, self.capacity_kwh, "charge", "kWh", self.soc_end_min_kwh)

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Its rating, either way."""
        return self.max_charge_kw, self.max_discharge_kw

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """Powers and the mode (1 = charging) have one entry a step, `soc_kwh` one more: the start."""
        new, steps = partial(self.new, program), around.steps
        found = {
            "battery_charge_kw": new("charge_kw", steps),
            "battery_discharge_kw": new("discharge_kw", steps),
            "is_charging": new("is_charging", steps, upper=1.0, is_integer=True),
            # Free of bounds: its window is rows, which a conflict can name.
            "soc_kwh": new("soc_kwh", steps + 1, lower=-INF),
        }
        found |= self.cells.charge.variables(new, steps) | self.cells.discharge.variables(new, steps)
        found |= band_variables(new, self.wear_bands, steps) if self.wear_bands else {}
        return found | ({"outside_kwh": new("outside_kwh", steps)} if self.return_price_per_kwh is not None else {})

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """Each power only in its own mode and up to its rating; the charge follows and stays in its window.

        The start is a measurement and may lie outside the window: then it returns as fast as the rest lets it, and
        never goes further. Without the last row every plan ends empty.
        """
        charge, discharge, mode, soc = x["battery_charge_kw"], x["battery_discharge_kw"], x["is_charging"], x["soc_kwh"]
        yield Row("charge_limit", "charge_max", charge <= self.charge_limit_kw(around.steps) * mode)
        # Without the mode, negative prices would pay for charging and discharging at once, burning energy as loss.
        most_kw = self.discharge_limit_kw(around.steps)
        yield Row("discharge_limit", "discharge_max", discharge <= most_kw * (1 - mode))
        yield Row("soc_start", "start", soc[0] == self.soc_init_kwh)
        for way in (self.cells.charge, self.cells.discharge):
            yield from way.rows(x)
        stored_kwh, drawn_kwh = self._moved_kwh(x, around.step_h)
        yield Row("soc_balance", "soc", soc[1:] == soc[:-1] + stored_kwh - drawn_kwh)
        if self.wear_bands:
            yield from band_rows(x, self.wear_bands, self.soc_init_kwh, stored_kwh, drawn_kwh)
        outside = 0.0
        if "outside_kwh" in x:
            outside = x["outside_kwh"]
            yield Row("soc_return", "return_start", outside[0] <= self._outside_kwh(self.soc_init_kwh))
            if around.steps > 1:
                yield Row("soc_return", "return", outside[1:] <= outside[:-1], np.arange(1, around.steps))
        yield Row("soc_window", "floor", soc[1:] + outside >= self.soc_min_kwh)
        yield Row("soc_window", "ceiling", soc[1:] - outside <= self.soc_max_kwh)
        yield Row("soc_end", "end", soc[-1] >= self.soc_end_min_kwh)

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Wear; charge that is borrowed from tomorrow; and, no money, time outside the window."""
        is_solved = "soc_kwh" not in x
        yield "wear", step_h * self.wear_per_kwh * x["battery_discharge_kw"]
        if self.wear_bands and is_solved:
            yield "wear", band_cost(self.wear_bands, self.soc_init_kwh, *self._moved_kwh(x, step_h))
        elif self.wear_bands:
            for k, (_, price) in enumerate(self.wear_bands):
                yield "wear", price * x[f"band{k}_out"]
        if self.end_value_per_kwh is None and self.return_price_per_kwh is None:
            return
        soc = x["soc_end_kwh"] if is_solved else x["soc_kwh"]
        if self.end_value_per_kwh is not None:
            yield "stored", self.end_value_per_kwh * (self.soc_init_kwh - soc[-1])
        if self.return_price_per_kwh is not None:
            # What a step lies outside counts for all steps before it: it never goes further out again.
            gone = np.maximum.accumulate(self._outside_kwh(soc)[::-1]) if is_solved else x["outside_kwh"]
            yield "return", self.return_price_per_kwh * gone

    @property
    def cells(self) -> Cells:
        """Its physics."""
        into = ConversionCurve("charge", self.charge_efficiency, self.charge_curve)
        out = ConversionCurve("discharge", self.discharge_efficiency, self.discharge_curve)
        return Cells(self.soc_min_kwh, self.soc_max_kwh, into, out)

    def _moved_kwh(self, x: Values, step_h: Floats) -> tuple[Any, Any]:
        """Energy stored in the cells and drawn from them in each step: of variables, or of numbers."""
        return step_h * self.cells.charge.cells_kw(x), step_h * self.cells.discharge.cells_kw(x)

    def charge_limit_kw(self, steps: int) -> Floats:
        """The most it may charge with in each step."""
        return np.minimum(self.max_charge_kw, self.charge_most_kw or (self.max_charge_kw,) * steps)

    def discharge_limit_kw(self, steps: int) -> Floats:
        """The most it may discharge with in each step."""
        return np.minimum(self.max_discharge_kw, self.discharge_most_kw or (self.max_discharge_kw,) * steps)

    def _outside_kwh(self, soc_kwh: ArrayLike) -> Floats:
        soc = np.asarray(soc_kwh, np.float64)
        return np.maximum(np.maximum(self.soc_min_kwh - soc, soc - self.soc_max_kwh), 0.0)

    @property
    def remarks(self) -> tuple[str, ...]:
        """A mode that somebody chose, and a start outside the window."""
        found: list[str] = [Sentence(words, self.device_id) for mode, words in _MODE_WORDS.items() if mode == self.mode]
        if self.return_price_per_kwh is not None:
            is_below = self.soc_init_kwh < self.soc_min_kwh
            bound_kwh = self.soc_min_kwh if is_below else self.soc_max_kwh
            held = "{0}: holds {1} kWh, " + ("below" if is_below else "above") + " {2} kWh, and returns there first"
            amounts = (Numeral(f"{each:.2f}") for each in (self.soc_init_kwh, bound_kwh))
            found.append(Sentence(held, self.device_id, *amounts))
        return tuple(found)

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """The two powers, and the charge at the end of each step that follows from them."""
        found = super().solved(values, step_h)
        stored_kwh, drawn_kwh = self._moved_kwh(found, step_h)
        return found | {"soc_end_kwh": followed(self.soc_init_kwh, stored_kwh - drawn_kwh)}

    def warm_start(self, columns: Numbers) -> Numbers:
        """Its powers, mode and charge, and which pieces of its curves are full."""
        if not columns:
            return {}
        soc_kwh = np.concatenate([[self.soc_init_kwh], columns["soc_end_kwh"]])
        full = {
            f"{way.name}_full{k}": (columns[f"battery_{way.name}_kw"] >= corner_kw - _WATT).astype(np.float64)
            for way in (self.cells.charge, self.cells.discharge)
            for k, (corner_kw, _) in enumerate((way.curve or ())[:-1])
        }
        return (
            columns | full | {"is_charging": (columns["battery_charge_kw"] > 0).astype(np.float64), "soc_kwh": soc_kwh}
        )

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement."""
        into, out, soc_kwh = columns["battery_charge_kw"], columns["battery_discharge_kw"], columns["soc_end_kwh"]
        # Goes on from the stated charge, not from the expected one: each step answers for its own error.
        before_kwh = np.concatenate([[self.soc_init_kwh], soc_kwh[:-1]])
        stored_kw = at_cells(self.charge_curve, into) if self.charge_curve else self.charge_efficiency * into
        drawn_kw = at_cells(self.discharge_curve, out) if self.discharge_curve else out / self.discharge_efficiency
        yield "charge balance", np.abs(soc_kwh - before_kwh - step_h * (stored_kw - drawn_kw))
        yield "charge above the rating", into - self.charge_limit_kw(into.size)
        yield "discharge above the rating", out - self.discharge_limit_kw(out.size)
        yield from self.power_errors(columns)
        # A start outside the window may last, and never grow.
        gone_kwh = 0.0 if self.return_price_per_kwh is None else float(self._outside_kwh(self.soc_init_kwh))
        yield "charge below its floor", self.soc_min_kwh - gone_kwh - soc_kwh
        yield "charge above its ceiling", soc_kwh - gone_kwh - self.soc_max_kwh
        yield "the end: charge below the wanted one", self.soc_end_min_kwh - soc_kwh[-1]

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """Alternatives in step t: its action left out, and charging or discharging at its limit where it does less."""
        found = []
        for words, name, limit_kw in (
            ("charging", "battery_charge_kw", self.charge_limit_kw),
            ("discharging", "battery_discharge_kw", self.discharge_limit_kw),
        ):
            most_kw = float(limit_kw(columns[name].size)[t])
            if columns[name][t] > 0:
                found.append(Forced(f"not {words}", name, 0.0, 0.0))
            if columns[name][t] < most_kw - _WATT:
                found.append(Forced(f"{words} {most_kw:g} kW", name, most_kw, most_kw))
        return found

    def with_state(self, **known: Unpack[ReplayState]) -> Self:
        """Where it is to leave as much as there was, that follows the start; no end is asked for outside its window.

        Where it is asked to end as it begins, what is left over is worth nothing: equal charge says all.
        """
        start, end = known.get("start"), known.get("end")
        begun = self.soc_init_kwh if start is None else start
        is_free = self.end_value_per_kwh is not None or self.mode == "discharge"
        leaves_as_much = not is_free and self.soc_end_min_kwh == self._within(self.soc_init_kwh)
        wanted = end if end is not None else begun if leaves_as_much else self.soc_end_min_kwh
        changes = {
            "soc_init_kwh": begun,
            "soc_end_min_kwh": self._within(wanted),
            "return_price_per_kwh": None if begun == self._within(begun) else self.return_price_per_kwh,
            "end_value_per_kwh": None if end == begun else self.end_value_per_kwh,
        }
        return self.model_copy(update=changes)

    def giving(self, family: str, amount: float | None) -> Self | None:
        """It ends with so much less."""
        return self.with_state(end=self.soc_end_min_kwh - amount) if family == "soc_end" and amount else None

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers:
        """Self-consumption rule: store the surplus, cover the deficit, as far as rating and window allow; kW a step."""
        wanted_kw = np.clip(-net_kw, -self.discharge_limit_kw(net_kw.size), self.charge_limit_kw(net_kw.size))
        power_kw, soc_kwh = np.zeros_like(wanted_kw), self.soc_init_kwh
        for t, (wanted, hours) in enumerate(zip(wanted_kw.tolist(), step_h.tolist(), strict=True)):
            power_kw[t], added_kwh = self.cells.step(soc_kwh, wanted, hours)
            soc_kwh += added_kwh
        return {"battery_charge_kw": np.maximum(power_kw, 0.0), "battery_discharge_kw": np.maximum(-power_kw, 0.0)}

    def _within(self, charge_kwh: float) -> float:
        return min(max(charge_kwh, self.soc_min_kwh), self.soc_max_kwh)
