"""A what-if: a year of a site's own readings replayed with another battery, PV system, heat pump or tariff."""

from datetime import date, datetime
from operator import not_
from typing import Literal

from pydantic import Field

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# What of a variant is a figure with an id, in the order of its figure_ids.
FIGURES = ("cost", "without", "saving", "saving_low", "saving_high", "kgco2e", "saving_kgco2e", "payback_years")
# Low and high end of a 90 % interval.
Interval = tuple[float, float]
Change = Literal["battery", "pv", "heat_pump", "tariff"]


class WhatIfMonth(Model):
    """A calendar month replayed: bills in the site's currency and kgCO2e of the import, with the variant and without.

    kgco2e: None where the site has no factor of grid electricity.
    """

    month: date
    cost: float
    without: float
    kgco2e: float | None = None
    kgco2e_without: float | None = None


class Price(Model):
    """The price of a variant, in the site's currency; source: who says so."""

    low: float = Field(ge=0)
    high: float = Field(ge=0)
    source: str


class PricePath(Model):
    """A path of prices: the whole bill dearer by so many percent each year after the first, all of its lines alike."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    percent_a_year: float = Field(ge=-20, le=20)


class PathPayback(PricePath):
    """The payback of a variant where prices go that path; None: not within a hundred years. figure_id: of the years."""

    payback_years: float | None
    payback_interval: tuple[float | None, float | None]
    figure_id: str = ""


class WhatIfVariant(Model):
    """A change of the site over a year of calendar months, the mean of the years replayed; amounts a year.

    cost, without: bills with the change and of the present configuration, both replayed. saving: the difference, with
    its 90 % interval. policy: what runs the devices, the cheaper of two over the whole span. kgco2e: of the import.
    payback_years: price over saving, None where either is not known or nothing is saved. figure_ids: of FIGURES.
    paths: paybacks by path of prices, where paths were asked for and a price is known; payback_over_paths: from the
    soonest low end to the latest high end of them. changes: what it changes of the site; empty in rows
    that are older than the field, as saving_kgco2e_interval is.
    """

    name: str
    cost: float
    without: float
    saving: float
    interval: Interval
    cost_interval: Interval
    kgco2e: float | None = None
    saving_kgco2e: float | None = None
    saving_kgco2e_interval: Interval | None = None
    changes: tuple[Change, ...] = ()
    price: Price | None = None
    payback_years: float | None = None
    payback_interval: tuple[float | None, float | None] | None = None
    paths: tuple[PathPayback, ...] = Field(default=(), exclude_if=not_)
    payback_over_paths: tuple[float | None, float | None] | None = Field(default=None, exclude_if=not_)
    policy: str
    months: tuple[WhatIfMonth, ...]
    figure_ids: tuple[str, ...] = ()


class WhatIfResult(Model):
    """The contract `what_if_result`: variants of a site over local days [start, end), whole months.

    without, without_interval: the present configuration replayed, a year; billed: the bill of what was metered.
    synthetic_share: of the readings; readings_sha256: of those used. Devices are simulated: no figure of it is
    published. result_id, recorded_at_utc: of a stored one.
    """

    result_id: str = ""

    site_id: str
    currency: str
    start: date
    end: date
    seed: int
    without: float
    without_interval: Interval
    billed: float | None
    policy: str
    variants: tuple[WhatIfVariant, ...]
    synthetic_share: float
    readings_sha256: str
    assumptions: tuple[str, ...]
    findings: tuple[Finding, ...]
    is_synthetic: bool = True
    recorded_at_utc: datetime | None = None
