"""Alert rules of a site: limits on its measures, and limits, severities and mutes of what other sources find."""

from collections.abc import Collection, Mapping, Sequence
from datetime import time
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model, check_all
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.site_file.budgets import Budgets
from data_quality.contracts.site_file.meter import Identifier, Meter
from data_quality.contracts.site_file.premises import Premises, check_named
from data_quality.contracts.text import each_id_once

MONEY = "currency"
LONGEST_HOLD_H = 31 * 24
Grain = Literal["hour", "day", "month"]
ScopeName = Annotated[str, Field(pattern=r"^[a-z]+:[a-z0-9][a-z0-9_-]{0,63}$")]


class Measure(NamedTuple):
    """A KPI that a threshold may stand on. unit: of the catalogue, or MONEY; grains: of its rows in the marts."""

    unit: str
    grains: tuple[Grain, ...]


_ALL: tuple[Grain, ...] = ("hour", "day", "month")
MEASURES: Mapping[str, Measure] = {
    "consumption_kwh": Measure("kwh", _ALL), "peak_15min_kw": Measure("kw", _ALL), "cost": Measure(MONEY, _ALL),
    "emission_kgco2e": Measure("kgco2e", _ALL), "consumption_m3": Measure("m3", _ALL[1:]),
    "load_factor": Measure("1", _ALL[1:]), "demand_factor": Measure("1", _ALL[1:]),
    "power_factor": Measure("1", _ALL[1:]), "self_consumption_rate": Measure("1", _ALL[1:]),
    "self_sufficiency": Measure("1", _ALL[1:]), "generation_kwh": Measure("kwh", _ALL[1:]),
    "export_kwh": Measure("kwh", _ALL[1:]), "kwh_per_product": Measure("kwh_per_unit", _ALL[1:]),
    "delta_kwh": Measure("kwh", _ALL[1:]), "delta_percent": Measure("percent", _ALL[1:]),
}  # fmt: skip
# Kind that judges what a source finds -> units that its limit may have; none: it has no limit.
SOURCE_LIMITS: Mapping[str, tuple[str, ...]] = {
    "enpi": ("percent",), "freshness": ("h",), "quality": ("cases",), "bill_variance": (MONEY,), "device": (),
    "stale_report": (), "plan_infeasible": (), "anomaly": (MONEY, "kwh"),
}  # fmt: skip


class Rule(Model):
    """Fields of every rule. enabled: one that is not changes nothing, and keeps its versions."""

    rule_id: Identifier
    name: str = Field(default="", max_length=80)
    enabled: bool = True

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or self.rule_id.replace("_", " ")


class LimitRule(Rule):
    """A rule that judges a series by a limit. hysteresis: by how much a value must be back before the excursion is
    over, in `unit`; hold_h: hours over the limit before it counts.
    """

    limit: float
    unit: str
    hysteresis: float = Field(default=0, ge=0)
    hold_h: float = Field(default=0, ge=0, le=LONGEST_HOLD_H)
    severity: Severity = 3

    @property
    def is_above(self) -> bool:
        """True where it is about values above the limit."""
        return True


class Hours(Model):
    """From and until a time of the site's clock, over midnight where the end is the earlier."""

    start: time
    end: time

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start == self.end:
            raise ValueError("hours begin and end at the same time: give two times")
        return self


class ThresholdRule(LimitRule):
    """A KPI of a scope over or under a limit. scope: the site's electricity where left out; hours: of grain hour."""

    kind: Literal["threshold"]
    measure: Literal[
        "consumption_kwh", "peak_15min_kw", "cost", "emission_kgco2e", "consumption_m3", "load_factor",
        "demand_factor", "power_factor", "self_consumption_rate", "self_sufficiency", "generation_kwh", "export_kwh",
        "kwh_per_product", "delta_kwh", "delta_percent",
    ]  # fmt: skip
    scope: ScopeName | None = None
    grain: Grain = "hour"
    side: Literal["above", "below"] = "above"
    hours: Hours | None = None

    @property
    def is_above(self) -> bool:
        """True where it is about values above the limit."""
        return self.side == "above"

    @model_validator(mode="after")
    def _fits_its_measure(self) -> Self:
        known = MEASURES[self.measure]
        if self.grain not in known.grains:
            raise ValueError(f"grain {self.grain!r}: {self.measure} is known by {' and '.join(known.grains)}")
        if known.unit not in (MONEY, self.unit):
            raise ValueError(f"unit {self.unit!r}: {self.measure} is in {known.unit!r}")
        if self.hours is not None and self.grain != "hour":
            raise ValueError(f"hours go with grain hour, not {self.grain}")
        if self.measure.startswith("delta_") and not (self.scope or "").startswith("seu:"):
            raise ValueError(f"{self.measure} is of an energy use: expected a scope seu:NAME")
        return self


class PeakRule(LimitRule):
    """The site's highest demand of a month over a target: as billed so far (window), or as projected."""

    kind: Literal["peak"]
    basis: Literal["window", "projection"] = "window"
    limit: float = Field(gt=0)
    unit: Literal["kw"] = "kw"


