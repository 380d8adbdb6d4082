"""Objective of a plan: presets as weights in one currency, an order of goals, bounds (resolution C4.5).

Grams are never added to currency: carbon enters by a price per tonne, by a bound, or as a goal that comes first. A goal
without a price comes first too, and money decides among the plans that are equally good at it (C2.11).

| preset | comfort | carbon | highest import | energy imported |
|---|---|---|---|---|
| economic | 1 | price | price | price |
| comfort | 10 | price | price | price |
| environmental | 1 | 5 times its price, or first | price | price |
| balanced | 3 | price, which must be given | price | price |
| peak_shaving | 1 | price | price, or first | price |
| self_consumption | 1 | price | price | price, or first |

Money weighs 1 always; "price": the one that the objective states, nothing where it states none. Self-consumption counts
what is imported: counting exports as well would pay for curtailing the sun.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from controls.optimiser.backends.expressions import Floats, Linear, Places
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.devices.device import MONEY, CaseContext, Numbers, Part, Values
from data_quality.contracts.control.plan import Goal, GoalName, Objective

# Kinds of cost in each goal; a goal counts them as they are.
GOALS: Mapping[GoalName, frozenset[str]] = {
    "money": MONEY,
    "comfort": frozenset({"comfort"}),
    "carbon": frozenset({"carbon"}),
    "peak": frozenset({"peak"}),
    "imports": frozenset({"imports"}),
}
# Of the site's imports, in units that are no currency.
MEASURES = ("carbon", "peak", "imports")
# How often a preset counts a price that is stated.
_TIMES = {"comfort": {"comfort": 10.0}, "environmental": {"carbon": 5.0}, "balanced": {"comfort": 3.0}}
_FIRST: Mapping[str, GoalName] = {"environmental": "carbon", "peak_shaving": "peak", "self_consumption": "imports"}
# Of a goal's value: above the noise of a sum over all steps, far below what anybody could tell.
_SLACK = 1e-7


def weights_of(objective: Objective) -> dict[str, float]:
    """Weight of each kind of cost in the objective, in currency per unit, where it is not 1."""
    prices = _prices(objective) | {"comfort": 1.0}
    times = _TIMES.get(objective.preset, {})
    return {kind: times.get(kind, 1.0) * price for kind, price in prices.items()}


def goals_of(objective: Objective) -> tuple[Goal, ...]:
    """The goals that come before the weights: the preset's own where it has no price, then those that are named."""
    own = _FIRST.get(objective.preset)
    named = {each.goal for each in objective.first}
    if own is None or own in named or _prices(objective)[own]:
        return objective.first
    return (Goal(goal=own), *objective.first)


def active_measures(objective: Objective) -> frozenset[str]:
    """The measures that weigh something, come first, or are bounded."""
    weights, first = weights_of(objective), {each.goal for each in goals_of(objective)}
    bounded = {"carbon"} if objective.carbon_max_kgco2e is not None else set()
    return frozenset(kind for kind in MEASURES if weights[kind] or kind in first | bounded)


def goal_weights(goal: GoalName, kinds: Iterable[str]) -> dict[str, float]:
    """Weights by which a problem minimises one goal alone."""
    return {kind: float(kind in GOALS[goal]) for kind in kinds}


def bound_of(goal: Goal, best: float) -> float:
    """The most that a goal may come to after it was solved."""
    return best + goal.tolerance * abs(best) + _SLACK * max(1.0, abs(best))


def measures_of(connection: Numbers, step_h: Floats, carbon_kgco2e_per_kwh: ArrayLike | None) -> dict[str, float]:
    """Grid measures of a schedule, with units in the names; carbon where its intensity is known."""
    buy, sell = connection["import_kw"], connection["export_kw"]
    found = {
        "peak_kw": float(np.max(buy)),
        "imported_kwh": float(np.sum(step_h * buy)),
        "exported_kwh": float(np.sum(step_h * sell)),
    }
    if carbon_kgco2e_per_kwh is not None:
        found["carbon_kgco2e"] = float(np.sum(step_h * np.asarray(carbon_kgco2e_per_kwh) * buy))
    return found


def _prices(objective: Objective) -> dict[str, float]:
    return {
        "carbon": (objective.carbon_price_per_tonne or 0.0) / 1000,
        "peak": objective.peak_price_per_kw or 0.0,
        "imports": objective.imports_price_per_kwh or 0.0,
    }


class Aims(Part):
    """Additions of an objective to a case: measures of its exchange with the grid. It sees the connection's variables.

    carbon_kgco2e_per_kwh: of imported energy in each step, location-based; exports earn no credit (Scope 2 Guidance).
    """

    kind = "objective"
    # What a goal before came to is no limit: the plan that it came to keeps it.
    limits: ClassVar = {"carbon_max": "kgco2e", "export_threshold": "kw"}
    per_step = ("carbon_kgco2e_per_kwh", "export_price_per_kwh")
    means: ClassVar = {
        "carbon_max": "imports are worth at most {part.objective.carbon_max_kgco2e:g} kgCO2e",
        "export_threshold": "nothing is exported below a price of {part.objective.export_min_price_per_kwh:g}",
    }

    device_id: str = ""
    objective: Objective
    export_price_per_kwh: tuple[float, ...]
    carbon_kgco2e_per_kwh: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _carbon_is_known(self) -> Self:
        if "carbon" in self.wanted and self.carbon_kgco2e_per_kwh is None:
            raise ValueError(f"the objective {self.objective.preset} counts carbon: carbon_kgco2e_per_kwh is not known")
        return self

    @property
    def wanted(self) -> frozenset[str]:
        """The measures that count."""
        return active_measures(self.objective)

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        """The highest import, where it counts."""
        return {"highest_kw": self.new(program, "highest_kw", 1)} if "peak" in self.wanted else {}

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        """The highest import is at least each of them; nothing is exported at a price below the threshold."""
        if "peak" in self.wanted:
            yield Row("highest", "highest", x["highest_kw"] >= x["import_kw"])
        if (held := self.held_steps).size:
            yield Row("export_threshold", "no_export", x["export_kw"][held] <= 0.0, held)

    def drawn_kw(self, x: Values) -> Any:
        """Nothing."""
        return 0.0

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        """The measures that count, each in its own unit; the weights turn them into currency."""
        if "carbon" in self.wanted:
            yield "carbon", step_h * np.array(self.carbon_kgco2e_per_kwh) * x["import_kw"]
        if "peak" in self.wanted:
            yield "peak", x["highest_kw"] if "highest_kw" in x else np.max(x["import_kw"])
        if "imports" in self.wanted:
            yield "imports", step_h * x["import_kw"]

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, ArrayLike]]:
        """No export at a price below the threshold."""
        least = self.objective.export_min_price_per_kwh
        if least is not None:
            yield (
                "export below its price",
                np.where(np.array(self.export_price_per_kwh) < least, columns["export_kw"], 0),
            )

    @property
    def held_steps(self) -> Places:
        """Steps whose export price is below the threshold."""
        least = self.objective.export_min_price_per_kwh
        return np.flatnonzero(np.array(self.export_price_per_kwh) < (-np.inf if least is None else least))
