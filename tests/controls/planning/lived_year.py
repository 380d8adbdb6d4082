"""A project whose lake holds a simulated home, day by day, as its meters would have told it."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import polars as pl

from assets.sites.load_sites import load_site
from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from controls.simulator.worlds.generate import SEED, generate_site
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock

DEMO = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo" / "home.yaml"
CLOCK = FixedClock(datetime(2027, 1, 2, tzinfo=UTC))


def home() -> Site:
    """The demo home."""
    return load_site(DEMO)


def live(lake: Lake, site: Site, start: date, end: date, *, seed: int = SEED) -> None:
    """Write the readings of the local days [start, end)."""
    made = generate_site(site, start=start, end=end, seed=seed)
    rows = [made.meters.rename({"meter": "meter_id", "timestamp": "interval_start_utc", "kwh": "value"})]
    units = {driver.driver_id: driver.unit for driver in site.drivers}
    for frame in (made.drivers, made.prices):
        assert frame is not None
        rows += [
            frame.select(
                interval_start_utc="timestamp", value=pl.col(name), is_synthetic="is_synthetic", meter_id=pl.lit(name)
            ).with_columns(register=pl.lit("import"), unit=pl.lit(units[name]))
            for name in frame.columns
            if name in units
        ]
    whole = pl.concat([each.with_columns(unit=pl.col("unit") if "unit" in each.columns else pl.lit("kwh")).select(
        "meter_id", "register", "interval_start_utc", "value", "unit", "is_synthetic") for each in rows])  # fmt: skip
    whole = whole.with_columns(
        site_id=pl.lit(site.site_id), interval_minutes=15, source_minutes=15, quality_code=0, source_line=1,
        is_correction=pl.lit(False),
    )  # fmt: skip
    names = [name for name in LAKE_SCHEMA if name not in ("batch_id", "recorded_at_utc")]
    whole = whole.select(*(pl.col(name).cast(LAKE_SCHEMA[name]) for name in names), "is_correction")
    info = BatchInfo(
        site_id=site.site_id, source_name="lived.csv", source_sha256=sha256(f"{start}{seed}".encode()).hexdigest(),
        reader="test", reader_version="1", accepted_rows=whole.height, rejected_rows=0, is_synthetic=True,
    )  # fmt: skip
    lake.write_batch(info, whole, unchanged_rows=0, clock=CLOCK)
