"""Two sites of one organisation over 2025: the plant, and a tower that takes heat from it and from outside."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.sites.view import site_readings
from assets.stores.lake.lake import BatchInfo
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from data_quality.contracts.time import local_midnight_utc, parse_period
from reports.content.template_report import template_report
from reports.make_group_report import group_report, group_report_input
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import plant, year_world
from tests.reports.year_world import Year

YEAR = parse_period("2025", plant.ZONE)
BOUGHT, SOLD = date(2025, 7, 1), date(2025, 10, 11)
_SHARED: dict[str, Any] = {
    "organisation": "group", "name": "Gruppe", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
    "entities": [
        {"entity": "works", "name": "Works", "owners": [
            {"owner": "group", "share_percent": "60"}, {"owner": "joint", "share_percent": "20"},
        ]},
        {"entity": "joint", "name": "Joint", "owners": [{"owner": "group", "share_percent": "50"}]},
        {"entity": "estates", "name": "Estates"},
    ],
}  # fmt: skip
# The plant counts 0.6 + 0.2 x 0.5 = 0.7, the tower whole, both all year.
EQUITY = Organisation.model_validate(
    _SHARED | {"sites": [{"site": "plant", "entity": "works"}, {"site": "tower", "entity": "estates"}]}
)
# The plant was sold in October, the tower bought in July; meanwhile the one heated the other.
SALE = Organisation.model_validate(
    _SHARED
    | {
        "organisation": "seller",
        "entities": [
            {**each, "owners": [stake | {"owner": stake["owner"].replace("group", "seller")} for stake in owners]}
            if (owners := each.get("owners"))
            else each
            for each in _SHARED["entities"]
        ],
        "sites": [
            {"site": "plant", "entity": "works", "valid_to": SOLD},
            {"site": "tower", "entity": "estates", "valid_from": BOUGHT},
        ],
        "deliveries": [{"seller": "plant", "buyer": "tower", "meter": "from_plant", "carrier": "heat"}],
    }
)
GROUPS = {"equity": EQUITY, "sale": SALE}
FROM_PLANT_KWH = 0.5


def tower_site() -> Site:
    """Electricity, and heat of which one part comes from the plant."""
    base, long = plant.plant_site(), {"valid_from": date(2024, 1, 1), "valid_to": date(2026, 1, 1), "source": "test"}
    fields: dict[str, Any] = {
        "site_id": "tower", "name": "Turm", "floor_area_m2": 1000.0, "seus": (), "drivers": (),
        "meters": (
            Meter(meter_id="t_main"), Meter(meter_id="t_heat", carrier=Carrier.HEAT),
            Meter(meter_id="from_plant", carrier=Carrier.HEAT, parent="t_heat"),
        ),
        "factors": (
            EmissionFactorEntry(factor_id="grid", kgco2e_per_kwh=0.363, **long),
            EmissionFactorEntry(factor_id="heat", carrier=Carrier.HEAT, kgco2e_per_kwh=0.18, **long),
        ),
    }  # fmt: skip
    return Site.model_validate({**dict(base), **fields})


@dataclass
class TwoSites:
    """The plant's world with the tower in it."""

    year: Year
    sites: dict[str, Site]

    def sources(self, *sites: Site) -> Sources:
        """Fresh sources; sites: in place of those of the world."""
        known = self.sites | {site.site_id: site for site in sites}
        return Sources(lake=self.year.world.lake, sites=known, definitions=DEFINITIONS)

    def content(
        self, template: ReportTemplate, group: str, *, sources: Sources | None = None, revision: int = 1
    ) -> ReportContent:
        """A pack of the plant alone, or of one of GROUPS: two organisations over the same sites."""
        used = sources or self.sources()
        if group not in GROUPS:
            given = self.year.given("2025", sources=used)
            return template_report(template, replace(given, site=used.site("plant")), revision=revision)
        known_at = self.year.world.reports.store.known_at(self.year.world.clock)
        given, members = group_report_input(template, GROUPS[group], YEAR, sources=used, known_at_utc=known_at)
        return group_report(template, given, members, revision=revision)

    def read_kwh(self, meter: str, start: date, end: date) -> Decimal:
        """Quanta of a meter's readings over local days, summed apart from all of the inventory."""
        site = self.sites["plant"] if self.sites["plant"].meter(meter) is not None else self.sites["tower"]
        first, after = (local_midnight_utc(day, plant.ZONE) for day in (start, end))
        rows = site_readings(self.year.world.lake, site, start_utc=first, end_utc=after)
        own = rows.filter((pl.col("meter_id") == meter) & (pl.col("unit") == "kwh"))
        return sum((Decimal(repr(value)).quantize(Decimal("1e-9")) for value in own["value"]), Decimal(0))


def make_two_sites(folder: Path) -> TwoSites:
    """The world in a folder; the caller closes it by `year_world.close`."""
    rows = year_world.year_rows(lost=())
    year = year_world.make_year(folder, rows=rows)
    main = rows.filter(pl.col("meter_id") == "main").with_columns(site_id=pl.lit("tower"))
    parts = [
        main.with_columns(meter_id=pl.lit("t_main"), value=(pl.col("value") * 0.25).round(3)),
        main.with_columns(meter_id=pl.lit("t_heat"), value=(pl.col("value") * 0.1).round(3) + FROM_PLANT_KWH),
        main.with_columns(meter_id=pl.lit("from_plant"), value=pl.lit(FROM_PLANT_KWH)),
    ]
    frame = pl.concat(parts).sort("meter_id", "register", "interval_start_utc")
    info = BatchInfo(
        site_id="tower", source_name="tower.csv", source_sha256=hashlib.sha256(b"tower").hexdigest(), reader="csv",
        reader_version="1", accepted_rows=frame.height, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    year.world.lake.write_batch(info, frame, unchanged_rows=0, clock=year.world.clock)
    return TwoSites(year, {"plant": year.site, "tower": tower_site()})
