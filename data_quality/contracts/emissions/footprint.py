"""A site's Scope 1 and 2 of a period, from its metered energies; and two such views compared line by line."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from data_quality.contracts.factor import Basis, QualityCriteria
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model, StatedUncertainty
from data_quality.contracts.site_file.meter import Carrier

Role = Literal["purchased", "self_consumed", "exported", "secondary"]
Method = Literal["direct", "location", "market"]


class SiteEnergy(Model):
    """Energy of one carrier over local dates [start, end). kwh None: nothing was read, which is not zero.

    role: only `purchased` emits; on-site PV used on site, exports and energy made on site of metered energy do not.
    """

    carrier: Carrier
    start: date
    end: date
    kwh: Decimal | None
    role: Role = "purchased"
    calorific_basis: Literal["", "gross", "net"] = Field(default="", description="Of gas; empty: not stated")
    coverage: Decimal = Field(default=Decimal(1), ge=0, le=1)
    estimated_share: Decimal = Field(default=Decimal(0), ge=0, le=1)


class DayFactor(StatedUncertainty):
    """A carrier's factor on local dates [valid_from, valid_to), from whichever source decided."""

    carrier: Carrier
    basis: Basis
    factor_id: str
    kgco2e_per_kwh: Decimal = Field(ge=0)
    valid_from: date
    valid_to: date
    origin: Literal["tenant", "site_file", "store"]
    source: str = ""
    sha256: str = ""
    supplier: str = ""
    calorific_basis: str = Field(
        default="", description="gross, net; of a site file's entry: that of the stored factors it is ranked among"
    )
    instrument_kwh: Decimal | None = Field(default=None, ge=0)
    criteria: QualityCriteria = QualityCriteria()
    recorded_at_utc: datetime | None = None


class FootprintLine(Model):
    """One carrier, month, method and factor. kgco2e None: no factor or no reading; never zero."""

    month: date
    carrier: Carrier
    scope: Literal[1, 2]
    # Scope 1 has one method, direct; what Scope 2 buys has two lines, since both totals must be reported.
    method: Method
    kwh: Decimal | None
    kgco2e: Decimal | None
    factor_id: str | None
    kgco2e_per_kwh: Decimal | None
    basis: str | None
    origin: str | None
    coverage: Decimal


class Footprint(Model):
    """Scope 1 and 2 of a site and period. A total is None where any of its lines is: a part is no total.

    `coverage`: share of the metered time that was read; `factor_coverage`: share of the purchased energy with a factor.
    """

    site_id: str
    period: str
    start: date
    end: date
    as_of_utc: datetime | None
    scope1_kgco2e: Decimal | None
    scope2_location_kgco2e: Decimal | None
    scope2_market_kgco2e: Decimal | None
    lines: tuple[FootprintLine, ...]
    factor_ids: tuple[str, ...]
    coverage: Decimal
    factor_coverage: Decimal
    findings: tuple[Finding, ...] = ()


class RestatedLine(Model):
    """Restated month, carrier and method, before and after. delta = by_factor + by_reading, where both are known."""

    month: date
    carrier: Carrier
    method: Method
    old_kgco2e: Decimal | None
    new_kgco2e: Decimal | None
    delta_kgco2e: Decimal | None
    # Readings count at the old factors; the rest, with what both changes share, is the factors'.
    by_factor_kgco2e: Decimal | None
    by_reading_kgco2e: Decimal | None
    old_kwh: Decimal | None
    new_kwh: Decimal | None
    old_factor_ids: tuple[str, ...]
    new_factor_ids: tuple[str, ...]
    causes: tuple[str, ...]


class Restatement(Model):
    """Two views of one site and period: every line that differs, with its cause."""

    site_id: str
    period: str
    from_utc: datetime
    to_utc: datetime
    old: Footprint
    new: Footprint
    lines: tuple[RestatedLine, ...]


class SiteTotals(Model):
    """One site's part of a portfolio."""

    site_id: str
    scope1_kgco2e: Decimal | None
    scope2_location_kgco2e: Decimal | None
    scope2_market_kgco2e: Decimal | None
    coverage: Decimal
    factor_coverage: Decimal


class PortfolioRow(Model):
    """A carrier and method over all sites; its factor is kgCO2e by kWh. None where one of its lines is unknown."""

    carrier: Carrier
    method: Method
    kwh: Decimal | None
    kgco2e: Decimal | None
    weighted_kgco2e_per_kwh: Decimal | None
    factor_ids: tuple[str, ...]


class PortfolioFootprint(Model):
    """Scope 1 and 2 of several sites in one period. coverage is the mean of the sites'."""

    period: str
    sites: tuple[SiteTotals, ...]
    scope1_kgco2e: Decimal | None
    scope2_location_kgco2e: Decimal | None
    scope2_market_kgco2e: Decimal | None
    rows: tuple[PortfolioRow, ...]
    coverage: Decimal
    factor_coverage: Decimal
    findings: tuple[Finding, ...] = ()
