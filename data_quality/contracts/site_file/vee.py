"""Words of validation: what a rule may do, where a limit comes from, what was found, and a site's declared settings."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.text import twice_in


class Action(StrEnum):
    """Action on a flagged reading. Whatever it is, the reading itself stays in the lake.

    flag: it is used, and named; hold: it is used, and a person is asked before a report is published;
    exclude: it is no longer used, an estimate stands in its place where one is possible.
    """

    FLAG = "flag"
    HOLD = "hold"
    EXCLUDE = "exclude"


class Limit(Model):
    """One limit that a rule worked with. source: "plate 250 kW", "declared", or the history with its size."""

    value: float
    unit: str
    source: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class RuleFinding(Model):
    """One event: consecutive flagged readings of one stream. Times are half-open.

    value: the worst reading of the event in `unit` (for unit_scale the factor, for clock_shift the hours).
    """

    rule: str
    meter: str
    register_id: str
    start_utc: datetime
    end_utc: datetime
    value: float
    unit: str
    action: Action
    # 0 where no reading is flagged: sums of a day, the other side of a change of unit.
    slots: int
    message: str
    limit: Limit | None = None


# The rule table's names, written out: contracts stand below the rules and may not import them.
RuleName = Literal[
    "range",
    "rate",
    "spike",
    "stuck",
    "dead",
    "negative",
    "unit_scale",
    "clock_shift",
    "sum_check",
    "plant_balance",
]


class RuleSetting(Model):
    """One rule of one meter as declared: off, with another limit or another action. Why is part of it."""

    rule: RuleName
    enabled: bool = True
    limit: float | None = Field(default=None, description="In the unit that the rule's limit has (docs/ems)")
    action: Action | None = None
    reason: str = Field(min_length=1)


Method = Literal["auto", "register_total", "linear", "like_day", "none"]


class MeterRules(Model):
    """Declared rules of one stream, or of every stream (meter: "*"); the named stream's win.

    estimate: the method that fills what is excluded; auto takes the one that knows most.
    """

    meter: str
    rules: tuple[RuleSetting, ...] = ()
    estimate: Method | None = None

    @model_validator(mode="after")
    def _each_rule_once(self) -> Self:
        names = [setting.rule for setting in self.rules]
        twice = twice_in(names)
        if twice:
            raise ValueError(f"rule appears twice for {self.meter!r}: {', '.join(twice)}")
        return self


class ValidationRules(Model):
    """The `validation:` block of a site file. Without it every rule is on with limits from plate and history."""

    gate: Literal["warn", "block"] = Field(
        default="warn", description="A month below least_score: say so, or stop what is computed from it"
    )
    least_score: float = Field(default=0.9, ge=0, le=1, description="Gate of the quality score per stream and day")
    # The balance rules' own default, which a contract may not import either.
    sum_tolerance: float = Field(default=0.05, ge=0, le=1, description="Submeters above their parent by this share")
    meters: tuple[MeterRules, ...] = ()

    def method(self, meter_id: str) -> Method:
        """The declared estimation method of that stream."""
        for name in (meter_id, "*"):
            for declared in self.meters:
                if declared.meter == name and declared.estimate is not None:
                    return declared.estimate
        return "auto"

    def setting(self, meter_id: str, rule: str) -> RuleSetting | None:
        """The declared setting of that rule for that stream, or None."""
        for name in (meter_id, "*"):
            for declared in self.meters:
                found = next((each for each in declared.rules if each.rule == rule), None)
                if declared.meter == name and found is not None:
                    return found
        return None
