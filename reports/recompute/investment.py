"""Worth of measures: the net present value of a cost and what it saves, and what a site file states for it."""

from collections.abc import Sequence
from decimal import Decimal

from assets.kpi.enpi.enpi_result import ARITHMETIC
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.measure_cost import DiscountRate, MeasureCost
from data_quality.contracts.site_file.site import Site
from reports.recompute.figure_sources import Sources


def net_present_value(operands: Sequence[tuple[str, Decimal | None]]) -> Decimal | None:
    """Savings of so many years, discounted to today, less the cost of today: -C + sum of S / (1 + r)^t, t = 1..n.

    operands, in this order: cost C, saving a year S, rate of a year in percent, whole years n. Savings come at the end
    of their year. Unknown as soon as one of them is.
    """
    cost, saving, percent, years = (value for _, value in operands)
    if cost is None or saving is None or percent is None or years is None:
        return None
    growth = ARITHMETIC.add(Decimal(1), ARITHMETIC.divide(percent, Decimal(100)))
    worth = Decimal(0)
    for _ in range(int(years)):
        worth = ARITHMETIC.divide(ARITHMETIC.add(worth, saving), growth)
    return ARITHMETIC.subtract(worth, cost)


def stated_number(trace: Trace, sources: Sources) -> Decimal | None:
    """What a site file states of a measure's worth. parameters: site, field, and cost where it is of one."""
    named = trace.parameters
    return stated(sources.site(named["site"]), named["field"], named.get("cost", ""))


def stated(site: Site, field: str, cost_id: str = "") -> Decimal | None:
    """`percent` of the site's rate, or `lifetime_years` of a cost; None where it is not stated.

    Raises OurFault for another field.
    """
    if field not in ("percent", "lifetime_years"):
        raise OurFault(f"{field!r} is not a number that a site file states of a measure")
    about: DiscountRate | MeasureCost | None = site.discount_rate
    if field == "lifetime_years":
        about = next((each for each in site.measure_costs if each.cost_id == cost_id), None)
    value = None if about is None else getattr(about, field)
    return None if value is None else Decimal(repr(value))
