"""A dispatch plan: its goals (of a site file, a case or a stored plan), request, steps and objective; hashed."""

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.control.experiment import Arm
from data_quality.contracts.control.explanation import Explanation
from data_quality.contracts.control.plan_scenario import CostBand, RiskFigures, ScenarioSet
from data_quality.contracts.model import Model

Preset = Literal["economic", "comfort", "environmental", "balanced", "peak_shaving", "self_consumption"]
GoalName = Literal["money", "comfort", "carbon", "peak", "imports"]


class Goal(Model):
    """One goal of an order: the goals after it may worsen it by no more than `tolerance`."""

    goal: GoalName
    tolerance: float = Field(default=0.0, ge=0, le=1, description="Share of its best value")

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, content: Any) -> Any:
        return {"goal": content} if isinstance(content, str) else content


class Objective(Model):
    """A preset and its prices, all in the site's currency: what has no price is not added to money.

    In YAML the name of a preset alone will do: `objective: peak_shaving`.
    """

    preset: Preset = "economic"
    carbon_price_per_tonne: float | None = Field(default=None, gt=0, description="Currency per tonne CO2e")
    peak_price_per_kw: float | None = Field(default=None, gt=0, description="Currency per kW of the highest import")
    imports_price_per_kwh: float | None = Field(default=None, gt=0, description="On top, per kWh imported")
    carbon_max_kgco2e: float | None = Field(default=None, ge=0, description="Bound of the imports over the horizon")
    first: tuple[Goal, ...] = Field(default=(), description="One after the other, before the preset decides the rest")
    export_min_price_per_kwh: float | None = Field(default=None, description="Nothing is exported below this price")
    carbon_stream: str | None = Field(
        default=None, description="Driver in kgCO2e per kWh of grid electricity by the hour; else the site's factors"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_its_preset(cls, content: Any) -> Any:
        return {"preset": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [each.goal for each in self.first]
        if len(set(names)) != len(names):
            raise ValueError(f"first names a goal twice: {', '.join(names)}")
        if self.preset == "balanced" and self.carbon_price_per_tonne is None:
            raise ValueError("balanced weighs carbon against money: give carbon_price_per_tonne")
        return self

    @property
    def is_default(self) -> bool:
        """True where it is what every plan had before there was a choice: the least money."""
        return self == _DEFAULT


# What every plan had before there was a choice.
_DEFAULT = Objective()


NonNegative = Annotated[float, Field(ge=0)]
PositiveHours = Annotated[float, Field(gt=0, le=24)]
# The label of a request that tells from which step on its prices are forecast.
FORECAST_FROM = "prices_forecast_from"
# Of docs/ems/plan.schema.json. A change that a reader of the one before would stumble over is the next number.
PLAN_SCHEMA: Final = 2
_OF_ONE_BATTERY = ("battery", "soc_init_kwh", "soc_end_min_kwh", "pv_kw", "pv_limit_min_kw")


BatteryMode = Literal["auto", "charge", "discharge", "self", "backup"]
_Share = Annotated[float, Field(ge=0, le=1)]
_Open = Annotated[float, Field(gt=0, le=1)]


def _is_empty(value: Any) -> bool:
    """True of a default that stays out of what is stored and hashed."""
    return not value


def _absent(value: Any) -> bool:
    return value is None or value == "auto"


class BatteryParams(Model):
    """Limits of one battery. Energies on the cell side, powers on the AC side.

    efficiency_curve: one-way efficiency at shares of the rated power, both directions, instead of the two efficiencies.
    derating: share of the power at temperatures of the battery; temperature_degc: one value, or 24 by local hour.
    wear_by_depth: what a kWh drawn costs in a cycle down to a depth (share of capacity), on top of wear_per_kwh.
    mode: charge (never discharges), discharge (never charges), self (stores the site's own surplus, covers its own
    need), backup (keeps `reserve`).
    """

    capacity_kwh: float = Field(gt=0)
    max_charge_kw: float = Field(gt=0)
    max_discharge_kw: float = Field(gt=0)
    soc_min: float = Field(ge=0, le=1, description="Share of capacity, not percent")
    soc_max: float = Field(ge=0, le=1)
    # 0.975 each way is the 0.95 of a data sheet's round trip.
    charge_efficiency: float = Field(default=0.975, gt=0, le=1, description="One way (resolution C2.10)")
    discharge_efficiency: float = Field(default=0.975, gt=0, le=1, description="One way")
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh discharged")
    end_value_per_kwh: float | None = Field(
        default=None, ge=0, exclude_if=_absent, description="Of charge left at the end, instead of ending as it began"
    )
    efficiency_curve: tuple[tuple[_Open, _Open], ...] | None = Field(default=None, min_length=1, exclude_if=_absent)
    derating: tuple[tuple[float, _Share], ...] | None = Field(default=None, min_length=1, exclude_if=_absent)
    temperature_degc: float | Annotated[tuple[float, ...], Field(min_length=24, max_length=24)] | None = Field(
        default=None, exclude_if=_absent
    )
    wear_by_depth: tuple[tuple[_Open, float], ...] | None = Field(default=None, min_length=1, exclude_if=_absent)
    mode: BatteryMode = Field(default="auto", exclude_if=_absent)
    reserve: float | None = Field(default=None, ge=0, le=1, exclude_if=_absent, description="Share kept in mode backup")

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.soc_min >= self.soc_max:
            raise ValueError(f"soc_min {self.soc_min} must be below soc_max {self.soc_max}")
        return self

    @model_validator(mode="after")
    def _figures_agree(self) -> Self:
        if (self.mode == "backup") != (self.reserve is not None):
            raise ValueError("mode backup and reserve go together: give both or neither")
        if self.reserve is not None and self.reserve >= self.soc_max:
            raise ValueError(f"reserve {self.reserve} must be below soc_max {self.soc_max}")
        if (self.derating is None) != (self.temperature_degc is None):
            raise ValueError("derating and temperature_degc go together: give both or neither")
        for name in ("efficiency_curve", "derating", "wear_by_depth"):
            points = getattr(self, name) or ()
            if any(second[0] <= first[0] for first, second in pairwise(points)):
                raise ValueError(f"{name}: the first figures of its points must rise")
        # What arrives at the cells must rise with the power, and so must what is drawn from them.
        for first, second in pairwise(self.efficiency_curve or ()):
            if second[0] * second[1] <= first[0] * first[1] or second[0] / second[1] <= first[0] / first[1]:
                raise ValueError(f"efficiency_curve: more power moves less energy between {first[0]} and {second[0]}")
        depths = self.wear_by_depth or ((1.0, 0.0),)
        if depths[-1][0] != 1 or min(price for _, price in depths) < 0:
            raise ValueError("wear_by_depth: the last depth must be 1, and no price below 0")
        if any(second[1] < first[1] for first, second in pairwise(depths)):
            raise ValueError("wear_by_depth: a deeper cycle must not wear less")
        return self


_EACH = (1 / 3, 1 / 3, 1 / 3)
_Powers = Annotated[tuple[NonNegative, NonNegative, NonNegative], Field(description="kW of L1, L2 and L3")]


class PhaseLimits(Model):
    """Limits of a connection by phase, kW, and the share of the load on each."""

    import_max_kw: _Powers
    export_max_kw: _Powers
    load_share: tuple[NonNegative, NonNegative, NonNegative] = _EACH

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if abs(sum(self.load_share) - 1) > 1e-6:
            raise ValueError(f"the load's shares of the phases add up to {sum(self.load_share):g}, expected 1")
        return self


class DeviceFigures(Model):
    """One device of a request; `figures` are the fields of its kind (controls/optimiser/devices), as plain JSON."""

    kind: str
    device_id: str
    figures: dict[str, Any]


class PlanRequest(Model):
    """Everything a plan depends on, as known at `known_at_utc`. Series have one value a step."""

    site_id: str
    start_utc: datetime
    step_h: PositiveHours | tuple[PositiveHours, ...] = Field(description="Of all steps, or of each")
    known_at_utc: datetime
    load_kw: tuple[float, ...] = Field(min_length=1)
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    import_max_kw: float = Field(gt=0)
    export_max_kw: float = Field(ge=0)
    devices: tuple[DeviceFigures, ...]
    currency: str
    # Left out where there are none: plans of earlier versions keep their hash.
    bills: tuple[dict[str, Any], ...] = Field(
        default=(), exclude_if=_is_empty, description="The tariff as linear terms of the bills that the steps belong to"
    )
    phases: PhaseLimits | None = Field(default=None, exclude_if=_is_empty)
    forecast_id: str = ""
    inputs: dict[str, str] = Field(default={}, description="What was used: name -> id, digest or measured age")
    is_synthetic: bool = False
    # Plans of earlier versions had none of these: at their defaults they are in no hash.
    objective: Objective = Field(default=Objective(), exclude_if=lambda objective: objective.is_default)
    carbon_kgco2e_per_kwh: tuple[float, ...] | None = Field(default=None, exclude_if=lambda known: known is None)
    uncertain: ScenarioSet | None = Field(default=None, exclude_if=lambda known: known is None)
    follows: Arm = Field(
        default="plan", exclude_if=lambda arm: arm == "plan", description="habit: by rule, on a day of an experiment"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_one_battery(cls, content: Any) -> Any:
        """Plans of earlier versions had one PV system and one battery, with shares of its capacity."""
        if not isinstance(content, dict) or "battery" not in content:
            return content
        new = {name: value for name, value in content.items() if name not in _OF_ONE_BATTERY}
        battery = BatteryParams.model_validate(content["battery"])
        charge = battery.model_dump() | {
            "soc_min_kwh": battery.soc_min * battery.capacity_kwh,
            "soc_max_kwh": battery.soc_max * battery.capacity_kwh,
            "soc_init_kwh": content["soc_init_kwh"],
            "soc_end_min_kwh": content["soc_end_min_kwh"],
        }
        charge = {name: value for name, value in charge.items() if name not in {"soc_min", "soc_max"}}
        sun = {"pv_kw": list(content["pv_kw"]), "limit_min_kw": content.get("pv_limit_min_kw", 0.0)}
        figures = {"battery": charge, "pv": sun}
        return new | {"devices": [{"kind": kind, "device_id": kind, "figures": of} for kind, of in figures.items()]}

    @model_validator(mode="after")
    def _series_have_one_length(self) -> Self:
        lengths = {
            name: len(getattr(self, name)) for name in ("load_kw", "import_price_per_kwh", "export_price_per_kwh")
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(f"series differ in length: {lengths}")
        if len(self.steps_h) != len(self.load_kw):
            raise ValueError(f"step_h has {len(self.steps_h)} values, load_kw {len(self.load_kw)}")
        return self

    @property
    def steps_h(self) -> tuple[float, ...]:
        """Hours of each step."""
        return self.step_h if isinstance(self.step_h, tuple) else (self.step_h,) * len(self.load_kw)


class PlanStep(Model):
    """One step: mean powers at the AC side over [start_utc, end_utc), and stored amounts at its end, by device."""

    start_utc: datetime
    end_utc: datetime
    import_kw: float
    export_kw: float
    devices: dict[str, dict[str, float]]
    is_price_forecast: bool = Field(default=False, exclude_if=_is_empty, description="Its price was not yet published")

    @model_validator(mode="before")
    @classmethod
    def _of_one_battery(cls, content: Any) -> Any:
        """Plans of earlier versions: see PlanRequest."""
        if not isinstance(content, dict) or "devices" in content:
            return content
        # The dictionary is the caller's own: it stays as it was given.
        new = dict(content)
        sun = {"curtailed_kw": new.pop("curtailed_kw")}
        charge = {name: new.pop(name) for name in ("battery_charge_kw", "battery_discharge_kw", "soc_end_kwh")}
        return new | {"devices": {"battery": charge, "pv": sun}}

    def total(self, column: str) -> float:
        """A column (`battery_charge_kw`) of all devices together; 0 where none has it."""
        return sum(columns.get(column, 0.0) for columns in self.devices.values())


class PlanStart(Model):
    """The plan before, moved to the steps of a new one, as a start of its search; gaps are shares.

    plan_id: empty where none was used, which `why` says. first_gap: how far from the best the plan before would be at
    most if its switchings were kept; None: it was not priced in time. gap_alone, seconds_alone: of the search without
    it; None: it found no plan in time. gap, seconds: of the search from it, where the one without proved no plan.
    """

    plan_id: str = ""
    why: str = ""
    first_gap: float | None = None
    gap_alone: float | None = None
    seconds_alone: float = 0.0
    gap: float | None = None
    seconds: float = 0.0


class Plan(Model):
    """A versioned plan. `plan_hash` covers request and steps; `version` counts per site and start.

    no_battery_cost: with nothing planned, whatever the devices are; stored plans have it by this name. objective: what
    was minimised, which is money only where money is all that is wanted. costs: by kind, in the currency; measures:
    what is no currency, with its unit in the name. explanation: why the steps are so; None in plans of earlier
    versions, and where nobody asked. asked_because: what asked for the plan; empty in plans of earlier versions.
    """

    schema_version: Literal[1, 2] = Field(
        default=PLAN_SCHEMA, description="That it was stored in; 1: one battery and one PV system, read as devices"
    )
    plan_id: str
    plan_hash: str
    version: int
    site_id: str
    created_at_utc: datetime
    status: str
    objective: float
    bound: float
    gap: float = Field(ge=0, description="(objective - bound) / |objective|, a share")
    no_battery_cost: float
    currency: str
    input_digest: str
    solver: str
    # Plans of earlier versions, which wanted the least money, have none of these.
    money: float | None = Field(default=None, exclude_if=lambda money: money is None)
    costs: dict[str, float] = Field(default={}, exclude_if=lambda costs: not costs)
    measures: dict[str, float] = Field(default={}, exclude_if=lambda measures: not measures)
    risk: RiskFigures | None = Field(default=None, exclude_if=lambda risk: risk is None)
    request: PlanRequest
    steps: tuple[PlanStep, ...]
    explanation: Explanation | None = None
    asked_because: str = Field(default="", exclude_if=_is_empty)
    start: PlanStart | None = Field(default=None, exclude_if=lambda start: start is None)

    @model_validator(mode="before")
    @classmethod
    def _of_one_battery(cls, content: Any) -> Any:
        """The first schema had no number: it is known by its battery (PlanRequest)."""
        if not isinstance(content, dict) or "schema_version" in content:
            return content
        request = content.get("request")
        return content | {"schema_version": 1} if isinstance(request, dict) and "battery" in request else content

    @property
    def paid(self) -> float:
        """Cost of the plan, in money."""
        return self.objective if self.money is None else self.money

    @property
    def cost_band(self) -> CostBand | None:
        """P10 to P90 of the cost over the plan's scenarios; None without them, and where more than money is wanted."""
        return self.risk.cost_band if self.risk is not None and self.request.objective.is_default else None

    def step_at(self, at_utc: datetime) -> int | None:
        """Which of its steps is in progress; None: none."""
        return next((t for t, step in enumerate(self.steps) if step.start_utc <= at_utc < step.end_utc), None)
