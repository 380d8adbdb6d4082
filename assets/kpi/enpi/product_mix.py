"""Production mix: what part of a change is another mix of products, by a baseline with one driver a product."""

import math
from collections.abc import Mapping, Sequence

import polars as pl

from assets.kpi.enpi.daily import driver_of, expected_days
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site

METHOD = "reference mix: total output of each day as it was, split by the shares of the reference mix"


class MixAdjusted(Model):
    """Energies of the days with all drivers, kWh. mix_effect_kwh: what the mix alone makes the use need more.

    actual_at_reference_mix_kwh = actual - mix effect; the EnPI at the reference mix is that over
    expected_at_reference_mix_kwh. shares are of total output, 0-1.
    """

    days: int
    expected_kwh: float
    expected_at_reference_mix_kwh: float
    mix_effect_kwh: float
    actual_kwh: float
    actual_at_reference_mix_kwh: float
    enpi_at_reference_mix: float | None
    actual_shares: dict[str, float]
    reference_shares: dict[str, float]
    is_extrapolated: bool
    method: str = METHOD


def parse_mix(text: str) -> dict[str, float]:
    """`a=0.6,b=0.4` or weights such as `a=3,b=2`: product driver to its share of output. Raises BadInput."""
    parts: dict[str, float] = {}
    for part in text.split(","):
        name, mark, size = part.partition("=")
        try:
            weight = float(size)
        except ValueError:
            weight = math.nan
        if not mark or not name.strip() or not math.isfinite(weight) or weight < 0 or name.strip() in parts:
            raise BadInput(f"cannot read mix {text!r}; expected PRODUCT=0.6,PRODUCT=0.4", reason="bad_mix")
        parts[name.strip()] = weight
    total = sum(parts.values())
    if total <= 0 or len(parts) < 2:
        raise BadInput(f"mix {text!r}: expected at least two products with some output", reason="bad_mix")
    return {name: weight / total for name, weight in parts.items()}


def product_drivers(baseline: Baseline, site: Site) -> list[str]:
    """Drivers of the baseline that are amounts in one unit: the products that a mix is of. Raises BadInput."""
    by_id = {driver.driver_id: driver for driver in site.drivers}
    used = [name for name in dict.fromkeys(map(driver_of, baseline.feature_order)) if name in by_id]
    # Operating hours add up as well, and are no product.
    products = [name for name in used if by_id[name].aggregation == "sum" and by_id[name].unit != "h"]
    units = {by_id[name].unit for name in products}
    if len(products) < 2:
        raise BadInput(
            f"the baseline of {baseline.seu_id} has {len(products)} product driver; a mix needs two", reason="no_mix"
        )
    if len(units) > 1:
        raise BadInput(
            f"products in different units ({', '.join(sorted(units))}) have no common output", reason="mixed_units"
        )
    return products


def at_reference_mix(
    baseline: Baseline, days: pl.DataFrame, *, products: Sequence[str], shares: Mapping[str, float]
) -> MixAdjusted:
    """Expected and metered energy as if the output of each day had the shares of the reference mix.

    days: seu_days(...); only days with energy, full coverage and all drivers count. Raises BadInput where the shares
    are of other products, and where no day counts.
    """
    if set(shares) != set(products):
        raise BadInput(
            f"the mix names {', '.join(sorted(shares))}; the baseline's products are {', '.join(products)}",
            reason="unknown_driver",
        )
    names = list(dict.fromkeys(driver_of(name) for name in baseline.feature_order))
    # A part of a day has less energy and the whole output: the mix would look better than it is.
    known = days.drop_nulls([*names, "energy_kwh"]).filter(pl.col("coverage") >= 1.0)
    if known.is_empty():
        raise BadInput("no day of the period has energy and all drivers of the baseline", reason="no_days")
    output = pl.sum_horizontal(*(pl.col(name).cast(pl.Float64) for name in products))
    mixed = known.with_columns((output * shares[name]).alias(name) for name in products)
    expected = float(expected_days(baseline, known)["expected_kwh"].sum())
    at_reference = expected_days(baseline, mixed)
    reference = float(at_reference["expected_kwh"].sum())
    actual, total = float(known["energy_kwh"].sum()), float(known.select(output).to_series().sum())
    effect = expected - reference
    return MixAdjusted(
        days=known.height,
        expected_kwh=expected,
        expected_at_reference_mix_kwh=reference,
        mix_effect_kwh=effect,
        actual_kwh=actual,
        actual_at_reference_mix_kwh=actual - effect,
        enpi_at_reference_mix=(actual - effect) / reference if reference > 0 else None,
        actual_shares={name: float(known[name].sum()) / total if total > 0 else 0.0 for name in products},
        reference_shares=dict(shares),
        is_extrapolated=bool(at_reference["is_extrapolated"].any()),
    )
