"""The dispatch problem as numbers, before any mathematics: what a plan request and a case file have in common.

Each phase of a connection by itself: what one feeds in does not relieve the fuse of another, however the meter adds
them up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from assets.tariffs.linear_model import LinearTerms
from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Row
from controls.optimiser.bill_columns import steps_of_intervals
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import CaseContext, Columns, Device, Numbers, Part, Values
from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.objective import Aims, goals_of, weights_of
from data_quality.contracts.control.plan import GoalName, Objective, PlanRequest, PositiveHours
from data_quality.contracts.control.plan_scenario import Scenario, ScenarioSet
from data_quality.contracts.model import Model


class DispatchCase(Model):
    """One site over consecutive steps: a load, a connection and devices. Series have one value a step; powers kW."""

    case_id: str
    currency: str
    start_utc: datetime
    step_h: tuple[PositiveHours, ...] = Field(min_length=1)
    load_kw: tuple[float, ...]
    connection: Connection
    devices: tuple[Device, ...] = ()
    objective: Objective = Objective()
    carbon_kgco2e_per_kwh: tuple[float, ...] | None = Field(default=None, description="Of imports; None: not known")
    kept: dict[GoalName, float] = Field(default={}, description="The most of goals that were solved before")
    uncertain: ScenarioSet | None = Field(default=None, description="What may come instead; None: all is known")

    @model_validator(mode="after")
    def _series_have_one_length(self) -> Self:
        series = {"load_kw": self.load_kw}
        for part in self.parts:
            # A series that nobody needs may be absent.
            series |= {name: found for name in part.per_step if (found := getattr(part, name)) is not None}
            for name, values in series.items():
                if len(values) != len(self.step_h):
                    raise ValueError(f"{name} has {len(values)} values, the case {len(self.step_h)} steps")
            part.fits(self.step_h)
        return self

    @model_validator(mode="after")
    def _scenarios_fit(self) -> Self:
        known = {device.device_id for device in self.devices if device.forecast}
        for one in self.uncertain.scenarios if self.uncertain else ():
            if strange := one.given_kw.keys() - known:
                raise ValueError(
                    f"scenario {one.name}: no device with a forecast is called {', '.join(sorted(strange))}"
                )
            for name, values in one.series.items():
                if len(values) != len(self.step_h):
                    raise ValueError(
                        f"scenario {one.name}: {name} has {len(values)} values, the case {len(self.step_h)} steps"
                    )
        if self.uncertain and goals_of(self.objective):
            raise ValueError(
                "scenarios are weighed by one cost: give the objective prices instead of an order of goals"
            )
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        # In the names of variables a solver knows no hyphen.
        names = Counter(device.device_id.replace("-", "_") for device in self.devices)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"two devices are called {', '.join(twice)}")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The connection, then what only adds to a plan, then what makes one: conflicts are sought in this order."""
        # Sorting is stable, so within each group the order of the site file stays.
        devices = sorted(self.devices, key=lambda device: device.makes_a_plan)
        return (self.connection, *(() if self.objective.is_default and not self.kept else (self.aims,)), *devices)

    @cached_property
    def aims(self) -> Aims:
        """Objective with the prices and carbon intensities that it weighs."""
        return Aims(
            objective=self.objective,
            export_price_per_kwh=self.connection.export_price_per_kwh,
            carbon_kgco2e_per_kwh=self.carbon_kgco2e_per_kwh,
        )

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each kind of cost in the objective, where it is not 1 (devices/device.py: MONEY)."""
        return weights_of(self.objective)

    @property
    def bounds(self) -> dict[GoalName, float]:
        """The most of each goal that is bounded, in its unit."""
        most = self.objective.carbon_max_kgco2e
        chosen: dict[GoalName, float] = {} if most is None else {"carbon": most}
        return chosen | {goal: min(kept, chosen.get(goal, kept)) for goal, kept in self.kept.items()}

    @property
    def windows_utc(self) -> tuple[tuple[datetime, datetime], ...]:
        """[start, end) of every step; steps may be of different lengths."""
        hours = accumulate(self.step_h, initial=0.0)
        return tuple(pairwise(self.start_utc + timedelta(seconds=past * 3600) for past in hours))

    @property
    def around(self) -> CaseContext:
        """The steps, and the most that load and devices may draw or feed in each."""
        load_kw = np.array(self.load_kw)
        drawn, fed = np.maximum(load_kw, 0.0), np.maximum(-load_kw, 0.0)
        for device in self.devices:
            most_drawn, most_fed = device.reach_kw()
            drawn, fed = drawn + most_drawn, fed + most_fed
        return CaseContext(step_h=np.array(self.step_h), drawn_max_kw=drawn, fed_max_kw=fed)

    def in_scenario(self, scenario: Scenario) -> "DispatchCase":
        """The same where it is known that this one comes."""
        prices = scenario.model_dump(include={"import_price_per_kwh", "export_price_per_kwh"}, exclude_none=True)
        given_kw = {name: np.array(values) for name, values in scenario.given_kw.items()}
        return self.model_copy(
            update={
                "load_kw": self.load_kw if scenario.load_kw is None else scenario.load_kw,
                "connection": self.connection.model_copy(update=prices),
                "devices": tuple(
                    (device.with_state(forecast_kw=given_kw[device.device_id]) or device)
                    if device.device_id in given_kw
                    else device
                    for device in self.devices
                ),
                "uncertain": None,
            }
        )

    def net_kw(self, columns: Mapping[str, Numbers]) -> Floats:
        """Net power of load and devices (their series by id) in each step, below zero where they feed in."""
        net_kw = np.array(self.load_kw)
        for device in self.devices:
            net_kw = net_kw + device.drawn_kw(columns[device.device_id])
        return net_kw


def case_of(request: PlanRequest) -> DispatchCase:
    """The dispatch problem of a plan request. Raises as `devices_of`."""
    bills = tuple(LinearTerms.model_validate(terms) for terms in request.bills)
    interval_h = [terms.step_minutes / 60 for terms in bills for _ in range(terms.size)]
    is_longer = len(interval_h) > len(request.load_kw)
    return DispatchCase(
        case_id=request.site_id,
        currency=request.currency,
        start_utc=request.start_utc,
        step_h=request.steps_h,
        load_kw=request.load_kw,
        connection=Connection(
            import_price_per_kwh=request.import_price_per_kwh,
            export_price_per_kwh=request.export_price_per_kwh,
            import_max_kw=request.import_max_kw,
            export_max_kw=request.export_max_kw,
            bills=bills,
            interval_steps=tuple(steps_of_intervals(request.steps_h, interval_h).tolist()) if is_longer else (),
            phases=request.phases,
        ),
        devices=devices_of(request),
        objective=request.objective,
        carbon_kgco2e_per_kwh=request.carbon_kgco2e_per_kwh,
        uncertain=request.uncertain,
    )


def without_control(case: DispatchCase, planned: Mapping[str, Columns] | None = None) -> DispatchCase:
    """The same data with nothing planned: the counterfactual of a saving. PV is still curtailed where that pays.

    planned: series of a plan by device; heat stores then end with the heat that the plan leaves in them. The connection
    is widened to what the rest needs, for there is nothing left to choose, and the least money is all that is wanted.
    """
    devices = tuple(one for device in case.devices if (one := device.without_control()))
    if planned is not None:
        devices = tuple(one.ending_as(planned[one.device_id]) for one in devices)
    left = case.model_copy(update={"devices": devices, "objective": Objective(), "kept": {}, "uncertain": None})
    return left.model_copy(update={"connection": case.connection.widened(left.around)})


def phase_kw(case: DispatchCase, values: Mapping[str, Values]) -> list[Any]:
    """Power drawn on each phase in each step, kW, below zero for feed-in: of variables, or of numbers (by device)."""
    limits = case.connection.phases
    if limits is None:
        return []
    found = []
    for phase, share in enumerate(limits.load_share):
        drawn: Any = share * np.array(case.load_kw)
        for device in case.devices:
            drawn = drawn + device.phase_kw(values[device.device_id], phase)
        found.append(drawn)
    return found


def phase_rows(case: DispatchCase, variables: Mapping[str, Values]) -> Iterator[Row]:
    """Import and export of each phase up to what it carries; families `import_limit_l1` and so on."""
    limits = case.connection.phases
    for number, drawn in enumerate(phase_kw(case, variables), start=1):
        # A phase on which nothing is planned has no variable: what its load needs is no choice of a plan.
        if limits is not None and not isinstance(drawn, np.ndarray):
            most_in, most_out = limits.import_max_kw[number - 1], limits.export_max_kw[number - 1]
            yield Row(f"import_limit_l{number}", f"import_max_l{number}", drawn <= most_in)
            yield Row(f"export_limit_l{number}", f"export_max_l{number}", drawn >= -most_out)


def phase_errors(case: DispatchCase, columns: Mapping[str, Numbers]) -> Iterator[tuple[str, Floats]]:
    """By how much each phase is above what it carries, kW."""
    limits = case.connection.phases
    for number, drawn in enumerate(phase_kw(case, columns), start=1):
        if limits is not None:
            yield f"phase L{number} imports above its limit", drawn - limits.import_max_kw[number - 1]
            yield f"phase L{number} exports above its limit", -drawn - limits.export_max_kw[number - 1]


def phase_spare_kw(case: DispatchCase, columns: Mapping[str, Numbers], device: Device) -> Floats | float:
    """Power that the device could feed in beside, until a phase of its own carries no more, kW in each step."""
    limits, drawn = case.connection.phases, phase_kw(case, columns)
    left = [
        (limits.export_max_kw[phase] + drawn[phase]) / share
        for phase, share in enumerate(device.phase_share)
        if limits is not None and share
    ]
    return np.min(left, axis=0) if left else np.inf
