"""Which streams a KPI of a scope reads: the scope's meters, and what else the KPI divides by or adds."""

import polars as pl

from assets.kpi.facts import streams_by_scope
from assets.sites.scopes import known_spans
from assets.sites.virtual import streams_for
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# KPIs in which an emission factor stands.
FACTORED = ("emission_kgco2e", "emission_kgco2e_per_m2")


def split_product(site: Site, scope: str) -> tuple[str, str]:
    """The scope and the product after its slash, empty where none is named."""
    owner, _, last = scope.rpartition("/")
    is_product = bool(owner) and last in [product.product_id for product in site.premises.products]
    return (owner, last) if is_product else (scope, "")


def scope_meters(site: Site, scope: str) -> tuple[str, ...]:
    """The meters that are ever a member of the scope. Raises BadInput for a scope that the site does not have."""
    spans = known_spans(site, split_product(site, scope)[0])
    return tuple(dict.fromkeys(member.meter_id for span in spans for member in span.members))


def carriers_of(site: Site, scope: str) -> tuple[Carrier, ...]:
    """The carriers of the scope's meters, and water where it is of water."""
    meters = {each.stream_id for each in streams_by_scope(site).get(scope, ()) if each.role == "water"}
    meters = meters or set(scope_meters(site, scope))
    return tuple(sorted({meter.carrier for meter in site.meters if meter.meter_id in meters}))


def streams_behind(kpi: str, *, site: Site, scope: str) -> tuple[str, ...]:
    """The streams that the KPI reads for the scope: its meters, what virtual ones among them are made of, and what
    else the KPI divides by or adds: price stream, reactive energy, generation, products, water, temperature.
    """
    owner, product = split_product(site, scope)
    roles = {
        "power_factor": ("kvarh",),
        "kwh_per_product": (f"product/{product}",),
        "self_consumption_rate": ("generation", "export"),
        "self_sufficiency": ("generation", "export"),
        "generation_kwh": ("generation",),
        "export_kwh": ("export",),
        "consumption_m3": ("water",),
    }.get(kpi, ())
    named = streams_by_scope(site).get(owner, ())
    others = [each.stream_id for each in named if each.role in roles]
    water = [each.stream_id for each in named if each.role == "water"]
    # Water is paid by its own meters and its own tariff.
    if kpi == "cost" and water:
        return tuple(dict.fromkeys(water))
    if kpi == "consumption_m3" or owner.endswith("/water"):
        return tuple(dict.fromkeys(others))
    found = [*streams_for(site, scope_meters(site, scope)), *others]
    if kpi == "cost" and site.price_stream:
        found.append(site.price_stream)
    if kpi.endswith(("_hdd", "_cdd")) and site.premises.degree_days is not None:
        found.append(site.premises.degree_days.driver)
    return tuple(dict.fromkeys(found))


# KPIs in which the highest quarter hour stands: a source that reads less often hides it.
PEAKS = ("peak_15min_kw", "load_factor", "demand_factor")
COARSE = "coarse_source"


def is_coarse(
    readings: pl.DataFrame, *, site: Site, scope: str, period: Period, minutes: int = CANONICAL_MINUTES
) -> bool:
    """True where a reading of the scope's meters, or of what virtual ones are made of, took more minutes than that.

    readings: LAKE_SCHEMA rows of the site, the newest of each key.
    """
    rows = readings.filter(
        pl.col("meter_id").is_in(list(streams_for(site, scope_meters(site, scope))))
        & pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
    )
    return bool((rows["source_minutes"] > minutes).any())
