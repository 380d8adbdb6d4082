"""Floor area whose energy or water is known: that of a site of which every bought carrier was read, or none of it."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from assets.kpi.from_readings import KpiQuery, source_streams
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import Sources, parse_dates
from reports.recompute.footprint import carriers_of, energies
from reports.recompute.peers import peer_place
from reports.recompute.recomputed_kpis import KpiBasis, kpi_row

# Of the quarter hours of a span, as the renewable KPIs ask.
LEAST_READ = Decimal("0.99")
OF_ENERGY, OF_WATER = "energy", "water"


def read_shares(sources: Sources, site: Site, period: Period, basis: KpiBasis) -> dict[Carrier, Decimal]:
    """Share of a span of which each carrier that the site buys was read, 0 to 1."""
    rows = energies(sources, site, period, basis.as_of_utc)
    read = dict.fromkeys(carriers_of(site), Decimal(0))
    for row in rows:
        if row.role == "purchased" and row.kwh is not None and row.carrier in read:
            read[row.carrier] += row.coverage * (row.end - row.start).days
    return {carrier: days / period.days for carrier, days in read.items()}


def water_scope(site: Site) -> str:
    """The scope of all water of the site."""
    return f"site:{site.site_id}/water"


def water_streams(site: Site) -> tuple[str, ...]:
    """Meters that count water of the site; none of a site without one."""
    return tuple(source_streams("consumption_m3", site=site, scope=water_scope(site)))


def water_read(sources: Sources, site: Site, period: Period, basis: KpiBasis) -> Decimal | None:
    """Share of a span of which the site's water was read, 0 to 1; None of a site without a meter of it."""
    scope = water_scope(site)
    if not water_streams(site):
        return None
    row = kpi_row(sources, basis, KpiQuery("consumption_m3", scope, period.start, period.end))
    return Decimal(0) if row is None or row.coverage is None else Decimal(repr(row.coverage))


def covered_area(sources: Sources, site: Site, period: Period, basis: KpiBasis, of: str = OF_ENERGY) -> Decimal | None:
    """The site's floor area, m², where all energy that it buys, or its water, was read; 0 where not; None without a
    floor area.
    """
    question = KpiQuery("floor_area_m2", f"site:{site.site_id}", period.start, period.end)
    row = kpi_row(sources, basis, question)
    if row is None or row.value is None:
        return None
    if of == OF_WATER:
        least = water_read(sources, site, period, basis) or Decimal(0)
    else:
        least = min(read_shares(sources, site, period, basis).values(), default=Decimal(0))
    return row.value if least >= LEAST_READ else Decimal(0)


def known_floor_area(trace: Trace, sources: Sources) -> Decimal | None:
    """The same from a trace. parameters: site, start, end; of: water, where it is not of energy."""
    site = sources.site(trace.parameters["site"])
    start, end = parse_dates(trace.parameters)
    period = Period(label="", start=start, end=end, time_zone=site.time_zone)
    definition = next((each.sha256 for each in trace.inputs if each.role == "definition"), "")
    basis = KpiBasis(site.site_id, trace.as_of_utc, definition)
    return covered_area(sources, site, period, basis, trace.parameters.get("of", OF_ENERGY))


# Computations of numbers by floor area.
BY_AREA: Mapping[str, Callable[[Trace, Sources], Decimal | None]] = {
    "known_floor_area": known_floor_area, "peer_place": peer_place,
}  # fmt: skip
