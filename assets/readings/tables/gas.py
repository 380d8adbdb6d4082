"""Gas volume as energy, by the factors that a site states for its meter and date; without them, m3 stays m3.

Source: formulas 5.1. The volume stays in its own register as it was counted; the energy stands beside it, as derived.
"""

import polars as pl

from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import GasFactors
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.units import QUANTUM_DECIMALS

_QUANTA = 10**QUANTUM_DECIMALS


def kwh_per_m3(factors: GasFactors) -> float:
    """Energy of one metered cubic metre."""
    return factors.volume_correction * factors.calorific_value_mj_per_m3 / 3.6


def with_gas_energy(canonical: pl.DataFrame, site: Site) -> pl.DataFrame:
    """canonical: quarter hours (meter_id, register, interval_start_utc, value, unit, quality_code …), unit m3 for gas.
    Returns them and, for each of a meter with factors on its local date, one more in the meter's register of energy,
    in kWh to the nearest quantum, quality `derived`. A date without factors gets none: a gap, not a guess.
    """
    parts = [canonical]
    for meter in site.meters:
        if not meter.gas_factors:
            continue
        volume, energy = meter.register_in("m3") or "", meter.register_in("kwh") or ""
        is_volume = (pl.col("meter_id") == meter.meter_id) & (pl.col("register") == volume) & (pl.col("unit") == "m3")
        for factors in meter.gas_factors:
            rows = canonical.filter(is_volume & _holds(factors, site.time_zone))
            if not rows.is_empty():
                parts.append(_energy(rows, kwh_per_m3(factors), energy))
    return pl.concat(parts) if len(parts) > 1 else canonical


def _energy(rows: pl.DataFrame, factor: float, register: str) -> pl.DataFrame:
    # NumPy divides to the nearest float, as the rest of the canonical rows.
    quanta = (rows["value"] * factor * _QUANTA).round().to_numpy()
    return rows.with_columns(
        register=pl.lit(register),
        unit=pl.lit("kwh"),
        value=pl.Series(quanta / _QUANTA),
        # An estimated or edited volume stays that: `derived` would promise more than it was.
        quality_code=pl.when(pl.col("quality_code") == int(QualityCode.RAW))
        .then(pl.lit(int(QualityCode.DERIVED)))
        .otherwise(pl.col("quality_code"))
        .cast(rows.schema["quality_code"]),
    )


def _holds(factors: GasFactors, time_zone: str) -> pl.Expr:
    start = pl.col("interval_start_utc") >= pl.lit(local_midnight_utc(factors.valid_from, time_zone))
    if factors.valid_to is None:
        return start
    return start & (pl.col("interval_start_utc") < pl.lit(local_midnight_utc(factors.valid_to, time_zone)))
