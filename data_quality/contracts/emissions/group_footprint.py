"""Scope 1 and 2 of an organisation: its sites by share, what sites deliver to one another left out."""

from datetime import date
from decimal import Decimal

from data_quality.contracts.emissions.footprint import PortfolioRow
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class GroupPart(Model):
    """A site over local days [start, end) of one share. share_text: its stakes, such as 0.6*0.5.

    delivered_kwh: bought from sites of the organisation, which is left out. Emissions are the site's own, whole.
    """

    site_id: str
    entity: str
    start: date
    end: date
    share: Decimal
    share_text: str
    delivered_kwh: Decimal
    scope1_kgco2e: Decimal | None
    scope2_location_kgco2e: Decimal | None
    scope2_market_kgco2e: Decimal | None
    coverage: Decimal


class GroupFootprint(Model):
    """Sums of share × site over all parts. A total is None where a part's is: a part of the sites is no total.

    approaches: those in force within the period, in order of time.
    """

    organisation: str
    period: str
    approaches: tuple[str, ...]
    parts: tuple[GroupPart, ...]
    scope1_kgco2e: Decimal | None
    scope2_location_kgco2e: Decimal | None
    scope2_market_kgco2e: Decimal | None
    rows: tuple[PortfolioRow, ...]
    findings: tuple[Finding, ...] = ()


class BaseYearSite(Model):
    """One site's part of the base year, as it was reported and as the organisation is made up now."""

    site_id: str
    reported_kgco2e: Decimal | None
    recalculated_kgco2e: Decimal | None
    cause: str


class BaseYearChange(Model):
    """The base year as reported and by a later structure: Scope 1 and 2, location-based.

    percent: change against what was reported; is_due: it reaches the threshold, so the base year is to be restated.
    """

    year: int
    structure_of: date
    reported_kgco2e: Decimal | None
    recalculated_kgco2e: Decimal | None
    percent: Decimal | None
    threshold_percent: Decimal
    is_due: bool | None
    sites: tuple[BaseYearSite, ...]
