"""Sites and their scopes, as the person who asks sees them."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assets.sites.scopes import carrier_of, is_allocated, known_spans
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.site_file.site import Site
from orchestration.web.cache import BASE, PAGING, json_answer, listed, whole
from orchestration.web.queries import age_of, expect_marts, scopes_of, sites_as_of, stamp_of
from orchestration.web.request_context import Context, requires

router = APIRouter(prefix=BASE)


@router.get("/sites")
def sites(
    request: Request, ctx: Context = requires(Permission.READ, takes=PAGING, shared=("site", "as_of"))
) -> Response:
    """Every site, or the one that is named, with how old its numbers are."""
    known = sites_as_of(ctx, ctx.selected_sites())
    expect_marts(ctx, known)
    stamp = "|".join(stamp_of(ctx, site) for site in known)
    return listed(request, ctx, stamp, whole(lambda: [_site(ctx, site) for site in known]))


@router.get("/sites/{site_id}")
def site(request: Request, site_id: str, ctx: Context = requires(Permission.READ, shared=("as_of",))) -> Response:
    """One site with its scopes."""
    of_site = ctx.of(site=site_id)
    found = of_site.site()
    return json_answer(
        request, of_site, stamp_of(of_site, found), lambda: {**_site(of_site, found), "scopes": _scopes(of_site, found)}
    )


@router.get("/scopes")
def scopes(request: Request, ctx: Context = requires(Permission.READ, takes=PAGING, shared=("site",))) -> Response:
    """The scopes of a site."""
    found = ctx.site()
    return listed(
        request, ctx, stamp_of(ctx, found), whole(lambda: _scopes(ctx, found)), more=lambda: {"site": found.site_id}
    )


def _site(ctx: Context, site: Site) -> dict[str, Any]:
    age = age_of(ctx, site)
    return {
        "site": site.site_id,
        "name": site.name,
        "time_zone": site.time_zone,
        "currency": site.currency,
        "country": site.country,
        "is_simulated": site.is_simulated,
        "readings_to": age.readings_to_utc,
        "marts_of": age.marts_utc,
        "stale_months": age.stale,
    }


def _scopes(ctx: Context, site: Site) -> list[dict[str, Any]]:
    found = []
    for scope, name in scopes_of(ctx, site, has_registers=True).items():
        spans = known_spans(site, scope)
        kind = spans[0].kind if spans else scope.partition(":")[0]
        found.append({
            "scope": scope,
            "name": name,
            "kind": kind,
            "carrier": carrier_of(site, spans) if spans else "electricity",
            "is_allocated": is_allocated(spans),
        })  # fmt: skip
    return found
