"""Which location-based factor holds for a site's meters and days, as known at an instant: of the KPIs, running figures
and traces. The inventory takes the same view of a site's factors, so a KPI and a footprint rest on one factor.
"""

from collections.abc import Collection
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Literal, NamedTuple

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView, factor_view
from assets.sites.scopes import FIRST_DAY, LAST_DAY
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store
from assets.stores.warehouse.warehouse_tables import FACTOR
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site

# Enough for pounds per MWh and for products with a GWP; sums of energy times factor still fit 38 digits.
FACTOR_DECIMALS = FACTOR.scale


class MeterFactor(NamedTuple):
    """The factor of a meter's energy on local days [start, end), kgCO2e per kWh, and the version that it is of."""

    meter_id: str
    start: date
    end: date
    kgco2e_per_kwh: Decimal
    version: DayFactor


def known_factors(site: Site, store: Store, *, as_of_utc: datetime | None = None) -> FactorView:
    """The site's factors as of then (None: now): those of its file and those recorded in the store."""
    stored = FactorStore(store).known(as_of_utc=as_of_utc, tenant=site.site_id)
    return factor_view(site, stored, as_of_utc=as_of_utc)


def meter_factors(site: Site, view: FactorView, meters: Collection[str] | None = None) -> list[MeterFactor]:
    """The factors of every meter that counts bought energy, by meter and time; days without one are not there.
    meters: of these alone, in their order.

    Energy made on site of metered energy (compressed air, steam) is counted where it was bought; water is no energy.
    Gas goes by the calorific basis that its meter states. Raises BadInput for a factor of 1000 kg per kWh or more.
    """
    found = []
    named = site.meters if meters is None else [each for name in meters if (each := site.meter(name)) is not None]
    for meter in named:
        if meter.carrier is Carrier.WATER or meter.is_made_on_site:
            continue
        for basis, first, after in calorific_spans(meter):
            for entry in view.fitting(meter.carrier, Basis.LOCATION, basis):
                start, end = max(entry.valid_from, first), min(entry.valid_to, after)
                if start < end:
                    found.append(MeterFactor(meter.meter_id, start, end, exact_factor(entry), entry))
    return found


def calorific_spans(meter: Meter) -> list[tuple[Literal["", "gross", "net"], date, date]]:
    """Calorific basis of the meter's kWh over local days; empty where it states none."""
    stated = sorted((each.valid_from, each.valid_to or LAST_DAY, each.basis) for each in meter.gas_factors)
    # Time between two statements has no basis: neither of them is stretched over it.
    edges = [FIRST_DAY, *(day for start, end, _ in stated for day in (start, end)), LAST_DAY]
    by_start = {start: basis for start, _, basis in stated}
    return [(by_start.get(one, ""), one, other) for one, other in pairwise(edges) if one < other]


def exact_factor(entry: DayFactor) -> Decimal:
    """The factor to fifteen decimals. Raises BadInput where it cannot be kilograms per kWh."""
    value = entry.kgco2e_per_kwh.quantize(Decimal(1).scaleb(-FACTOR_DECIMALS), rounding=ROUND_HALF_UP)
    # No fuel and no grid comes near a thousand.
    if value >= 1000:
        raise BadInput(
            f"factor {entry.factor_id} for {entry.carrier} comes to {value.normalize():f} kgCO2e per kWh",
            reason="factor_too_large",
            mend="check its unit: grams and pounds are no kilograms",
        )
    return value


def electricity_factors(view: FactorView, start: date, end: date) -> pl.DataFrame:
    """Factor of grid electricity by local day of [start, end): local_date, electricity_kgco2e_per_kwh (null: none)."""
    days = pl.DataFrame({"local_date": pl.date_range(start, end, closed="left", eager=True)})
    entries = view.fitting(Carrier.ELECTRICITY, Basis.LOCATION, "")
    value = pl.lit(None, dtype=FACTOR)
    for entry in entries:
        holds = (pl.col("local_date") >= entry.valid_from) & (pl.col("local_date") < entry.valid_to)
        value = pl.when(holds).then(pl.lit(exact_factor(entry), dtype=FACTOR)).otherwise(value)
    return days.with_columns(electricity_kgco2e_per_kwh=value)


def versions_behind(
    site: Site, view: FactorView, meters: Collection[str], start: date, end: date
) -> tuple[DayFactor, ...]:
    """The factors that hold for one of the meters on a day of [start, end), each once, cut to those days."""
    found: dict[tuple[str, ...], DayFactor] = {}
    # Of these meters alone: a site of a thousand is asked for each of its scopes.
    for each in meter_factors(site, view, meters):
        if each.start < end and each.end > start:
            days = {"valid_from": max(each.start, start), "valid_to": min(each.end, end)}
            version = each.version.model_copy(update=days)
            found[version.carrier, str(version.valid_from), version.factor_id, version.calorific_basis] = version
    return tuple(found[key] for key in sorted(found))


def version_text(version: DayFactor) -> str:
    """All of a factor that an emission depends on: carrier, days, kilograms per kWh, name."""
    span = f"{version.valid_from}/{version.valid_to}"
    return f"{version.carrier} {span} {exact_factor(version).normalize():f} {version.factor_id}"
