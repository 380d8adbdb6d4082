"""Which meters make up each scope on each local day: meter, SEU, site by carrier, building, zone, tenant, asset.

Parts of one kind and what they leave add up to the site's total of the carrier, day by day: a meter of a part counts
for it and against the remainder, a shared meter is given out in shares that add up to one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT, has_import, primary_meters, total_meters
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import once
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER, breakpoints
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.premises import REMAINDER, SHARE_DECIMALS, Part, PartMeter, part_edges
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of

ONE = Decimal(1)
ENERGY = "energy"
# What dated membership writes for an open end; both engines hold these dates.
FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)


class Member(NamedTuple):
    """A meter of a scope. sign -1: it is taken out. share below one: of each day's amount, by largest remainder."""

    meter_id: str
    sign: int = 1
    share: Decimal = ONE


class ScopeSpan(NamedTuple):
    """A scope whose members do not change over local days [start, end)."""

    scope: str
    kind: str
    start: date
    end: date
    members: tuple[Member, ...]


Members = dict[tuple[str, str], tuple[Member, ...]]


@once
def scope_spans(site: Site) -> tuple[ScopeSpan, ...]:
    """Every scope with its members by spans of days, in order of scope and time; days without members are left out.

    Names: `meter:x`, `seu:x`, `site:x` (electricity), `site:x/<carrier>` for other carriers in kWh, `site:x/energy` for
    all of them where there are several, and `building:x`, `zone:x`, `tenant:x`, `asset:x`, each with `/<carrier>` for
    what is not electricity. Source: formulas 5.1, 5.10; resolution C3.14.
    """
    edges = sorted({date.min, *breakpoints(site.meters), *part_edges(site.premises)})
    found: dict[tuple[str, str], list[ScopeSpan]] = {}
    for start, end in pairwise([*edges, date.max]):
        for (kind, scope), members in _members_on(site, start).items():
            spans = found.setdefault((kind, scope), [])
            # A change of the hierarchy leaves most scopes as they were.
            if spans and spans[-1].members == members and spans[-1].end == start:
                spans[-1] = spans[-1]._replace(end=end)
            else:
                spans.append(ScopeSpan(scope, kind, start, end, members))
    return tuple(span for spans in found.values() for span in spans)


@once
def spans_by_scope(site: Site) -> dict[str, list[ScopeSpan]]:
    """Scope -> its spans, in the order of scope_spans."""
    found: dict[str, list[ScopeSpan]] = {}
    for span in scope_spans(site):
        found.setdefault(span.scope, []).append(span)
    return found


@once
def register_scopes(site: Site) -> dict[str, tuple[str, str]]:
    """Scope `meter:x/export` -> meter and register: those that count kWh other than consumption, which is `meter:x`.

    They have readings and no row of the marts.
    """
    return {
        f"meter:{meter.meter_id}/{each.register_id}": (meter.meter_id, each.register_id)
        for meter in site.meters
        for each in meter.registers
        if unit_of(each.unit).canonical == ENERGY_UNIT
        and not (has_import(meter) and each.register_id == CONSUMPTION_REGISTER)
    }


def carrier_of(site: Site, spans: Iterable[ScopeSpan]) -> str:
    """The carrier that all meters of the spans share, or mixed."""
    carriers = {meter.carrier.value for span in spans for each in span.members if (meter := site.meter(each.meter_id))}
    return carriers.pop() if len(carriers) == 1 else "mixed"


def is_allocated(spans: Iterable[ScopeSpan]) -> bool:
    """True where a share of a meter is among the members: such a scope has amounts by day, and no demand of its own."""
    return any(member.share != ONE for span in spans for member in span.members)


def scope_rows(site: Site) -> pl.DataFrame:
    """The scopes as lake.scope_members: one row per scope, span and member."""
    rows = [
        (
            site.site_id, scope, span.kind, carrier, each.meter_id,
            FIRST_DAY if span.start == date.min else span.start, LAST_DAY if span.end == date.max else span.end,
            each.sign, each.share, len(span.members), has_shares,
        )
        for scope, spans in spans_by_scope(site).items()
        for carrier, has_shares in [(carrier_of(site, spans), is_allocated(spans))]
        for span in spans
        for each in span.members
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["scope_members"], orient="row")


def known_spans(site: Site, scope: str) -> Sequence[ScopeSpan]:
    """The spans of the scope, of a register one. Raises BadInput for one that the site does not have."""
    if found := spans_by_scope(site).get(scope):
        return found
    if scope in register_scopes(site):
        return (ScopeSpan(scope, "register", date.min, date.max, (Member(register_scopes(site)[scope][0]),)),)
    kind, _, name = scope.partition(":")
    is_empty = (kind == "meter" and site.meter(name) is not None) or (
        kind == "seu" and name in [seu.seu_id for seu in site.seus]
    )
    if not is_empty and scope != f"site:{site.site_id}":
        others = sorted({span.scope for span in scope_spans(site) if span.kind not in ("meter", "seu", "site")})
        raise BadInput(
            f"unknown scope {scope!r} at site {site.site_id}; expected site:{site.site_id}, meter:<meter_id>, "
            f"seu:<seu_id>{''.join(f', {each}' for each in others)}",
            reason="unknown_scope",
        )
    return ()


