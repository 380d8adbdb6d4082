"""Floor area whose energy is known: that of a site of which every bought carrier was read, or none of it."""

from decimal import Decimal

from assets.kpi.from_readings import AskedKpi
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import KpiBasis, Sources, parse_dates
from reports.recompute.footprint_again import carriers_of, energies

# Of the quarter hours of a span, as the renewable KPIs ask.
LEAST_READ = Decimal("0.99")


def read_shares(sources: Sources, site: Site, period: Period, basis: KpiBasis) -> dict[Carrier, Decimal]:
    """Share of a span of which each carrier that the site buys was read, 0 to 1."""
    rows = energies(sources, site, period, basis.as_of_utc)
    read = dict.fromkeys(carriers_of(site), Decimal(0))
    for row in rows:
        if row.role == "purchased" and row.kwh is not None and row.carrier in read:
            read[row.carrier] += row.coverage * (row.end - row.start).days
    return {carrier: days / period.days for carrier, days in read.items()}


def known_area(sources: Sources, site: Site, period: Period, basis: KpiBasis) -> Decimal | None:
    """The site's floor area, m², where all that it buys was read; 0 where not; None without a floor area."""
    asked = AskedKpi("floor_area_m2", f"site:{site.site_id}", period.start, period.end)
    row = sources.kpi_row(basis, asked)
    if row is None or row.value is None:
        return None
    shares = read_shares(sources, site, period, basis)
    return row.value if shares and min(shares.values()) >= LEAST_READ else Decimal(0)


def known_floor_area(trace: Trace, sources: Sources) -> Decimal | None:
    """The same from a trace. parameters: site, start, end."""
    site = sources.site(trace.parameters["site"])
    start, end = parse_dates(trace.parameters)
    period = Period(label="", start=start, end=end, time_zone=site.time_zone)
    definition = next((each.sha256 for each in trace.inputs if each.role == "definition"), "")
    return known_area(sources, site, period, KpiBasis(site.site_id, trace.as_of_utc, definition))
