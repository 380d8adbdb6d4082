"""Premises of a site file: what is refused and why, and which meters make up a part on which day."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.kpi.facts import facts, streams
from assets.sites.scopes import Member, ScopeSpan, largest_remainder, scope_spans
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site

METERS = [
    {"meter_id": "main", "connected_load_kw": 500, "registers": [{"register_id": "import"}, {"register_id": "export"}]},
    {"meter_id": "floor", "parent": "main"},
    {"meter_id": "shop", "parent": "main", "connected_load_kw": 20},
    {"meter_id": "fridge", "parent": "shop", "connected_load_kw": 5},
    {"meter_id": "sum", "formula": "floor + shop"},
    {"meter_id": "pv", "parent": "main", "registers": [{"register_id": "value"}]},
    {"meter_id": "gas", "carrier": "natural_gas"},
]
DRIVERS = [
    {"driver_id": "parts", "unit": "count", "aggregation": "sum"},
    {"driver_id": "outdoor", "unit": "degc", "aggregation": "mean"},
]


def spans_of(site: Site, scope: str) -> list[ScopeSpan]:
    """The spans of one scope, in order; empty for one that the site has not."""
    return [span for span in scope_spans(site) if span.scope == scope]


def site(premises: dict[str, Any] | None = None, **changes: Any) -> Site:
    base = {
        "site_id": "s", "name": "S", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
        "meters": METERS, "drivers": DRIVERS, "premises": premises or {},
    }  # fmt: skip
    return Site.model_validate(base | changes)


def tenants(*parts: tuple[str, list[dict[str, Any]]], area: int | None = None) -> dict[str, Any]:
    areas = [] if area is None else [{"m2": area, "definition": "NLA"}]
    return {"tenants": [{"tenant_id": name, "meters": meters, "floor_areas": areas} for name, meters in parts]}


WHOLE, HALF, AREA = {"meter": "floor"}, {"meter": "floor", "share": 0.5}, {"meter": "floor", "by_area": True}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown meter": (tenants(("a", [{"meter": "flor"}])), "meter 'flor' is not of this site; it has main, floor"),
    "too much": (tenants(("a", [HALF]), ("b", [HALF | {"share": 0.6}])), "shares of meter 'floor' add up to 1.1"),
    "whole and shared": (tenants(("a", [WHOLE]), ("b", [HALF])), "'floor' is given whole and shared: tenants 'a', 'b'"),
    "two rules": (tenants(("a", [HALF]), ("b", [AREA]), area=9), "shared by area and by stated shares"),
    "both rules": (tenants(("a", [AREA | {"share": 0.5}])), "give share or by_area, not both"),
    "no area": (tenants(("a", [AREA]), ("b", [AREA])), "shares meter 'floor' by area, but has no floor area"),
    "below another": (
        tenants(("a", [{"meter": "shop"}]), ("b", [{"meter": "fridge"}])),
        "'fridge' is below 'shop', which is given to tenant 'a' already",
    ),
    "virtual": (tenants(("a", [{"meter": "sum"}])), "meter 'sum' is virtual; name what it is of"),
    "own remainder": (tenants(("landlord", [WHOLE])), "'landlord' is what the others leave"),
    "twice": (tenants(("a", []), ("a", [])), "tenant id appears twice: a"),
    "two areas": (
        {"floor_areas": [{"m2": 5, "definition": "GIA"}, {"m2": 6, "definition": "GIA", "valid_from": "2025-01-01"}]},
        "floor_areas: two hold at one time, from 2025-01-01",
    ),
    "ends first": (
        {"occupants": [{"persons": 5, "valid_from": "2025-02-01", "valid_to": "2025-01-01"}]},
        "valid_to 2025-01-01 must be after valid_from 2025-02-01",
    ),
    "no building": ({"zones": [{"zone_id": "z", "building": "b"}]}, "building 'b' is not of this site; it has none"),
    "level as product": ({"products": [{"product_id": "p", "driver": "outdoor"}]}, "'outdoor' is not of this site"),
    "count as weather": ({"degree_days": {"driver": "parts", "station": "x"}}, "driver in degc 'parts' is not"),
    "no register": ({"generation": [{"meter": "pv", "register_id": "out"}]}, "register of meter 'pv' 'out' is not"),
    "share of 42": ({"renewable_contracts": [{"share": 42, "source": "x"}]}, "less than or equal to 1"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_premises_that_contradict_the_site_are_refused_by_name(name: str) -> None:
    premises, sentence = REFUSED[name]
    with pytest.raises(ValidationError, match=sentence.replace("(", r"\(")):
        site(premises)


@pytest.mark.parametrize("name", ["GIA", "NLA", "GFA", "BGF (DIN 277)", "surface de plancher"])
def test_an_area_may_be_counted_as_the_country_counts_it(name: str) -> None:
    found = site({}, floor_area_m2=6, floor_area_definition=name)
    assert found.floor_area_definition == name
    of_tenants = site({"floor_areas": [{"m2": 5, "definition": name}]})
    assert of_tenants.premises.floor_areas[0].definition == name


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 81])
def test_the_name_of_an_area_is_one_short_line(name: str) -> None:
    with pytest.raises(ValidationError, match="floor_area_definition"):
        site({}, floor_area_m2=6, floor_area_definition=name)


def test_two_floor_areas_of_a_site_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="floor_area_m2 is given too"):
        site({"floor_areas": [{"m2": 5, "definition": "GIA"}]}, floor_area_m2=6, floor_area_definition="GIA")


def test_without_premises_a_site_has_the_scopes_of_its_meters() -> None:
    scopes = {span.scope for span in scope_spans(site())}
    assert scopes == {
        "meter:main", "meter:floor", "meter:shop", "meter:fridge", "meter:sum", "meter:gas",
        "site:s", "site:s/natural_gas", "site:s/energy",
    }  # fmt: skip


def test_what_the_tenants_leave_is_the_landlords() -> None:
    place = site(tenants(("a", [{"meter": "shop"}]), ("b", [HALF])))
    [landlord] = spans_of(place, "tenant:landlord")
    assert landlord.members == (
        Member("main"), Member("shop", -1), Member("floor", -1), Member("floor", 1, Decimal("0.5")),
    )  # fmt: skip


def test_a_tenant_who_moves_in_counts_from_that_day() -> None:
    place = site(tenants(("a", [WHOLE | {"valid_from": date(2025, 7, 1)}])))
    [mine] = spans_of(place, "tenant:a")
    assert (mine.start, mine.end) == (date(2025, 7, 1), date.max)
    assert [span.start for span in spans_of(place, "tenant:landlord")] == [date(2025, 7, 1)]


def test_the_site_counts_the_meters_that_stood_on_top_on_each_day() -> None:
    moves = {"meter_id": "floor", "parents": [{"parent": "main", "valid_from": "2025-07-01"}]}
    moved = [moves if each["meter_id"] == "floor" else each for each in METERS]
    spans = spans_of(site(meters=moved), "site:s")
    assert [(span.start, [each.meter_id for each in span.members]) for span in spans] == [
        (date.min, ["main", "floor"]),
        (date(2025, 7, 1), ["main"]),
    ]


def test_three_areas_share_a_meter_up_to_the_whole() -> None:
    place = site(tenants(("a", [AREA]), ("b", [AREA]), ("c", [AREA]), area=100))
    shares = [span.members[0].share for name in "abc" for span in spans_of(place, f"tenant:{name}")]
    assert sorted(shares) == [Decimal("0.333333"), Decimal("0.333333"), Decimal("0.333334")]
    assert sum(shares) == 1


def test_assets_on_meters_of_their_own_divide_the_site() -> None:
    assets = [
        {"asset_id": "cooler", "kind": "machine", "meter": "shop"},
        {"asset_id": "part", "kind": "machine", "meter": "fridge"},
        {"asset_id": "x", "kind": "machine", "meter": "floor"},
        {"asset_id": "y", "kind": "machine", "meter": "floor"},
    ]
    scopes = {span.scope: span.members for span in scope_spans(site(assets=assets)) if span.kind == "asset"}
    assert scopes == {"asset:cooler": (Member("shop"),), "asset:other": (Member("main"), Member("shop", -1))}


def test_connected_load_is_known_where_every_meter_states_it() -> None:
    known = {fact.scope: fact.amount for fact in facts(site()) if fact.fact == "connected_load_kw"}
    assert known == {"meter:main": 500, "meter:shop": 20, "meter:fridge": 5, "site:s": 500}


def test_generation_is_declared_or_that_of_pv_assets() -> None:
    declared = site({"generation": [{"meter": "pv"}]})
    by_asset = site(assets=[{"asset_id": "roof", "kind": "pv", "meter": "pv"}])
    for place in (declared, by_asset):
        roles = [(each.role, each.stream_id, each.register) for each in streams(place)]
        assert roles == [("generation", "pv", "value"), ("export", "main", "export")]


@given(
    amount=st.integers(-(10**20), 10**20),
    weights=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**6), min_size=1),
)
def test_shares_always_add_up_to_what_is_shared(amount: int, weights: dict[str, int]) -> None:
    parts = largest_remainder(amount, weights)
    assert sum(parts.values()) == amount
    total = sum(weights.values())
    assert all(abs(parts[name] * total - amount * weight) < total for name, weight in weights.items())


@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=2), st.integers(1, 10**6))
def test_parts_of_any_shares_make_the_sites_total(shares: list[int], kwh: int) -> None:
    parts = [(f"t{at}", [HALF | {"share": Decimal(share).scaleb(-6)}]) for at, share in enumerate(shares)]
    place = site(tenants(*parts))
    energy = {"main": 3 * kwh, "floor": kwh}
    given_out = {
        span.scope: sum(
            member.sign * member.share * energy[member.meter_id] for member in span.members if member.meter_id in energy
        )
        for span in scope_spans(place)
        if span.kind == "tenant"
    }
    assert sum(given_out.values()) == 3 * kwh
    assert place.meters[0].carrier is Carrier.ELECTRICITY
