"""The dispatch problem as numbers, before any mathematics: what a plan request and a case file have in common."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from controls.optimiser.grid import Grid
from data_quality.contracts.model import Model
from data_quality.contracts.plan import PlanRequest

PositiveHours = Annotated[float, Field(gt=0, le=24)]


class BatteryCase(Model):
    """One battery with energies in kWh at the cells and powers in kW at the AC terminals (formulas 5.18)."""

    max_charge_kw: float = Field(ge=0)
    max_discharge_kw: float = Field(ge=0)
    charge_efficiency: float = Field(gt=0, le=1, description="One way, not round trip")
    discharge_efficiency: float = Field(gt=0, le=1, description="One way")
    soc_min_kwh: float = Field(ge=0)
    soc_max_kwh: float = Field(ge=0)
    soc_init_kwh: float = Field(ge=0)
    soc_end_min_kwh: float = Field(ge=0)
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh discharged at the AC terminals")

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.soc_min_kwh > self.soc_max_kwh:
            raise ValueError(f"soc_min {self.soc_min_kwh} must not be above soc_max {self.soc_max_kwh}")
        return self


class DispatchCase(Model):
    """One site over consecutive steps. Series have one value a step; powers kW, prices currency per kWh."""

    case_id: str
    currency: str
    start_utc: datetime
    step_h: tuple[PositiveHours, ...] = Field(min_length=1)
    load_kw: tuple[float, ...]
    pv_kw: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_max_kw: float = Field(ge=0)
    export_max_kw: float = Field(ge=0)
    demand_price_per_kw: float = Field(default=0.0, ge=0, description="Currency per kW of the highest import")
    pv_limit_min_kw: float = Field(default=0.0, ge=0, description="PV is never limited below this generation")
    battery: BatteryCase | None = None

    @model_validator(mode="after")
    def _series_have_one_length(self) -> Self:
        names = ("load_kw", "pv_kw", "import_price_per_kwh", "export_price_per_kwh")
        for name in names:
            if len(getattr(self, name)) != len(self.step_h):
                raise ValueError(f"{name} has {len(getattr(self, name))} values, the case {len(self.step_h)} steps")
        return self

    @property
    def grid(self) -> Grid:
        """The steps in time."""
        return Grid(start_utc=self.start_utc, step_h=self.step_h)

    @property
    def curtailment_max_kw(self) -> tuple[float, ...]:
        """How much PV may be taken away in each step. Standby use at night (PV below zero) cannot be curtailed."""
        return tuple(max(pv - self.pv_limit_min_kw, 0.0) for pv in self.pv_kw)


def case_of(request: PlanRequest) -> DispatchCase:
    """The dispatch problem of a plan request: shares of capacity become kWh."""
    battery = request.battery
    return DispatchCase(
        case_id=request.site_id,
        currency=request.currency,
        start_utc=request.start_utc,
        step_h=(request.step_h,) * len(request.load_kw),
        load_kw=request.load_kw,
        pv_kw=request.pv_kw,
        import_price_per_kwh=request.import_price_per_kwh,
        export_price_per_kwh=request.export_price_per_kwh,
        import_max_kw=request.import_max_kw,
        export_max_kw=request.export_max_kw,
        pv_limit_min_kw=request.pv_limit_min_kw,
        battery=BatteryCase(
            max_charge_kw=battery.max_charge_kw,
            max_discharge_kw=battery.max_discharge_kw,
            charge_efficiency=battery.charge_efficiency,
            discharge_efficiency=battery.discharge_efficiency,
            soc_min_kwh=battery.soc_min * battery.capacity_kwh,
            soc_max_kwh=battery.soc_max * battery.capacity_kwh,
            soc_init_kwh=request.soc_init_kwh,
            soc_end_min_kwh=request.soc_end_min_kwh,
            wear_per_kwh=battery.wear_per_kwh,
        ),
    )


def without_battery(case: DispatchCase) -> DispatchCase:
    """The same data with no battery: the counterfactual of a saving. PV is still curtailed where that pays.

    The connection is widened to what load and PV need, for without a battery there is nothing left to choose.
    """
    surplus = [pv - load for pv, load in zip(case.pv_kw, case.load_kw, strict=True)]
    return case.model_copy(
        update={
            "battery": None,
            "import_max_kw": max(case.import_max_kw, *case.load_kw, -min(surplus)),
            "export_max_kw": max(case.export_max_kw, *surplus),
        }
    )
