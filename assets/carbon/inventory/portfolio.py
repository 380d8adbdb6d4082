"""Footprints of several sites as one: totals that are sums, factors that are weighted by consumption, never averaged.

Source: formulas 5.12; resolution C3.23.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal, localcontext

from data_quality.contracts.emissions.footprint import (
    Footprint,
    FootprintLine,
    Method,
    PortfolioFootprint,
    PortfolioRow,
    SiteTotals,
)
from data_quality.contracts.errors import OurFault
from data_quality.contracts.factor import HELD
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.units import EXACT

ZERO = Decimal(0)
_TOTALS = ("scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e")


def portfolio_footprint(footprints: Sequence[Footprint]) -> PortfolioFootprint:
    """The sites' footprints of one period together. A total is None where any site's is: a part is no total.

    factor_coverage is weighted by purchased energy, coverage by sites. Raises OurFault for no site or two periods.
    """
    if len({each.period for each in footprints}) != 1 or len({each.site_id for each in footprints}) != len(footprints):
        raise OurFault("a portfolio is made of different sites in one period")
    lines = [line for each in footprints for line in each.lines]
    # Coverage of factors is a share of energy: a small site without a factor must not weigh as a large one.
    bought = {each.site_id: _bought(each.lines) for each in footprints}
    total = sum(bought.values(), ZERO)
    with localcontext(EXACT):
        return PortfolioFootprint(
            period=footprints[0].period,
            sites=tuple(
                SiteTotals(
                    site_id=each.site_id,
                    **{name: getattr(each, name) for name in _TOTALS},
                    coverage=each.coverage,
                    factor_coverage=each.factor_coverage,
                )
                for each in footprints
            ),
            **{name: sum_or_none([getattr(each, name) for each in footprints]) for name in _TOTALS},
            rows=tuple(carrier_rows(lines)),
            coverage=sum((each.coverage for each in footprints), ZERO) / len(footprints),
            factor_coverage=sum((each.factor_coverage * bought[each.site_id] for each in footprints), ZERO) / total
            if total
            else ZERO,
            findings=(
                *_claimed_twice(footprints),
                *(
                    finding.model_copy(update={"message": f"{each.site_id}: {finding.message}", "scope": each.site_id})
                    for each in footprints
                    for finding in each.findings
                ),
            ),
        )


def carrier_rows(lines: Sequence[FootprintLine]) -> list[PortfolioRow]:
    """Lines of several sites by carrier and method, the factor weighted by consumption."""
    groups: defaultdict[tuple[Carrier, Method], list[FootprintLine]] = defaultdict(list)
    for line in lines:
        groups[line.carrier, line.method].append(line)
    found = []
    for (carrier, method), group in sorted(groups.items()):
        kwh, kgco2e = sum_or_none([line.kwh for line in group]), sum_or_none([line.kgco2e for line in group])
        found.append(
            PortfolioRow(
                carrier=carrier,
                method=method,
                kwh=kwh,
                kgco2e=kgco2e,
                weighted_kgco2e_per_kwh=kgco2e / kwh if kwh and kgco2e is not None else None,
                factor_ids=tuple(sorted({line.factor_id for line in group if line.factor_id})),
            )
        )
    return found


def _claimed_twice(footprints: Sequence[Footprint]) -> list[Finding]:
    users: defaultdict[str, set[str]] = defaultdict(set)
    for each in footprints:
        for line in each.lines:
            # No energy was covered where a line is of zero.
            if line.basis in [basis.value for basis in HELD] and line.factor_id and line.kwh:
                users[line.factor_id].add(each.site_id)
    return [
        Finding(
            code="instrument_claimed_twice",
            message=f"{name} is used by {', '.join(sorted(sites))}: a kWh is claimed once",
            severity="blocking",
            scope=name,
            facts={"sites": len(sites)},
        )
        for name, sites in sorted(users.items())
        if len(sites) > 1
    ]


def _bought(lines: Sequence[FootprintLine]) -> Decimal:
    """Each kWh once: lines of the market-based method are of the same energy as those of the location-based one."""
    return sum((line.kwh or ZERO for line in lines if line.method != "market"), ZERO)


def sum_or_none(values: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None as soon as one part is unknown."""
    known = [value for value in values if value is not None]
    # What a site does not know is not zero: the sum of the others would look like a good year.
    return sum(known, ZERO) if len(known) == len(values) else None
