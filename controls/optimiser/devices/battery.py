"""A battery: separate charge and discharge, never both, charge balance, window and terminal bound (formulas 5.18)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from controls.optimiser.devices.device import (
    Around,
    Device,
    Forced,
    Given,
    Measure,
    Numbers,
    State,
    Values,
    clean,
    followed,
    params_of,
)
from controls.optimiser.linear import INF, Floats, Linear
from controls.optimiser.program import Program, Row
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.site_file.site import Asset


class Battery(Device):
    """Energies in kWh at the cells and powers in kW at the AC terminals. `capacity_kwh` is the scale of its charge."""

    kind = "battery"
    limits: ClassVar = {"charge_limit": "kw", "discharge_limit": "kw", "soc_window": "kwh", "soc_end": "kwh"}
    means: ClassVar = {
        "charge_limit": "charges with at most {part.max_charge_kw:g} kW",
        "discharge_limit": "discharges with at most {part.max_discharge_kw:g} kW",
        "soc_window": "keeps its charge between {part.soc_min_kwh:g} and {part.soc_max_kwh:g} kWh",
        "soc_end": "ends with at least {part.soc_end_min_kwh:g} kWh",
    }
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
    }
    measure = Measure(reading="read_soc_percent", code="soc", words="the state of charge")
    columns = ("battery_charge_kw", "battery_discharge_kw")
    moves: ClassVar = {"battery_charge_kw": "charges", "battery_discharge_kw": "discharges"}
    metered: ClassVar = {"charge": "battery_charge_kw", "discharge": "battery_discharge_kw"}
    says: ClassVar = {
        "charge_max": "charges at its rating",
        "discharge_max": "discharges at its rating",
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

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.soc_min_kwh > self.soc_max_kwh:
            raise ValueError(f"soc_min {self.soc_min_kwh} must not be above soc_max {self.soc_max_kwh}")
        return self

    @classmethod
    def figures(cls, asset: Asset, site_id: str) -> BatteryParams:
        """Limits of the asset, energies as shares of its capacity."""
        return params_of(BatteryParams, asset, site_id)

    @classmethod
    def from_asset(cls, asset: Asset, given: Given) -> Self:
        """It ends with at least the charge it begins with, so that a saving is never charge borrowed from tomorrow."""
        params = cls.figures(asset, given.site_id)
        floor_kwh, ceiling_kwh = params.soc_min * params.capacity_kwh, params.soc_max * params.capacity_kwh
        soc_kwh = given.state or 0.0
        figures = params.model_dump(exclude={"soc_min", "soc_max"}) | {
            "max_charge_kw": given.share * params.max_charge_kw,
            "max_discharge_kw": given.share * params.max_discharge_kw,
            "soc_min_kwh": floor_kwh,
            "soc_max_kwh": ceiling_kwh,
            "soc_init_kwh": soc_kwh,
            "soc_end_min_kwh": min(max(soc_kwh, floor_kwh), ceiling_kwh) if given.end is None else given.end,
        }
        return cls.model_validate({"device_id": asset.asset_id} | figures)

    @classmethod
    def measured(cls, asset: Asset, site_id: str, reading: float) -> float:
        """Charge in kWh of a battery that says percent."""
        return cls.figures(asset, site_id).capacity_kwh * reading / 100

    @property
    def state(self) -> State:
        """The charge, kWh."""
        return State("soc_end_kwh", self.soc_init_kwh, self.capacity_kwh, "charge", "kWh", self.soc_end_min_kwh)

    def reach_kw(self) -> tuple[ArrayLike, ArrayLike]:
        """Its rating, either way."""
        return self.max_charge_kw, self.max_discharge_kw

    def variables(self, program: Program, around: Around) -> dict[str, Linear]:
        """Powers and the mode (1 = charging) have one entry a step, `soc_kwh` one more: the start."""
        return {
            "battery_charge_kw": self.new(program, "charge_kw", around.steps),
            "battery_discharge_kw": self.new(program, "discharge_kw", around.steps),
            "is_charging": self.new(program, "is_charging", around.steps, upper=1.0, is_integer=True),
            # Free of bounds: its window is rows, which a conflict can name.
            "soc_kwh": self.new(program, "soc_kwh", around.steps + 1, lower=-INF),
        }

    def rows(self, x: Values, around: Around) -> Iterator[Row]:
        """Each power only in its own mode and up to its rating; the charge follows and stays in its window.

        The start is a measurement and may lie outside the window; without the last row every plan ends empty.
        """
        charge, discharge, mode, soc = x["battery_charge_kw"], x["battery_discharge_kw"], x["is_charging"], x["soc_kwh"]
        yield Row("charge_limit", "charge_max", charge <= self.max_charge_kw * mode)
        # Without the mode, negative prices would pay for charging and discharging at once, burning energy as loss.
        yield Row("discharge_limit", "discharge_max", discharge <= self.max_discharge_kw * (1 - mode))
        yield Row("soc_start", "start", soc[0] == self.soc_init_kwh)
        stored_kwh = around.step_h * self.charge_efficiency * charge
        drawn_kwh = around.step_h / self.discharge_efficiency * discharge
        yield Row("soc_balance", "soc", soc[1:] == soc[:-1] + stored_kwh - drawn_kwh)
        yield Row("soc_window", "floor", soc[1:] >= self.soc_min_kwh)
        yield Row("soc_window", "ceiling", soc[1:] <= self.soc_max_kwh)
        yield Row("soc_end", "end", soc[-1] >= self.soc_end_min_kwh)

    def drawn_kw(self, x: Values) -> Any:
        """Charge less discharge."""
        return x["battery_charge_kw"] - x["battery_discharge_kw"]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """Wear."""
        yield "wear", step_h * self.wear_per_kwh * x["battery_discharge_kw"]

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        """The two powers, and the charge at the end of each step that follows from them."""
        into, out = clean(values["battery_charge_kw"]), clean(values["battery_discharge_kw"])
        change_kwh = step_h * (self.charge_efficiency * into - out / self.discharge_efficiency)
        soc_kwh = followed(self.soc_init_kwh, change_kwh)
        return {"battery_charge_kw": into, "battery_discharge_kw": out, "soc_end_kwh": soc_kwh}

    def told(self, columns: Numbers) -> Numbers:
        """Its powers, mode and charge."""
        if not columns:
            return {}
        soc_kwh = np.concatenate([[self.soc_init_kwh], columns["soc_end_kwh"]])
        return columns | {"is_charging": (columns["battery_charge_kw"] > 0).astype(np.float64), "soc_kwh": soc_kwh}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """The sentences of a case's own statement."""
        into, out, soc_kwh = columns["battery_charge_kw"], columns["battery_discharge_kw"], columns["soc_end_kwh"]
        # Goes on from the stated charge, not from the expected one: each step answers for its own error.
        before_kwh = np.concatenate([[self.soc_init_kwh], soc_kwh[:-1]])
        expected_kwh = before_kwh + step_h * (self.charge_efficiency * into - out / self.discharge_efficiency)
        yield "charge balance", np.abs(soc_kwh - expected_kwh)
        yield "charge above the rating", into - self.max_charge_kw
        yield "discharge above the rating", out - self.max_discharge_kw
        yield "charge and discharge at once", np.minimum(into, out)
        yield "a power below zero", -np.minimum(into, out)
        yield "charge below its floor", self.soc_min_kwh - soc_kwh
        yield "charge above its ceiling", soc_kwh - self.soc_max_kwh
        yield "the end: charge below the wanted one", self.soc_end_min_kwh - soc_kwh[-1]

    def alternatives(self, columns: Numbers, t: int) -> list[Forced]:
        """What it does left out, or done at its rating where that is not so already; the other way round at rating."""
        found = []
        for words, name, most_kw in (
            ("charging", "battery_charge_kw", self.max_charge_kw),
            ("discharging", "battery_discharge_kw", self.max_discharge_kw),
        ):
            if columns[name][t] > 0:
                found.append(Forced(f"not {words}", name, 0.0, 0.0))
            if columns[name][t] < most_kw:
                found.append(Forced(f"{words} {most_kw:g} kW", name, most_kw, most_kw))
        return found

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative."""
        return {"set_charge_power_kw": step["battery_charge_kw"] - step["battery_discharge_kw"]}

    def relived(
        self, *, start: float | None = None, end: float | None = None, forecast_kw: Floats | None = None
    ) -> Self:
        """Where it is to leave as much as there was, that follows the start; no end is asked for outside its window."""
        begun = self.soc_init_kwh if start is None else start
        leaves_as_much = self.soc_end_min_kwh == self._within(self.soc_init_kwh)
        wanted = end if end is not None else begun if leaves_as_much else self.soc_end_min_kwh
        return self.model_copy(update={"soc_init_kwh": begun, "soc_end_min_kwh": self._within(wanted)})

    def acted(self, set_points: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative; nothing where nobody says."""
        power_kw = set_points.get("set_charge_power_kw", 0.0)
        return {"battery_charge_kw": max(power_kw, 0.0), "battery_discharge_kw": max(-power_kw, 0.0)}

    def by_rule(self, net_kw: Floats, step_h: Floats) -> Numbers:
        """What is left over goes in, what is missing comes out, as far as rating and window allow."""
        soc_kwh, into, out = self.soc_init_kwh, np.zeros_like(net_kw), np.zeros_like(net_kw)
        for t, (need_kw, hours) in enumerate(zip(net_kw.tolist(), step_h.tolist(), strict=True)):
            room_kw = (self.soc_max_kwh - soc_kwh) / (self.charge_efficiency * hours)
            stock_kw = (soc_kwh - self.soc_min_kwh) * self.discharge_efficiency / hours
            into[t] = max(min(-need_kw, self.max_charge_kw, room_kw), 0.0)
            out[t] = max(min(need_kw, self.max_discharge_kw, stock_kw), 0.0)
            soc_kwh += hours * (self.charge_efficiency * into[t] - out[t] / self.discharge_efficiency)
        return {"battery_charge_kw": into, "battery_discharge_kw": out}

    def _within(self, charge_kwh: float) -> float:
        return min(max(charge_kwh, self.soc_min_kwh), self.soc_max_kwh)
