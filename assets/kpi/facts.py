"""Denominators of the KPIs, and their streams other than import energy: rows for the warehouse. Pure.

Roles of a stream: `generation`, `export`, `kvarh`, `water` and `product/<id>`; each belongs to the scope that it names.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from assets.sites.generation import generation
from assets.sites.meter_tree import has_import, total_meters, tree_spans
from assets.sites.scopes import FIRST_DAY, LAST_DAY, ONE, ScopeSpan, scope_spans, spans_by_scope
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS
from data_quality.contracts.model import once
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.premises import Dated, FloorArea, Headcount, Part
from data_quality.contracts.site_file.site import Site


class Fact(NamedTuple):
    """An amount that holds for a scope over local days [start, end): area_m2, occupants, connected_load_kw …"""

    scope: str
    fact: str
    start: date
    end: date
    amount: Decimal


class Stream(NamedTuple):
    """A stream that plays a role in a scope's KPIs over local days [start, end)."""

    scope: str
    role: str
    stream_id: str
    register: str
    start: date
    end: date


def facts(site: Site) -> list[Fact]:
    """Every dated fact of every scope. `tenant:x/natural_gas` has the area and people of `tenant:x`."""
    found: list[Fact] = []
    owners: dict[str, Part] = {
        f"{kind}:{part.part_id}": part for kind, parts in site.premises.parts().items() for part in parts
    }
    for scope in spans_by_scope(site):
        # Of `tenant:x/natural_gas` the owner is the tenant: area and people are not by carrier.
        owner = scope.split("/")[0]
        if owner in owners:
            found += _of_part(scope, owners[owner].floor_areas, owners[owner].occupants)
        elif owner == f"site:{site.site_id}":
            found += _of_part(scope, site.premises.floor_areas, site.premises.occupants)
            if site.floor_area_m2 is not None:
                found.append(Fact(scope, "area_m2", FIRST_DAY, LAST_DAY, Decimal(str(site.floor_area_m2))))
    here = f"site:{site.site_id}"
    found += [_fact(here, "contract_share", each, each.share) for each in site.premises.renewable_contracts]
    return found + [fact for span in scope_spans(site) if (fact := _connected(site, span)) is not None]


def _of_part(scope: str, areas: Sequence[FloorArea], occupants: Sequence[Headcount]) -> list[Fact]:
    found = [_fact(scope, "area_m2", area, area.m2) for area in areas]
    return found + [_fact(scope, "occupants", each, each.persons) for each in occupants]


def _fact(scope: str, name: str, dated: Dated, amount: Decimal) -> Fact:
    return Fact(scope, name, dated.valid_from or FIRST_DAY, dated.valid_to or LAST_DAY, amount)


def _connected(site: Site, span: ScopeSpan) -> Fact | None:
    """The connected load of a scope of whole meters, where each of them states its own."""
    # What a part of a meter has installed is not known: shares and differences have no connected load.
    if any(member.sign < 0 or member.share != ONE for member in span.members):
        return None
    loads = [meter.connected_load_kw for each in span.members if (meter := site.meter(each.meter_id)) is not None]
    if not loads or any(load is None for load in loads):
        return None
    total = sum((Decimal(str(load)) for load in loads), Decimal(0))
    return Fact(span.scope, "connected_load_kw", *_days(span.start, span.end), total)


@once
def streams(site: Site) -> tuple[Stream, ...]:
    """Every stream other than import energy that a KPI reads."""
    here = f"site:{site.site_id}"
    found = [Stream(here, "generation", meter, register, FIRST_DAY, LAST_DAY) for meter, register in generation(site)]
    found += _exports(site, here)
    found += _water(site, here)
    for scope, spans in spans_by_scope(site).items():
        found += _reactive(site, scope, spans)
    for product in site.premises.products:
        scopes = [here, *(f"seu:{seu_id}" for seu_id in product.seus)]
        found += [
            Stream(scope, f"product/{product.product_id}", product.driver, "value", FIRST_DAY, LAST_DAY)
            for scope in scopes
        ]
    return tuple(found)


@once
def streams_by_scope(site: Site) -> dict[str, list[Stream]]:
    """Scope -> the streams that play a role in it."""
    found: dict[str, list[Stream]] = {}
    for stream in streams(site):
        found.setdefault(stream.scope, []).append(stream)
    return found


def _exports(site: Site, here: str) -> list[Stream]:
    """Feed-in of the site's supply meters; a generation meter's own register is none of it."""
    made = {meter for meter, _ in generation(site)}
    found = []
    for span in tree_spans(site):
        for name in total_meters(site, Carrier.ELECTRICITY, span.start):
            meter = site.meter(name)
            # The export register of a generator counts what it made, not what left the site.
            if meter is not None and has_import(meter) and name not in made and _has(meter, "export"):
                found.append(Stream(here, "export", name, "export", *_days(span.start, span.end)))
    return found


def _water(site: Site, here: str) -> list[Stream]:
    found = []
    for meter in site.meters:
        register = meter.register_in("m3") if meter.carrier is Carrier.WATER else None
        if register is not None:
            found.append(Stream(f"meter:{meter.meter_id}", "water", meter.meter_id, register, FIRST_DAY, LAST_DAY))
    for span in tree_spans(site):
        for name in total_meters(site, Carrier.WATER, span.start):
            whole = site.meter(name)
            register = whole.register_in("m3") if whole is not None else None
            if register is not None:
                found.append(Stream(f"{here}/water", "water", name, register, *_days(span.start, span.end)))
    return found


def _reactive(site: Site, scope: str, spans: Sequence[ScopeSpan]) -> list[Stream]:
    """Reactive energy of a scope of whole meters, where each of them counts it at all times."""
    members = [(span, member) for span in spans for member in span.members]
    if any(member.sign < 0 or member.share != ONE for _, member in members):
        return []
    found = []
    for span, member in members:
        meter = site.meter(member.meter_id)
        register = meter.register_in("kvarh") if meter is not None else None
        if register is None:
            # One member without it leaves the scope's power factor unknown.
            return []
        found.append(Stream(scope, "kvarh", member.meter_id, register, *_days(span.start, span.end)))
    return found


def _has(meter: Meter, register_id: str) -> bool:
    return any(register.register_id == register_id for register in meter.registers)


def _days(start: date, end: date) -> tuple[date, date]:
    return FIRST_DAY if start == date.min else start, LAST_DAY if end == date.max else end


def fact_rows(sites: Iterable[Site]) -> pl.DataFrame:
    """lake.scope_facts of the sites."""
    rows = [(site.site_id, *fact) for site in sites for fact in facts(site)]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["scope_facts"], orient="row")


def stream_rows(sites: Iterable[Site]) -> pl.DataFrame:
    """lake.kpi_streams of the sites."""
    rows = [(site.site_id, *stream) for site in sites for stream in streams(site)]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["kpi_streams"], orient="row")


def rule_rows(sites: Iterable[Site]) -> pl.DataFrame:
    """lake.degree_rules of the sites that make degree days."""
    rules = [(site.site_id, site.premises.degree_days) for site in sites]
    rows = [
        (name, rule.driver, rule.station, rule.method, rule.heating_base_degc, rule.cooling_base_degc)
        for name, rule in rules
        if rule is not None
    ]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["degree_rules"], orient="row")
