"""Money of a bill by its meters' classes: the bill recomputed with each meter at either end of what it may be off.

So an energy line moves by its price, a tier by that of its last kWh, a demand line by its peak, a tax with what it is
on, and a fixed charge not at all, whatever the tariff; the slope is the mean one over the meter's whole limit.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from assets.bills.stored import meters_of_bill
from assets.kpi.propagation import Spread
from assets.sites.virtual import inputs_of
from data_quality.contracts.reporting.figure import Left
from reports.recompute import bill_again
from reports.recompute.figure_leaf import Leaf


class Moves(NamedTuple):
    """Effect of each source on a bill's numbers: source -> number (`bill_again.amounts`) -> standard uncertainty."""

    by_source: Mapping[str, Mapping[str, float]]
    left_out: frozenset[Left]


def bill_spread(leaf: Leaf) -> Spread:
    """Spread of a `bill_number`: of the bill recomputed, or of what its meters counted; a billed one is a claim."""
    named = leaf.named
    if named["field"] == "billed":
        return Spread(leaf.value, {}, frozenset({Left("billed_as_claimed")}))
    found = leaf.sources.keep(
        ("bill moves", leaf.site.site_id, named["bill"], leaf.trace.as_of_utc), lambda: _moves(leaf, named["bill"])
    )
    number = "energy_kwh" if named["field"] == "energy_kwh" else named["line"]
    parts = {source: moved.get(number, 0.0) for source, moved in found.by_source.items()}
    return Spread(leaf.value, parts, found.left_out)


def _moves(leaf: Leaf, bill_id: str) -> Moves:
    meters = meters_of_bill(leaf.site, bill_again.stored_bill(leaf.sources, bill_id))
    metered = {name: [each.meter_id for each in inputs_of(leaf.site, name)] or [name] for name in meters}
    moved, left_out = dict[str, dict[str, float]](), set[Left]()
    for name in dict.fromkeys(each for inputs in metered.values() for each in inputs):
        for source, relative in leaf.of_meter(name, left_out, None).items():
            # As likely anywhere within its limit, which is the root of three standard uncertainties.
            ends = [1 + sign * math.sqrt(3) * relative for sign in (1, -1)]
            given = leaf.site, bill_id, leaf.trace.as_of_utc
            higher, lower = (bill_again.amounts(leaf.sources, *given, off=(name, end)) for end in ends)
            if higher is None or lower is None:
                return Moves({}, frozenset({Left("not_propagated", bill_id)}))
            numbers = higher.keys() | lower.keys()
            moved[source] = {
                each: (higher.get(each, 0.0) - lower.get(each, 0.0)) / 2 / math.sqrt(3) for each in numbers
            }
    return Moves(moved, frozenset(left_out))