def _members_on(site: Site, day: date) -> Members:
    # Asked by name for each meter of each use: a list would make that the square of them.
    importing = dict.fromkeys(meter.meter_id for meter in site.meters if has_import(meter))
    found: Members = {("meter", f"meter:{name}"): (Member(name),) for name in importing}
    for seu in site.seus:
        found["seu", f"seu:{seu.seu_id}"] = _whole(name for name in seu.meters if name in importing)
    here = f"site:{site.site_id}"
    totals = {carrier: [name for name in total_meters(site, carrier, day) if name in importing] for carrier in Carrier}
    for carrier, names in totals.items():
        found["site", here + _suffix(carrier)] = _whole(names)
    primary = [meter for name in primary_meters(site, day) if (meter := site.meter(name)) is not None]
    if len({meter.carrier for meter in primary}) > 1:
        found["site", f"{here}/{ENERGY}"] = _whole(meter.meter_id for meter in primary)
    for kind, parts in _shares_on(site, day).items():
        for carrier, names in totals.items():
            found |= _parts(site, kind, carrier, names, parts)
    return {key: members for key, members in found.items() if members}


def _whole(names: Iterable[str]) -> tuple[Member, ...]:
    return tuple(Member(name) for name in dict.fromkeys(names))


def _suffix(carrier: Carrier) -> str:
    return "" if carrier is Carrier.ELECTRICITY else f"/{carrier.value}"


def _shares_on(site: Site, day: date) -> dict[str, dict[str, dict[str, Decimal]]]:
    """Kind -> part -> meter -> share, as it holds on the day. An asset has its meter alone, or not at all."""
    found = {
        kind: {part.part_id: _part_shares(part, parts, day) for part in parts}
        for kind, parts in site.premises.parts().items()
    }
    owners = [asset.meter for asset in site.assets if asset.meter is not None]
    found["asset"] = {
        asset.asset_id: {asset.meter: ONE}
        for asset in site.assets
        if asset.meter is not None and owners.count(asset.meter) == 1 and not _is_below(site, asset.meter, owners, day)
    }
    return found


def _is_below(site: Site, meter_id: str, others: Sequence[str], day: date) -> bool:
    above = site.meter(meter_id)
    while above is not None and (above := site.meter(above.parent_on(day) or "")) is not None:
        # Its energy is in the other asset's already.
        if above.meter_id in others:
            return True
    return False


def _part_shares(part: Part, parts: Sequence[Part], day: date) -> dict[str, Decimal]:
    held = [given for given in part.meters if given.holds_on(day)]
    return {given.meter: _by_area(part, given, parts, day) if given.by_area else given.share or ONE for given in held}


def _by_area(part: Part, given: PartMeter, parts: Sequence[Part], day: date) -> Decimal:
    """The part's share of the floor area of all who share the meter by area: six decimals that add up to one."""
    # Whole thousandths of m2: shares follow from integers, the same on every machine.
    areas = {
        each.part_id: next((int(area.m2 * 1000) for area in each.floor_areas if area.holds_on(day)), 0)
        for each in parts
        if any(other.meter == given.meter and other.by_area and other.holds_on(day) for other in each.meters)
    }
    return Decimal(largest_remainder(10**SHARE_DECIMALS, areas)[part.part_id]).scaleb(-SHARE_DECIMALS)


def largest_remainder(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """The amount in whole parts by weight, adding up to it; what rounding down leaves goes to the largest fractions.

    Of equal fractions the first by name is served first. A negative amount is shared as its positive and turned.
    """
    total, size = sum(weights.values()), abs(amount)
    parts = {name: size * weight // total for name, weight in weights.items()}
    order = sorted(weights, key=lambda name: (-(size * weights[name] % total), name))
    # Rounding down leaves fewer wholes over than there are parts, so one each is enough.
    for name in order[: size - sum(parts.values())]:
        parts[name] += 1
    return {name: -part if amount < 0 else part for name, part in parts.items()}


def _parts(
    site: Site, kind: str, carrier: Carrier, whole: Sequence[str], parts: Mapping[str, Mapping[str, Decimal]]
) -> Members:
    """Members of each part and of what they leave; nothing where no part has a meter of the carrier."""
    own = {
        part_id: {name: share for name, share in shares.items() if _counts(site, name, carrier)}
        for part_id, shares in parts.items()
    }
    touched: dict[str, Decimal] = {}
    for shares in own.values():
        for name, share in shares.items():
            touched[name] = touched.get(name, Decimal(0)) + share
    if not touched:
        return {}
    suffix = _suffix(carrier)
    found: Members = {
        (kind, f"{kind}:{part_id}{suffix}"): tuple(Member(name, 1, share) for name, share in shares.items())
        for part_id, shares in own.items()
        if part_id != REMAINDER[kind]
    }
    # What is left: totals that no part names, less submeters that one does, and of shared meters what nobody claims.
    left = [Member(name) for name in whole if name not in touched]
    left += [Member(name, -1) for name in touched if name not in whole]
    left += [Member(name, 1, ONE - share) for name, share in touched.items() if share < ONE]
    found[kind, f"{kind}:{REMAINDER[kind]}{suffix}"] = tuple(left)
    return found


def _counts(site: Site, name: str, carrier: Carrier) -> bool:
    meter = site.meter(name)
    if meter is None or meter.is_virtual or meter.is_made_on_site:
        return False
    return meter.carrier is carrier and has_import(meter)
