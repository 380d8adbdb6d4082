"""Energy of hours and quarter hours, made from readings: what the hourly match and points of series trace to."""

from datetime import datetime
from decimal import Decimal

import polars as pl

from assets.carbon.by_hour.site_match import (
    SiteHours,
    SiteMatch,
    certificates_of,
    factor_stream,
    match_of,
    site_hours,
    streams_of,
)
from assets.kpi.scope_quarters import register_energy, scope_quarters
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.factor import Basis
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_instant
from reports.recompute.figure_sources import Sources, parse_dates
from reports.recompute.footprint import account_of, lines_of

# A quarter hour of a scope, or any time of a register: the marts know no shorter time than an hour, and no register
# beside that of consumption.
QUARTER = "scope_quarter"
FIELDS = (
    "load_kwh", "matched_kwh", "volumetric_kwh", "location_kgco2e", "market_kgco2e",
)  # fmt: skip


def number(
    sources: Sources, site: Site, period: Period, account: Period, as_of_utc: datetime, field: str
) -> Decimal | None:
    """A number of the electricity of whole months of the account, hour by hour. None where an hour is not known.

    volumetric_kwh: what certificates and contracts cover in the inventory's own account, whatever the hour. Raises
    OurFault for a field that is not one.
    """
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not a number of the hours")
    if field == "volumetric_kwh":
        lines = [
            line
            for line in lines_of(sources, site, period, account, as_of_utc)
            if line.carrier is Carrier.ELECTRICITY and line.method == "market"
        ]
        # What is covered is a share of what was bought: with a month unknown so is the share.
        if not lines or any(line.kwh is None for line in lines):
            return None
        # Residual mix and grid average belong to nobody: only what somebody holds is covered.
        held = {Basis.CERTIFICATE.value, Basis.CONTRACT.value}
        return sum((line.kwh for line in lines if line.basis in held and line.kwh is not None), Decimal(0))
    found = matched(sources, site, period, account, as_of_utc)
    if isinstance(found, BadInput):
        raise found
    if field in {"load_kwh", "matched_kwh"}:
        return found.load_kwh if field == "load_kwh" else found.matched_kwh
    if found.hourly is None:
        return None
    return found.hourly.location_hourly_kgco2e if field == "location_kgco2e" else found.hourly.market_hourly_kgco2e


def matched(sources: Sources, site: Site, period: Period, account: Period, as_of_utc: datetime) -> SiteMatch | BadInput:
    """The hours of a span of the account; a BadInput says why there is no factor view."""
    key = ("site match", site.site_id, period.start, period.end, account.start, account.end, as_of_utc)

    def make() -> SiteMatch | BadInput:
        try:
            hours, certificates, _ = _hours(sources, site, account, as_of_utc)
            return match_of(hours, certificates, sources.factors(site, as_of_utc), period=period)
        except BadInput as fault:
            return fault

    return sources.keep(key, make)


def findings_of(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> list[Finding]:
    """Findings on the hours of a span: energy that is not known by the hour, or was not matched."""
    account = account_of(period, period.end)
    found = matched(sources, site, period, account, as_of_utc)
    if isinstance(found, BadInput) or found.load_kwh is None:
        return []
    findings = list(_hours(sources, site, account, as_of_utc)[2])
    if factor_stream(site) is None:
        findings.append(
            Finding(
                code="hours_not_known",
                message="No driver of the site file holds the grid's factor by the hour (unit kgco2e_per_kwh): Scope 2 "
                "by the hour is unknown.",
                severity="info",
            )
        )
    elif found.gaps:
        findings.append(
            Finding(
                code="hourly_factor_gap",
                message="Some hours with consumption have no grid factor: Scope 2 by the hour is unknown for their "
                "months.",
                facts={"hours_without_factor": found.gaps},
            )
        )
    held = [
        each
        for basis in (Basis.CERTIFICATE, Basis.CONTRACT)
        for each in sources.factors(site, as_of_utc).of(Carrier.ELECTRICITY, basis)
        if each.valid_from < period.end and period.start < each.valid_to
    ]
    # Most certificates say in which year they were made, and no hour.
    by_year = sorted({each.factor_id for each in held} - {each.factor_id for each in site.hourly_certificates})
    if by_year:
        findings.append(
            Finding(
                code="certificates_by_year",
                message=f"Certificates and contracts without hours are matched to no hour: {', '.join(by_year[:3])}"
                + (" and others." if len(by_year) > 3 else "."),
                severity="info",
                facts={"instruments": len(by_year)},
            )
        )
    return findings


def _hours(
    sources: Sources, site: Site, account: Period, as_of_utc: datetime
) -> tuple[SiteHours, list[HourlyCertificate], list[Finding]]:
    """Hours and certificates of an account, read once."""
    key = ("site hours", site.site_id, account.start, account.end, as_of_utc)

    def make() -> tuple[SiteHours, list[HourlyCertificate], list[Finding]]:
        rows = sources.stream_readings(site, streams_of(site), account.start, account.end, as_of_utc)
        hours = site_hours(rows, site=site, period=account)
        return (hours, *certificates_of(site, sources.factors(site, as_of_utc), hours))

    return sources.keep(key, make)


def scope_quarter(trace: Trace, sources: Sources) -> Decimal | None:
    """Energy of one quarter hour of a scope, kWh, or of a register over an hour or local days; None where nothing was
    read.

    parameters: site, scope, start and end of the local days, quarter_start_utc or hour_start_utc where it is of less.
    """
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    start, end = parse_dates(named)
    day = Period(label="", start=start, end=end, time_zone=site.time_zone)
    readings = sources.stream_readings(site, sources.meters(site, named["scope"]), start, end, trace.as_of_utc)
    if "quarter_start_utc" not in named:
        hour = named.get("hour_start_utc")
        energies = register_energy(site, named["scope"], day, readings, "hour" if hour else "")
        if hour:
            at_utc = parse_instant(hour)
            energies = {start: each for start, each in energies.items() if start.replace(minute=0) == at_utc}
        return next((each.kwh for each in energies.values()), None)
    rows = scope_quarters(site, named["scope"], day, readings)
    found = rows.filter(pl.col("interval_start_utc") == parse_instant(named["quarter_start_utc"]))["kwh"]
    return None if found.is_empty() else found[0]
