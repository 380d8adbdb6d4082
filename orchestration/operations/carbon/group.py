"""`meterloom carbon group`: Scope 1 and 2 of an organisation by its shares of sites, and its base year restated."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.emissions.group_footprint import BaseYearChange
from data_quality.contracts.factor import GwpSet
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.time import Period, parse_period
from orchestration.operations.answer import Answer, Table, filled
from orchestration.operations.carbon.carbon_messages import GwpOption, gwp_set, report_findings, scopes_text
from orchestration.operations.carbon.footprint import SupplierOption, footprint_of
from orchestration.operations.operation import Call, Option, operation
from orchestration.operations.options import OrganisationOption, PeriodOption, organisation_span

if TYPE_CHECKING:
    from assets.carbon.inventory.consolidate import Accounted

PARTS = Table(
    "parts",
    "site: {site_id} | entity | from: {start} | to: {end} | share: {share:.1%} | Scope 1, kg CO2e: "
    "{scope1_kgco2e:,.1f} | Scope 2, location: {scope2_location_kgco2e:,.1f} | Scope 2, market: "
    "{scope2_market_kgco2e:,.1f}",
)


@operation("carbon group", example="--organisation demo --period 2025 --json")
def group(
    call: Call,
    organisation: OrganisationOption,
    period: PeriodOption,
    base: Annotated[bool, Option("Also restate the base year by the period's last day.", "--base-year")] = False,
    gwp: GwpOption = None,
    supplier: SupplierOption = "",
) -> Answer:
    """Show Scope 1 and 2 of an organisation: each site at the organisation's share of it, by day."""
    from assets.carbon.inventory.consolidate import group_footprint
    from assets.sites.organisation import like_for_like

    found, span = organisation_span(call, organisation, period)
    one = group_footprint(found, span, _accounted(call, found, span, gwp_set(gwp), supplier))
    report_findings(call, one.findings)
    result: dict[str, Any] = {**one.model_dump(), "base_year": None, "like_for_like": None}
    lines = [scopes_text(one)]
    if base:
        change, basis = _base_year(call, found, span, gwp_set(gwp), supplier)
        result |= {"base_year": change, "like_for_like": like_for_like(found, [basis, span])}
        lines.append(_change_text(change))
    return Answer(result, PARTS, "\n".join(lines))


def _accounted(call: Call, found: Organisation, span: Period, gwp: GwpSet | None, supplier: str) -> "list[Accounted]":
    from assets.carbon.inventory.consolidate import Accounted
    from assets.sites.organisation import parts_of

    accounts = []
    for part in parts_of(found, span):
        site = call.project.site(part.site_id)
        local = part.period.model_copy(update={"time_zone": site.time_zone})
        own = footprint_of(call, site, local, call.as_of_utc, gwp, supplier, part.left_out, part.since)
        accounts.append(Accounted(part, *own))
    return accounts


def _base_year(
    call: Call, found: Organisation, span: Period, gwp: GwpSet | None, supplier: str
) -> tuple[BaseYearChange, Period]:
    from assets.carbon.inventory.consolidate import base_year_change

    basis, wholes = parse_period(str(found.stated_base_year().year), span.time_zone), {}
    for site_id in dict.fromkeys(each.site for each in found.sites):
        site = call.project.site(site_id)
        local = basis.model_copy(update={"time_zone": site.time_zone})
        wholes[site_id] = footprint_of(call, site, local, call.as_of_utc, gwp, supplier)[0]
    change = base_year_change(
        found,
        basis,
        structure_of=span.end - timedelta(days=1),
        wholes=wholes,
        parts=_accounted(call, found, basis, gwp, supplier),
    )
    return change, basis


def _change_text(change: BaseYearChange) -> str:
    if change.percent is None:
        return f"base year {change.year}: not known by the structure of {change.structure_of}"
    due = "is to be restated" if change.is_due else "stands"
    was = "base year {year}: {reported_kgco2e:,.1f} kg CO2e as reported, {recalculated_kgco2e:,.1f} by the structure "
    return filled(was + "of {structure_of} ({percent:+.1f} %, threshold {threshold_percent:f} %): it ", change) + due
