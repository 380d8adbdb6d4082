"""The demo factory as the simulator makes it, in the lake's form, and the coefficients that it was made with."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

import assets.sites
from assets.kpi.enpi.daily import seu_days
from assets.sites.load_sites import load_site
from assets.stores.lake.lake_block import LAKE_SCHEMA
from controls.simulator.worlds.factory import FactoryTruth, generate_factory_year
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.site_file.site import Seu, Site
from ml.baselines.models.ols import fit_daily

TRUTH = FactoryTruth()
BASELINE_YEAR, REPORT_YEAR = 2024, 2025


def factory_site() -> Site:
    """The demo's site file."""
    return load_site(Path(assets.sites.__path__[0]) / "demo" / "factory.yaml")


def factory_days(site: Site, year: int, *, seed: int) -> dict[str, pl.DataFrame]:
    """The daily table of every use over one simulated year."""
    made = generate_factory_year(site, year, seed=seed)
    drivers = made.drivers.unpivot(
        index=["timestamp", "is_synthetic"], variable_name="meter", value_name="value"
    ).with_columns(register=pl.lit("value"), unit=pl.lit("count"))
    meters = made.meters.rename({"kwh": "value"}).with_columns(unit=pl.lit("kwh"))
    names = ["meter", "register", "timestamp", "value", "unit", "is_synthetic"]
    rows = pl.concat(
        [each.select(pl.col(name) for name in names) for each in (meters, drivers)], how="vertical_relaxed"
    )
    rows = rows.select(
        site_id=pl.lit(site.site_id),
        meter_id="meter",
        register="register",
        interval_start_utc=pl.col("timestamp").cast(pl.Datetime("us", "UTC")),
        interval_minutes=15,
        source_minutes=15,
        value="value",
        unit="unit",
        quality_code=0,
        source_line=1,
        is_synthetic="is_synthetic",
        batch_id=pl.lit("b"),
        recorded_at_utc=pl.col("timestamp").cast(pl.Datetime("us", "UTC")),
    ).select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())
    start, end = date(year, 1, 1), date(year + 1, 1, 1)
    return {seu.seu_id: seu_days(rows, site=site, seu=seu, start=start, end=end) for seu in site.seus}


def fit_year(site: Site, seu: Seu, days: pl.DataFrame, *, confidence: float = 0.95) -> Baseline:
    """The baseline of one use over the simulated year."""
    start, end = days["local_date"][0], days["local_date"][-1] + timedelta(days=1)
    made = fit_daily(
        days, site=site, seu=seu, start=start, end=end, today=end, lake_digest="simulated", confidence=confidence
    )
    assert isinstance(made, Baseline), made
    return made


def true_coefficients(seu_id: str) -> dict[str, float]:
    """KWh per local day and unit, by the kind of term: what the machines of the use were simulated with."""
    machines = {
        "compressors": ("compressor_1", "compressor_2"),
        "hvac": ("hvac_main", "hvac_hall"),
        "production_line": ("conveyor", "hydraulic_pump", "injection_moulding"),
    }[seu_id]
    each = [TRUTH.machines[name] for name in machines]
    return {
        "intercept": 24.0 * sum(one.base_kw for one in each),
        "production_count": sum(one.kwh_per_count for one in each),
        "operating_hours": sum(one.running_kw for one in each),
        "outdoor_degc": 24.0 * sum(one.intake_kw_per_k for one in each),
        "hdd": 24.0 * sum(one.heating_kw_per_k for one in each),
        "cdd": 24.0 * sum(one.cooling_kw_per_k for one in each),
    }
