"""Six sites of one organisation, five of them offices, whose readings are alike all year: ranks are plain to see."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, parse_period
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import plant
from tests.reports.monthly_world import open_lake, site_of

YEAR = parse_period("2024", "UTC")
# kW all through the year, on 1,000 m²: far enough apart that no draw brings another rank.
LEVELS = {"north": 10.0, "east": 20.0, "south": 40.0, "west": 80.0, "middle": 160.0, "shop": 30.0}
PACK = "energy_summary"
ORGANISATION: dict[str, Any] = {
    "organisation": "g", "name": "G", "currency": "EUR", "approaches": [{"approach": "operational_control"}],
    "entities": [{"entity": "own", "name": "Own"}],
    "sites": [
        {"site": name, "entity": "own", "subsector": "retail" if name == "shop" else "office"} for name in LEVELS
    ],
}  # fmt: skip


class Peers:
    """Six sites of one organisation, five of them offices. days: of the year that were read."""

    def __init__(self, folder: Path, *, days: int = 366) -> None:
        self.lake, self.store, self.clock = open_lake(folder)
        for name, kw in LEVELS.items():
            write_year(self.lake, self.clock, name, kw, days=days)
        self.sites = {name: site_of(name, [Meter(meter_id="power")], floor_area_m2=1000.0) for name in LEVELS}
        self.file = folder / "organisation.yaml"
        self.file.write_text(yaml.safe_dump(ORGANISATION))

    def sources(self, file: Path | None, *sites: Site) -> Sources:
        known = self.sites | {each.site_id: each for each in sites}
        return Sources(lake=self.lake, sites=known, definitions=DEFINITIONS, organisation_file=file)

    def content(self, site_id: str, sources: Sources, pack: str = PACK) -> ReportContent:
        given = ReportInput(
            site=sources.site(site_id), period=YEAR, as_of_utc=self.as_of_utc, sources=sources, versions={},
        )  # fmt: skip
        return template_report(load_template(pack), given)

    @property
    def as_of_utc(self) -> datetime:
        return self.store.known_at(self.clock)


def write_year(
    lake: Lake,
    clock: FixedClock,
    site_id: str,
    kw: float,
    *,
    first: date = YEAR.start,
    zone: str = "UTC",
    meter: str = "power",
    unit: str = "kwh",
    days: int = 366,
) -> None:
    """Quarter hours of a year from a local day on, or of fewer days, all alike, of a meter: kW, or m³ an hour."""
    midnights = [datetime(first.year + n, first.month, first.day, tzinfo=ZoneInfo(zone)) for n in (0, 1)]
    starts = pl.datetime_range(
        midnights[0], midnights[1], timedelta(minutes=15), closed="left", eager=True
    ).dt.convert_time_zone("UTC")
    fixed = {
        "site_id": site_id, "meter_id": meter, "register": "import", "interval_minutes": 15, "source_minutes": 15,
        "value": kw / 4, "unit": unit, "quality_code": 0, "source_line": 1, "is_synthetic": False,
        "is_correction": False,
    }  # fmt: skip
    kinds = {key: kind for key, kind in LAKE_SCHEMA.items() if key not in {"batch_id", "recorded_at_utc"}}
    wanted: dict[str, Any] = {**kinds, "is_correction": pl.Boolean}
    starts = starts.head(days * 96)
    rows = starts.alias("interval_start_utc").to_frame().with_columns(**{k: pl.lit(v) for k, v in fixed.items()})
    plant.write(lake, rows.select(*wanted).cast(pl.Schema(wanted)), clock, name=f"{site_id}_{meter}.csv")
