"""/keys: API keys of a person, made, shown once and revoked by the operations of `meterloom keys`."""

import secrets

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data_quality.contracts.access.api_key import FOR_MACHINES, ApiKey
from data_quality.contracts.access.api_key import READS as READABLE
from data_quality.contracts.access.permissions import Permission, permissions_of
from data_quality.contracts.errors import BadInput
from orchestration.operations.project.keys import keys_issue, keys_revoke
from orchestration.web.draw import draw
from orchestration.web.people.seen import listed_keys
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall, signer_of
from reports.pages.key_list import PATH, keys_page, make_form
from reports.pages.page import PageBlock
from reports.pages.signers import signed
from reports.report_content import Paragraph

router = APIRouter(include_in_schema=False)
_SHARED = ("locale",)
# All that the owner may read; pushing readings is chosen by its own name.
READS = "read"


@router.get(PATH, response_class=HTMLResponse)
def keys(ctx: Context = requires(Permission.KEYS_OWN, shared=_SHARED)) -> Response:
    """One's own keys; for an engineer, those of everybody at their sites."""
    return _drawn(ctx)


@router.post(PATH + "/issue", response_class=HTMLResponse)
def issue(ctx: Context = requires(Permission.KEYS_OWN, shared=_SHARED)) -> Response:
    """Make a key as `meterloom keys issue` does, and show it this once."""
    form, site = ctx.form, ctx.of(site=ctx.form.get("site") or "–").site()
    days = form.get("days", "")
    if not (days.isascii() and days.isdecimal() and len(days) <= 4):
        raise BadInput("name the days that the key lasts as a whole number", reason="bad_request")
    scope = form.get("scope", "")
    scopes = [each.value for each in _readable(ctx)] if scope == READS else [scope]
    issued = keys_issue(WebCall(ctx), form.get("name", "").strip(), [site.site_id], int(days), scopes).result
    assert isinstance(issued, dict)  # noqa: S101 - of the operation above
    made = ApiKey.model_validate({name: issued[name] for name in ApiKey.model_fields})
    return _drawn(ctx, (made, str(issued["key"])))


@router.post(PATH + "/revoke")
def revoke(ctx: Context = requires(Permission.KEYS_OWN, shared=_SHARED)) -> Response:
    """Let a key open nothing any more, as `meterloom keys revoke` does."""
    key_id, reason = ctx.form.get("key", ""), ctx.form.get("reason", "").strip()
    if key_id not in {each.key.key_id for each in listed_keys(ctx)}:
        raise BadInput(f"there is no key {key_id[:20]!r}", reason="unknown_key")
    if not reason:
        raise BadInput("say why the key is revoked", reason="no_reason")
    keys_revoke(WebCall(ctx), key_id, reason)
    return RedirectResponse(ctx.address.href(PATH), 303)


def _drawn(ctx: Context, made: tuple[ApiKey, str] | None = None) -> Response:
    drawn = draw(
        ctx, keys_page(listed_keys(ctx), ctx.address.model_copy(update={"path": PATH}), make=_make(ctx), made=made)
    )
    # In the page stands what the next secret is made of.
    drawn.headers["Cache-Control"] = "no-store"
    return drawn


def _readable(ctx: Context) -> list[Permission]:
    return sorted(permissions_of(ctx.person.roles) & READABLE)


def _make(ctx: Context) -> PageBlock:
    """The form of a new key, signed where people sign; or in a sentence why there is none."""
    sites = tuple((each, site.name) for each, site in ctx.sites().items())
    readable = _readable(ctx)
    scopes = [(READS, "Read what its owner may read")] if readable else []
    if Permission.READINGS_PUSH in permissions_of(ctx.person.roles):
        scopes.append((Permission.READINGS_PUSH.value, "Push readings"))
    others = permissions_of(ctx.person.roles) & FOR_MACHINES - {Permission.READINGS_PUSH}
    scopes += [(each.value, each.value) for each in sorted(others)]
    if not sites or not scopes:
        return Paragraph(text="Your roles may read nothing that a key could read.", tone="muted")
    form = make_form(ctx.address, sites=sites, scopes=scopes, chance=secrets.token_urlsafe(32))
    return signed(form, f'keys issue "…" --site {sites[0][0]}', signer_of(ctx), ending="")