class BudgetRule(LimitRule):
    """The projected cost or carbon of a month in percent of the site's budget."""

    kind: Literal["budget"]
    of: Literal["cost", "carbon"] = "cost"
    limit: float = Field(default=100, gt=0)
    unit: Literal["percent"] = "percent"


class SourceRule(Rule):
    """Limit, severity and mute of another source's findings: those that are not above the limit are left out.

    scope: a meter or an energy use; without it all of the kind. The first rule of a site that fits a finding counts.
    """

    kind: Literal[
        "enpi", "freshness", "quality", "bill_variance", "device", "stale_report", "plan_infeasible", "anomaly"
    ]
    scope: ScopeName | None = None
    limit: float | None = Field(default=None, ge=0)
    unit: str = ""
    severity: Severity | None = None
    mute: bool = False

    @model_validator(mode="after")
    def _has_a_unit(self) -> Self:
        units = SOURCE_LIMITS[self.kind]
        if self.limit is None and self.unit:
            raise ValueError(f"unit {self.unit!r} without a limit")
        if self.limit is not None and not units:
            raise ValueError(f"a rule of kind {self.kind} has no limit")
        if self.limit is not None and MONEY not in units and self.unit not in units:
            raise ValueError(f"unit {self.unit!r}: a limit of {self.kind} is in {' or '.join(map(repr, units))}")
        return self

    def is_of(self, kind: str, scopes: Collection[str]) -> bool:
        """True where it judges a finding of that kind, of these meters, uses or devices."""
        return self.enabled and self.kind == kind and (self.scope is None or self.scope in scopes)

    def passes(self, amounts: Mapping[str, float]) -> bool:
        """True where a finding with these amounts by unit stays; one without an amount in the limit's unit does."""
        if self.mute:
            return False
        return self.limit is None or self.unit not in amounts or amounts[self.unit] > self.limit


JudgedRule = ThresholdRule | PeakRule | BudgetRule
AlertRule = Annotated[JudgedRule | SourceRule, Field(discriminator="kind")]


class RuledSite(Protocol):
    """Parts of a site that its rules may name."""

    @property
    def site_id(self) -> str:
        """Its id."""

    @property
    def currency(self) -> str:
        """Its currency."""

    @property
    def budgets(self) -> Budgets | None:
        """Monthly budgets of cost and emissions."""

    @property
    def premises(self) -> Premises:
        """Its parts."""

    @property
    def meters(self) -> Sequence[Meter]:
        """Its meters."""

    @property
    def seus(self) -> Sequence[Any]:
        """Its energy uses."""

    @property
    def assets(self) -> Sequence[Any]:
        """Its devices."""

    @property
    def alert_rules(self) -> Sequence[AlertRule]:
        """The rules."""


def check_rules(site: RuledSite) -> None:
    """Check that rules name parts of the site. Raises ValueError for an unknown scope, another currency, no budget."""
    each_id_once("rule", [each.rule_id for each in site.alert_rules])
    check_all(partial(_check_rule, each, site) for each in site.alert_rules)


def _check_rule(rule: AlertRule, site: RuledSite) -> None:
    where, units = f"rule {rule.rule_id!r}", _money_units(rule, site.currency)
    if units and rule.unit not in units:
        raise ValueError(f"{where}: unit {rule.unit!r}, expected {' or '.join(map(repr, units))}")
    if isinstance(rule, ThresholdRule | SourceRule) and rule.scope is not None:
        parts = [f"{kind}:{each.part_id}" for kind, all_ in site.premises.parts().items() for each in all_]
        own = [f"meter:{each.meter_id}" for each in site.meters] + [f"seu:{each.seu_id}" for each in site.seus]
        own += [*parts, *(f"asset:{each.asset_id}" for each in site.assets)]
        check_named(f"{where}: scope", rule.scope, [f"site:{site.site_id}", *own])
    if isinstance(rule, BudgetRule) and budget_of(rule, site) is None:
        raise ValueError(f"{where}: the site has no budget of {rule.of}, expected one in budgets")


def peak_rule(rules: Sequence[AlertRule]) -> PeakRule | None:
    """The enabled rule with the lowest limit of demand."""
    found = [each for each in rules if isinstance(each, PeakRule) and each.enabled]
    return min(found, key=lambda each: each.limit, default=None)


def budget_of(rule: BudgetRule, site: RuledSite) -> float | None:
    """Monthly budget in the site's currency, or in kg CO2e."""
    if site.budgets is None:
        return None
    costs, carbon = site.budgets.cost_per_month, site.budgets.kgco2e_per_month
    amount = costs.get(site.currency) if rule.of == "cost" else carbon
    return None if amount is None else float(amount)


def _money_units(rule: AlertRule, currency: str) -> tuple[str, ...]:
    """The units that a rule may have where one of them is money; else none."""
    if isinstance(rule, ThresholdRule):
        return (currency,) if MEASURES[rule.measure].unit == MONEY else ()
    if not isinstance(rule, SourceRule) or rule.limit is None or MONEY not in SOURCE_LIMITS[rule.kind]:
        return ()
    return tuple(currency if unit == MONEY else unit for unit in SOURCE_LIMITS[rule.kind])
