"""Which streams a KPI of a scope reads: the scope's meters, and what else the KPI divides by or adds."""

from assets.kpi.facts import streams_by_scope
from assets.sites.scopes import known_spans
from assets.sites.virtual import streams_for
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site

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
