"""All rules of validation in one table: what each means, what becomes of what it flags, and in which order."""

from typing import Protocol, cast

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Flags, Floats
from data_quality.rules import clock_shift, negative, out_of_range, rate, spike, unit_scale
from data_quality.rules.equal_runs import dead, stuck
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import Block

# What validation finds depends on these rules: a change of them is another version.
RULES_VERSION = "vee-3"


class StreamRule(Protocol):
    """A rule over the streams of a grid: one module of this folder, or one of equal_runs."""

    NAME: str
    MEANING: str
    ACTION: Action
    UNIT: str
    REASON: str

    def limits(self, block: Block) -> Floats:
        """Limit per stream; NaN where the rule does not apply or the history does not suffice."""

    def find(self, block: Block, limits: Floats) -> Hits:
        """Events in the block's slots, given the limits."""


class MildRule(StreamRule, Protocol):
    """A rule that knows where it may be wrong."""

    def is_mild(self, block: Block, limits: Floats) -> Flags:
        """Streams whose events are named and no more."""


# The order is that of trust: an event that an earlier rule has explained is not reported again by a later one.
RULES: dict[str, StreamRule] = {
    rule.NAME: cast("StreamRule", rule)
    for rule in (dead, stuck, spike, unit_scale, negative, out_of_range, rate, clock_shift)
}
# Rules over several meters, with the unit of what is too much: the submeters together show more than their parent, the
# plant of one energy use more than the whole building takes in.
BALANCE_RULES = {"sum_check": "share of the parent's day", "plant_balance": "share of the building's day"}
BALANCE_REASON = "accuracy classes of both sides and clocks some minutes apart"
# rule: rules whose events at the same place, or adjacent to it, explain what it sees.
EXPLAINED_BY: dict[str, tuple[str, ...]] = {
    "spike": ("unit_scale",),
    "unit_scale": ("dead", "stuck"),
    "range": ("spike", "unit_scale"),
    "rate": ("dead", "stuck", "spike", "unit_scale", "negative", "range"),
    "clock_shift": ("dead", "stuck"),
}
# Rules that a meter's own habits make doubtful: where they do, what they find is flagged instead of excluded.
MILD: dict[str, MildRule] = {rule.NAME: cast("MildRule", rule) for rule in (dead, stuck)}
ACTIONS: dict[str, Action] = {name: rule.ACTION for name, rule in RULES.items()} | dict.fromkeys(
    BALANCE_RULES, Action.FLAG
)
