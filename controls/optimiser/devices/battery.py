"""A battery: separate charge and discharge, never both, charge balance, window and terminal bound (formulas 5.18)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from controls.optimiser.devices.device import (
    DECIMALS,
    Around,
    Columns,
    Device,
    Given,
    Measure,
    Row,
    State,
    Values,
    clean,
    params_of,
)
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.site_file.site import Asset

if TYPE_CHECKING:
    import pulp


class Battery(Device):
    """Energies in kWh at the cells and powers in kW at the AC terminals. `capacity_kwh` is the scale of its charge."""

    kind = "battery"
    limits: ClassVar = {"charge_limit": "kw", "discharge_limit": "kw", "soc_window": "kwh", "soc_end": "kwh"}
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
        return State("soc_end_kwh", self.soc_init_kwh, self.capacity_kwh, "charge", "kWh")

    def reach_kw(self, t: int) -> tuple[float, float]:
        """Its rating, either way."""
        return self.max_charge_kw, self.max_discharge_kw

    def variables(self, lp: "pulp.LpProblem", around: Around) -> Values:
        """Powers and the mode (1 = charging) have one entry a step, `soc_kwh` one more: the start."""
        count = len(around.step_h)
        return {
            "battery_charge_kw": self.new(lp, "charge_kw", count, lowBound=0),
            "battery_discharge_kw": self.new(lp, "discharge_kw", count, lowBound=0),
            "is_charging": self.new(lp, "is_charging", count, cat="Binary"),
            # Free of bounds: its window is rows, which a conflict can name.
            "soc_kwh": self.new(lp, "soc_kwh", count + 1),
        }

    def rows(self, x: Values, around: Around) -> Iterator[Row]:
        """Each power only in its own mode and up to its rating; the charge follows and stays in its window.

        The start is a measurement and may lie outside the window; without the last row every plan ends empty.
        """
        charge, discharge, mode, soc = x["battery_charge_kw"], x["battery_discharge_kw"], x["is_charging"], x["soc_kwh"]
        for t in range(len(mode)):
            yield "charge_limit", f"charge_max_{t:03d}", charge[t] <= self.max_charge_kw * mode[t]
        for t in range(len(mode)):
            # Without the mode, negative prices would pay for charging and discharging at once, burning energy as loss.
            most = self.max_discharge_kw - self.max_discharge_kw * mode[t]
            yield "discharge_limit", f"discharge_max_{t:03d}", discharge[t] <= most
        yield "soc_start", "start", soc[0] == self.soc_init_kwh
        for t, hours in enumerate(around.step_h):
            stored_kwh = (hours * self.charge_efficiency) * charge[t]
            drawn_kwh = (hours / self.discharge_efficiency) * discharge[t]
            yield "soc_balance", f"soc_{t:03d}", soc[t + 1] == soc[t] + stored_kwh - drawn_kwh
        for t in range(len(mode)):
            yield "soc_window", f"floor_{t:03d}", soc[t + 1] >= self.soc_min_kwh
            yield "soc_window", f"ceiling_{t:03d}", soc[t + 1] <= self.soc_max_kwh
        yield "soc_end", "end", soc[len(mode)] >= self.soc_end_min_kwh

    def drawn_kw(self, x: Values, t: int) -> Any:
        """Charge less discharge."""
        return x["battery_charge_kw"][t] - x["battery_discharge_kw"][t]

    def cost(self, x: Values, step_h: tuple[float, ...]) -> Iterable[Any]:
        """Wear."""
        return ((hours * self.wear_per_kwh) * x["battery_discharge_kw"][t] for t, hours in enumerate(step_h))

    def solved(self, values: Values, step_h: tuple[float, ...]) -> Columns:
        """The two powers, and the charge at the end of each step that follows from them."""
        into, out = clean(values["battery_charge_kw"]), clean(values["battery_discharge_kw"])
        # Summed up anew from the cleaned powers: the solver's own path carries its noise.
        path, soc_kwh = [], self.soc_init_kwh
        for t, hours in enumerate(step_h):
            soc_kwh += hours * (self.charge_efficiency * into[t] - out[t] / self.discharge_efficiency)
            path.append(round(soc_kwh, DECIMALS))
        return {"battery_charge_kw": into, "battery_discharge_kw": out, "soc_end_kwh": tuple(path)}

    def errors(self, columns: Values, step_h: tuple[float, ...]) -> Iterator[tuple[str, float]]:
        """The sentences of a case's own statement."""
        soc_kwh = self.soc_init_kwh
        for t, hours in enumerate(step_h):
            into, out = columns["battery_charge_kw"][t], columns["battery_discharge_kw"][t]
            expected_kwh = soc_kwh + hours * (self.charge_efficiency * into - out / self.discharge_efficiency)
            # Goes on from the stated charge, not from the expected one: each step answers for its own error.
            soc_kwh = columns["soc_end_kwh"][t]
            yield f"step {t}: charge balance", abs(soc_kwh - expected_kwh)
            yield f"step {t}: charge above the rating", into - self.max_charge_kw
            yield f"step {t}: discharge above the rating", out - self.max_discharge_kw
            yield f"step {t}: charge and discharge at once", min(into, out)
            yield f"step {t}: a power below zero", -min(into, out)
            yield f"step {t}: charge below its floor", self.soc_min_kwh - soc_kwh
            yield f"step {t}: charge above its ceiling", soc_kwh - self.soc_max_kwh
        yield "the end: charge below the wanted one", self.soc_end_min_kwh - soc_kwh

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        """Charge positive, discharge negative."""
        return {"set_charge_power_kw": step["battery_charge_kw"] - step["battery_discharge_kw"]}
