"""A dispatch plan: its request, its steps and the objective, versioned and hashed."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model


class BatteryParams(Model):
    """Limits of one battery. Energies on the cell side, powers on the AC side."""

    capacity_kwh: float = Field(gt=0)
    max_charge_kw: float = Field(gt=0)
    max_discharge_kw: float = Field(gt=0)
    soc_min: float = Field(ge=0, le=1, description="Share of capacity, not percent")
    soc_max: float = Field(ge=0, le=1)
    charge_efficiency: float = Field(default=0.975, gt=0, le=1, description="One way (resolution C2.10)")
    discharge_efficiency: float = Field(default=0.975, gt=0, le=1, description="One way")
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh discharged")

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.soc_min >= self.soc_max:
            raise ValueError(f"soc_min {self.soc_min} must be below soc_max {self.soc_max}")
        return self


class PlanRequest(Model):
    """Everything a plan depends on, as known at `known_at_utc`. Series have one value a step."""

    site_id: str
    start_utc: datetime
    step_h: float = Field(gt=0, le=24)
    known_at_utc: datetime
    load_kw: tuple[float, ...] = Field(min_length=1)
    pv_kw: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_max_kw: float = Field(gt=0)
    export_max_kw: float = Field(ge=0)
    battery: BatteryParams
    soc_init_kwh: float = Field(ge=0)
    soc_end_min_kwh: float = Field(ge=0)
    currency: str
    pv_limit_min_kw: float = Field(default=0.0, ge=0, description="PV is never limited below this generation")
    forecast_id: str = ""
    inputs: dict[str, str] = Field(default={}, description="What was used: name -> id, digest or measured age")
    is_synthetic: bool = False

    @model_validator(mode="after")
    def _series_have_one_length(self) -> Self:
        lengths = {
            "load_kw": len(self.load_kw),
            "pv_kw": len(self.pv_kw),
            "import_price_per_kwh": len(self.import_price_per_kwh),
            "export_price_per_kwh": len(self.export_price_per_kwh),
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(f"series differ in length: {lengths}")
        return self


class PlanStep(Model):
    """One step: mean powers at the AC side over [start_utc, end_utc), and the charge at its end."""

    start_utc: datetime
    end_utc: datetime
    import_kw: float
    export_kw: float
    curtailed_kw: float
    battery_charge_kw: float
    battery_discharge_kw: float
    soc_end_kwh: float


class Plan(Model):
    """A versioned plan. `plan_hash` covers request and steps; `version` counts per site and start."""

    plan_id: str
    plan_hash: str
    version: int
    site_id: str
    created_at_utc: datetime
    status: str
    objective: float
    bound: float
    gap: float
    no_battery_cost: float
    currency: str
    input_digest: str
    solver: str
    request: PlanRequest
    steps: tuple[PlanStep, ...]
