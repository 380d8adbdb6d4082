"""Scenarios in addition to the forecast, as data of a case and of a stored plan: courses with their weights, and risk.

Weights of P10, P50 and P90: 0.3, 0.4, 0.3 (Swanson; formulas 5.18). CVaR at a level is the mean of the dearest share
beyond it (Rockafellar and Uryasev 2000).
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

Share = Annotated[float, Field(gt=0, le=1)]
# Weights are sums of products of decimals.
_HAIR = 1e-6
_SURE = 1e-9
_LOW, _HIGH = 0.1, 0.9


class Scenario(Model):
    """One course of what is not known; what is None is as the case has it. Series have one value a step.

    given_kw: of devices with a forecast of their own, by id.
    """

    name: str
    weight: Share
    load_kw: tuple[float, ...] | None = None
    given_kw: dict[str, tuple[float, ...]] = {}
    import_price_per_kwh: tuple[float, ...] | None = None
    export_price_per_kwh: tuple[float, ...] | None = None

    @property
    def series(self) -> dict[str, tuple[float, ...]]:
        """Its statements by name."""
        own = {name: getattr(self, name) for name in ("load_kw", "import_price_per_kwh", "export_price_per_kwh")}
        return {name: values for name, values in own.items() if values is not None} | self.given_kw


class Risk(Model):
    """Risk attitude of a site in planning (`risk:` next to its objective).

    method: swanson (load x PV x price at P10, P50, P90), or selected (the fewest courses that stand for all).
    cvar_weight: of the dearest share beyond cvar_level, in the objective; the rest weighs the mean. shared_h: hours
    from the start in which every device does the same in all scenarios, for nobody knows yet which it is.
    """

    method: Literal["swanson", "selected"] = "swanson"
    scenarios: int = Field(default=27, ge=1, le=100)
    cvar_level: float = Field(default=0.9, ge=0, lt=1)
    cvar_weight: float = Field(default=0.2, ge=0, le=1)
    shared_h: float = Field(default=1.0, ge=0, le=48)


class ScenarioCost(Model):
    """Cost of a plan in one scenario, in the case's currency and by its objective."""

    name: str
    weight: float
    cost: float


def cost_at(costs: Iterable[ScenarioCost], level: float) -> float:
    """Cost that is not passed with this probability over the scenarios: that of one of them."""
    reached, found = 0.0, 0.0
    for each in sorted(costs, key=lambda one: one.cost):
        reached, found = reached + each.weight, each.cost
        if reached >= level - _SURE:
            break
    return found


class CostBand(Model):
    """Between which costs, in the plan's currency, it lies in that share of all cases: P10 to P90 of its scenarios."""

    low: float
    high: float
    coverage: float
    scenarios: int


class RiskFigures(Model):
    """Expected cost of a plan over scenarios, and what thinking of them is worth, in the case's currency.

    promised_cost: not passed with the probability `level` (value at risk). cvar: mean beyond it. mean_plan: the same
    objective where the first decisions are those of the plan for the mean scenario; None: they break a limit in some
    scenario, or time did not suffice (`told` says which). value: mean_plan less this plan, the value of the stochastic
    solution. perfect: where each scenario were known beforehand. blind: where nothing could be decided later; what can
    be kept lies between the plan, whose later decisions know their scenario, and this.
    """

    level: float
    cvar_weight: float
    expected_cost: float
    promised_cost: float
    cvar: float
    costs: tuple[ScenarioCost, ...]
    mean_plan: float | None = None
    value: float | None = None
    perfect: float | None = None
    blind: float | None = None
    told: tuple[str, ...] = ()

    @property
    def cost_band(self) -> CostBand:
        """P10 to P90 of the costs. It follows from them, and stored plans have it without a field for it."""
        low, high = (cost_at(self.costs, each) for each in (_LOW, _HIGH))
        return CostBand(low=low, high=high, coverage=round(_HIGH - _LOW, 9), scenarios=len(self.costs))


class ScenarioSet(Model):
    """The scenarios of a case, and how much risk counts."""

    risk: Risk = Risk()
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = sum(one.weight for one in self.scenarios)
        if abs(total - 1) > _HAIR:
            raise ValueError(f"the weights of {len(self.scenarios)} scenarios add up to {total:g}, expected 1")
        if len({one.name for one in self.scenarios}) != len(self.scenarios):
            raise ValueError("two scenarios have one name")
        return self
