"""A works of three electricity meters and one of gas over 14 weeks, with two nights in which the press ran."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.stores.lake.lake import Lake
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import FixedClock, Period, parse_period
from ml.anomaly_scoring.score_site import SiteScored, score_site
from tests.kpi.seeded import fill
from tests.ml.forecasts.issuing import readings

ZONE = "Europe/Berlin"
START = datetime(2024, 12, 31, 23, tzinfo=UTC)
DAYS = 98
NOW = START + timedelta(days=DAYS)
MARCH = parse_period("2025-03", ZONE)
# Nights of 11 and 12 March, from 20 to 6 o'clock.
NIGHTS = (69, 70)


def works(**more: Any) -> Site:
    meters = (
        Meter(meter_id="main", name="Main"), Meter(meter_id="press", name="Press <b>1</b>", parent="main"),
        Meter(meter_id="battery", parent="main"), Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS),
    )  # fmt: skip
    facts: dict[str, Any] = {"site_id": "works", "name": "Works", "time_zone": ZONE, "currency": "EUR"}
    assets = (Asset(asset_id="battery", kind="battery", meter="battery"),)
    return Site.model_validate(facts | {"country": "DE", "meters": meters, "assets": assets} | more)


def load(seed: int, *, ran: bool) -> np.ndarray:
    """kWh an hour: nights of 20, working days of up to 100; what ran at night ran at 60."""
    hours = np.arange(24 * DAYS)
    # The first of January 2025 was a Wednesday.
    is_work = ((hours // 24 + 2) % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 18)
    level = np.where(is_work, 90.0, 20.0) * np.random.default_rng(seed).normal(1, 0.03, len(hours))
    for night in NIGHTS if ran else ():
        level[night * 24 + 20 : night * 24 + 30] += 40
    return level


def filled(lake: Lake, site: Site, *, ran: bool = True) -> None:
    """All meters read until NOW."""
    parts = [readings(site, load(place, ran=ran and each != "gas"), each, start=START)
             for place, each in enumerate(("main", "press", "battery", "gas"))]  # fmt: skip
    rows = pl.concat(parts).drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(value=False))
    fill(lake, site, rows, clock=FixedClock(NOW), name=f"all {ran}")


def priced(_: str, **wanted: Any) -> pl.DataFrame:
    """The mart of running costs at 0.25 a kWh by day and 0.20 from 20 to 6 o'clock."""
    at = pl.datetime_range(START, NOW, "15m", closed="left", time_zone="UTC", eager=True).alias("interval_start_utc")
    hour = pl.col("interval_start_utc").dt.convert_time_zone(ZONE).dt.hour()
    rows = at.to_frame().with_columns(import_kwh=pl.lit(40.0), hour=hour)
    price = pl.when(pl.col("hour").is_between(6, 19)).then(0.25).otherwise(0.20)
    return rows.with_columns(energy_cost=pl.col("import_kwh") * price).filter(wanted["where"])


def unpublished(_: str, **__: Any) -> pl.DataFrame:
    raise BadInput("not published", reason="mart_missing")


def scored(lake: Lake, site: Site, period: Period = MARCH, *, read: Any = priced, **more: Any) -> SiteScored:
    return score_site(site, period, lake=lake, read=read, clock=FixedClock(NOW), **more)
