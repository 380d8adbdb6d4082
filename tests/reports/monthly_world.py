"""Sites whose meters were read twice a month, in round numbers: what can be worked out by hand."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.transactions import Store, open_store
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from data_quality.contracts.time import FixedClock
from reports.recompute.figure_sources import Sources
from tests.definitions import DEFINITIONS
from tests.reports import plant

# Local days of a month that have a reading, at noon: half of the month's energy each.
DAYS = (1, 20)


def site_of(site_id: str, meters: Iterable[Meter], factors: Iterable[EmissionFactorEntry] = (), **changes: Any) -> Site:
    """A site in UTC without uses and drivers."""
    fields: dict[str, Any] = {
        "site_id": site_id, "name": site_id, "time_zone": "UTC", "seus": (), "drivers": (), "tariffs": (),
        "meters": tuple(meters), "factors": tuple(factors),
    }  # fmt: skip
    return Site.model_validate({**dict(plant.plant_site()), **fields, **changes})


def factor(name: str, carrier: Carrier, kgco2e_per_kwh: float, source: str) -> EmissionFactorEntry:
    """A factor of 2024."""
    return EmissionFactorEntry(
        factor_id=name, carrier=carrier, kgco2e_per_kwh=kgco2e_per_kwh, source=source,
        valid_from=date(2024, 1, 1), valid_to=date(2025, 1, 1),
    )  # fmt: skip


def open_lake(folder: Path) -> tuple[Lake, Store, FixedClock]:
    """An empty lake, its store, and a clock of February 2026. The caller closes the store."""
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    return Lake(folder / "lake", store), store, FixedClock(datetime(2026, 2, 1, 12, tzinfo=UTC))


def write_months(
    lake: Lake, clock: FixedClock, site_id: str, year: int, kwh_a_month: Mapping[str, float], *, simulated: bool = False
) -> None:
    """A year of readings: of each meter so many kWh in every month, half on each of DAYS."""
    rows = [
        {
            "site_id": site_id, "meter_id": meter, "register": "import",
            "interval_start_utc": datetime(year, month, day, 12, tzinfo=UTC), "interval_minutes": 15,
            "source_minutes": 15, "value": kwh / len(DAYS), "unit": "kwh", "quality_code": 0, "source_line": 1,
            "is_synthetic": simulated, "is_correction": False,
        }
        for meter, kwh in sorted(kwh_a_month.items())
        for month in range(1, 13)
        for day in DAYS
    ]  # fmt: skip
    schema = {name: kind for name, kind in LAKE_SCHEMA.items() if name not in {"batch_id", "recorded_at_utc"}}
    frame = pl.DataFrame(rows, schema={**schema, "is_correction": pl.Boolean})
    plant.write(lake, frame, clock, name=f"{site_id}_{year}.csv")


def sources_of(lake: Lake, *sites: Site) -> Sources:
    """Fresh sources of these sites."""
    return Sources(lake=lake, sites={site.site_id: site for site in sites}, definitions=DEFINITIONS)
