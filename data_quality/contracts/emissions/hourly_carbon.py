"""Hourly Scope 2: certificates by hour, and what matching them to consumption hour by hour gives (formulas 5.12)."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from data_quality.contracts.factor import QualityCriteria
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class HourlyCertificate(Model):
    """Energy of one certificate made in one UTC hour. hour_utc None: known by the year only, matched to no hour."""

    certificate_id: str = Field(min_length=1)
    hour_utc: datetime | None
    kwh: Decimal = Field(ge=0)
    market: str = ""
    kgco2e_per_kwh: Decimal = Field(default=Decimal(0), ge=0)
    is_legacy: bool = Field(default=False, description="Of a contract that a legacy clause still matches by the year")
    criteria: QualityCriteria = QualityCriteria()
    file: str = ""
    line: int = 0


class HourlyScope2(Model):
    """Both methods by the hour and by the year. Shares are of the load, 0 to 1; matched_share <= volumetric_share.

    location_level + location_shape = location_hourly - location_annual: what the mean of the hours is above the annual
    factor, and what the load's hours are dirtier than the mean hour. None where no annual factor is given.
    """

    start_utc: datetime
    end_utc: datetime
    hours: int
    load_kwh: Decimal
    location_hourly_kgco2e: Decimal
    location_annual_kgco2e: Decimal | None
    annual_kgco2e_per_kwh: Decimal | None = Field(description="Of several years: weighed by the load")
    mean_kgco2e_per_kwh: Decimal
    location_level_kgco2e: Decimal | None
    location_shape_kgco2e: Decimal
    market_hourly_kgco2e: Decimal
    market_annual_kgco2e: Decimal
    market_with_legacy_kgco2e: Decimal
    matched_kwh: Decimal
    volumetric_kwh: Decimal
    legacy_kwh: Decimal
    matched_share: Decimal
    volumetric_share: Decimal
    has_legacy: bool
    unmatched_basis: str = Field(description="residual or grid_average: what hours without a certificate go by")
    findings: tuple[Finding, ...] = ()
