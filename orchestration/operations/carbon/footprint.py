"""`meterloom carbon footprint` and `restate`: Scope 1 and 2 of a site or of all, and what a change restated."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.emissions.footprint import (
    Footprint,
    FootprintLine,
    PortfolioFootprint,
    RestatedLine,
    Restatement,
    SiteEnergy,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import GwpSet
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_instant, parse_period
from orchestration.operations.answer import Answer, Table, filled
from orchestration.operations.carbon.carbon_messages import GwpOption, gwp_set, report_findings, scopes_text
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.options import AnySiteOption, PeriodOption, PortfolioOption
from reports.gates import refuse_future

if TYPE_CHECKING:
    from assets.sites.organisation import InternalDelivery

SupplierOption = Annotated[str, Option("Whose supplier rates of the store may be used.")]
LINES = Table(
    "lines",
    "month: {month:%Y-%m} | carrier | method | kWh: {kwh:,.1f} | factor: {factor_id:|-} | kg CO2e: {kgco2e:,.1f} | "
    "coverage: {coverage:.1%}",
)
SITES = Table(
    "sites",
    "site: {site_id} | Scope 1, kg CO2e: {scope1_kgco2e:,.1f} | Scope 2, location: {scope2_location_kgco2e:,.1f} | "
    "Scope 2, market: {scope2_market_kgco2e:,.1f} | coverage: {coverage:.1%}",
)
CHANGES = (
    "month: {month:%Y-%m} | carrier | method | old kg CO2e: {old_kgco2e:,.1f} | new kg CO2e: {new_kgco2e:,.1f} | "
    "delta: {delta_kgco2e:+,.1f} | cause: {why}"
)


# Totals, and the measure of each method of a line.
TOTALS = ("scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e")
_BY_METHOD = dict(zip(("direct", "location", "market"), TOTALS, strict=True))


@operation("carbon footprint", example="--site factory --period 2025 --json", keeps=True)
def footprint(
    call: Call,
    period: PeriodOption,
    site: AnySiteOption = None,
    portfolio: PortfolioOption = False,
    gwp: GwpOption = None,
    supplier: SupplierOption = "",
) -> Answer:
    """Show Scope 1 and 2 of a period from the readings: of a site by month, carrier and method, or of all sites."""
    sites = _sites(call, site, portfolio)
    found = [_footprint(call, each, period, call.as_of_utc, gwp_set(gwp), supplier) for each in sites]
    if portfolio:
        from assets.carbon.inventory.portfolio import portfolio_footprint

        return _portfolio(call, portfolio_footprint(found))
    one = found[0]
    report_findings(call, one.findings)
    is_own = gwp is None and not supplier
    known = call.as_of_or_now
    ids = _ids(call, sites[0], one, known) if is_own else {}
    lines = [{**line.model_dump(), "figures": _of_line(line, ids)} for line in one.lines]
    return Answer({**one.model_dump(), "lines": lines, "figures": _of_totals(one, ids)}, LINES, scopes_text(one))


@operation(
    "carbon restate",
    repeats=True,
    keeps=True,
    takes=PROJECT,
    example="--site factory --period 2025 --from 2026-01-10T00:00:00Z --to 2026-02-01T00:00:00Z",
)
def restatement(
    call: Call,
    period: PeriodOption,
    start: Annotated[str, Option("As known at this time.", "--from")],
    end: Annotated[str, Option("As known at this time.", "--to")],
    site: AnySiteOption = None,
    portfolio: PortfolioOption = False,
    gwp: GwpOption = None,
    supplier: SupplierOption = "",
) -> Answer:
    """Compare footprints as known at two times: each line that differs, old, new and why."""
    from assets.carbon.inventory.restate import restate

    sites = _sites(call, site, portfolio)
    from_utc, to_utc = parse_instant(start), parse_instant(end)
    if to_utc <= from_utc:
        raise BadInput(f"--to {end} is not after --from {start}", reason="bad_period")
    # Why factors were withdrawn after the one time and until the other.
    from assets.stores.ledgers.factor_ledger import FactorStore

    reasons = {
        each.factor.factor_id: each.withdrawn
        for each in FactorStore(call.project.store).history()
        if each.withdrawn and from_utc < each.recorded_at_utc <= to_utc
    }
    found = []
    for each in sites:
        # Both by today's site file and code: what differs is what was known, not how it is computed.
        views = [_footprint(call, each, period, moment, gwp_set(gwp), supplier) for moment in (from_utc, to_utc)]
        one = restate(*views, from_utc=from_utc, to_utc=to_utc, withdrawn=reasons)
        is_own = gwp is None and not supplier
        old, new = (_ids(call, each, *of) if is_own else {} for of in ((one.old, from_utc), (one.new, to_utc)))
        found.append((one, old, new))
    return _restated(found, is_portfolio=portfolio)


# Measure, carrier (empty: all) and month (None: the span) -> what the inventory says, and the id to trace it by.
Ids = Mapping[tuple[str, str, date | None], tuple[Decimal | None, str]]


def _ids(call: Call, site: Site, found: Footprint, as_of_utc: datetime) -> Ids:
    """Ids of the totals of a footprint, and of its months by carrier and method."""
    from orchestration.views.requested_figures import footprint_ids

    lines = [(line.carrier.value, line.month, _BY_METHOD[line.method]) for line in found.lines]
    cells = dict.fromkeys((of, carrier, month) for carrier, month, method in lines for of in (method, "energy_kwh"))
    wanted = [*((each, "", None) for each in TOTALS), *cells]
    span = Period(label=found.period, start=found.start, end=found.end, time_zone=site.time_zone)
    return footprint_ids(call.project, site, span, wanted, as_of_utc=as_of_utc, clock=call.clock)


def _of_totals(found: Footprint, ids: Ids) -> dict[str, str]:
    return {each: ids[each, "", None][1] for each in TOTALS if ids and ids[each, "", None][0] == getattr(found, each)}


def _of_line(line: FootprintLine | RestatedLine, ids: Ids, prefix: str = "") -> dict[str, str]:
    """Ids of numbers of a line. The inventory's are of all factors of a month: one part of several has none."""
    found = {}
    for name, measure in ((f"{prefix}kgco2e", _BY_METHOD[line.method]), (f"{prefix}kwh", "energy_kwh")):
        value, figure_id = ids.get((measure, line.carrier.value, line.month), (None, ""))
        if value is not None and value == getattr(line, name):
            found[name] = figure_id
    return found


