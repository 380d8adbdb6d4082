"""Dispatch of a site by its own ledger: how often an agent was there when it was wanted, and what was put back."""

from collections.abc import Mapping

from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Period
from reports.datasets.base import Item, Leaf, Measure, OfSite
from reports.recompute import dispatch as again

NAME = "dispatch"
# Why commands were put back, by the name of a count.
REVERT_WORDS = {
    "interlock": "an interlock refused to hold it",
    "mode": "the mode was lowered",
    "person": "a person gave it back",
    "stop": "the agent was stopped",
    "recovery": "an agent came back after its window",
    "device": "the device returned by itself",
    "other": "another reason",
}


def _count(label: str) -> Measure:
    return Measure(label, "count", decimals=0)


_REVERTED = {f"reverted_{each}": _count(f"Put back: {label}") for each, label in REVERT_WORDS.items()}
MEASURES: Mapping[str, Measure] = {
    "kept_quarter_hours": _count("Quarter hours in which an agent took up released commands"),
    "missed_quarter_hours": _count("Quarter hours in which no agent took up one"),
    "wanted_quarter_hours": Measure(
        "Quarter hours with released commands", "count",
        made=("sum", ("kept_quarter_hours", "missed_quarter_hours")), decimals=0,
    ),
    "availability": Measure(
        "Availability of the agent", "ratio", made=("ratio", ("kept_quarter_hours", "wanted_quarter_hours")),
        is_share=True,
    ),
    "takings_over": _count("Times that an agent took over"),
    "longest_wait_s": Measure("Longest wait of a command at a taking over", "s", whole="max", decimals=0),
    **_REVERTED,
    "reverted_commands": Measure("Commands put back", "count", made=("sum", tuple(_REVERTED)), decimals=0),
}  # fmt: skip
FACTS = ("name",)


class DispatchData(OfSite):
    """The dataset `dispatch`. Scope: site:<id>."""

    measures = MEASURES

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A count over the item's span."""
        given, site_id = self.given, self.given.site.site_id
        value = again.number(given.sources, site_id, item.period, given.as_of_utc, measure)
        inputs = [
            again.dispatch_input(given.sources, site_id, item.period, given.as_of_utc),
            given.sources.site_input(given.site),
        ]
        return Leaf(value, "dispatch_number", {**given.span(item.period), "field": measure}, inputs)

    def findings(self, period: Period) -> list[Finding]:
        """No command that was wanted, and quarter hours in which nobody took one in hand."""
        given, scope = self.given, f"site:{self.given.site.site_id}"
        events = again.events_of(given.sources, given.site.site_id, period, given.as_of_utc)
        found = again.counts_of(events, period.start_utc)
        kept, missed = (found[f"{each}_quarter_hours"] for each in ("kept", "missed"))
        if not kept + missed:
            message = "No command was released in this period: the availability of the agent is not known."
            return [Finding(code="nothing_dispatched", message=message, scope=scope)]
        if not missed:
            return []
        message = "In some quarter hours no agent took up a released command before it expired."
        facts: dict[str, str | float | int | bool | None] = {
            "missed_quarter_hours": missed, "wanted_quarter_hours": kept + missed
        }  # fmt: skip
        return [Finding(code="agent_missed", message=message, scope=scope, facts=facts)]