def _sites(call: Call, site: str | None, portfolio: bool) -> list[Site]:
    # Equal means both or neither.
    if portfolio == (site is not None):
        raise BadInput("name --site SITE or --portfolio, one of them", reason="no_site")
    found = [call.project.site(site)] if site is not None else list(call.project.sites.values())
    if not found:
        raise BadInput("this project has no sites", file=str(call.folder), reason="no_site")
    return found


def _footprint(
    call: Call, site: Site, period: str, as_of_utc: datetime | None, gwp: GwpSet | None, supplier: str
) -> Footprint:
    span = parse_period(period, site.time_zone)
    return footprint_of(call, site, span, as_of_utc, gwp, supplier)[0]


def footprint_of(
    call: Call,
    site: Site,
    span: Period,
    as_of_utc: datetime | None,
    gwp: GwpSet | None,
    supplier: str,
    left_out: "Sequence[InternalDelivery]" = (),
    since: date | None = None,
) -> tuple[Footprint, Decimal]:
    """A site's footprint as known at T, and the kWh of deliveries from own sites that are not in it. since: its first
    day.

    Raises BadInput for a period that has not begun.
    """
    from assets.carbon.factor_choice.factor_view import factor_view
    from assets.carbon.inventory.energies import site_energies, without_deliveries
    from assets.carbon.inventory.site_footprint import site_footprint
    from assets.sites.view import site_readings
    from assets.stores.ledgers.factor_ledger import FactorStore

    project = call.project
    refuse_future(span, project.store.known_at(call.clock), name="footprint")
    stored = FactorStore(project.store).known(as_of_utc=as_of_utc, tenant=site.site_id)
    view = factor_view(site, stored, as_of_utc=as_of_utc, gwp=gwp, supplier=supplier)

    def read(days: Period) -> tuple[tuple[SiteEnergy, ...], Decimal]:
        rows = site_readings(project.lake, site, start_utc=days.start_utc, end_utc=days.end_utc, as_of_utc=as_of_utc)
        return without_deliveries(site_energies(rows, site=site, period=days), rows, site=site, left_out=left_out)

    energies, kwh = read(span)
    before = span.model_copy(update={"start": view.claims_from(span.start, since), "end": span.start})
    earlier = read(before)[0] if before.start < before.end else ()
    return site_footprint(site, energies, view, period=span, as_of_utc=as_of_utc, earlier=earlier), kwh


def _portfolio(call: Call, found: PortfolioFootprint) -> Answer:
    report_findings(call, found.findings)
    weighted = [
        filled("{carrier}, {method}: {kwh:,.1f} kWh at {weighted_kgco2e_per_kwh:,.4f} kg CO2e/kWh", row)
        if row.kwh is not None and row.weighted_kgco2e_per_kwh is not None
        else f"{row.carrier}, {row.method}: not known"
        for row in found.rows
    ]
    return Answer(found, SITES, "\n".join([*weighted, scopes_text(found)]))


def _restated(found: list[tuple[Restatement, Ids, Ids]], *, is_portfolio: bool) -> Answer:
    one = found[0][0]
    result: dict[str, Any] = {"period": one.period, "from_utc": one.from_utc, "to_utc": one.to_utc}
    sites = [
        {"site_id": each.site_id, "old": _totals(each.old, old), "new": _totals(each.new, new)}
        for each, old, new in found
    ]
    lines = [
        (each.site_id, {**line.model_dump(), "figures": _of_line(line, old, "old_") | _of_line(line, new, "new_")})
        for each, old, new in found
        for line in each.lines
    ]
    if is_portfolio:
        result |= {"sites": sites, "lines": [{"site_id": site_id, **line} for site_id, line in lines]}
    else:
        result |= {**sites[0], "lines": [line for _, line in lines]}
    when = f"as known at {one.from_utc:%Y-%m-%d %H:%M:%S}Z and at {one.to_utc:%Y-%m-%d %H:%M:%S}Z"
    columns = f"site: {{site_id}} | {CHANGES}" if is_portfolio else CHANGES
    table = Table("lines", columns, why=lambda line: "; ".join(line["causes"]))
    return Answer(result, table, when if result["lines"] else "nothing changed")


def _totals(found: Footprint, ids: Ids) -> dict[str, Any]:
    keys = {"as_of_utc", *TOTALS, "coverage", "findings"}
    return {**found.model_dump(include=keys), "figures": _of_totals(found, ids)}
